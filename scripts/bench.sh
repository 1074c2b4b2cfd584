#!/usr/bin/env bash
# bench.sh [--quick] [--rounds N] [FIGURE...]: measures the figures of bench/figures (all) and writes bench/report.
#   bench.sh --report: the report alone, of what was measured last.
. "$(dirname "$0")/lib.sh"
if [ "${1:-}" != --report ]; then
    scripts/setup.sh build run bench
    stage 'the programs' compile release
    stage 'the limits' compile bench bench_limits
    stage 'the peers' scripts/bench-peers.sh
fi
PYTHONPATH=$PWD:$PWD/tests PYTHONDONTWRITEBYTECODE=1 build/venv/bin/python -m bench "$@"
echo "report: bench/report/report.md"
