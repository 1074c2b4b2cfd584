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

# mirror_of LABEL: the mirror that this system uses for what Debian's Release files call by that label
mirror_of() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Label: $1" | head -n 1; }

# A root as debian:trixie-slim has it, from the mirrors that this system uses; the fixes of trixie-security too, which the image's own
# apt then looks for as well.
make_base() {
    buildah inspect --type image "$base" >/dev/null 2>&1 && return 0
    local signed='deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' main security container
    main=$(mirror_of Debian) && security=$(mirror_of Debian-Security) || return
    mmdebstrap --variant=minbase --mode=root --quiet --include=ca-certificates --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        trixie "build/image/base.tar" "$signed $main trixie main" "$signed $main trixie-updates main" \
        ${security:+"$signed $security trixie-security main"} || return
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
