"""
Where the sink's instructions go, per record, by callgrind.

They are those from the consumer's hands to COPY bytes, on the fixed input of tests/instructions. By function they are kept as
text under profiles/.
"""

from __future__ import annotations

import os
import re
import sys

from bench.rows import Row
from bench.suite import PROFILES, Bench
from support.paths import BUILD, TOP
from support.process import Failure, run

KINDS = ("sink_trade", "sink_delta", "sink_ticker", "sink_snapshot")
CHECK = TOP / "tests" / "instructions" / "check.py"
PROGRAM = BUILD / "tests" / "instructions" / "sink_rows"
LINES = 40


def _write(name: str, head: str, lines: list[str]) -> None:
    PROFILES.mkdir(parents=True, exist_ok=True)
    (PROFILES / f"{name}.txt").write_text("\n".join([head, "", *lines]) + "\n", encoding="utf-8")


def _function(line: str) -> str:
    """A line of callgrind_annotate without the places of this machine."""
    return re.sub(r" *\[[^]]*\]$", "", re.sub(r"(\S*/)?([\w.+-]+):(?=\S)", r"\2:", line, count=1))


def _callgrind(bench: Bench, name: str) -> Row:
    out = str(bench.folder / f"{name}.callgrind")
    told = run([sys.executable, str(CHECK), str(PROGRAM), name, ""], {**os.environ, "PROFILE": out}, timeout=600, check=False).stdout
    found = re.search(r"(\d+) instructions per record", told)
    if not found:
        raise Failure(f"{name}: {told}")
    annotated = run(["callgrind_annotate", out], timeout=300).stdout.splitlines()
    lines = [_function(line) for line in annotated if re.match(r"\s*[\d,]+ \(", line)][:LINES]
    _write(name, f"{name}: {found.group(1)} instructions per record, by function (callgrind, Ir of all records)", lines)
    return Row("sink, instructions per record", name.removeprefix("sink_"), float(found.group(1)), "instructions")


def measure(bench: Bench) -> list[Row]:
    return [_callgrind(bench, name) for name in KINDS]
