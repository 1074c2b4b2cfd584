#!/usr/bin/env bash
# Builds, then runs the whole with a live screen: scripts/run.py. Arguments go to it.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run
compile release kmd-ingest kmd-enricher kmd-sink
exec build/venv/bin/python scripts/run.py "$@"
