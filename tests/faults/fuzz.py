"""
Fuzz targets find nothing in the time they have, and what they reach is told.

    cd tests && ../build/venv/bin/python -m fuzz.run --help      what it does
    cd tests && ../build/venv/bin/python -m faults.fuzz [--seconds 120] [--jobs 2]
"""

from __future__ import annotations

import argparse
import sys

from fuzz import run

# What reads bytes from outside, or turns them into what is stored: two minutes of each are twelve for two at a time.
EXPOSED = ("json", "frame", "session", "trade", "answer", "settlement", "conf", "key", "decimal", "row", "batch", "spool")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=int, default=120, help="of each target")
    p.add_argument("--jobs", type=int, default=2, help="targets at a time")
    options = p.parse_args()
    runs = run.fuzz(EXPOSED, options.seconds, options.jobs, lambda line: print(line, file=sys.stderr, flush=True))
    clean = sum(one.clean for one in runs)
    ok = clean == len(runs)
    reached = run.measure(EXPOSED)[1].total if ok else None
    share = f", {run.percent(reached.lines, reached.lines_of)} % of the lines and {run.percent(reached.regions, reached.regions_of)} % of the regions of the sources they reach" if reached else ""
    print(f"10 fuzz: {clean} of {len(runs)} targets clean, {options.seconds} s each, {sum(one.inputs for one in runs)} inputs{share}, all clean: {'ok' if ok else 'FAIL'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
