#!/usr/bin/env bash
# Installs what is missing for the profiles named, and nothing else: packages of the system, a Kafka broker under
# build/kafka, a Python environment under build/venv. A second run finds everything there and takes no time.
#   usage: scripts/setup.sh build|run|test|lint|faults|bench|image|k8s ...
# Quiet unless something is installed or fails; the details are in build/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
log=$top/build/setup.log

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# Runs a command with its output in the log; shows the end of it when the command fails.
quiet() {
    printf '\n$ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 9>&- && return 0
    local rc=$?
    say "failed (exit $rc): $*"
    tail -n 25 "$log" >&2
    return "$rc"
}

# For what goes over a network: three attempts.
patiently() {
    local attempt
    for attempt in 1 2 3; do
        quiet "$@" && return 0
        sleep $((attempt * 3))
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n true 2>/dev/null || say "needs root to install packages; sudo may ask for a password"
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# installed NAME...: those of the packages that are there
installed() {
    dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/^\([^ :]*\)[^ ]* installed$/\1/p'
}

java_major() {
    java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.specification\.version = \([0-9]*\).*/\1/p'
}

wanted_packages() {
    local profile
    for profile in "$@"; do
        case $profile in
        build) echo gcc libc6-dev cmake ninja-build pkgconf librdkafka-dev libwebsockets-dev libcurl4-openssl-dev \
            libssl-dev libpq-dev libcjson-dev libcmocka-dev python3 python3-venv ca-certificates ;;
        run) echo postgresql kcat ;;
        test)
            echo clang llvm valgrind
            command -v go >/dev/null || [ -e build/toxiproxy/.stamp ] || echo golang-go
            ;;
        lint) echo clang clang-format clang-tidy ;;
        faults) echo valgrind libc6-dbg ;;
        bench) echo valgrind linux-perf util-linux ;;
        image) echo buildah podman runc mmdebstrap ;;
        k8s) echo etcd-server containerd containernetworking-plugins iptables conntrack iproute2 tcpdump ;;
        *) die "unknown profile '$profile'" ;;
        esac
    done
}

# Java and Maven count by what can be run, however they came here.
has_java() {
    local major
    major=$(java_major 2>/dev/null) && [ -n "$major" ] && [ "$major" -ge 17 ]
}

missing_packages() {
    local wanted
    wanted=$(wanted_packages "$@" | tr ' ' '\n' | sort -u)
    # shellcheck disable=SC2086
    comm -23 <(echo "$wanted") <(installed $wanted | sort -u)
    case " $* " in *" run "*)
        has_java || echo default-jre-headless
        command -v mvn >/dev/null || [ -e build/kafka/.stamp ] || echo maven
        ;;
    esac
}

# The runtime of clang's sanitizers is a package of its own, named by clang's version.
missing_clang_runtime() {
    local package
    package=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev
    [ -n "$(installed "$package")" ] || echo "$package"
}

# Debian's postgresql makes and starts a cluster of its own when it is installed. Nobody asked for one.
without_main_cluster() {
    local note=/etc/postgresql-common/createcluster.d/kmd-setup.conf
    patiently as_root apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=900 postgresql-common || return 1
    as_root mkdir -p "${note%/*}"
    echo 'create_main_cluster = false' | as_root tee "$note" >/dev/null
    local rc=0
    "$@" || rc=$?
    as_root rm -f "$note"
    return "$rc"
}

apt_install() {
    local install=(patiently as_root apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=900 "$@")
    case " $* " in
    *" postgresql "*) without_main_cluster "${install[@]}" ;;
    *) "${install[@]}" ;;
    esac
}

# install_packages NAME...
install_packages() {
    [ $# -gt 0 ] || return 0
    local missing="$*"
    command -v apt-get >/dev/null || die "install the equivalents of these Debian packages, then run again: $missing"
    say "installing packages: $missing"
    patiently as_root apt-get update -q -o DPkg::Lock::Timeout=900 || die "apt-get update failed"
    # shellcheck disable=SC2086
    apt_install $missing || die "apt-get install failed; the packages wanted were: $missing"
}

# stamped DIR KEY: true when DIR was completed for this KEY (what it was made from) at this place.
stamped() { [ "$(cat "$1/.stamp" 2>/dev/null)" = "$2" ]; }

key_of() { { cat "$@"; echo "$top"; } | sha256sum | cut -d' ' -f1; }

install_kafka() {
    local jars prepared
    jars=$(key_of scripts/kafka/pom.xml)
    prepared=$(key_of scripts/kafka/pom.xml tests/support/kafka.py)
    stamped build/kafka "$prepared" && return 0
    mkdir -p build/kafka
    if ! stamped build/kafka/lib "$jars"; then
        say "fetching a Kafka broker into build/kafka"
        rm -rf build/kafka/lib
        patiently mvn -q -B -Dstyle.color=never -f scripts/kafka/pom.xml -Dkmd.out="$top/build/kafka/lib" dependency:copy-dependencies ||
            die "Maven could not fetch the broker"
        echo "$jars" >build/kafka/lib/.stamp
    fi
    PYTHONPATH=tests quiet build/venv/bin/python -m support.kafka "$top/build/kafka" ||
        die "the broker could not be prepared"
    echo "$prepared" >build/kafka/.stamp
}

# promtool and prometheus alone: installing Debian's package would start a server.
install_prometheus() {
    [ -x build/prometheus/usr/bin/promtool ] && return 0
    say "fetching Prometheus into build/prometheus"
    rm -rf build/prometheus && mkdir -p build/prometheus
    (cd build/prometheus && patiently apt-get download -q prometheus && quiet dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) ||
        die "Debian's package prometheus could not be fetched"
}

# The proxy that tests put between two programs. Its sources are verified by Go against the checksum database; nothing of
# the build stays outside its folder. Without it those tests are skipped.
install_toxiproxy() {
    local version=v2.5.0 home=$top/build/toxiproxy
    stamped "$home" "$version" && return 0
    say "building toxiproxy $version into build/toxiproxy"
    rm -rf "$home"
    mkdir -p "$home"
    if patiently env GOPATH="$home/go" GOCACHE="$home/cache" GOBIN="$home" GOFLAGS=-modcacherw CGO_ENABLED=0 \
        go install -trimpath -ldflags='-s -w' "github.com/Shopify/toxiproxy/v2/cmd/server@$version"; then
        mv "$home/server" "$home/toxiproxy-server"
        echo "$version" >"$home/.stamp"
    else
        say "no toxiproxy: the tests that need it are skipped"
    fi
    rm -rf "$home/go" "$home/cache"
}

# What is there is kept when the requirements change: somebody may be running on it.
install_venv() {
    local files=(tests/requirements.txt) key
    [ -e tests/sim/requirements.txt ] && files+=(tests/sim/requirements.txt)
    key=$(key_of "${files[@]}")
    stamped build/venv "$key" && return 0
    say "making the Python environment build/venv"
    build/venv/bin/python -c '' 2>/dev/null || quiet "$(python_for_venv)" -m venv --clear build/venv ||
        die "python3 -m venv failed"
    patiently build/venv/bin/python -m pip install -q --disable-pip-version-check "${files[@]/#/--requirement=}" ||
        die "pip could not install the requirements"
    echo "$key" >build/venv/.stamp
}

# Only for tests, which say what they leave out where it cannot be had.
install_newer_librdkafka() {
    local key
    pkgconf --atleast-version=2.6.1 rdkafka && return 0
    key=$(key_of scripts/newer-librdkafka.sh tests/requirements.txt)
    stamped build/librdkafka "$key" && return 0
    say "fetching a newer librdkafka into build/librdkafka"
    if patiently scripts/newer-librdkafka.sh build/librdkafka; then
        echo "$key" >build/librdkafka/.stamp
    else
        say "no newer librdkafka to be had: SCRAM and topic ids will not be tested"
    fi
}

# The system's Python, because python3-venv belongs to it; another one only where there is none.
python_for_venv() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi; }

main() {
    [ $# -gt 0 ] || die "usage: scripts/setup.sh build|run|test|lint|faults|bench|image|k8s ..."
    mkdir -p build
    exec 9>build/.setup.lock
    flock 9
    : >"$log"
    # shellcheck disable=SC2046
    install_packages $(missing_packages "$@")
    # shellcheck disable=SC2046
    case " $* " in *" test "*) install_packages $(missing_clang_runtime) ;; esac
    case " $* " in *" build "* | *" run "* | *" test "*) install_venv ;; esac
    case " $* " in *" run "*) install_kafka ;; esac
    # The second after build/venv, out of which a part of it comes.
    case " $* " in *" test "*) install_prometheus; install_newer_librdkafka; install_toxiproxy ;; esac
}

main "$@"
