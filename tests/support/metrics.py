"""Prometheus text as samples, and what is asked of them: sums, groups, quantiles. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\d+)?$")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Metrics:
    """One reading of a program's /metrics."""

    samples: list[Sample] = field(default_factory=list)

    def find(self, name: str, **labels: str) -> list[Sample]:
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """Sum over all that match; 0 for a name that is not there."""
        return sum(s.value for s in self.find(name, **labels))

    def get(self, name: str, **labels: str) -> float | None:
        """The one sample; None when it is not there."""
        found = self.find(name, **labels)
        return found[0].value if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums grouped by the value of @label."""
        sums: dict[str, float] = {}
        for s in self.find(name):
            key = s.labels.get(label, "")
            sums[key] = sums.get(key, 0.0) + s.value
        return sums

    def buckets(self, name: str) -> dict[float, float]:
        """Upper bound -> cumulative count of a histogram, over all its labels."""
        sums: dict[float, float] = {}
        for s in self.find(name + "_bucket"):
            bound = float(s.labels["le"].replace("+Inf", "inf"))
            sums[bound] = sums.get(bound, 0.0) + s.value
        return sums


def parse(text: str) -> Metrics:
    return Metrics([s for s in map(_sample, text.splitlines()) if s is not None])


def _sample(line: str) -> Sample | None:
    found = _SAMPLE.match(line) if not line.startswith("#") else None
    if found is None:
        return None
    labels = {name: _unescape(value) for name, value in _LABEL.findall(found[2] or "")}
    return Sample(found[1], labels, float(found[3]))


def _unescape(text: str) -> str:
    return re.sub(r"\\[\\\"n]", lambda m: _ESCAPES[m[0]], text)


def quantile(q: float, now: dict[float, float], before: dict[float, float] | None = None) -> float | None:
    """
    Quantile of what a histogram gained since @before, by straight line inside its bucket; None when it gained nothing.
    inf when it lies beyond the last bound.
    """
    rows = [(bound, now[bound] - (before or {}).get(bound, 0.0)) for bound in sorted(now)]
    if not rows or rows[-1][1] <= 0:
        return None
    want = q * rows[-1][1]
    low, below = 0.0, 0.0
    for bound, cumulative in rows:
        if cumulative >= want and cumulative > below:
            return bound if math.isinf(bound) else low + (bound - low) * (want - below) / (cumulative - below)
        low, below = bound, cumulative
    return math.inf


def merge(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    """Sums of several groups."""
    sums: dict[str, float] = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0.0) + value
    return sums
