#!/usr/bin/env bash
# newer-librdkafka.sh FOLDER: makes FOLDER/{include,lib,rdkafka.pc}, a librdkafka for what Debian 12's 2.0.2 cannot do: SCRAM
# against Kafka 4, topic ids. The library is the one inside Python's confluent-kafka (build/venv), which needs nothing but the
# C library; the header is the one of Debian 13's package, not newer than it. The system stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The archive that this system's own packages come from, read in another suite.
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' | head -n 1)
[ -n "$uri" ] || { echo "no archive of Debian is known here" >&2; exit 1; }
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" >"$work/sources"
apt=(apt-get -q -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists"
    -o Dir::Cache="$work/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" download librdkafka-dev)
dpkg-deb -x "$work"/librdkafka-dev_*.deb "$work/root"

rm -rf "$folder/include" "$folder/lib"
mkdir -p "$folder/include/librdkafka" "$folder/lib"
cp "$work"/root/usr/include/librdkafka/rdkafka.h "$folder/include/librdkafka/"
cp build/venv/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so.1 "$folder/lib/"
library=$(cd "$folder/lib" && echo librdkafka-*.so.1)
ln -s "$library" "$folder/lib/librdkafka.so"
version=$(sed -n 's/^Version: //p' "$work"/root/usr/lib/*/pkgconfig/rdkafka.pc)
cat >"$folder/rdkafka.pc" <<PC
Name: librdkafka
Description: The Apache Kafka C/C++ library
Version: $version
Cflags: -I$folder/include
Libs: -L$folder/lib -lrdkafka
PC
