#!/usr/bin/env bash
# What the cluster runs, as archives in build/k8s-images: our images (scripts/images.sh) and the stand-ins of tests/k8s/images for
# Kafka, Postgres and the pause container, under the names that overlay dev uses.
. "$(dirname "$0")/../lib.sh"
scripts/images.sh
. scripts/image-env.sh

out=$PWD/build/k8s-images
version=$(sed -n 's/^project(kmd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
# named NAME: the image of that name in overlay dev
named() { sed -n "s/.*{name: $1, newName: \([^,]*\), newTag: \"\?\([0-9.]*\)\"\?}.*/\1:\2/p" k8s/overlays/dev/kustomization.yaml; }

context() {
    rm -rf "$out/context" && mkdir -p "$out/context"
    cp -L build/kafka/lib/*.jar "$out/context/" && mkdir "$out/context/lib" && mv "$out/context/"*.jar "$out/context/lib/" &&
        cp scripts/kafka/log4j2.properties tests/k8s/images/*.sh "$out/context/"
}

# stand_in TARGET IMAGE
stand_in() {
    buildah bud --format docker --layers --quiet --file tests/k8s/images/Dockerfile --target "$1" --tag "$2" \
        --build-arg DEBIAN=localhost/debian:trixie-slim "$out/context" >/dev/null
}

# archive NAME IMAGE
archive() {
    rm -f "$out/$1.tar"
    buildah push --quiet "$2" "docker-archive:$out/$1.tar:$2"
}

archives() {
    local target
    for target in ingest enricher sink migrate sim; do archive "$target" "localhost/kmd-$target:$version" || return; done
    archive kafka "$(named kafka)" && archive postgres "$(named postgres)" && archive pause localhost/pause:1
}

stage 'context of the stand-ins' context
stage 'pause' stand_in pause localhost/pause:1
stage 'Kafka' stand_in kafka "$(named kafka)"
stage 'Postgres' stand_in postgres "$(named postgres)"
stage 'archives' archives
summary
