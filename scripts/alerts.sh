#!/usr/bin/env bash
# alerts.sh [OPTION|CASE...]: the alerts live, by a real Prometheus around the whole (tests/monitoring/alerts.py): one line a case. About ten
# minutes; --scale 20 halves that, --help lists the cases.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run test
compile release
cd tests
exec ../build/venv/bin/python -m monitoring.alerts "$@"
