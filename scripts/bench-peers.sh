#!/usr/bin/env bash
# The Python peers of bench/figures/ingest_throughput.py in an environment of their own, build/bench/peers.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e build/bench/peers/.stamp ] && [ ! bench/peers/requirements.txt -nt build/bench/peers/.stamp ] && exit 0
python3 -m venv build/bench/peers
build/bench/peers/bin/pip install -q --disable-pip-version-check -r bench/peers/requirements.txt
touch build/bench/peers/.stamp
