#!/usr/bin/env bash
# Builds the images (scripts/images.sh) and tests them (tests/image): size, privileges, order at SIGTERM, and the main job from inside
# them against a Kafka that is reached by SCRAM over TLS. Needs root; takes minutes.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run image
. scripts/image-env.sh

version=$(sed -n 's/^project(kmd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
targets="ingest enricher sink migrate sim"

archives() {
    local target
    for target in $targets; do
        rm -f "build/image/kmd-$target.tar"
        buildah push --quiet "localhost/kmd-$target:$version" "docker-archive:build/image/kmd-$target.tar" || return
        gzip --force "build/image/kmd-$target.tar" || return
    done
}

# Where tests write; it is there inside the containers too, under the same path.
folder=$(mktemp -d /tmp/kmd-image-XXXXXX)
trap 'rm -rf "$folder"' EXIT
chmod 711 "$folder"

# program NAME PODMAN_ARGUMENT...: build/image/bin/NAME runs podman with our storage. Tests start programs from such a folder; what they
# set goes through by its name.
program() {
    local name=$1
    shift
    printf '#!/bin/sh\nCONTAINERS_STORAGE_CONF=%s CONTAINERS_CONF=%s exec podman %s "$@"\n' \
        "$CONTAINERS_STORAGE_CONF" "$CONTAINERS_CONF" "$*" >"build/image/bin/$name"
    chmod +x "build/image/bin/$name"
}

programs() {
    mkdir -p build/image/bin
    local run="run --rm --network=host --read-only --cap-drop=all --security-opt=no-new-privileges --log-driver=none"
    run="$run --volume=$folder:$folder --env='KMD_*' --env='KALSHI_*' --env='KAFKA_*' --env='PG*' --env='DATABASE_URL*'"
    local target
    program podman
    for target in $targets; do program "kmd-$target" "$run localhost/kmd-$target:$version"; done
}

stage 'images' scripts/images.sh
stage 'archives' archives
stage 'programs that run the images' programs
stage 'tests of the images' env -C tests KMD_BIN="$PWD/build/image/bin" TMPDIR="$folder" PATIENCE="${PATIENCE:-2}" \
    ../build/venv/bin/python -m pytest image -q -rA
summary
