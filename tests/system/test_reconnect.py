"""The connection is cut, and frames are lost on it: what was received is stored, what was not is known and repaired."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from faults import gaps
from faults.gaps import ENRICHER, wait_books, wait_repaired
from support.paths import LOAD
from support.rig import Rig
from system import checks, truth

CUTS = 20
SIM = {"rate": 1000 * LOAD, "markets": 100, "determinations_per_minute": 30, "time_scale": 20, "rest_rate": 200, "churn": 30}


def test_twenty_cuts(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = rig.first_subscribed_us("trade")
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


def test_lost_and_repeated_frames_are_told_and_healed(make_rig: Callable[..., Rig]) -> None:
    rate = SIM["rate"]
    rig = make_rig(sim=gaps.world(rate), enricher=gaps.ENRICHER).start()
    counts = {(fault, channel): 5 for fault in ("skip", "duplicate") for channel in (gaps.BOOKS, gaps.TRADES)}
    counts["skip", gaps.LIFE] = 1
    story = gaps.inject(rig, counts, rate)
    print(gaps.report(story, gaps.check(rig, story), rate))


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
