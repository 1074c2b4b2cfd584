"""
Every recorded and documented frame and REST body goes through the whole system. The recordings are not part of the
project: without them these tests skip.

tests/data/real_input.tsv says of each frame where it must end: file, line, topic, then `row TABLE`, `duplicate` or
`dead REASON`. The files are replayed in the order of their names, on one connection; what is a repeated trade depends on that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.paths import FIXTURES, TOP
from support.process import wait_until
from support.rig import Rig
from system import checks

FRAMES = FIXTURES / "frames"
BODIES = FIXTURES / "rest"
TABLE = TOP / "tests" / "data" / "real_input.tsv"

needs_recordings = pytest.mark.skipif(not FRAMES.is_dir(), reason=f"no recordings at {FIXTURES}")


def recorded_frames() -> Iterator[tuple[str, int, bytes]]:
    for path in sorted(FRAMES.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if line.strip():
                yield path.stem, number, line


def expected_ends() -> dict[tuple[str, int], tuple[str, str]]:
    ends = {}
    for row in TABLE.read_text(encoding="utf-8").splitlines():
        if row and not row.startswith("#"):
            file, lines, topic, end = row.split("\t")
            first, _, last = lines.partition("-")
            for number in range(int(first), int(last or first) + 1):
                ends[file, number] = topic, end
    return ends


@needs_recordings
def test_every_recorded_frame(make_rig: Callable[..., Rig], folder: Path) -> None:
    frames = list(recorded_frames())
    replay = folder / "replay.jsonl"
    replay.write_bytes(b"\n".join(line for _, _, line in frames) + b"\n")
    rig = make_rig(sim={"rate": 0, "markets": 1, "mve": 0, "history": 0, "determinations": 0, "churn": 0, "replay": replay})
    rig.start()
    wait_until("all is replayed", lambda: not rig.sim.stats()["replay"]["pending"], timeout=60)
    rig.wait_stored("trades", "orderbook", "tickers", "lifecycle", "control", "other")
    assert rig.ingest.alive() and rig.enricher.alive() and rig.sink.alive()
    rig.ingest.stop()
    rig.enricher.stop()
    rig.wait_level()

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=False)
    checks.rows_of_topics(rig.query, topics)
    ends = Ends(rig, topics)
    wanted = expected_ends()
    wrong = []
    for file, number, line in frames:
        got, want = ends.take(line), wanted.get((file, number), ("not in the table", ""))
        if got != want:
            wrong.append(f"{file} {number}: {got}, the table says {want}: {line[:200]!r}")
    assert not wrong, f"{len(wrong)} of {len(frames)} frames:\n" + "\n".join(wrong[:20])
    assert len(wanted) == len(frames), "the table names frames that are not there"


class Ends:
    """Where each frame ended, by its bytes; a frame that came several times is given out in order."""

    def __init__(self, rig: Rig, topics: checks.Topics) -> None:
        self._ends: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
        places: dict[tuple[str, int, int], str] = {}
        for topic, tables in checks.TABLES.items():
            for table in tables:
                for partition, offset in rig.query(f"SELECT kafka_partition, kafka_offset FROM kalshi.{table}"):
                    places[topic, partition, offset] = f"row {table}"
        for topic, partition, offset, reason in rig.query("SELECT topic, kafka_partition, kafka_offset, reason FROM kalshi.dead_letters"):
            places[topic.removeprefix(rig.prefix), partition, offset] = f"dead {reason}"
        for topic in checks.FRAME_TOPICS:
            for r in sorted(topics.records[topic], key=lambda r: int(r.header("n") or 0)):
                self._ends[r.value or b""].append((topic, places.get((topic, r.partition, r.offset), "duplicate")))

    def take(self, frame: bytes) -> tuple[str, str]:
        """Frames of the exchange's own on the same connection may be equal to a recorded reply; they come first."""
        ends = self._ends[frame]
        return ends.pop() if len(ends) == 1 else ends.pop(0) if ends else ("nowhere", "")


def recorded_bodies() -> Iterator[tuple[str, int, str]]:
    """Name, status, body of each answer."""
    for path in sorted(BODIES.rglob("*.json")):
        if not path.name.endswith(".meta.json"):
            meta = path.with_name(path.stem + ".meta.json")
            status = json.loads(meta.read_text()).get("status", 200) if meta.exists() else status_of(path.stem)
            yield f"{path.parent.name}/{path.stem}", int(status), path.read_text(encoding="utf-8")


def status_of(name: str) -> int:
    """Bodies pasted without their status say it in their name: error_429_documented."""
    return int(name.split("_")[1]) if name.startswith("error_") else 200


@needs_recordings
def test_every_recorded_body(make_rig: Callable[..., Rig]) -> None:
    """
    Each body once as the first answer to a call for a market: whatever it is, the enricher asks again until it has the
    market. Then each recorded market by its own ticker: published as it stands, and settled if it has an outcome.
    """
    rig = make_rig(
        sim={"rate": 0, "markets": 1, "mve": 0, "history": 0, "determinations": 0, "churn": 0, "rest_rate": 0, "created_404": "0s"},
        enricher={"KMD_ENRICHER_RATE": "500", "KMD_ENRICHER_LIST_EVERY": "1h"},
    ).start()
    bodies = list(recorded_bodies())
    assert len(bodies) > 50
    tickers = [f"KXANSWER-{i}" for i in range(len(bodies))]
    for ticker, (_, status, body) in zip(tickers, bodies, strict=True):
        rig.sim.fault("rest", endpoint="market", market=ticker, status=status, body=body, count=1)
        rig.sim.market("create", ticker=ticker)
    markets = {m["ticker"]: m for m in recorded_markets(bodies)}
    for ticker, market in markets.items():
        rig.sim.body(f"markets/{ticker}", json.dumps({"market": market}))
        rig.sim.fault("send", text=json.dumps(determined(ticker)))

    def published() -> bool:
        known = {r.key.decode() for r in rig.read("markets") if r.key}
        return set(tickers) <= known and set(markets) <= known

    wait_until("every market is published", published, timeout=120, every=1)
    rig.wait_stored("markets", "settlements")
    assert rig.enricher.alive()
    assert not rig.read("dlq")
    faults = {f["endpoint"]: f["hits"] for f in rig.sim.stats()["rest_faults"]}
    assert faults, "no recorded body was served"
    rows = dict(rig.query("SELECT ticker, body FROM kalshi.markets"))
    assert [t for t, m in markets.items() if checks.prices_aside(rows[t]) != checks.prices_aside(m)] == []
    settled = {row[0]: row[1:] for row in rig.query("SELECT market_ticker, result, settlement_value::text FROM kalshi.settlements")}
    outcomes = {t: m for t, m in markets.items() if m.get("result") and m.get("settlement_value_dollars")}
    assert outcomes and [t for t, m in outcomes.items() if settled.get(t) != (m["result"], m["settlement_value_dollars"])] == []


def determined(ticker: str) -> dict[str, Any]:
    return {
        "type": "market_lifecycle_v2",
        "sid": 3,
        "msg": {"market_ticker": ticker, "event_type": "determined", "determination_ts": 1764000000, "result": "yes"},
    }


def recorded_markets(bodies: list[tuple[str, int, str]]) -> Iterator[dict[str, Any]]:
    """Every market object in the recordings; combinations aside, which start no calls."""
    for _, status, text in bodies:
        body = json.loads(text)
        if status != 200 or not isinstance(body, dict):
            continue
        found = [body["market"]] if isinstance(body.get("market"), dict) else body.get("markets", [])
        for market in found if isinstance(found, list) else []:
            if isinstance(market, dict) and "event_ticker" in market and not market["ticker"].startswith("KXMVE"):
                yield market
