"""kmd-sink's ordinary day: what records become which rows, what is a duplicate, what a dead letter."""

from __future__ import annotations

import datetime
import json
import random
import time
import uuid
from decimal import Decimal
from typing import Any

from component.sink_bench import LINEAGE, Bench, bench, delta, frame, now_ns, record, trade, unindexable

from support import http
from support.consume import Outgoing
from support.process import wait_until
from support.topics import TOPICS

__all__ = ["bench"]

UTC = datetime.UTC


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def row(bench: Bench, table: str, columns: str) -> tuple[Any, ...]:
    ((found),) = bench.query(f"SELECT {columns} FROM kalshi.{table}")
    return found


def test_each_topic_has_its_table(bench: Bench) -> None:
    ts_ms = now_ns() // 1_000_000
    received = str(now_ns())
    for topic in TOPICS:
        bench.topic(topic)
    both = {"recv_ns": received, "seq": "9", "use_yes_price": "true"}
    bench.produce("trades", [trade("t-1", 1, market="KXA-26NOV22-T1.5", ts_ms=ts_ms, is_block_trade=True, count_fp="0.01")])
    book = {"market_ticker": "KXA", "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1", "yes_dollars_fp": [["0.0800", "300.00"]]}
    bench.produce("orderbook", [frame("orderbook_snapshot", book, 1, **both), delta(2, price="0.9600", **both)])
    price = {"market_ticker": "KXA", "price_dollars": "0.4800", "dollar_volume": 16948, "ts_ms": ts_ms, "Clock": 7}
    bench.produce("tickers", [frame("ticker", price, 1, recv_ns=received)])
    life = {"market_ticker": "KXA", "event_type": "determined", "result": "yes", "name": "Zürich 🎾"}
    bench.produce("lifecycle", [frame("market_lifecycle_v2", life, 1, recv_ns=received)])
    bench.produce("control", [frame("ok", {"market_tickers": ["KXA"]}, 1, recv_ns=received)])
    bench.produce("other", [frame("", None, 1, raw=b"\x00\xffbinary", recv_ns=received)])
    feed = {"kind": "gap", "lineage": LINEAGE, "at": "2026-11-22T10:00:00.123456789Z", "sid": 4, "expected_seq": 5, "got_seq": 9}
    bench.produce("feed", [Outgoing(json.dumps(feed).encode(), b"x", (("lineage", str(LINEAGE).encode()),), 0)])
    headers = (("lineage", b"5"), ("n", b"1"), ("__connect.errors.exception.message", b"no such market"))
    bench.produce("dlq", [Outgoing(b"{}", b"KXA", headers, 0)])
    bench.start()
    bench.wait_done("trades", "orderbook", "tickers", "lifecycle", "control", "other", "feed", "dlq")

    assert row(bench, "trades", "trade_id, market_ticker, yes_price, no_price, count, taker_side, taker_book_side, is_block_trade") == (
        "t-1", "KXA-26NOV22-T1.5", Decimal("0.3600"), Decimal("0.6400"), Decimal("0.01"), "no", "ask", True,
    )  # fmt: skip
    when = datetime.datetime.fromtimestamp(ts_ms // 1000, UTC) + datetime.timedelta(milliseconds=ts_ms % 1000)
    assert row(bench, "trades", "ts, trade_date, extra") == (when, when.date(), None)
    assert bench.one("SELECT yes_price::text FROM kalshi.trades") == "0.3600", "digits as received"
    assert row(bench, "orderbook_snapshots", "market_id, yes_levels, no_levels, use_yes_price") == (
        uuid.UUID(book["market_id"]), [["0.0800", "300.00"]], None, True,
    )  # fmt: skip
    assert row(bench, "orderbook_deltas", "market_id, side, price, delta, ts, use_yes_price, extra") == (
        None, "yes", Decimal("0.9600"), Decimal("-54.00"), None, True, None,
    )  # fmt: skip
    common = "lineage, n, sid, seq, recv_ns, mono_ns, sending_ts_ms, source, kafka_partition, kafka_offset"
    assert row(bench, "orderbook_deltas", common) == (LINEAGE, 2, 1, 9, int(received), 5, None, "ws", 0, 1)
    assert row(bench, "tickers", "price, yes_bid, dollar_volume, ts, extra") == (
        Decimal("0.4800"), None, Decimal(16948), when, {"Clock": 7},
    )  # fmt: skip
    assert row(bench, "lifecycle_events", "type, event_type, market_ticker, event_ticker, msg, extra") == (
        "market_lifecycle_v2", "determined", "KXA", None, life, None,
    )  # fmt: skip
    assert row(bench, "control_frames", "type, convert_from(frame, 'UTF8')::jsonb -> 'msg'") == ("ok", {"market_tickers": ["KXA"]})
    assert row(bench, "other_frames", "type, frame, n") == (None, b"\x00\xffbinary", 1)
    assert row(bench, "feed_events", "kind, record, recv_ns, n, mono_ns, lineage, sid") == (
        "gap", feed, 1_795_341_600_123_456_789, None, None, LINEAGE, 4,
    )  # fmt: skip
    assert row(bench, "dead_letters", "topic, reason, key, value, headers") == (
        bench.prefix + "dlq", "no such market", b"KXA", b"{}", [[k, v.decode()] for k, v in headers],
    )  # fmt: skip


def test_a_bad_record_is_one_dead_letter_and_its_neighbours_are_rows(bench: Bench) -> None:
    bench.topic("trades")
    bench.topic("orderbook")
    bad = {
        1: (frame("trade", None, 2, raw=b"{not json"), "not_json"),
        3: (frame("trade", {"market_ticker": "KXA"}, 4), "missing_key"),
        5: (trade("t-5", 6, yes_price_dollars="cheap"), "bad_number"),
        7: (trade("t-7", 8, ts_ms="noon"), "bad_time"),
        9: (trade("t-\x00", 10), "bad_text"),
        11: (trade("t-11", 12, ts_ms=1_000), "time_out_of_range"),
        13: (trade("t-13", 14, ts_ms=now_ns() // 1_000_000 + 3 * 86_400_000), "time_out_of_range"),
        15: (trade("t-15", 16, market=unindexable()), "rejected"),
    }
    bench.produce("trades", [bad[i][0] if i in bad else trade(f"t-{i}", i + 1) for i in range(17)])
    bench.produce("orderbook", [delta(1), delta(2, price="x"), delta(3, recv_ns=""), delta(4)])
    one = bench.start()
    bench.wait_done("trades", "orderbook")
    assert bench.dead("trades") == {i: reason for i, (_, reason) in bad.items()}
    assert bench.one("SELECT array_agg(kafka_offset ORDER BY 1) FROM kalshi.trades") == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert bench.dead("orderbook") == {1: "bad_number", 2: "missing_key"}
    value, key = bench.query("SELECT value, key FROM kalshi.dead_letters WHERE reason = 'bad_text'")[0]
    assert (value, key) == (bad[9][0].value, bad[9][0].key), "byte for byte"
    one.wait_metric("kmd_sink_dead_letters_total", 10)
    assert one.metric("kmd_sink_dead_letters_total", reason="rejected") == 1


def test_rows_that_postgres_refuses_cost_their_batch_little(bench: Bench) -> None:
    bad = {100, 101, 300}
    bench.topic("orderbook")
    bench.produce("orderbook", [delta(n + 1, market=unindexable(n) if n in bad else "KXA") for n in range(400)])
    one = bench.start(KMD_SINK_BATCH_AGE="1s")
    bench.wait_done("orderbook")
    assert bench.dead("orderbook") == dict.fromkeys(bad, "rejected")
    assert bench.one("SELECT array_agg(kafka_offset ORDER BY 1) FROM kalshi.orderbook_deltas") == [n for n in range(400) if n not in bad]
    one.wait_metric("kmd_sink_dead_letters_total", 3)
    assert one.metric("kmd_sink_narrowed_total") <= 2 * len(bad), "Postgres tells the row: refused with its batch, then alone"


def test_a_frame_sent_again_is_a_duplicate(bench: Bench) -> None:
    bench.topic("tickers")
    price = {"market_ticker": "KXA", "price_dollars": "0.48"}
    frames = [frame("ticker", price, n) for n in (1, 2, 3)]
    bench.produce("tickers", frames)
    one = bench.start()
    bench.wait_done("tickers")
    bench.produce("tickers", [*frames, frame("ticker", price, 4), frame("ticker", price, 1, lineage=LINEAGE + 1), frame("ticker", price)])
    bench.wait_done("tickers")
    assert bench.query("SELECT lineage, n FROM kalshi.tickers ORDER BY kafka_offset") == [
        (LINEAGE, 1), (LINEAGE, 2), (LINEAGE, 3), (LINEAGE, 4), (LINEAGE + 1, 1), (None, None),
    ]  # fmt: skip
    one.wait_metric("kmd_sink_duplicates_total", 3, table="tickers")
    one.restart()
    one.wait_ready()
    bench.produce("tickers", frames)
    bench.wait_done("tickers")
    assert bench.offsets("tickers")[0]["duplicates"] == 6, "known after a restart too"


def test_a_trade_is_one_row_however_often_it_came(bench: Bench) -> None:
    bench.topic("trades")
    ts_ms = now_ns() // 1_000_000
    rest = {"source": "rest", "mono_ns": "", "sid": "", "repairs": str(LINEAGE)}

    def fetched(i: int) -> Outgoing:
        msg = {"trade_id": f"t-{i}", "market_ticker": "KXA", "yes_price_dollars": "0.99", "ts_ms": ts_ms}
        return frame("trade", msg, None, **rest)

    bench.produce("trades", [trade(f"t-{i}", i + 1, ts_ms=ts_ms) for i in range(5)])
    one = bench.start()
    bench.wait_done("trades")
    bench.produce("trades", [fetched(i) for i in range(3, 8)])  # three of them new
    bench.wait_done("trades")
    bench.produce("trades", [trade(f"t-{i}", 100 + i, ts_ms=ts_ms) for i in (7, 8, 8, 9)])  # by the WebSocket once more
    bench.wait_done("trades")
    assert bench.query("SELECT trade_id, yes_price::text, source FROM kalshi.trades ORDER BY trade_id") == [
        *((f"t-{i}", "0.3600", "ws") for i in range(5)), *((f"t-{i}", "0.99", "rest") for i in range(5, 8)),
        ("t-8", "0.3600", "ws"), ("t-9", "0.3600", "ws"),
    ]  # fmt: skip
    o = bench.offsets("trades")[0]
    assert (o["rows"], o["duplicates"], o["dead_letters"]) == (10, 4, 0)
    one.wait_metric("kmd_sink_duplicates_total", 4, table="trades")
    assert one.metric("kmd_sink_rows_total", table="trades") == 10


def test_records_without_headers_are_stored(bench: Bench) -> None:
    """Archives of old: no lineage, no n, cents."""
    bench.topic("trades")
    old = {"type": "trade", "sid": 3, "seq": 8, "msg": {"trade_id": "t", "market_ticker": "KXA", "yes_price": 27, "count": 7, "ts": 1759350609}}
    bench.produce("trades", [Outgoing(json.dumps(old).encode(), b"KXA", (), 0)])
    bench.start()
    bench.wait_done("trades")
    found = row(bench, "trades", "yes_price, no_price, count, ts, sid, seq, lineage, n, recv_ns, source")
    assert found == (Decimal("0.27"), None, Decimal(7), at("2025-10-01T20:30:09Z"), 3, 8, None, None, None, None)
    assert bench.one("SELECT tableoid::regclass::text FROM kalshi.trades") == "kalshi.trades_p20251001", "made on demand"


def settlement(status: str, known_at: str, **more: Any) -> Outgoing:
    members = {
        "market_ticker": "KXA", "event_ticker": "E", "series_ticker": "S", "market_type": "binary", "status": status,
        "result": "yes", "settlement_value_dollars": "1.0000", "expiration_value": "", "determined_at": "2026-11-22T09:50:00Z",
        "settled_at": None, "known_at": known_at, "trigger": "determined", "body": {"ticker": "KXA"},
    } | more  # fmt: skip
    return record("settlements", **members)


def test_settlements_keep_every_revision_and_the_latest(bench: Bench) -> None:
    bench.topic("settlements")
    first = settlement("determined", "2026-11-22T10:00:00.5Z")
    bench.produce(
        "settlements",
        [
            first,
            settlement("determined", "2026-11-22T10:00:05Z", trigger="reconcile", settlement_value_dollars="1.00"),  # the same
            settlement("finalized", "2026-11-22T10:10:00Z", settled_at="2026-11-22T10:09:59.123456Z"),
            settlement("determined", "2026-11-22T10:05:00Z", result="no", settlement_value_dollars="0.0000"),  # known earlier
            record("settlements", market_ticker="KXB", known_at="2026-11-22T10:00:00Z", settlement_value_dollars="0.5"),
            Outgoing(None, b"KXB", (), 0),
        ],
    )
    bench.start()
    bench.wait_done("settlements")
    assert bench.query(
        "SELECT market_ticker, revision, status, result, settlement_value::text, kafka_offset FROM kalshi.settlement_revisions ORDER BY 1, 2"
    ) == [
        ("KXA", 1, "determined", "yes", "1.0000", 0), ("KXA", 2, "finalized", "yes", "1.0000", 2),
        ("KXA", 3, "determined", "no", "0.0000", 3), ("KXB", 1, None, None, "0.5", 4),
    ]  # fmt: skip
    latest = "SELECT revision, status, expiration_value, settled_at, known_at, body FROM kalshi.settlements WHERE market_ticker = 'KXA'"
    assert bench.query(latest) == [
        (2, "finalized", "", at("2026-11-22T10:09:59.123456Z"), at("2026-11-22T10:10:00Z"), {"ticker": "KXA"})
    ]
    bench.produce("settlements", [settlement("amended", "2026-11-22T11:00:00Z"), first])
    bench.wait_done("settlements")
    assert [r[:2] for r in bench.query(latest)] == [(4, "amended")], "numbers go on after the late one"
    assert bench.one("SELECT max(revision) FROM kalshi.settlement_revisions") == 5, "the first again is late, and another outcome"


def test_a_market_that_comes_in_several_partitions_is_numbered_once(bench: Bench) -> None:
    """As after the number of partitions was raised: each of two writers has some of its records."""
    bench.topic("settlements", 3)
    outcomes = [(i, j) for i in range(1000) for j in range(3)]
    random.Random(7).shuffle(outcomes)
    records = []
    for i, j in outcomes:
        made = settlement("determined", f"2026-11-22T10:00:0{j}Z", market_ticker=f"KX-{i}", result=str(j))
        records.append(Outgoing(made.value, made.key, made.headers, j))
    bench.produce("settlements", records)
    bench.start(KMD_SINK_BATCH_ROWS="50")
    bench.wait_done("settlements")
    numbers = "SELECT market_ticker, array_agg(revision ORDER BY revision) AS numbers FROM kalshi.settlement_revisions GROUP BY 1"
    assert bench.query(f"SELECT DISTINCT numbers FROM ({numbers}) AS n") == [([1, 2, 3],)]
    assert bench.query("SELECT DISTINCT result FROM kalshi.settlements") == [("2",)], "the one known last"


def test_listings_keep_what_is_newest(bench: Bench) -> None:
    for topic in ("markets", "events", "series"):
        bench.topic(topic)

    def market(title: str, updated: str | None, fetched: str, ticker: str = "KXA") -> Outgoing:
        body = {"ticker": ticker, "event_ticker": "E", "title": title, "status": "active", "floor_strike": 4487.5, "open_time": "2026-11-01T00:00:00Z"}
        more = {"updated_time": f"2026-11-22T{updated}Z"} if updated else {}
        return record("markets", ticker=ticker, event_ticker="E", series_ticker="S", fetched_at=f"2026-11-22T{fetched}Z", body=body | more)

    bench.produce("markets", [market("one", "10:00:00", "10:00:01"), market("two", "10:01:00", "10:01:01"), market("old", "09:00:00", "11:00:00")])
    event = {"event_ticker": "E", "title": "An event", "sub_title": "of ours", "mutually_exclusive": True}
    bench.produce("events", [record("events", ticker="E", series_ticker="S", fetched_at="2026-11-22T10:00:00Z", body=event)])
    series = {"ticker": "S", "title": "A series", "category": "Sports", "fee_multiplier": 0.5}
    bench.produce("series", [record("series", ticker="S", fetched_at="2026-11-22T10:00:00Z", body=series)])
    bench.start()
    bench.wait_done("markets", "events", "series")
    read = "SELECT title, status, event_ticker, series_ticker, floor_strike, open_time, updated_at, fetched_at FROM kalshi.markets"
    assert bench.query(read) == [
        ("two", "active", "E", "S", Decimal("4487.5"), at("2026-11-01T00:00:00Z"), at("2026-11-22T10:01:00Z"), at("2026-11-22T10:01:01Z"))
    ]
    assert bench.query("SELECT ticker, series_ticker, title, sub_title, mutually_exclusive, body FROM kalshi.events") == [
        ("E", "S", "An event", "of ours", True, event)
    ]
    assert bench.query("SELECT ticker, title, category, fee_multiplier, body FROM kalshi.series") == [
        ("S", "A series", "Sports", Decimal("0.5"), series)
    ]
    o = bench.offsets("markets")[0]
    assert (o["rows"], o["duplicates"]) == (2, 1)
    bench.produce(
        "markets",
        [
            market("three", "10:01:00", "10:05:00"),  # same content time, fetched later
            market("four", None, "10:04:00"),  # does not say, fetched earlier
            market("three", "10:01:00", "10:05:00"),  # not newer than what is there
            Outgoing(None, b"KXA", (), 0),
            market("other", None, "10:00:00", "KXB"),
        ],
    )
    bench.wait_done("markets")
    assert [r[0] for r in bench.query(read + " ORDER BY ticker")] == ["three", "other"]
    o = bench.offsets("markets")[0]
    assert (o["rows"], o["duplicates"]) == (4, 4)


def test_a_long_listing_is_quick_enough_to_be_one_batch_after_another(bench: Bench) -> None:
    bench.topic("markets")
    bodies = [
        record("markets", ticker=f"KX-{i}", event_ticker=f"E-{i // 10}", fetched_at="2026-11-22T10:00:00Z", body={"title": f"m {i}", "n": i})
        for i in range(12_000)
    ]
    bench.produce("markets", bodies)
    bench.start()
    bench.wait_done("markets")
    assert bench.one("SELECT count(*) FROM kalshi.markets") == 12_000
    assert bench.one("SELECT title FROM kalshi.markets WHERE ticker = 'KX-11999'") == "m 11999"


def test_metrics_start_at_zero_and_readiness_names_what_is_missing(bench: Bench) -> None:
    bench.database.execute("DROP SCHEMA kalshi CASCADE")
    one = bench.start(wait=False)
    wait_until("the schema is missed, and how to get it", lambda: "--migrate" in json.dumps(one.ready()[1]))
    assert one.ready()[0] == 503 and one.live() == 200
    assert "schema" in one.ready()[1]["missing"]
    found = one.metrics()
    for table in ("trades", "orderbook_snapshots", "orderbook_deltas", "tickers", "lifecycle_events", "settlement_revisions", "markets"):
        assert found.get("kmd_sink_rows_total", table=table) == 0
        assert found.get("kmd_sink_duplicates_total", table=table) == 0
    for reason in ("not_json", "missing_key", "bad_number", "bad_time", "bad_text", "time_out_of_range", "expired"):
        assert found.get("kmd_sink_dead_letters_total", reason=reason) == 0
    for topic in TOPICS:
        assert found.get("kmd_sink_lag_messages", topic=topic) == 0
        assert found.get("kmd_sink_expired_records_total", topic=topic) == 0
    assert found.get("kmd_sink_batch_seconds_count") == 0 and found.get("kmd_sink_latency_seconds_count") == 0
    bench.migrate()
    one.wait_ready()
    assert http.get(one.url("/readyz"))[0] == 200


def test_a_receipt_that_is_to_come_does_not_complete_everything(bench: Bench) -> None:
    bench.topic("tickers")
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, 1, recv_ns=str(2**63 - 1)), frame("ticker", {"market_ticker": "KXA"}, 2)])
    bench.start()
    bench.wait_done("tickers")
    assert bench.dead("tickers") == {0: "time_out_of_range"}
    assert bench.one("SELECT max(at) < now() FROM kalshi.complete_until")


def test_latency_lag_and_the_group_s_offsets_are_told(bench: Bench) -> None:
    from confluent_kafka import Consumer, TopicPartition

    bench.topic("tickers")
    one = bench.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n + 1) for n in range(20)])
    bench.wait_done("tickers")
    one.wait_metric("kmd_sink_latency_seconds_count", 20)
    wait_until("nothing is left", lambda: one.metric("kmd_sink_lag_messages", topic="tickers") == 0)
    reader = Consumer({"bootstrap.servers": bench.kafka.bootstrap, "group.id": bench.group, "log_level": 2})
    topic = TopicPartition(bench.prefix + "tickers", 0)
    wait_until("the hint stands in Kafka", lambda: reader.committed([topic], timeout=10)[0].offset == 20)
    reader.close()
    recv_ns, seen = bench.query("SELECT recv_ns, at FROM kalshi.complete_until WHERE topic = %s AND kafka_partition = 0", bench.prefix + "tickers")[0]
    assert recv_ns == bench.one("SELECT max(recv_ns) FROM kalshi.tickers")
    assert abs(seen.timestamp() - recv_ns / 1e9) < 0.001


def test_only_the_topics_asked_for_are_taken(bench: Bench) -> None:
    bench.topic("tickers")
    bench.topic("other")
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, 1)])
    bench.produce("other", [frame("x", {}, 1)])
    bench.start(KMD_SINK_TOPICS="tickers, feed")
    bench.wait_done("tickers")
    assert {r[0] for r in bench.query("SELECT DISTINCT topic FROM kalshi.sink_offsets")} == {bench.prefix + "tickers", bench.prefix + "feed"}
    assert bench.one("SELECT count(*) FROM kalshi.other_frames") == 0


def test_many_days_in_one_batch(bench: Bench) -> None:
    bench.topic("trades")
    day_ms = 86_400_000
    today = int(time.time()) // 86_400 * day_ms
    bench.produce("trades", [trade(f"t-{i}", i + 1, ts_ms=today - i * day_ms) for i in range(40)])
    bench.start()
    bench.wait_done("trades")
    assert bench.one("SELECT count(DISTINCT tableoid) FROM kalshi.trades") == 40
