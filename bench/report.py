"""The report of what was measured last: bench/report/report.md with its plots, from the JSON files in build/bench."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench import plot
from bench.rows import Row, load
from bench.suite import OUT, PROFILES, REPORT


def _number(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _line(r: Row) -> str:
    spread = f" ({_number(min(r.runs))} to {_number(max(r.runs))})" if len(r.runs) > 1 else ""
    limit = f"{_number(r.limit)} {r.limit_name}" if r.limit is not None else r.limit_name
    ratio = f"{r.ratio:.3g}" if r.ratio is not None else ""
    cpu = ", ".join(f"{who} {s:.2f}" for who, s in r.cpu_s.items())
    rss = ", ".join(f"{who} {m:.0f}" for who, m in r.rss_mib.items())
    cells = [r.what, f"{_number(r.value)} {r.unit}{spread}", limit, ratio, r.goal, r.verdict(), cpu, rss, r.note]
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


_HEAD = """\
| what | median (all runs) | limit | ratio | goal | | CPU s (user + system) | peak RSS MiB | |
|---|--:|--:|--:|---|---|---|---|---|
"""


def _figure(name: str, rows: list[Row]) -> list[str]:
    lines = [f"### {name}\n", _HEAD + "\n".join(map(_line, rows)) + "\n"]
    svg = plot.draw(name, rows)
    if svg:
        path = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".svg"
        (REPORT / path).write_text(svg, encoding="utf-8")
        lines.append(f"![{name}]({path})\n")
    return lines


def _busy(about: Mapping[str, Any]) -> bool:
    return bool(about["load_before"] > about["machine"]["cores"])


def _module(about: Mapping[str, Any], rows: list[Row]) -> list[str]:
    lines = [f"## {about['name']}\n", f"{about['doc']}\n"]
    scale = "quick, " if about["quick"] else ""
    lines.append(
        f"_{scale}{about['rounds']} rounds, {about['seconds']:.0f} s, {about['when']}; load of the machine before: {about['load_before']}_\n"
    )
    if _busy(about):
        lines.append("**Others kept this machine busy: rates, and CPU seconds too, are no measure of what the programs can do. Run it anew on an idle one.**\n")
    for figure in dict.fromkeys(r.figure for r in rows):
        lines += _figure(figure, [r for r in rows if r.figure == figure])
    return lines


def _goals(everything: list[tuple[Mapping[str, Any], list[Row]]]) -> list[str]:
    rows = [(r, _busy(about)) for about, rows in everything for r in rows if r.goal]
    lines = ["| figure | what | measured | goal | |", "|---|---|--:|---|---|"]
    for r, busy in rows:
        measured = f"{r.ratio:.3g}" if r.ratio is not None else f"{_number(r.value)} {r.unit}"
        verdict = r.verdict() + (", on a busy machine" if busy else "")
        lines.append(f"| {r.figure} | {r.what} | {measured} | {r.goal} | {verdict} |")
    return ["## Goals\n", "\n".join(lines) + "\n"]


def _profiles() -> list[str]:
    found = sorted(PROFILES.glob("*.txt"))
    if not found:
        return []
    return ["## Profiles\n", "\n".join(f"- [{p.stem}](profiles/{p.name})" for p in found) + "\n"]


def write() -> None:
    everything = [load(path) for path in sorted(OUT.glob("*.json"))]
    REPORT.mkdir(parents=True, exist_ok=True)
    for old in REPORT.glob("*.svg"):
        old.unlink()
    lines = ["# Benchmark report\n", "Written by `make bench`; what the figures mean and how they are measured: [bench/README.md](../README.md).\n"]
    if everything:
        m = everything[0][0]["machine"]
        lines.append(f"Machine: {m['cores']} cores of {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}.\n")
    lines += _goals(everything)
    for about, rows in everything:
        lines += _module(about, rows)
    lines += _profiles()
    (REPORT / "report.md").write_text("\n".join(lines), encoding="utf-8")
