"""kmd-ingest and silence: a frozen connection is replaced in time, a quiet exchange is left in peace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, bench, exchange, ingest_key
from component.ingest_exchange import Connection

from faults import frozen_feed
from support.process import wait_until
from support.services import StartService
from support.shared import SharedKafka
from support.sim import Sim

__all__ = ["bench", "exchange", "ingest_key"]

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
    made = frozen_feed.make_sim(folder).start()
    yield made
    made.kill()


@pytest.mark.parametrize("channels", frozen_feed.CHANNELS.values())
def test_a_frozen_connection_is_replaced_each_time(service: StartService, shared_kafka: SharedKafka, topic_prefix: str, sim: Sim, channels: str) -> None:
    one = frozen_feed.capture(service, shared_kafka.bootstrap, topic_prefix, sim, channels, PATIENCE_S)
    for _ in range(3):
        frozen = time.monotonic()
        frozen_feed.freeze(sim, [one], PATIENCE_S)
        assert time.monotonic() - frozen > PATIENCE_S / 2
    assert one.metric("kmd_ingest_stale_total") == 3


def test_a_paused_exchange_is_left_in_peace(service: StartService, shared_kafka: SharedKafka, topic_prefix: str, sim: Sim) -> None:
    channels = frozen_feed.CHANNELS["more"]
    one = frozen_feed.capture(service, shared_kafka.bootstrap, topic_prefix, sim, channels, PATIENCE_S)
    frozen_feed.pause(sim, [one], 3 * PATIENCE_S)
