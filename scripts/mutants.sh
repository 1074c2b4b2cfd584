#!/usr/bin/env bash
# mutants.sh [NAME...]: deliberate bugs, and whether the tests notice them; see tests/mutants/README.md.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run test
cd tests
exec ../build/venv/bin/python -m mutants.run "$@"
