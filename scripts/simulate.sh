#!/usr/bin/env bash
# simulate.sh [OPTION...]: builds kmd-histories and tries seeds: SEEDS=FROM:COUNT (1:5000), MODE=sink|ingest|enricher|all
# (each seed chooses its own), JOBS (as many as there are cores). A seed that fails prints the command that repeats it.
. "$(dirname "$0")/lib.sh"
compile release kmd-histories
exec build/tests/simulation/kmd-histories --seeds "${SEEDS:-1:5000}" --jobs "${JOBS:-$(nproc)}" ${MODE:+--mode "$MODE"} "$@"
