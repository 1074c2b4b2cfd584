"""kmd-ingest and silence: a frozen connection is replaced in time, a quiet exchange is left in peace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, bench, exchange, ingest_key
from component.ingest_exchange import Connection

from support import consume
from support.process import wait_until
from support.services import Service, StartService
from support.shared import SharedKafka
from support.sim import Sim

__all__ = ["bench", "exchange", "ingest_key"]

BOOK = "orderbook_delta"
PATIENCE_S = 4


def test_silence_is_noticed_although_pings_come(bench: Bench) -> None:
    one, first = bench.connect(KMD_INGEST_STALE_AFTER="2s")
    first.trade()
    second = bench.exchange.connection(2)
    second.wait_subscribed(*EXCHANGE_WIDE)
    stale = bench.wait_feed("stale")[0]
    closed = bench.wait_feed("closed")[0]
    assert stale["lineage"] == closed["lineage"] and closed["reason"] == "stale"
    assert one.metric("kmd_ingest_stale_total") >= 1
    second.trade()
    one.wait_metric("kmd_ingest_frames_total", 2, type="trade")


def test_without_a_book_to_ask_for_each_silent_replacement_is_given_more_time(bench: Bench) -> None:
    one = bench.start(KMD_INGEST_STALE_AFTER="500ms")
    bench.exchange.connection(3)
    opened = time.monotonic()
    bench.exchange.connection(5, timeout=60)
    assert time.monotonic() - opened > 2  # 2 s, then 4 s
    assert one.alive()


def test_a_quiet_exchange_that_answers_keeps_its_connection(bench: Bench) -> None:
    for ticker in ("KX-1", "KX-2"):
        bench.market(ticker)
    one = bench.start(KMD_INGEST_STALE_AFTER="1s")
    connection = bench.exchange.connection()
    connection.wait_books({"KX-1", "KX-2"})
    asked = wait_until("ten questions", lambda: len(found := connection.heard("update_subscription", "get_snapshot")) >= 10 and found, timeout=60)
    assert {t for c in asked for t in c["params"]["market_tickers"]} == {"KX-1", "KX-2"}
    assert all(len(c["params"]["market_tickers"]) == 1 for c in asked)
    assert len(bench.exchange.connections) == 1 and not bench.feed("stale")
    assert one.metric("kmd_ingest_stale_total") == 0 == one.metric("kmd_ingest_gaps_total")


def test_an_exchange_that_answers_without_data_is_replaced(bench: Bench) -> None:
    """Each question is answered by `ok`, no snapshot comes: the connection lives, its feed does not."""

    async def only_ok(connection: Connection, command: dict[str, Any]) -> bool:
        if command["params"].get("action") != "get_snapshot":
            return False
        await connection.send_now({"type": "ok", "id": command["id"], "msg": {}})
        return True

    bench.market("KX-1")
    bench.exchange.on_command = only_ok
    one = bench.start(KMD_INGEST_STALE_AFTER="1s")
    first = bench.exchange.connection()
    first.wait_books({"KX-1"})
    bench.exchange.connection(2)
    assert first.heard("update_subscription", "get_snapshot")
    assert bench.wait_feed("stale")[0]["reason"] == "no data"
    assert one.metric("kmd_ingest_stale_total") >= 1


@pytest.fixture
def sim(folder: Path) -> Iterator[Sim]:
    made = Sim(folder, markets=20, rate=100, mve=0, churn=0, determinations=0).start()
    yield made
    made.kill()


def capture(service: StartService, kafka: SharedKafka, prefix: str, sim: Sim, channels: str) -> Service:
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KMD_TOPIC_PREFIX": prefix,
        **sim.settings(),
        "KMD_INGEST_CHANNELS": channels,
        "KMD_INGEST_STALE_AFTER": f"{PATIENCE_S}s",
    }
    consume.create_topic(kafka.bootstrap, prefix + "markets", 1, {"cleanup.policy": "compact"})
    records = [consume.Outgoing(b'{"status":"active"}', ticker.encode(), ()) for ticker in sim.get("books")]
    consume.produce(kafka.bootstrap, prefix + "markets", records)
    one = service("ingest", settings)
    one.wait_metric("kmd_ingest_markets_subscribed", 20)
    one.wait_metric("kmd_ingest_frames_total", 20, type="orderbook_snapshot")
    return one


@pytest.mark.parametrize("channels", [BOOK, f"trade,ticker,{BOOK}"])
def test_a_frozen_connection_is_replaced_each_time(service: StartService, shared_kafka: SharedKafka, topic_prefix: str, sim: Sim, channels: str) -> None:
    one = capture(service, shared_kafka, topic_prefix, sim, channels)
    for times in range(1, 4):
        sim.fault("freeze")
        frozen = time.monotonic()
        one.wait_metric("kmd_ingest_connections_total", times + 1, timeout=PATIENCE_S + 2)
        assert time.monotonic() - frozen > PATIENCE_S / 2
        one.wait_metric("kmd_ingest_markets_subscribed", 20)
    assert one.metric("kmd_ingest_stale_total") == 3


def test_a_paused_exchange_is_left_in_peace(service: StartService, shared_kafka: SharedKafka, topic_prefix: str, sim: Sim) -> None:
    one = capture(service, shared_kafka, topic_prefix, sim, f"trade,ticker,market_lifecycle_v2,{BOOK}")
    sim.pause()
    asked = one.metric("kmd_ingest_frames_total", type="orderbook_snapshot")
    one.wait_metric("kmd_ingest_frames_total", asked + 6, type="orderbook_snapshot")  # each half of the patience
    assert one.metric("kmd_ingest_connections_total") == 1
    assert one.metric("kmd_ingest_stale_total") == 0
