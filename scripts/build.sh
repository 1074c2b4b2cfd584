#!/usr/bin/env bash
# build/bin/{kmd-ingest,kmd-enricher,kmd-sink,kmd-sim}
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build
compile release kmd-ingest kmd-enricher kmd-sink
