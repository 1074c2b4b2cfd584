"""
python -m bench [--quick] [--rounds N] [FIGURE ...]   measures the figures named (all) and writes the report
python -m bench --report                              writes the report of what was measured last
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import time
import traceback

from bench import figures, procs, report, rows
from bench.suite import OUT, Bench, machine


def _names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(figures.__path__) if not m.name.startswith("_"))


def _measure(bench: Bench, name: str) -> bool:
    module = importlib.import_module(f"bench.figures.{name}")
    bench.tell(f"==> {name}: {(module.__doc__ or '').strip().splitlines()[0]}")
    began, load = time.time(), os.getloadavg()[0]
    try:
        found = module.measure(bench)
    except Exception:
        bench.tell(f"{name}: not measured\n{traceback.format_exc()}")
        return False
    about = {
        "name": name,
        "doc": (module.__doc__ or "").strip(),
        "quick": bench.quick,
        "rounds": bench.rounds,
        "when": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "seconds": round(time.time() - began, 1),
        # Others on the machine show in the load before and in times that are longer than the CPU seconds tell.
        "load_before": round(load, 1),
        "machine": machine(),
    }
    rows.save(OUT / f"{name}.json", found, about)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("figures", nargs="*", help=", ".join(_names()))
    asked = parser.parse_args()
    unknown = set(asked.figures) - set(_names())
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are: {', '.join(_names())}")
    failed: list[str] = []
    if not asked.report:
        os.sched_setaffinity(0, {procs.OTHER_CORE})
        bench = Bench(asked.quick, asked.rounds)
        try:
            failed = [name for name in asked.figures or _names() if not _measure(bench, name)]
        finally:
            bench.close()
    report.write()
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
