"""
Simulated histories, many: tests/simulation/README.md says what one is.

    cd tests && ../build/venv/bin/python -m faults.histories [--seeds 1:30000] [--jobs 2]

Exit code 1 when a history breaks an invariant or a kind of fault never struck.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
HISTORIES = BUILD / "tests/simulation/kmd-histories"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1:30000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    count = int(options.seeds.partition(":")[2] or 1)
    began = time.monotonic()
    command = [HISTORIES, "--seeds", options.seeds, "--jobs", str(options.jobs), "--all-kinds"]
    run = subprocess.run(command, stdout=sys.stderr, check=False)
    took = time.monotonic() - began
    good = run.returncode == 0
    print(f"9 simulation: {count} seeds, {took:.0f} s, {count / took:.0f} a second, no invariant broken: {'ok' if good else 'FAIL'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
