"""kmd-ingest: every message arrives byte for byte with its headers, everything is subscribed, and the books follow the markets."""

from __future__ import annotations

import json
import time

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, bench, exchange, ingest_key
from component.ingest_exchange import PATH, Connection

from support import http
from support.paths import FIXTURES
from support.process import wait_until

__all__ = ["bench", "exchange", "ingest_key"]

BOOK = "orderbook_delta"

ODD = [
    '{"type":"trade","sid":1,"seq":"2","msg":{"market_ticker":"ODD-1"}}',
    '{"msg":{"market_ticker":"ODD-2","x":"\\u00e9\\ud83d\\ude00"},"type":"ticker"}\n',
    '  {"type" : "event_lifecycle", "msg" : {"event_ticker":"KXEV-1"}}',
    '{"type":"event_fee_update","msg":{"event_ticker":"KXEV-2","fee_type_override":null}}',
    '{"type":"multivariate_market_lifecycle","msg":{"market_ticker":"KXMVE-1","event_type":"created"}}',
    '{"type":"ticker","msg":{"market_ticker":"A\\/B \\"q\\""}}',
    '{"type":"cfbenchmarks_value","sid":77,"seq":3,"msg":{"data":"{}"}}',
    '{"type":"trade","msg":{}}',
    '{"type":"trade","msg":{"market_ticker":""}}',
    '{"type":5,"sid":-1}',
    "[1,2,3]",
    "not json at all",
    "{",
    "",
    "\u2603",
    b"\x00\xff\xfebinary",
    b'{"type":"trade","sid":1,"msg":{"market_ticker":"M"}}',
]

WHERE = [  # topic, key (None: the lineage), type, sid, seq
    ("trades", "ODD-1", "trade", "1", None),
    ("tickers", "ODD-2", "ticker", None, None),
    ("lifecycle", "KXEV-1", "event_lifecycle", None, None),
    ("lifecycle", "KXEV-2", "event_fee_update", None, None),
    ("lifecycle", "KXMVE-1", "multivariate_market_lifecycle", None, None),
    ("tickers", 'A/B "q"', "ticker", None, None),
    ("other", None, "cfbenchmarks_value", "77", "3"),
    ("other", None, "trade", None, None),
    ("other", None, "trade", None, None),
    *[("other", None, None, None, None)] * 8,
]


def test_every_message_is_stored_byte_for_byte_where_it_belongs(bench: Bench) -> None:
    one, connection = bench.connect()
    before = len(connection.sent)
    connection.send(*ODD)
    records = bench.wait_frames(len(connection.sent))
    assert [r.value for r in records] == connection.sent
    lineage = records[0].header("lineage")
    assert lineage is not None and int(lineage) > 0
    for n, r in enumerate(records, 1):
        assert (r.header("lineage"), r.header("n"), r.header("source")) == (lineage, str(n), "ws")
        assert r.timestamp_ms == int(r.header("recv_ns") or 0) // 1_000_000
        assert int(r.header("mono_ns") or 0) > 0
    for r, (topic, key, type_, sid, seq) in zip(records[before:], WHERE, strict=True):
        found = (r.topic, r.key, r.header("type"), r.header("sid"), r.header("seq"))
        assert found == (bench.topic(topic), (key or lineage).encode(), type_, sid, seq), r.value
        assert r.header("use_yes_price") is None
    one.wait_metric("kmd_ingest_delivered_total", 11, topic="other")
    assert one.metric("kmd_ingest_frames_total", type="other") == 9


def test_large_and_fragmented_messages_arrive_whole(bench: Bench) -> None:
    _, connection = bench.connect()
    big = json.dumps({"type": "ticker", "msg": {"market_ticker": "BIG", "pad": "x" * 5_000_000}})
    connection.send(big, "y" * 100_000, '{"type":"ticker","msg":{"market_ticker":"AFTER"}}')
    records = bench.wait_frames(len(connection.sent))
    assert [r.value for r in records] == connection.sent


def test_a_message_is_stamped_when_its_last_byte_came(bench: Bench) -> None:
    _, connection = bench.connect()
    text = json.dumps({"type": "ticker", "msg": {"market_ticker": "SLOW", "pad": "x" * 1000}})
    wall_ns, mono_ns = connection.send_slowly(text, 0.3)
    record = bench.wait_frames(len(connection.sent))[-1]
    assert record.value == text.encode()
    assert int(record.header("recv_ns") or 0) >= wall_ns
    assert int(record.header("mono_ns") or 0) >= mono_ns


@pytest.mark.skipif(not FIXTURES.exists(), reason="../shared/fixtures is absent")
def test_recorded_frames_arrive_byte_for_byte(bench: Bench) -> None:
    one, connection = bench.connect()
    lines = [line for path in sorted((FIXTURES / "frames").glob("*.jsonl")) for line in path.read_text().splitlines()]
    for line in lines:
        kind = json.loads(line).get("type")
        if kind not in ("subscribed", "unsubscribed", "ok", "error"):  # those would answer commands of ours
            connection.send(line)
    records = bench.wait_frames(len(connection.sent), timeout=60)
    assert [r.value for r in records] == connection.sent
    assert one.stop() == 0


def test_the_handshake_is_signed_for_the_path_alone(bench: Bench) -> None:
    one = bench.start(KALSHI_WS_URL=bench.exchange.url + "?source=test&x=/y")
    first = bench.exchange.connection()
    first.abort()
    bench.exchange.connection(2)
    assert bench.exchange.bad_signatures == 0
    a, b = bench.exchange.dials[:2]
    assert a.path_and_query == PATH + "?source=test&x=/y"
    assert a.headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert a.headers["KALSHI-ACCESS-SIGNATURE"] != b.headers["KALSHI-ACCESS-SIGNATURE"]
    assert abs(int(b.headers["KALSHI-ACCESS-TIMESTAMP"]) / 1000 - time.time()) < 60
    assert one.alive()


def test_exchange_wide_channels_have_no_ticker_filter_and_books_say_everything(bench: Bench) -> None:
    one, connection = bench.connect()
    for ticker in ("KX-A", "KX-B"):
        bench.market(ticker)
    connection.wait_books({"KX-A", "KX-B"})
    asked = {c["params"]["channels"][0]: c["params"] for c in connection.heard("subscribe")}
    for channel in EXCHANGE_WIDE:
        assert asked[channel] == {"channels": [channel]}
    assert asked[BOOK].pop("market_tickers")
    assert asked[BOOK] == {"channels": [BOOK], "use_yes_price": False, "skip_ticker_ack": True}
    connection.delta("KX-A")
    one.wait_metric("kmd_ingest_frames_total", 1, type=BOOK)
    books = wait_until("book frames", lambda: [r for r in bench.read("orderbook") if r.header("type") == BOOK])
    assert {r.header("use_yes_price") for r in bench.read("orderbook")} == {"false"}
    assert books[0].key == b"KX-A"
    said = bench.wait_feed("subscribed", channel=BOOK)[0]
    assert said["use_yes_price"] is False and said["sid"] == connection.sids[BOOK]
    assert said["markets"] in (1, 2) and said["group"] == bench.topic("ingest") and said["shard"] == 0


def test_answers_in_any_order_and_without_msg(bench: Bench) -> None:
    held: list[dict] = []

    async def reorder(connection: Connection, command: dict) -> bool:
        held.append(command)
        if len(held) == len(EXCHANGE_WIDE):
            for late in reversed(held):
                await connection.answer(late)
        return len(held) <= len(EXCHANGE_WIDE)

    bench.exchange.on_command = reorder
    one, connection = bench.connect()
    one.wait_ready()
    by_channel = {r["channel"]: r["sid"] for r in bench.wait_feed("subscribed", len(EXCHANGE_WIDE))}
    assert by_channel == {c: connection.sids[c] for c in EXCHANGE_WIDE}


def test_books_follow_topic_markets_and_lifecycle(bench: Bench) -> None:
    for n in range(40):
        bench.market(f"KX-{n}")
    bench.market("KX-OLD", "finalized")
    bench.market("KXMVE-1")
    one, connection = bench.connect()
    expected = {f"KX-{n}" for n in range(40)}
    connection.wait_books(expected)
    connection.lifecycle("KX-NEW", "created", open_ts=1)
    connection.lifecycle("KXMVE-2", "created")
    connection.wait_books(expected | {"KX-NEW"})
    connection.lifecycle("KX-3", "determined", result="yes")
    connection.lifecycle("KX-3", "settled", settled_ts=1)
    bench.market("KX-4", "finalized")
    bench.market("KX-5", None)
    expected = (expected | {"KX-NEW"}) - {"KX-3", "KX-4", "KX-5"}
    connection.wait_books(expected)
    bench.market("KX-3", "active")  # REST is behind
    one.wait_metric("kmd_ingest_markets_subscribed", len(expected))
    wait_until("no difference", lambda: one.metric("kmd_ingest_markets_expected") == one.metric("kmd_ingest_markets_subscribed") == len(expected))
    adds = connection.heard("update_subscription", "add_markets")
    assert all(len(c["params"]["market_tickers"]) <= 500 for c in adds)
    assert one.metric("kmd_ingest_gaps_total") == 0


def test_globs_choose_the_books(bench: Bench) -> None:
    for ticker in ("KXA-1", "KXA-2", "KXB-1"):
        bench.market(ticker)
    _, connection = bench.connect(KMD_INGEST_MARKETS="KXA*,KXC?,-*-2")
    connection.lifecycle("KXC1", "created")
    connection.lifecycle("KXC12", "created")
    connection.wait_books({"KXA-1", "KXC1"})


def test_only_the_channels_that_are_set(bench: Bench) -> None:
    one, connection = bench.connect("trade", KMD_INGEST_CHANNELS="trade")
    bench.market("KX-1")
    one.wait_ready()
    connection.trade(count=3)
    bench.wait_frames(4)
    assert [c["params"]["channels"] for c in connection.commands] == [["trade"]]


def test_a_refused_add_is_tried_again_until_nothing_is_missing(bench: Bench) -> None:
    refused: list[int] = []

    async def refuse(connection: Connection, command: dict) -> bool:
        if command["params"].get("action") != "add_markets" or len(refused) >= 3:
            return False
        refused.append(command["id"])
        code = (27, 26, 18)[len(refused) - 1]
        sid = command["params"]["sid"]
        connection.seqs[sid] += 1
        await connection.send_now({"type": "error", "id": command["id"], "sid": sid, "seq": connection.seqs[sid], "msg": {"code": code, "msg": "no"}})
        return True

    bench.exchange.on_command = refuse
    bench.market("KX-0")
    one, connection = bench.connect()
    connection.wait_books({"KX-0"})
    for n in range(1, 6):
        bench.market(f"KX-{n}")
    connection.wait_books({f"KX-{n}" for n in range(6)})
    assert len(refused) == 3
    assert one.metric("kmd_ingest_gaps_total") == 0  # errors took numbers


def test_sigterm_flushes_and_says_closed(bench: Bench) -> None:
    one, connection = bench.connect()
    connection.trade(count=500)
    wait_until("received", lambda: one.metric("kmd_ingest_frames_total", type="trade") == 500)
    assert one.stop() == 0
    records = bench.frames()
    assert [r.value for r in records] == connection.sent
    closed = bench.feed("closed")
    assert len(closed) == 1
    assert closed[0]["last_n"] == len(records)
    trade = next(s for s in closed[0]["sids"] if s["channel"] == "trade")
    last = [r for r in records if r.header("type") == "trade"][-1]
    assert trade["seq"] == 500 and trade["n"] == int(last.header("n") or 0) and trade["recv_ns"] == int(last.header("recv_ns") or 0)
    assert bench.feed()[0]["kind"] == "opened" and bench.feed()[-1]["kind"] == "closed"
    for r in bench.read("feed"):
        assert r.key == str(closed[0]["lineage"]).encode() == (r.header("lineage") or "").encode()
        assert r.header("type") == "feed" and r.header("content-type") == "application/json"


def test_alive_says_what_is_durable(bench: Bench) -> None:
    one, connection = bench.connect()
    connection.trade(count=10)
    bench.wait_frames(len(connection.sent))

    def look() -> dict | None:
        for record in bench.feed("alive"):
            for sid in record["sids"]:
                if sid["channel"] == "trade" and sid.get("seq") == 10:
                    return record
        return None

    record = wait_until("alive with the trades", look, timeout=20)
    assert record is not None
    trade = next(s for s in record["sids"] if s["channel"] == "trade")
    stored = {r.header("n"): r for r in bench.frames()}[str(trade["n"])]
    assert trade["recv_ns"] == int(stored.header("recv_ns") or 0)
    assert trade["ts_ms"] == json.loads(stored.value or b"")["msg"]["ts_ms"]
    assert {s["channel"] for s in record["sids"]} == set(EXCHANGE_WIDE)
    assert one.alive()


def test_metrics_exist_from_the_start(bench: Bench) -> None:
    bench.exchange.statuses = [503] * 1000
    one = bench.start()
    wait_until("metrics", lambda: one.live() == 200 and http.get(one.url("/metrics"))[0] == 200)
    found = one.metrics()
    for channel in (*EXCHANGE_WIDE, BOOK):
        assert found.get("kmd_ingest_gaps_total", channel=channel) == 0
    for topic in ("trades", "orderbook", "tickers", "lifecycle", "control", "other"):
        assert found.get("kmd_ingest_delivered_total", topic=topic) == 0
    for kind in ("trade", "orderbook_snapshot", BOOK, "ticker", "market_lifecycle_v2", "subscribed", "error", "other"):
        assert found.get("kmd_ingest_frames_total", type=kind) == 0
    for name in ("connections_total", "stale_total", "markets_expected", "markets_subscribed", "spool_bytes"):
        assert found.get(f"kmd_ingest_{name}") == 0
    assert found.find("kmd_ingest_refused_total") and found.find("kmd_ingest_exchange_age_seconds_bucket")
