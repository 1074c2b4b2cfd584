# Sourced from the top of the tree: where buildah and podman keep their images, and how they run without an engine and as root.
mkdir -p build/image
cat >build/image/storage.conf <<STORAGE
[storage]
driver = "overlay"
graphroot = "$PWD/build/image/storage"
runroot = "$PWD/build/image/run"
STORAGE
cat >build/image/containers.conf <<CONTAINERS
[containers]
# What any root may set, even one without CAP_SYS_RESOURCE.
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONTAINERS
export CONTAINERS_STORAGE_CONF=$PWD/build/image/storage.conf CONTAINERS_CONF=$PWD/build/image/containers.conf BUILDAH_ISOLATION=chroot
