"""kmd-ingest when something goes wrong: gaps, lost subscriptions, refused handshakes, silence, lost connections, a broker that is away."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, bench, exchange, ingest_key
from component.ingest_exchange import Connection, Exchange

from support import certs, consume, keys
from support.kafka import Kafka
from support.process import wait_until
from support.services import Service, StartService

__all__ = ["bench", "exchange", "ingest_key"]

BOOK = "orderbook_delta"


def why(one: Service, condition: str) -> str:
    return one.ready()[1].get("conditions", {}).get(condition, {}).get("why", "")


def stored(bench: Bench, type_: str) -> list[consume.Record]:
    return [r for r in bench.frames() if r.header("type") == type_]


def test_a_gap_on_trades_is_told_with_its_window(bench: Bench) -> None:
    one, connection = bench.connect()
    connection.trade(count=2)
    connection.skip("trade", 3)
    connection.trade(count=2)
    gap = bench.wait_feed("gap")[0]
    before, after = stored(bench, "trade")[1:3]
    assert gap["channel"] == "trade" and gap["sid"] == connection.sids["trade"]
    assert (gap["expected_seq"], gap["got_seq"]) == (3, 6)
    assert gap["from_recv_ns"] == int(before.header("recv_ns") or 0)
    assert gap["to_recv_ns"] == int(after.header("recv_ns") or 0)
    assert gap["from_ts_ms"] == json.loads(before.value or b"")["msg"]["ts_ms"]
    assert gap["to_ts_ms"] == json.loads(after.value or b"")["msg"]["ts_ms"]
    assert one.metric("kmd_ingest_gaps_total", channel="trade") == 1
    assert not connection.heard("update_subscription", "get_snapshot")
    assert one.stop() == 0
    assert len(bench.feed("gap")) == 1


def test_repeated_and_old_numbers_are_no_gap(bench: Bench) -> None:
    one, connection = bench.connect()
    connection.trade(count=3)
    connection.seqs[connection.sids["trade"]] -= 2
    connection.trade(count=3)
    bench.wait_frames(len(connection.sent))
    assert one.metric("kmd_ingest_gaps_total") == 0
    assert one.stop() == 0
    assert not bench.feed("gap")
    assert len(stored(bench, "trade")) == 6


def test_frames_before_subscribed_count(bench: Bench) -> None:
    async def early(connection: Connection, command: dict) -> bool:
        if command["params"].get("channels") != ["trade"]:
            return False
        sid = bench.exchange.next_sid(connection)
        for seq in (1, 2, 5):
            await connection.send_now({"type": "trade", "sid": sid, "seq": seq, "msg": {"market_ticker": "M"}})
        await connection.send_now({"type": "subscribed", "id": command["id"], "msg": {"channel": "trade", "sid": sid}})
        connection.seqs[sid] = 5
        connection.sids["trade"] = sid
        return True

    bench.exchange.on_command = early
    one, connection = bench.connect()
    connection.trade()
    bench.wait_frames(len(connection.sent))
    gaps = bench.wait_feed("gap")
    assert [(g["expected_seq"], g["got_seq"]) for g in gaps] == [(3, 5)]
    assert one.alive()


def test_a_stranger_s_frames_are_stored_and_not_checked(bench: Bench) -> None:
    one, connection = bench.connect()
    for seq in (4, 9, 2):
        connection.send({"type": BOOK, "sid": 99, "seq": seq, "msg": {"market_ticker": "X"}})
    bench.wait_frames(len(connection.sent))
    assert [r.header("use_yes_price") for r in bench.read("orderbook")] == [None] * 3
    assert one.stop() == 0
    assert not bench.feed("gap")


def test_a_gap_on_books_is_healed_by_snapshots(bench: Bench) -> None:
    tickers = {f"KX-{n}" for n in range(5)}
    for ticker in tickers:
        bench.market(ticker)
    one, connection = bench.connect()
    connection.wait_books(tickers)
    one.wait_metric("kmd_ingest_markets_subscribed", 5)
    connection.delta("KX-1")
    connection.skip(BOOK)
    connection.delta("KX-2")
    bench.wait_feed("resynced", sid=connection.sids[BOOK])
    asked = connection.heard("update_subscription", "get_snapshot")
    assert {t for c in asked for t in c["params"]["market_tickers"]} == tickers
    assert len(bench.feed("gap")) == 1
    assert one.metric("kmd_ingest_gaps_total", channel=BOOK) == 1
    assert not connection.heard("unsubscribe") and connection.open


@pytest.mark.parametrize("code", [10, 25])
def test_a_terminal_error_subscribes_again(bench: Bench, code: int) -> None:
    bench.market("KX-1")
    one, connection = bench.connect()
    connection.wait_books({"KX-1"})
    connection.trade(count=3)
    one.wait_metric("kmd_ingest_frames_total", 3, type="trade")
    for channel in ("trade", BOOK):
        former = connection.sids.pop(channel)
        connection.books.clear()
        connection.send({"type": "error", "sid": former, "seq": connection.seqs[former] + 1, "msg": {"code": code, "msg": "gone"}})
    connection.wait_subscribed("trade", BOOK)
    connection.wait_books({"KX-1"})
    connection.trade(count=2)
    bench.wait_frames(len(connection.sent))
    again = bench.wait_feed("subscribed", 2, channel="trade")[-1]
    assert again["sid"] == connection.sids["trade"]
    error = next(r for r in stored(bench, "error") if r.header("sid") != str(again["sid"]))
    assert again["from_recv_ns"] == int(error.header("recv_ns") or 0) < again["to_recv_ns"]
    assert len(bench.exchange.connections) == 1
    assert one.metric("kmd_ingest_gaps_total") == 0


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_refused_handshake_is_named_and_tried_again(bench: Bench, status: int) -> None:
    bench.exchange.statuses = [status] * 1000
    one = bench.start()
    wait_until("named in /readyz", lambda: f"HTTP {status}" in why(one, "exchange"))
    assert one.live() == 200
    wait_until("tried again", lambda: len(bench.exchange.dials) >= 2, timeout=60)
    bench.exchange.statuses.clear()
    bench.exchange.connection(timeout=60)
    one.wait_ready()
    assert {d.status for d in bench.exchange.dials[:-1]} == {status} and bench.exchange.dials[-1].status == 101


def test_a_401_by_a_wrong_clock_is_told_apart(bench: Bench) -> None:
    bench.exchange.statuses = [401] * 100
    bench.exchange.refusal_headers = {"Date": "Sun, 22 Nov 2020 10:00:00 GMT"}
    one = bench.start()
    wait_until("the clock is named", lambda: "clock" in why(one, "exchange") and "ahead" in why(one, "exchange"))


def test_a_new_key_is_tried_at_once(bench: Bench, folder: Path) -> None:
    right = bench.key.private.read_bytes()
    bench.key.private.write_bytes(keys.rsa_key(folder, "wrong-key").private.read_bytes())
    one = bench.start()
    wait_until("refused a few times", lambda: len(bench.exchange.dials) >= 3 and "HTTP 401" in why(one, "exchange"), timeout=90)
    bench.key.private.write_bytes(right)
    bench.exchange.connection(timeout=10).wait_subscribed(*EXCHANGE_WIDE)
    one.wait_ready()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_lost_connection_is_replaced_and_the_hole_is_told(bench: Bench, how: str) -> None:
    bench.market("KX-1")
    one, first = bench.connect()
    first.wait_books({"KX-1"})
    first.trade(count=5)
    one.wait_metric("kmd_ingest_frames_total", 5, type="trade")
    getattr(first, how)()
    second = bench.exchange.connection(2)
    second.wait_subscribed(*EXCHANGE_WIDE)
    second.wait_books({"KX-1"})
    second.trade(count=2)
    bench.wait_frames(len(first.sent) + len(second.sent))
    said = bench.wait_feed("subscribed", 2, channel="trade")[-1]
    closed = bench.wait_feed("closed")[0]
    last = stored(bench, "trade")[4]
    assert said["lineage"] > closed["lineage"]
    assert said["from_recv_ns"] == int(last.header("recv_ns") or 0)
    reply = next(r for r in stored(bench, "subscribed") if r.header("lineage") == str(said["lineage"]) and b'"trade"' in (r.value or b""))
    assert said["to_recv_ns"] == int(reply.header("recv_ns") or 0)
    assert next(s for s in closed["sids"] if s["channel"] == "trade")["recv_ns"] == said["from_recv_ns"]
    assert [r["kind"] for r in bench.feed() if r["lineage"] == said["lineage"]][0] == "opened"
    assert not bench.feed("gap")


def test_after_a_sigkill_the_hole_begins_at_the_last_alive(bench: Bench) -> None:
    one, first = bench.connect()
    first.trade(count=5)
    alive = wait_until("alive", lambda: [r for r in bench.feed("alive") if any(s.get("seq") == 5 for s in r["sids"])], timeout=20)[-1]
    one.kill()
    one.start()
    second = bench.exchange.connection(2)
    second.wait_subscribed(*EXCHANGE_WIDE)
    said = bench.wait_feed("subscribed", 2, channel="trade")[-1]
    assert said["lineage"] > alive["lineage"]
    assert said["from_recv_ns"] == next(s for s in alive["sids"] if s["channel"] == "trade")["recv_ns"]
    assert said["from_recv_ns"] < said["to_recv_ns"]
    ticker = bench.wait_feed("subscribed", 2, channel="ticker")
    assert ticker[1]["from_recv_ns"] == next(s for s in alive["sids"] if s["channel"] == "ticker")["subscribed_ns"]


def test_another_group_s_lineage_is_no_predecessor(bench: Bench) -> None:
    one, _ = bench.connect()
    bench.wait_feed("subscribed", len(EXCHANGE_WIDE))
    assert one.stop() == 0
    bench.start(KMD_INGEST_GROUP="second")
    bench.exchange.connection(2).wait_subscribed(*EXCHANGE_WIDE)
    said = bench.wait_feed("subscribed", len(EXCHANGE_WIDE), group="second")
    assert not any("from_recv_ns" in r for r in said)


def test_what_the_broker_refuses_for_good_is_told_and_the_rest_goes_on(bench: Bench) -> None:
    consume.create_topic(bench.bootstrap, bench.topic("other"), 1, {"max.message.bytes": "10000"})
    one, connection = bench.connect()
    text = os.urandom(120_000).hex()  # nothing that compresses away
    connection.send(text)
    connection.send("small")
    connection.trade(count=2)
    told = bench.wait_feed("refused")[0]
    assert told["topic"] == "other" and told["size"] == 240_000 and told["reason"]
    assert one.metric("kmd_ingest_refused_total") == 1
    letter = wait_until("it is in dlq", lambda: bench.read("dlq"))[0]
    assert (letter.value or b"").decode() == text and letter.header("n") == str(told["n"])
    assert letter.header("__connect.errors.topic") == bench.topic("other")
    assert letter.header("__connect.errors.exception.message") == told["reason"]
    n = told["n"]
    records = bench.wait_frames(len(connection.sent) - 1)
    assert [r.value for r in records] == [m for i, m in enumerate(connection.sent, 1) if i != n]
    assert one.stop() == 0
    assert bench.feed("closed")[0]["last_n"] == len(connection.sent)


def test_a_broker_that_is_away_for_a_while_costs_nothing(kafka: Kafka, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair) -> None:
    bench = Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)
    one, connection = bench.connect()
    connection.trade(count=20)
    one.wait_ready()
    kafka.stop()
    for _ in range(20):
        connection.trade(count=50)
    wait_until("kafka is named", lambda: one.ready()[0] == 503 and why(one, "kafka"), timeout=30)
    assert one.live() == 200 and connection.open
    kafka.start()
    records = bench.wait_frames(len(connection.sent), timeout=60)
    assert [r.value for r in records] == connection.sent
    one.wait_ready()


def test_a_broker_that_comes_late_is_waited_for(kafka: Kafka, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair) -> None:
    kafka.stop()
    bench = Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)
    one = bench.start()
    wait_until("kafka is named", lambda: one.ready()[0] == 503 and why(one, "kafka"))
    assert not exchange.dials  # nothing could be kept
    kafka.start()
    exchange.connection(timeout=60).wait_subscribed(*EXCHANGE_WIDE)
    one.wait_ready()


def test_a_stop_that_cannot_flush_says_what_is_left(kafka: Kafka, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair) -> None:
    bench = Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)
    one, connection = bench.connect(KMD_SHUTDOWN_TIMEOUT="2s")
    bench.wait_frames(len(connection.sent))
    kafka.kill()
    connection.trade(count=7)
    one.wait_metric("kmd_ingest_frames_total", 7, type="trade")
    assert one.stop() == 70
    assert any("trades=7" in json.dumps(line) for line in one.log_lines())


def test_tls_is_verified(bench: Bench, folder: Path) -> None:
    authority = certs.Authority(folder / "ca")
    good, wrong = authority.server("good"), authority.server("wrong", hosts=("example.org",))
    expired = authority.server("expired", days=-1)
    for certificate, settings, accepted in (
        (good, {"KALSHI_CA_FILE": str(authority.ca)}, True),
        (good, {}, False),
        (wrong, {"KALSHI_CA_FILE": str(authority.ca)}, False),
        (expired, {"KALSHI_CA_FILE": str(authority.ca)}, False),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        secure = Exchange(bench.key.public, tls=context)
        one = bench.start(KALSHI_WS_URL=secure.url, **settings)
        if accepted:
            secure.connection().wait_subscribed(*EXCHANGE_WIDE)
            one.wait_ready()
        else:
            wait_until("TLS is named", lambda: "not connected" not in why(one, "exchange") and why(one, "exchange"))
            assert not secure.dials
        assert one.stop() == 0
        secure.close()
