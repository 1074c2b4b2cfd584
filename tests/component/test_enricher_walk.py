"""What kmd-enricher finds without a frame: lists, settlements it missed, trades that the WebSocket missed."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from component.enricher_bench import Bench, E, M, S, bench, exchange, is_determined, is_settled, rfc3339
from component.enricher_exchange import determined, settled

from support import consume
from support.process import wait_until

__all__ = ["bench", "exchange"]


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_lists_are_paged_and_published_once(bench: Bench) -> None:
    bench.exchange.page = 3
    for i in range(10):
        bench.exchange.add(f"KXRAIN-E{i % 4}-T{i}", f"KXRAIN-E{i % 4}", S, status=["active", "initialized", "inactive"][i % 3])
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    markets = bench.wait("markets", None, 10)
    assert {m["ticker"] for m in markets} == set(bench.exchange.markets)
    assert all(m["series_ticker"] == S for m in markets)
    assert {e["ticker"] for e in bench.wait("events", None, 4)} == set(bench.exchange.events)
    bench.wait("series", S)
    walks = len([r for r in bench.exchange.asked("/markets") if r.query["status"] == "settled"])
    for market in bench.exchange.markets.values():  # what moves all day is no reason for a record
        market |= {"yes_bid_dollars": "0.0100", "volume_fp": "99.00", "updated_time": ago(0), "open_interest_fp": "1.00"}
    changed = bench.exchange.markets["KXRAIN-E0-T0"]
    changed["floor_strike"] = 80000
    wait_until(
        "two more walks",
        lambda: len([r for r in bench.exchange.asked("/markets") if r.query["status"] == "settled"]) >= walks + 2,
    )
    again = bench.records("markets")
    assert len(again) == 11 and again[-1]["body"]["floor_strike"] == 80000 or any(
        m["body"]["floor_strike"] == 80000 for m in again
    )
    assert len(bench.records("events")) == 4 and len(bench.records("series")) == 1


def test_what_a_list_shows_is_published_once_the_broker_takes_it(bench: Bench) -> None:
    consume.create_topic(bench.kafka.bootstrap, bench.topic("markets"), 1, {"cleanup.policy": "compact", "max.message.bytes": "100"})
    bench.exchange.add(M, E, S)
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    bench.service.wait_metric("kmd_enricher_refused_total", 2, topic="markets")
    consume.alter_topic(bench.kafka.bootstrap, bench.topic("markets"), {"max.message.bytes": "1000000"})
    bench.wait("markets", M)


def test_what_lists_show_twice_is_published_once(bench: Bench) -> None:
    for i in range(50):
        bench.exchange.add(f"{E}-T{i}", E, S)
    twice = [m for m in bench.exchange.markets.values() for _ in range(2)]
    bench.exchange.rule("/markets", lambda r, _n: (200, {"markets": twice if r.query["status"] == "open" else [], "cursor": ""}))
    bench.exchange.rule("/events", lambda _r, _n: (200, {"events": [*bench.exchange.events.values()] * 2, "cursor": ""}))
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    bench.wait("markets", None, 50)
    bench.exchange.markets[f"{E}-T7"]["title"] = "changed"
    bench.wait("markets", f"{E}-T7", 2)
    assert len(bench.records("markets")) == 51 and len(bench.records("events")) == 1


@pytest.mark.parametrize("hours, times", [(23, 0), (25, 1)])
def test_series_of_a_listed_event_is_fetched_again_after_a_day(bench: Bench, hours: int, times: int) -> None:
    bench.exchange.add(M, E, S)
    old = {"ticker": S, "fetched_at": ago(hours * 3600), "body": {**bench.exchange.series[S], "fee_multiplier": 1}}
    consume.create_topic(bench.kafka.bootstrap, bench.topic("series"), 1)
    consume.produce(bench.kafka.bootstrap, bench.topic("series"), [consume.Outgoing(json.dumps(old).encode(), S.encode(), ())])
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    wait_until("two walks", lambda: len([r for r in bench.exchange.asked("/markets") if r.query["status"] == "settled"]) > 1)
    if times:
        assert bench.wait("series", S, 2)[-1]["body"] == bench.exchange.series[S]
    assert len(bench.exchange.asked(f"/series/{S}")) == times


@pytest.mark.parametrize("mve", ["false", "true"])
def test_multivariate_markets_only_on_demand(bench: Bench, mve: str) -> None:
    bench.exchange.add("KXMVE-1", "KXMVEGAME", "KXMVE")
    bench.exchange.add(M, E, S)
    bench.start(KMD_ENRICHER_MVE=mve)
    bench.wait("markets", M)
    if mve == "true":
        bench.wait("markets", "KXMVE-1")
    wait_until("a whole walk", lambda: any(r.query["status"] == "settled" for r in bench.exchange.asked("/markets")))
    assert bool(bench.records("markets", "KXMVE-1")) == (mve == "true")


def test_settlement_without_frames_is_reconciled_once(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **settled(settled_at=ago(60)))
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    (record,) = bench.wait("settlements", M)
    assert record["trigger"] == "reconcile" and record["determined_at"] is None and record["series_ticker"] == S
    assert record["settled_at"] == bench.exchange.markets[M]["settlement_ts"]
    first = next(r for r in bench.exchange.asked("/markets") if r.query["status"] == "settled")
    assert abs(int(first.query["min_settled_ts"]) - (time.time() - 86400)) < 3600
    before = len(bench.exchange.asked("/markets"))
    wait_until("more walks", lambda: len(bench.exchange.asked("/markets")) > before + 8)
    assert len(bench.records("settlements")) == 1


def test_frames_of_today_do_not_hide_what_was_missed_before(bench: Bench) -> None:
    bench.exchange.add("KXRAIN-OLD", E, S, **settled(settled_at=ago(3 * 3600)))
    bench.start()
    bench.wait("settlements", "KXRAIN-OLD")
    bench.stop()
    bench.exchange.add(M, E, S, **settled(settled_at=ago(2 * 3600)))
    new = [f"{E}-T{n}" for n in range(20)]
    for ticker in new:
        bench.exchange.add(ticker, E, S, **settled(settled_at=ago(60)))
    bench.frames(is_settled(ticker) for ticker in new)
    bench.exchange.rule("/events", lambda _r, n: (500, {}) if n < 6 else None)  # the walk begins when the frames are done
    bench.start()
    assert bench.wait("settlements", M)[0]["trigger"] == "reconcile"


def test_market_that_no_list_shows_any_more_is_looked_up(bench: Bench) -> None:
    """Archived, or determined while its frame was lost."""
    bench.exchange.add(M, E, S)
    bench.exchange.add(M + "B", E, S)
    bench.start()
    bench.wait("markets", None, 2)
    bench.stop()
    bench.exchange.historical[M] = bench.exchange.markets.pop(M) | settled(settled_at=ago(90 * 86400))
    bench.exchange.markets[M + "B"] |= determined("0.2500", "scalar")
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    one, two = bench.wait("settlements", M)[0], bench.wait("settlements", M + "B")[0]
    assert (one["trigger"], one["status"], one["series_ticker"]) == ("reconcile", "finalized", S)
    assert (two["trigger"], two["status"], two["result"]) == ("reconcile", "determined", "scalar")
    assert bench.wait("markets", M, 2)[-1]["body"]["status"] == "finalized"
    walks = len(bench.exchange.asked("/events"))
    wait_until("two more walks", lambda: len(bench.exchange.asked("/events")) >= walks + 4)
    assert len(bench.records("settlements")) == 2
    assert len(bench.exchange.asked(f"/markets/{M}")) == 1 and len(bench.exchange.asked(f"/markets/{M}B")) == 1


def test_settled_market_without_its_time_is_reconciled_once(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **settled(settled_at=None))
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    assert bench.wait("settlements", M)[0]["settled_at"] is None
    walks = len(bench.exchange.asked("/events"))
    wait_until("two more walks", lambda: len(bench.exchange.asked("/events")) >= walks + 4)
    assert len(bench.records("settlements")) == 1


def test_reconciliation_corrects_and_keeps_the_determination(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **determined())
    bench.start(KMD_ENRICHER_LIST_EVERY="1s")
    bench.frame(is_determined(M))
    (one,) = bench.wait("settlements", M)
    bench.exchange.markets[M] |= settled("0.0000", "no", ago(30))
    _, two = bench.wait("settlements", M, 2)
    assert (two["trigger"], two["result"], two["determined_at"]) == ("reconcile", "no", one["determined_at"])
    assert bench.wait("markets", M, 2)[-1]["body"]["status"] == "finalized"


def test_lifecycle_hole_starts_a_reconciliation(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.start()
    bench.wait("markets", M)
    bench.exchange.markets[M] |= settled(settled_at=ago(40))
    now = time.time()
    bench.feed(
        kind="subscribed", lineage=2, at=now, channel="market_lifecycle_v2", sid=3,
        from_recv_ns=int((now - 50) * 1e9), to_recv_ns=int(now * 1e9),
    )  # fmt: skip
    assert bench.wait("settlements", M)[0]["trigger"] == "reconcile"


def test_settled_market_of_a_week_ago_is_deleted_from_markets(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **settled(settled_at=ago(8 * 86400)))
    bench.start()
    bench.frame(is_settled(M))
    bench.wait("markets", M)
    bench_service_restarted(bench)
    tombstone = wait_until("a tombstone", lambda: [r for r in bench.read("markets") if r.value is None])
    assert tombstone[0].key == M.encode()


def bench_service_restarted(bench: Bench) -> None:
    """A second life, which begins by looking for what is out of date."""
    bench.stop()
    bench.start()


# -- trade windows ------------------------------------------------------------------------------------------------


def trade(n: int, at: float, ticker: str = M) -> dict[str, Any]:
    return {
        "trade_id": f"t-{n}", "ticker": ticker, "count_fp": "7.77", "yes_price_dollars": "0.0300",
        "no_price_dollars": "0.9700", "taker_side": "yes", "created_time": rfc3339(at)[:-4] + "Z",
    }  # fmt: skip


def sids(ts: float | None, subscribed: float) -> list[dict[str, Any]]:
    one: dict[str, Any] = {"sid": 2, "channel": "trade", "subscribed_ns": int(subscribed * 1e9)}
    return [one | ({"seq": 9, "n": 12, "recv_ns": int(ts * 1e9) + 1000, "ts_ms": int(ts * 1000)} if ts else {})]


def trades_of(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(r.value or b"") for r in bench.read("trades")]


def test_window_after_a_crash(bench: Bench) -> None:
    now = time.time() - 100
    bench.exchange.page = 4
    bench.exchange.trades = [trade(i, now - 30 + i) for i in range(60)]
    bench.start()
    bench.feed(kind="subscribed", lineage=7, at=now - 60, channel="trade", sid=2)
    bench.feed(kind="alive", lineage=7, at=now - 5, sids=sids(now - 8, now - 60))
    bench.feed(
        kind="subscribed", lineage=8, at=now, channel="trade", sid=1, from_recv_ns=int((now - 5) * 1e9), to_recv_ns=int(now * 1e9)
    )
    wait_until("trades of the hole", lambda: len(trades_of(bench)) >= 18)
    request = bench.exchange.asked("/markets/trades")[0]
    assert int(request.query["min_ts"]) in (int(now - 13), int(now - 13) - 1)
    assert int(request.query["max_ts"]) in (int(now + 5) + 1, int(now + 5))
    wanted = {t["trade_id"] for t in bench.exchange.trades if now - 13 <= _time(t) <= now + 5}
    records = bench.read("trades")
    assert wanted <= {json.loads(r.value or b"")["msg"]["trade_id"] for r in records}
    one = records[0]
    assert one.key == M.encode()
    assert (one.header("type"), one.header("source"), one.header("repairs")) == ("trade", "rest", "7")
    assert one.header("lineage") is None and one.header("sid") is None
    assert one.timestamp_ms == int(one.header("recv_ns") or "0") // 1_000_000
    msg = json.loads(one.value or b"")
    assert msg["type"] == "trade" and msg["msg"]["market_ticker"] == M and msg["msg"]["count_fp"] == "7.77"


def test_overlap_leaves_no_window_but_a_gap_does(bench: Bench) -> None:
    # Of the present: a window is fetched 5 s after its end, and by then the end of lineage 1 has been read too.
    now = time.time()
    bench.exchange.trades = [trade(i, now - 20 + i) for i in range(20)]
    bench.start()
    bench.feed(kind="subscribed", lineage=1, at=now - 60, channel="trade", sid=2)
    bench.feed(kind="subscribed", lineage=2, at=now + 2, channel="trade", sid=1)
    bench.feed(kind="closed", lineage=1, at=now + 4, sids=sids(now + 3, now - 60))
    bench.feed(
        kind="gap", lineage=2, at=now + 4, channel="trade", sid=1, expected_seq=5, got_seq=9,
        from_recv_ns=int((now - 4) * 1e9), to_recv_ns=int((now - 3) * 1e9),
        from_ts_ms=int((now - 4.5) * 1000), to_ts_ms=int((now - 3.5) * 1000),
    )  # fmt: skip
    wait_until("trades of the gap", lambda: trades_of(bench))
    assert {r.header("repairs") for r in bench.read("trades")} == {"2"}
    time.sleep(max(0.0, now + 14 - time.time()))  # a window of lineage 1 would have been fetched by now
    assert {r.query["min_ts"] for r in bench.exchange.asked("/markets/trades")} == {str(int(now - 9.5))}


def test_window_beyond_the_cutoff_is_asked_for_in_the_archive(bench: Bench) -> None:
    now = time.time() - 100
    bench.exchange.cutoff = {"trades_created_ts": rfc3339(now)}
    bench.exchange.historical_trades = [trade(i, now - 10 + i) for i in range(10)]
    bench.exchange.trades = [trade(100 + i, now + i) for i in range(10)]
    bench.start()
    bench.feed(
        kind="gap", lineage=2, at=now, channel="trade", sid=1,
        from_ts_ms=int((now - 3) * 1000), to_ts_ms=int((now + 3) * 1000),
    )  # fmt: skip
    wait_until("both kinds", lambda: {len(t["msg"]["trade_id"]) for t in trades_of(bench)} == {3, 5})


def test_windows_that_come_together_ask_once_where_the_archive_begins(bench: Bench) -> None:
    now = time.time() - 100
    bench.exchange.trades = [trade(i, now - 30 + i) for i in range(60)]
    bench.exchange.rule("/historical/cutoff", lambda _r, n: (503, {}) if n < 2 else None)
    bench.start()
    for lineage in range(1, 9):
        bench.feed(
            kind="gap", lineage=lineage, at=now, channel="trade", sid=1,
            from_ts_ms=int((now - 3 - lineage) * 1000), to_ts_ms=int((now + 3) * 1000),
        )  # fmt: skip
    wait_until("trades of all", lambda: len({r.header("repairs") for r in bench.read("trades")}) == 8)
    assert len(bench.exchange.asked("/historical/cutoff")) == 3


def test_feed_is_not_committed_past_an_open_lineage(bench: Bench) -> None:
    """A life that ends while the lineage lives: the next one still knows where its trades ended."""
    now = time.time() - 100
    bench.exchange.trades = [trade(i, now - 30 + i) for i in range(60)]
    bench.start()
    bench.feed(kind="subscribed", lineage=7, at=now - 60, channel="trade", sid=2)
    for second in range(50, 5, -5):
        bench.feed(kind="alive", lineage=7, at=now - second, sids=sids(now - second, now - 60))
    wait_until("all but the last alive are committed", lambda: bench.committed("feed") == 9)
    bench.stop()
    bench.start()
    bench.feed(
        kind="subscribed", lineage=8, at=now, channel="trade", sid=1, from_recv_ns=int((now - 10) * 1e9), to_recv_ns=int(now * 1e9)
    )
    wait_until("trades of the hole", lambda: trades_of(bench))
    assert int(bench.exchange.asked("/markets/trades")[0].query["min_ts"]) in (int(now - 15), int(now - 15) - 1)


def _time(one: dict[str, Any]) -> float:
    return datetime.fromisoformat(one["created_time"].replace("Z", "+00:00")).timestamp()
