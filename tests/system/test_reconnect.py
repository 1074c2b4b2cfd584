"""The connection is cut, and frames are lost on it: what was received is stored, what was not is known and repaired."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from support.paths import LOAD
from support.process import wait_until
from support.rig import Rig
from system import checks, truth

CUTS = 20
SIM = {"rate": 1000 * LOAD, "markets": 100, "determinations_per_minute": 30, "time_scale": 20, "rest_rate": 200, "churn": 30}
ENRICHER = {"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_SETTLEMENT_RETRY": "1s", "KMD_ENRICHER_LIST_EVERY": "20s"}


def test_twenty_cuts(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = first_trade_subscription(rig)
    moments = random.Random(7)
    for _ in range(CUTS):
        time.sleep(moments.uniform(0.3, 2.5))
        connections = rig.ingest.metric("kmd_ingest_connections_total")
        rig.sim.fault("drop")
        rig.ingest.wait_metric("kmd_ingest_connections_total", connections + 1)
    wait_books(rig)
    ended = rig.sim.stats()["now_us"]
    rig.drain(timeout=180)
    wait_repaired(rig, began, ended)
    assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
    rig.wait_level()

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=False)
    assert not list(checks.no_false_gaps(topics)), "cut connections are holes between lineages, not gaps"
    checks.rows_of_topics(rig.query, topics)
    truth.trades(rig, began, ended)
    truth.books(rig)
    truth.settlements(rig)
    truth.no_bad_signature(rig)
    every_hole_is_told(topics)


def test_skipped_frames_are_gaps_and_healed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = first_trade_subscription(rig)
    time.sleep(2)
    for channel in ("orderbook_delta", "trade", "market_lifecycle_v2", "orderbook_delta", "trade"):
        rig.sim.fault("skip", channel=channel, count=3)
        time.sleep(2)
    rig.ingest.wait_metric("kmd_ingest_gaps_total", 2, channel="orderbook_delta")
    rig.ingest.wait_metric("kmd_ingest_gaps_total", 2, channel="trade")
    ended = rig.sim.stats()["now_us"]
    rig.drain(timeout=180)
    wait_repaired(rig, began, ended)
    assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
    rig.wait_level()

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    gaps = list(checks.no_false_gaps(topics))
    books = [g for g in gaps if g["channel"] == "orderbook_delta"]
    assert books and len(topics.feed("resynced")) >= 1
    checks.rows_of_topics(rig.query, topics)
    truth.trades(rig, began, ended)
    truth.books(rig)
    truth.settlements(rig)


def wait_books(rig: Rig) -> None:
    """Every book that should be subscribed is."""

    def level() -> bool:
        expected = rig.ingest.metric("kmd_ingest_markets_expected")
        return expected > 0 and expected == rig.ingest.metric("kmd_ingest_markets_subscribed")

    wait_until("expected and subscribed markets are equal", level, timeout=60)


def first_trade_subscription(rig: Rig) -> int:
    """Unix us from which on no trade may be missing."""
    return rig.first_subscribed_us("trade")


def wait_repaired(rig: Rig, began: int, ended: int) -> None:
    """Until each trade is there: a window is fetched 5 s after its end and once more after 60 s."""

    def complete() -> bool:
        want = {t["trade_id"] for t in rig.sim.get(f"trades?min_us={began}&max_us={ended}")}
        return want <= {row[0] for row in rig.query("SELECT trade_id FROM kalshi.trades")}

    wait_until("every trade is a row", complete, timeout=90, every=1)


def every_hole_is_told(topics: checks.Topics) -> None:
    """Each lineage but the first says where the former one ended, per channel; and the ends are closed."""
    opened = [r["lineage"] for r in topics.feed("opened")]
    assert opened == sorted(opened)
    closed = {r["lineage"] for r in topics.feed("closed")}
    assert closed == set(opened), "every lineage that was opened is closed"
    told = {(r["lineage"], r["channel"]): r for r in topics.feed("subscribed")}
    channels: set[str] = set()
    for lineage in opened:
        mine = {channel for (of, channel) in told if of == lineage}
        for channel in mine & channels:
            hole = told[lineage, channel]
            assert hole["from_recv_ns"] <= hole["to_recv_ns"], hole
        channels |= mine
