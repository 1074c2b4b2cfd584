#!/usr/bin/env bash
# Removes what was compiled; keeps what was fetched.
. "$(dirname "$0")/lib.sh"
[ -d build ] || exit 0
find build -mindepth 1 -maxdepth 1 ! -name kafka ! -name venv ! -name toxiproxy ! -name .setup.lock -exec rm -rf {} +
