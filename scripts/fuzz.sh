#!/usr/bin/env bash
# fuzz.sh [OPTION...] [TARGET...]: the fuzz targets of tests/fuzz, and what they reach; the options are those of tests/fuzz/run.py.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build test
cd tests
exec ../build/venv/bin/python -m fuzz.run "$@"
