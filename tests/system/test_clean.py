"""A day without trouble: everything that the exchange said is in Kafka and in Postgres, exactly."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.paths import LOAD
from support.rig import Rig
from system import checks, truth

SECONDS = 60
DETERMINATIONS = 50


def test_clean(make_rig: Callable[..., Rig]) -> None:
    # Under a lighter load there are fewer of everything, so that a slow build keeps up.
    rig = make_rig(
        sim={
            "rate": 2000 * LOAD,
            "markets": max(20, int(500 * LOAD)),
            "determinations": max(8, int(1.5 * DETERMINATIONS * LOAD)),  # a part of them combinations, which settle unasked
            "determinations_per_minute": 100 * LOAD,
            "churn": 60,
            "time_scale": 20,
            "rest_rate": 100,
            "paused": True,
        },
        enricher={"KMD_ENRICHER_RATE": "60", "KMD_ENRICHER_SETTLEMENT_RETRY": "2s"},
    ).start()
    rig.ingest.wait_metric("kmd_ingest_markets_subscribed", max(20, int(500 * LOAD)))
    began = rig.sim.stats()["now_us"]
    rig.sim.resume()
    time.sleep(SECONDS)
    rig.drain()
    ended = rig.sim.stats()["now_us"]
    assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    ledger = checks.ledger_by_connection(rig.sim.frames())
    frames = checks.frames_in_kafka(ledger, topics, whole=True)
    assert frames > SECONDS * 2000 * LOAD * 0.8
    assert not list(checks.no_false_gaps(topics))
    assert not topics.feed("gap", "stale", "refused")

    rig.wait_level()
    counts = checks.rows_of_topics(rig.query, topics)
    assert not sum(c["dead_letters"] for c in counts.values())
    assert truth.trades(rig, began, ended) > 0
    assert truth.books(rig) > 0
    assert truth.settlements(rig) >= max(5, int(DETERMINATIONS * LOAD))
    truth.hierarchy(rig)
    truth.no_bad_signature(rig)
    assert calls_per_settlement(rig) <= 3


def calls_per_settlement(rig: Rig) -> float:
    """GET /markets/{t} of markets that were determined, per determination told, the listing's pages aside."""
    ended = {s["market_ticker"]: len(s["determinations"]) for s in rig.sim.get("settlements") if not s["history"] and not s["mve"]}
    calls = rig.sim.get("requests")["by_market"]
    return sum(sum(calls.get(ticker, {}).values()) for ticker in ended) / max(1, sum(ended.values()))
