"""The live screen of `make run`, from readings made by hand."""

from __future__ import annotations

import math
import sys

import pytest

from support.metrics import Metrics, parse, quantile
from support.paths import TOP

sys.path.insert(0, str(TOP / "scripts"))

import screen  # noqa: E402

INGEST = """\
# HELP kmd_ingest_frames_total frames
# TYPE kmd_ingest_frames_total counter
kmd_ingest_frames_total{{type="trade"}} {trades}
kmd_ingest_frames_total{{type="odd \\"name\\""}} 0
kmd_ingest_gaps_total{{channel="trade"}} 1
kmd_ingest_gaps_total{{channel="orderbook_delta"}} 2
"""
SINK = """\
kmd_sink_rows_total{{table="trades"}} {rows}
kmd_sink_lag_messages{{topic="trades"}} 17
kmd_sink_latency_seconds_bucket{{table="trades",le="0.1"}} {fast}
kmd_sink_latency_seconds_bucket{{table="trades",le="0.5"}} {all}
kmd_sink_latency_seconds_bucket{{table="trades",le="+Inf"}} {all}
"""


def reading(at: float, trades: int, rows: int, fast: int, slow: int) -> screen.Reading:
    sink = SINK.format(rows=rows, fast=fast, all=fast + slow)
    return screen.Reading(at, parse(INGEST.format(trades=trades)), Metrics(), parse(sink))


def history() -> screen.History:
    made = screen.History()
    made.add(reading(10.0, trades=100, rows=50, fast=10, slow=0))
    made.add(reading(12.0, trades=300, rows=250, fast=100, slow=10))
    return made


STATES = [screen.State("sink", True), screen.State("ingest", True, "not ready: exchange"), screen.State("kafka", False, "ended")]


def test_rates_and_totals_are_shown() -> None:
    text = "\n".join(screen.draw(history(), STATES, ["head"], [], 200, 60))
    rows = [line.split() for line in text.splitlines()]
    assert any(row[:3] == ["trade", "100", "300"] for row in rows), text
    assert any(row[-3:] == ["trades", "100", "250"] for row in rows), text
    assert "not ready: exchange" in text
    assert f"gaps {screen.RED}3" in text


def test_a_counter_that_began_again_counts_from_zero() -> None:
    made = history()
    made.add(reading(13.0, trades=30, rows=250, fast=100, slow=10))
    assert made.rates("ingest", "kmd_ingest_frames_total", "type")["trade"] == pytest.approx(10.0)


def test_latency_is_of_the_last_readings_only() -> None:
    # 90 of 100 new rows below 0.1 s, 10 between 0.1 and 0.5
    assert history().latency(0.5) == pytest.approx(0.1 * 50 / 90)
    assert history().latency(0.99) == pytest.approx(0.1 + 0.4 * 9 / 10)
    assert screen.History().latency(0.5) is None


def test_quantile_beyond_the_scale() -> None:
    assert quantile(0.5, {0.1: 0.0, math.inf: 4.0}) == math.inf
    assert quantile(0.5, {0.1: 0.0, math.inf: 0.0}) is None
    assert screen.seconds(math.inf) == "beyond the scale"


def test_it_fits_any_terminal() -> None:
    for width, height in ((20, 5), (80, 24), (300, 100)):
        lines = screen.draw(history(), STATES, ["x" * 500], ["w" * 500] * 30, width, height)
        assert len(lines) < height
        for line in lines:
            plain = line
            for code in (screen.BOLD, screen.DIM, screen.RED, screen.YELLOW, screen.GREEN, screen.OFF):
                plain = plain.replace(code, "")
            assert len(plain) <= width


def test_nothing_known_yet() -> None:
    assert screen.draw(screen.History(), [], ["head"], [], 80, 24)
    assert "frames/s 0" in screen.one_line(screen.History(), [])


def test_one_line_names_what_is_wrong() -> None:
    assert "kafka: ended" in screen.one_line(history(), STATES)


def test_labels_are_unescaped() -> None:
    assert parse('a{b="x\\"y\\\\z\\n"} 1').by("a", "b") == {'x"y\\z\n': 1.0}
