#!/usr/bin/env bash
# A real Kubernetes of one node, node0, with KEDA, in a network namespace of its own: nothing of it is reachable from outside, and the
# host's routes and rules are untouched. As root; programs by scripts/k8s/programs.sh, images
# by scripts/k8s/images.sh. State in build/k8s-cluster.
#   usage: scripts/k8s/cluster.sh up | down | run COMMAND...   (run: inside it, by its names, with KUBECONFIG)
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${KMD_K8S:-$HOME/.cache/kmd-k8s}/bin
crds=${KMD_K8S:-$HOME/.cache/kmd-k8s}/crds
state=$PWD/build/k8s-cluster
net=kmd-k8s
address=10.99.0.1
export KUBECONFIG=$state/admin.kubeconfig PATH=$bin:$PATH

# Names of the cluster by a resolv.conf of our own, in a mount namespace of the command.
inside() {
    nsenter --net=/run/netns/$net unshare --mount --propagation=private \
        sh -c 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"' inside "$state/resolv.conf" "$@"
}

k() { nsenter --net=/run/netns/$net "$bin/kubectl" "$@"; }

# start NAME COMMAND...: in the background, its output and its number in files
start() {
    local name=$1
    shift
    if kill -0 "$(cat "$state/pid/$name" 2>/dev/null)" 2>/dev/null; then return; fi
    nsenter --net=/run/netns/$net setsid "$@" >"$state/log/$name.log" 2>&1 </dev/null &
    echo $! >"$state/pid/$name"
}

# wait_for WHAT COMMAND...: two minutes at most
wait_for() {
    local what=$1 _
    shift
    for _ in $(seq 240); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    echo "cluster: waited in vain: $what" >&2
    return 1
}

network() {
    [ -e /run/netns/$net ] || ip netns add $net
    ip -n $net link set lo up
    ip -n $net link show kb0 >/dev/null 2>&1 || {
        ip -n $net link add kb0 type bridge
        ip -n $net addr add $address/24 dev kb0
        ip -n $net link set kb0 up
        ip -n $net route add default dev kb0
    }
    nsenter --net=/run/netns/$net sysctl -qw net.ipv4.ip_forward=1
    printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' $address >"$state/resolv.conf"
}

# certificate NAME SUBJECT SAN [AUTHORITY]
certificate() {
    local ca=$state/pki/${4:-ca} to=$state/pki/$1
    openssl req -newkey rsa:2048 -nodes -keyout "$to.key" -out "$to.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "$to.csr" -CA "$ca.crt" -CAkey "$ca.key" -CAcreateserial -days 3650 -out "$to.crt" \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") 2>/dev/null
}

# The API server trusts the front proxy by an authority of its own.
keys() {
    local name user group
    [ ! -e "$state/pki/tokens.csv" ] || return 0
    for name in ca front; do
        openssl req -x509 -newkey rsa:2048 -nodes -keyout "$state/pki/$name.key" -out "$state/pki/$name.crt" -days 3650 -subj "/CN=kmd-$name" 2>/dev/null
    done
    certificate apiserver /CN=kube-apiserver "IP:127.0.0.1,IP:$address,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc"
    certificate kubelet /CN=node0 "IP:$address,DNS:node0"
    certificate kubelet-client /O=system:masters/CN=kube-apiserver DNS:apiserver
    certificate front-client /CN=front-proxy-client DNS:front front
    mkdir -p "$state/keda"
    certificate keda /CN=keda "DNS:localhost,IP:$address,IP:127.0.0.1"
    cp "$state/pki/ca.crt" "$state/keda/ca.crt" && cp "$state/pki/keda.crt" "$state/keda/tls.crt" && cp "$state/pki/keda.key" "$state/keda/tls.key"
    openssl genrsa -out "$state/pki/sa.key" 2048 2>/dev/null
    openssl rsa -in "$state/pki/sa.key" -pubout -out "$state/pki/sa.pub" 2>/dev/null
    for user in admin manager scheduler proxy node0; do
        group=system:masters name=$user
        [ $user != node0 ] || group=system:nodes name=system:node:node0
        printf 'apiVersion: v1\nkind: Config\ncurrent-context: kmd\ncontexts: [{name: kmd, context: {cluster: kmd, user: %s}}]\n' $user >"$state/$user.kubeconfig"
        printf 'clusters: [{name: kmd, cluster: {server: "https://127.0.0.1:16443", certificate-authority: %s/pki/ca.crt}}]\nusers: [{name: %s, user: {token: token-%s}}]\n' \
            "$state" $user $user >>"$state/$user.kubeconfig"
        echo "token-$user,$name,$user,\"$group\"" >>"$state/pki/tokens.new"
    done
    mv "$state/pki/tokens.new" "$state/pki/tokens.csv"
}

control_plane() {
    local p=$state/pki
    start etcd etcd --data-dir "$state/etcd" --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
        --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 \
        --initial-cluster default=http://127.0.0.1:12380 --unsafe-no-fsync --log-level warn
    start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --bind-address=127.0.0.1 --advertise-address=$address --secure-port=16443 \
        --service-cluster-ip-range=10.96.0.0/16 --tls-cert-file="$p/apiserver.crt" --tls-private-key-file="$p/apiserver.key" --client-ca-file="$p/ca.crt" \
        --token-auth-file="$p/tokens.csv" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction,PodSecurity \
        --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$p/sa.pub" --service-account-signing-key-file="$p/sa.key" \
        --kubelet-client-certificate="$p/kubelet-client.crt" --kubelet-client-key="$p/kubelet-client.key" --kubelet-certificate-authority="$p/ca.crt" \
        --kubelet-preferred-address-types=InternalIP --requestheader-client-ca-file="$p/front.crt" --requestheader-allowed-names=front-proxy-client \
        --proxy-client-cert-file="$p/front-client.crt" --proxy-client-key-file="$p/front-client.key" --requestheader-username-headers=X-Remote-User \
        --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- --enable-aggregator-routing=true
    wait_for 'the API server is ready' k get --raw /readyz
    start manager "$bin/kube-controller-manager" --kubeconfig="$state/manager.kubeconfig" --authentication-kubeconfig="$state/manager.kubeconfig" \
        --authorization-kubeconfig="$state/manager.kubeconfig" --bind-address=127.0.0.1 --service-account-private-key-file="$p/sa.key" --root-ca-file="$p/ca.crt" \
        --leader-elect=false --allocate-node-cidrs=true --cluster-cidr=10.88.0.0/16 --horizontal-pod-autoscaler-sync-period=5s
    start scheduler "$bin/kube-scheduler" --kubeconfig="$state/scheduler.kubeconfig" --authentication-kubeconfig="$state/scheduler.kubeconfig" \
        --authorization-kubeconfig="$state/scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false
}

containers() {
    mkdir -p "$state/cni"
    cat >"$state/cni/10-kmd.conflist" <<CNI
{"cniVersion": "1.0.0", "name": "kmd", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$state/cni-ipam"}}]}
CNI
    # What a root without CAP_SYS_RESOURCE may do.
    cat >"$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd/root"
state = "$state/containerd/run"
oom_score = 0
[grpc]
  address = "$state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
TOML
    start containerd containerd -c "$state/containerd.toml"
    wait_for 'containerd answers' ctr -a "$state/containerd.sock" version
    local archive name
    for archive in build/k8s-images/*.tar; do
        name=${archive##*/}
        [ "$state/imported-$name" -nt "$archive" ] && continue
        ctr -a "$state/containerd.sock" -n k8s.io images import "$archive" >/dev/null
        touch "$state/imported-$name"
    done
}

node() {
    cat >"$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /
cgroupsPerQOS: true
enforceNodeAllocatable: []
oomScoreAdj: 0
address: $address
port: 10250
healthzBindAddress: 127.0.0.1
healthzPort: 10248
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
containerRuntimeEndpoint: unix://$state/containerd.sock
resolvConf: $state/node-resolv.conf
clusterDomain: cluster.local
clusterDNS: [$address]
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 60
syncFrequency: 10s
YAML
    echo "nameserver 127.0.0.1" >"$state/node-resolv.conf"
    start kubelet "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$state/node0.kubeconfig" --hostname-override=node0 --node-ip=$address \
        --root-dir="$state/kubelet" --cert-dir="$state/kubelet-certs"
    cat >"$state/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 127.0.0.1
clientConnection: {kubeconfig: $state/proxy.kubeconfig}
clusterCIDR: 10.88.0.0/16
mode: iptables
hostnameOverride: node0
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
    start proxy "$bin/kube-proxy" --config="$state/proxy.yaml"
    cat >"$state/Corefile" <<COREFILE
.:53 {
  bind $address
  errors
  kubernetes cluster.local {
    kubeconfig $state/admin.kubeconfig kmd
    pods insecure
  }
  cache 2
}
COREFILE
    start dns "$bin/coredns" -conf "$state/Corefile"
    wait_for 'node0 is ready' sh -c "nsenter --net=/run/netns/$net '$bin/kubectl' get node node0 | grep -q ' Ready'"
    # All pods together count as two processes beside whatever else the machine does; they are here for more.
    [ ! -w /sys/fs/cgroup/cpu/kubepods/cpu.shares ] || echo 20480 >/sys/fs/cgroup/cpu/kubepods/cpu.shares
    k label --overwrite node node0 topology.kubernetes.io/zone=zone-0 >/dev/null
}

# Volumes of the node's disk, for whoever claims one. Of kind `local`: only those get the owner that fsGroup wants.
volumes() {
    local n
    for n in $(seq 6); do
        mkdir -p "$state/volumes/$n"
        printf -- '---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk-%s}\nspec:\n' "$n"
        printf '  {storageClassName: disk, capacity: {storage: 12Gi}, accessModes: [ReadWriteOnce], local: {path: %s},\n' "$state/volumes/$n"
        printf '   nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node0]}]}]}}}\n'
    done
}

objects() {
    k apply --server-side -f "$crds" >/dev/null
    k apply -f tests/k8s/cluster.yaml >/dev/null
    volumes | k apply -f - >/dev/null
}

# Its two programs beside the cluster, not in it.
keda() {
    local tool
    export WATCH_NAMESPACE='' POD_NAMESPACE=keda KEDA_CLUSTER_OBJECT_NAMESPACE=keda POD_NAME=keda-0 KEDA_HTTP_DEFAULT_TIMEOUT=3000
    tool='mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'
    start keda-operator unshare --mount --propagation=private sh -c "$tool" keda "$state/resolv.conf" \
        "$bin/keda-operator" --metrics-bind-address=127.0.0.1:18080 --health-probe-bind-address=127.0.0.1:18081 \
        --metrics-service-bind-address=127.0.0.1:9666 --cert-dir="$state/keda" --enable-cert-rotation=false --zap-encoder=console
    start keda-adapter "$bin/keda-adapter" --secure-port=6443 --bind-address=$address --port=18082 --metrics-service-address=127.0.0.1:9666 \
        --metrics-service-grpc-authority=localhost --cert-dir="$state/keda" --tls-cert-file="$state/keda/tls.crt" \
        --tls-private-key-file="$state/keda/tls.key" --client-ca-file="$state/pki/ca.crt" --lister-kubeconfig="$KUBECONFIG" \
        --authentication-kubeconfig="$KUBECONFIG" --authorization-kubeconfig="$KUBECONFIG"
    wait_for "KEDA's metrics are there" k get --raw /apis/external.metrics.k8s.io/v1beta1
}

up() {
    [ "$(id -u)" = 0 ] || { echo 'cluster: needs root' >&2; exit 1; }
    mkdir -p "$state"/{pki,log,pid,volumes}
    network
    keys
    control_plane
    containers
    node
    objects
    keda
    echo "cluster: up; scripts/k8s/cluster.sh run $bin/kubectl get nodes"
}

# By number, ours alone. Pods first, so that no shim or mount is left.
down() {
    local name file
    if k get --raw /readyz >/dev/null 2>&1; then
        # While it is there without KEDA behind it no namespace goes.
        k delete apiservice v1beta1.external.metrics.k8s.io --ignore-not-found >/dev/null 2>&1 || true
        k delete ns kmd kmd-dev monitoring keda --ignore-not-found --wait=false >/dev/null 2>&1 || true
        k delete pods --all --all-namespaces --force --grace-period=0 >/dev/null 2>&1 || true
        wait_for 'the containers are gone' sh -c "[ -z \"\$(ctr -a '$state/containerd.sock' -n k8s.io tasks ls -q)\" ]" || true
    fi
    for name in keda-adapter keda-operator dns proxy kubelet scheduler manager apiserver etcd containerd; do
        file=$state/pid/$name
        [ -e "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null && tail --pid="$(cat "$file")" -f /dev/null
        rm -f "$file"
    done
    sed -n "s#^[^ ]* \($state/[^ ]*\) .*#\1#p" /proc/mounts | sort -r | xargs -r -n1 umount
    find /sys/fs/cgroup/*/kubepods -depth -type d -exec rmdir {} + 2>/dev/null || true
    ip netns del $net 2>/dev/null || true
    rm -rf "$state"/{etcd,kubelet,kubelet-certs,cni-ipam,volumes}
}

case ${1:-} in
up) up ;;
down) down ;;
run) shift && inside "$@" ;;
*) echo 'usage: scripts/k8s/cluster.sh up | down | run COMMAND...' >&2; exit 64 ;;
esac
