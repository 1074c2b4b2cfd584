"""The live screen of `make run`: readings in, lines of text out. Pure: no clock, no terminal, no network."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from support.metrics import Metrics, quantile

RATE_WINDOW = 5  # readings that a rate looks back
LATENCY_WINDOW = 15  # readings that p50 and p99 look back

BOLD, DIM, RED, YELLOW, GREEN, OFF = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True)
class Reading:
    """What the three services said at @at (monotonic seconds); one that did not answer has no samples."""

    at: float
    ingest: Metrics = field(default_factory=Metrics)
    enricher: Metrics = field(default_factory=Metrics)
    sink: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True)
class State:
    """One process: `fault` is empty when all is well, else why it is not ready or how it ended."""

    name: str
    up: bool
    fault: str = ""


class History:
    """The last readings, and differences over them."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=LATENCY_WINDOW + 1)

    def add(self, reading: Reading) -> None:
        self._readings.append(reading)

    @property
    def last(self) -> Reading:
        return self._readings[-1] if self._readings else Reading(0.0)

    def rates(self, service: str, name: str, label: str) -> dict[str, float]:
        """Per second, by @label; a counter that fell (the service began again) counts from 0."""
        if len(self._readings) < 2:
            return {}
        before = self._readings[max(0, len(self._readings) - 1 - RATE_WINDOW)]
        seconds = max(self.last.at - before.at, 1e-3)
        old = getattr(before, service).by(name, label)
        new = getattr(self.last, service).by(name, label)
        return {k: (v - old.get(k, 0.0) if v >= old.get(k, 0.0) else v) / seconds for k, v in new.items()}

    def latency(self, q: float) -> float | None:
        """Seconds from receipt to row over the last readings; None when no row came."""
        if not self._readings:
            return None
        name = "kmd_sink_latency_seconds"
        return quantile(q, self.last.sink.buckets(name), self._readings[0].sink.buckets(name))


def draw(
    history: History, states: Iterable[State], head: list[str], warnings: list[str], width: int, height: int
) -> list[str]:
    """The whole screen, each line cut to @width columns."""
    lines = [*head, "", *_state_lines(states), "", *_tables(history), "", *_figures(history)]
    room = height - len(lines) - 2
    if warnings and room > 0:
        lines += ["", f"{BOLD}last warnings{OFF}", *(f"  {w}" for w in warnings[-room:])]
    return [cut(line, width) for line in lines[: height - 1]]


def one_line(history: History, states: Iterable[State]) -> str:
    """The same in one line, for a log."""
    frames = sum(history.rates("ingest", "kmd_ingest_frames_total", "type").values())
    rows = sum(history.rates("sink", "kmd_sink_rows_total", "table").values())
    last = history.last
    down = [f"{s.name}: {s.fault}" for s in states if s.fault]
    return (
        f"frames/s {frames:.0f}  rows/s {rows:.0f}  lag {last.sink.total('kmd_sink_lag_messages'):.0f}"
        f"  gaps {last.ingest.total('kmd_ingest_gaps_total'):.0f}"
        f"  settlements {last.enricher.total('kmd_enricher_records_total', topic='settlements'):.0f}"
        f"  in flight {last.enricher.total('kmd_enricher_in_flight'):.0f}"
        f"  pending {last.enricher.total('kmd_enricher_pending'):.0f}"
        f"  p50 {seconds(history.latency(0.5))}  p99 {seconds(history.latency(0.99))}"
        + (f"  [{'; '.join(down)}]" if down else "")
    )


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if math.isinf(value):
        return "beyond the scale"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def cut(line: str, width: int) -> str:
    """@line without what stands beyond @width columns; colours take none."""
    out, column, i = [], 0, 0
    while i < len(line):
        if line[i] == "\x1b":
            end = line.index("m", i) + 1
            out.append(line[i:end])
            i = end
            continue
        if column < width:
            out.append(line[i])
        column += 1
        i += 1
    return "".join(out)


def _state_lines(states: Iterable[State]) -> list[str]:
    lines = []
    for s in states:
        colour = RED if not s.up else YELLOW if s.fault else GREEN
        lines.append(f"  {s.name:<9} {colour}{s.fault or 'ready'}{OFF}")
    return lines


def _tables(history: History) -> list[str]:
    """Three tables side by side: frames by type, lag by topic, rows by table."""
    last = history.last
    frames = last.ingest.by("kmd_ingest_frames_total", "type")
    frame_rates = history.rates("ingest", "kmd_ingest_frames_total", "type")
    lags = last.sink.by("kmd_sink_lag_messages", "topic")
    rows = last.sink.by("kmd_sink_rows_total", "table")
    row_rates = history.rates("sink", "kmd_sink_rows_total", "table")
    left = _column("received", ("per s", "total"), [(k, frame_rates.get(k, 0.0), frames[k]) for k in sorted(frames)])
    middle = _column("sink's lag", ("records",), [(k, lags[k]) for k in sorted(lags)])
    right = _column("table", ("rows/s", "rows"), [(k, row_rates.get(k, 0.0), rows[k]) for k in sorted(rows)])
    return [f"  {a}   {b}   {c}".rstrip() for a, b, c in _side_by_side(left, middle, right)]


def _column(title: str, heads: tuple[str, ...], rows: list[tuple[str, *tuple[float, ...]]]) -> list[str]:
    """Lines of equal width: a name of 26 or 14 columns, then figures."""
    name_width = 26 if len(heads) > 1 else 13
    widths = [8, 10][: len(heads)]
    out = [BOLD + f"{title:<{name_width}}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths)) + OFF]
    for name, *values in rows:
        out.append(f"{name[:name_width]:<{name_width}}" + "".join(f"{v:>{w},.0f}" for v, w in zip(values, widths)))
    return out


def _side_by_side(*columns: list[str]) -> list[tuple[str, ...]]:
    height = max(map(len, columns))
    blanks = [" " * (len(c[0]) - len(BOLD) - len(OFF)) for c in columns]
    return [tuple(c[i] if i < len(c) else blank for c, blank in zip(columns, blanks)) for i in range(height)]


def _figures(history: History) -> list[str]:
    ingest, enricher, sink = history.last.ingest, history.last.enricher, history.last.sink
    records = enricher.by("kmd_enricher_records_total", "topic")
    gaps = ingest.total("kmd_ingest_gaps_total")
    dead = sink.total("kmd_sink_dead_letters_total")
    return [
        f"  {BOLD}feed{OFF}      gaps {RED if gaps else ''}{gaps:.0f}{OFF}   connections "
        f"{ingest.total('kmd_ingest_connections_total'):.0f}   stale {ingest.total('kmd_ingest_stale_total'):.0f}   books "
        f"{ingest.total('kmd_ingest_markets_subscribed'):.0f} of {ingest.total('kmd_ingest_markets_expected'):.0f}   queued "
        f"{ingest.total('kmd_ingest_queue_bytes') / 1024:.0f} KiB   refused {ingest.total('kmd_ingest_refused_total'):.0f}",
        f"  {BOLD}enricher{OFF}  in flight {enricher.total('kmd_enricher_in_flight'):.0f}   pending "
        f"{enricher.total('kmd_enricher_pending'):.0f}   requests {enricher.total('kmd_enricher_requests_total'):.0f}   published "
        + ", ".join(f"{k} {v:.0f}" for k, v in sorted(records.items())),
        f"  {BOLD}receipt to row{OFF}  p50 {seconds(history.latency(0.5))}   p99 {seconds(history.latency(0.99))}"
        f"   dead letters {RED if dead else ''}{dead:.0f}{OFF}   duplicates {sink.total('kmd_sink_duplicates_total'):.0f}",
    ]
