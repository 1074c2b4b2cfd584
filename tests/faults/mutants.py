"""
Eight of the deliberate bugs of tests/mutants, one of each kind of test that is quick, must be noticed.

    cd tests && ../build/venv/bin/python -m faults.mutants
"""

from __future__ import annotations

import os
import sys

from mutants import run

EIGHT = (
    "full-queue-drops",
    "replies-not-counted",
    "spool-not-synced",
    "later-ack-carries-earlier",
    "refused-key-loses-frames",
    "no-epoch-check",
    "uncertain-commit-done",
    "float-rounding",
)


def main() -> int:
    mutants = run.load(EIGHT)
    caught, seconds = run.run_all(mutants, os.cpu_count() or 1, say=sys.stderr)
    ok = caught == len(mutants) == len(EIGHT)
    print(f"9 mutants: {caught} of {len(mutants)} caught by the test that is named for each, {seconds:.0f} s, all: {'ok' if ok else 'FAIL'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
