#!/usr/bin/env bash
# The platform on a real Kubernetes of one node, made here from sources in a network namespace of its own (scripts/k8s): overlay dev
# rolled out and lived with, prod and every component admitted, a line each (tests/k8s). Needs root, and Go; the first time it builds
# Kubernetes and KEDA, which takes an hour on two cores.
#   usage: scripts/k8s-test.sh [STEP...]   (of tests/k8s/story.py; KEEP=1 leaves the cluster up: scripts/k8s/cluster.sh down)
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo 'k8s-test: a node needs root' >&2; exit 1; }
scripts/setup.sh build run image k8s

stage 'images' scripts/k8s/images.sh
stage 'programs of the cluster' scripts/k8s/programs.sh
k8s/overlays/dev/make-secrets.sh
[ -n "${KEEP:-}" ] || trap 'scripts/k8s/cluster.sh down' EXIT
stage 'cluster' scripts/k8s/cluster.sh up
stage 'story' scripts/k8s/cluster.sh run env -C tests PATIENCE="${PATIENCE:-2}" ../build/venv/bin/python -m k8s.story "$@"
summary
