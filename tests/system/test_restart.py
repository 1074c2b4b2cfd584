"""Every part is stopped and killed under load: what the broker acknowledged is a row exactly once, what was missed is known."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.rig import Rig
from system import checks, truth
from faults.gaps import ENRICHER, wait_books, wait_repaired
from system.test_reconnect import SIM


def finish(rig: Rig, began: int) -> checks.Topics:
    """Everything settles, ingest ends; what must hold after every kind of trouble."""
    wait_books(rig)
    ended = rig.sim.stats()["now_us"]
    rig.drain(timeout=180)
    wait_repaired(rig, began, ended)
    assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
    rig.wait_level()
    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=False)
    assert not list(checks.no_false_gaps(topics))
    checks.rows_of_topics(rig.query, topics)
    truth.trades(rig, began, ended)
    truth.books(rig)
    truth.settlements(rig)
    truth.no_revision_twice(rig)
    return topics


def test_ingest_stopped_and_killed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = rig.first_subscribed_us("trade")
    time.sleep(7)
    rig.ingest.restart()
    wait_books(rig)
    time.sleep(7)
    rig.ingest.kill()
    time.sleep(3)
    rig.ingest.start()
    wait_books(rig)
    topics = finish(rig, began)

    lineages = [r["lineage"] for r in topics.feed("opened")]
    closed = {r["lineage"] for r in topics.feed("closed")}
    assert len(lineages) == 3 and closed == {lineages[0], lineages[2]}, "the one that was killed could not say so"
    alive = [r for r in topics.feed("alive") if r["lineage"] == lineages[1]]
    hole = next(r for r in topics.feed("subscribed") if r["lineage"] == lineages[2] and r["channel"] == "trade")
    last = {s["channel"]: s for s in alive[-1]["sids"]}["trade"]
    assert hole["from_recv_ns"] == last["recv_ns"], "the hole begins at the last frame known to be safe"
    assert hole["to_recv_ns"] - hole["from_recv_ns"] > 3_000_000_000
    stored = {kind: n for kind, n in rig.query("SELECT kind, count(*) FROM kalshi.feed_events GROUP BY kind")}
    assert stored["subscribed"] == len(topics.feed("subscribed"))


def test_enricher_and_sink_stopped_and_killed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = rig.first_subscribed_us("trade")
    for kill in (False, True, True):
        for service in (rig.sink, rig.enricher):
            time.sleep(2)
            service.restart(kill=kill)
    finish(rig, began)


def test_kafka_and_postgres_restarted(make_private_rig: Callable[..., Rig]) -> None:
    rig = make_private_rig(sim=SIM, enricher=ENRICHER).start()
    wait_books(rig)
    began = rig.first_subscribed_us("trade")
    time.sleep(2)
    rig.postgres.restart()
    time.sleep(2)
    rig.kafka.restart()
    time.sleep(4)
    rig.postgres.kill()
    time.sleep(2)
    rig.postgres.start()
    time.sleep(2)
    rig.kafka.kill()
    time.sleep(2)
    rig.kafka.start()
    time.sleep(4)
    finish(rig, began)
