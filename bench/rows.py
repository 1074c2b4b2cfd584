"""What a figure consists of: rows, each a value beside its limit, and where the time went."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Row:
    """
    One line of the report. @value is the median of @runs. @limit is what it stands beside (of the same unit, measured
    in the same rounds) and @ratio the median of the ratios round by round, unless the module says otherwise.
    """

    figure: str  # the same for rows that are drawn together
    what: str  # who or what was measured
    value: float
    unit: str
    runs: list[float] = field(default_factory=list)
    limit: float | None = None
    limit_name: str = ""
    ratio: float | None = None
    goal: str = ""  # of the ratio where there is one, else of the value: ">= 0.85", "<= 96"
    cpu_s: dict[str, float] = field(default_factory=dict)  # user + system of each process, median over the rounds
    rss_mib: dict[str, float] = field(default_factory=dict)  # peak
    note: str = ""
    x: float | None = None  # place on the x axis of a series (number of sinks, day, frames/s)
    x_name: str = ""

    def verdict(self) -> str:
        """`ok`, `missed`, or "" where there is no goal."""
        if not self.goal:
            return ""
        sign, number = self.goal.split()
        measured = self.ratio if self.ratio is not None else self.value
        met = measured >= float(number) if sign == ">=" else measured <= float(number)
        return "ok" if met else "missed"


@dataclass
class Sample:
    """One run of one contestant."""

    value: float
    cpu_s: dict[str, float] = field(default_factory=dict)
    rss_mib: dict[str, float] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)  # further values of the same run, by name


Rounds = dict[str, list[Sample]]


def interleave(rounds: int, contestants: Mapping[str, Callable[[], Sample]], tell: Callable[[str], None]) -> Rounds:
    """Each contestant once a round, the order turned by one from round to round, so that no one always comes first."""
    found: Rounds = {name: [] for name in contestants}
    names = list(contestants)
    for n in range(rounds):
        for name in names[n % len(names) :] + names[: n % len(names)]:
            sample = contestants[name]()
            found[name].append(sample)
            cpu = " ".join(f"{who} {s:.2f}" for who, s in sample.cpu_s.items())
            tell(f"  round {n + 1} {name}: {sample.value:,.6g}  cpu s: {cpu}")
    return found


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def ratios(ours: Sequence[float], limit: Sequence[float]) -> float:
    """Median of the ratios round by round."""
    return median([a / b for a, b in zip(ours, limit, strict=True)])


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """By name, over those that have it."""
    names = {name: None for sample in samples for name in sample}
    return {name: median([s[name] for s in samples if name in s]) for name in names}


def row_of(figure: str, what: str, unit: str, samples: Sequence[Sample], **more: Any) -> Row:
    """The medians of @samples; limit, ratio and goal are @more's."""
    runs = [s.value for s in samples]
    return Row(
        figure, what, median(runs), unit, runs,
        cpu_s=medians([s.cpu_s for s in samples]), rss_mib=medians([s.rss_mib for s in samples]), **more,
    )  # fmt: skip


def save(path: Path, rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "rows": [dataclasses.asdict(r) for r in rows]}, indent=1), encoding="utf-8")


def load(path: Path) -> tuple[dict[str, Any], list[Row]]:
    told = json.loads(path.read_text(encoding="utf-8"))
    return told, [Row(**r) for r in told.pop("rows")]
