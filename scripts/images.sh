#!/usr/bin/env bash
# The images of docker/Dockerfile as localhost/kmd-{ingest,enricher,sink,migrate,sim}:VERSION, by buildah, without a daemon and
# without a registry: the base is made here from Debian's packages. Everything lies under build/image; root is needed.
#   usage: scripts/images.sh [TARGET...]
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "images: mmdebstrap and buildah's chroot isolation need root here" >&2; exit 1; }
scripts/setup.sh image

. scripts/image-env.sh
base=localhost/debian:trixie-slim
version=$(sed -n 's/^project(kmd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

# A root as debian:trixie-slim has it, from the mirror that this system uses.
make_base() {
    buildah inspect --type image "$base" >/dev/null 2>&1 && return 0
    local mirror container
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    mmdebstrap --variant=minbase --mode=root --quiet --include=ca-certificates --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        trixie "build/image/base.tar" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" || return
    container=$(buildah from scratch) || return
    buildah add --quiet "$container" "build/image/base.tar" / >/dev/null || return
    buildah config --cmd /bin/bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --rm "$container" "$base" >/dev/null || return
    rm "build/image/base.tar"
}

build() {
    buildah bud --format docker --layers --quiet --file docker/Dockerfile --target "$1" --tag "localhost/kmd-$1:$version" \
        --build-arg DEBIAN="$base" --build-arg VERSION="$version" --build-arg REVISION="$revision" . >/dev/null
}

stage 'base' make_base
for target in "${@:-ingest enricher sink migrate sim}"; do
    for one in $target; do stage "image kmd-$one:$version" build "$one"; done
done
summary
