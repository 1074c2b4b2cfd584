#!/usr/bin/env bash
# The programs of a real one-node Kubernetes, of KEDA and of what goes with them, built from their Go modules (verified by Go against
# the checksum database) into $KMD_K8S/bin, and the CRDs of KEDA, the Prometheus operator and Strimzi into $KMD_K8S/crds. Once: an hour
# on two cores; what is there is kept.
. "$(dirname "$0")/../lib.sh"
home=${KMD_K8S:-$HOME/.cache/kmd-k8s}
kubernetes=1.35.4
keda=v2.20.2
prometheus_operator=v0.85.0
coredns=v1.12.4
kubeconform=v0.7.0
mkdir -p "$home/bin" "$home/mod" "$home/crds"
export CGO_ENABLED=0

# module NAME@VERSION: its folder
module() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }

# Kubernetes names its own libraries as siblings of its source tree; a module of ours, which names their versions, builds it.
wrapper() {
    local source
    source=$(module "k8s.io/kubernetes@v$kubernetes")
    [ -d "$source" ] && cd "$home/mod" || return
    [ -f go.mod ] && return
    go mod init rig 2>/dev/null || return
    sed -n 's#^\s*\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$source/go.mod" | sort -u |
        while read -r name; do go mod edit -replace "$name=$name@v0.${kubernetes#1.}"; done
    go mod edit -require "k8s.io/kubernetes@v$kubernetes"
}

kubernetes() {
    local version=k8s.io/component-base/version one
    (
        wrapper || exit
        for one in "$@"; do
            [ -x "$home/bin/$one" ] || GOFLAGS='-mod=mod -buildvcs=false' go build -trimpath \
                -ldflags "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${kubernetes%.*}" \
                -o "$home/bin/$one" "k8s.io/kubernetes/cmd/$one" || exit
        done
    )
}

# KEDA pins what it needs by `replace`, which `go install` refuses: built in its own folder.
keda() {
    local source
    source=$(module "github.com/kedacore/keda/v2@$keda") && [ -d "$source" ] || return
    [ -x "$home/bin/keda-operator" ] || go -C "$source" build -trimpath -ldflags='-s -w' -o "$home/bin/keda-operator" ./cmd/operator || return
    [ -x "$home/bin/keda-adapter" ] || go -C "$source" build -trimpath -ldflags='-s -w' -o "$home/bin/keda-adapter" ./cmd/adapter || return
    cp "$source"/config/crd/bases/*.yaml "$home/crds/"
}

# installed NAME PACKAGE@VERSION
installed() { [ -x "$home/bin/$1" ] || GOBIN=$home/bin go install -trimpath -ldflags='-s -w' "$2"; }

prometheus_operator() {
    local source
    source=$(module "github.com/prometheus-operator/prometheus-operator@$prometheus_operator") || return
    cp "$source"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml "$home/crds/"
}

# By its own generator, which wants Java 21: that of the image of Kafka that scripts/k8s/images.sh has made.
strimzi() {
    local jars=$PWD/build/k8s-strimzi-jars kind
    [ -e "$home/crds/strimzi-KafkaUser.yaml" ] && return
    . scripts/image-env.sh
    mvn -q -B -f scripts/k8s/strimzi.xml -Dkmd.out="$jars" dependency:copy-dependencies || return
    for kind in topic.KafkaTopic user.KafkaUser; do
        podman run --rm --network=none --user=0 --volume="$jars:/jars:ro" --volume="$home/crds:/crds" --entrypoint=java \
            "docker.io/apache/kafka:4.4.0" -cp '/jars/*' io.strimzi.crdgenerator.CrdGenerator --yaml \
            "io.strimzi.api.kafka.model.$kind=/crds/strimzi-${kind#*.}.yaml" || return
    done
}

stage 'coredns' installed coredns "github.com/coredns/coredns@$coredns"
stage 'kubeconform' installed kubeconform "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform"
stage 'Kubernetes' kubernetes kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl
stage 'CRDs of the Prometheus operator' prometheus_operator
stage "CRDs of Strimzi" strimzi
stage 'KEDA' keda
summary
