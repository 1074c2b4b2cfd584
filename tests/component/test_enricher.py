"""kmd-enricher against a scripted exchange and a real broker: what frames lead to, and what faults do not lose."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from component.enricher_bench import Bench, E, M, S, bench, created, exchange, first, is_determined, is_settled
from component.enricher_exchange import NOT_FOUND, SETTLED_AT, Request, determined, settled
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support import consume
from support.process import wait_until

__all__ = ["bench", "exchange"]


def test_created_leads_to_market_event_and_series(bench: Bench) -> None:
    bench.start()
    bench.wait_walk()
    body = bench.exchange.add(M, E, S)
    bench.frame(created(M, E))
    (record,) = bench.wait("markets", M)
    assert record["body"] == body
    assert (record["ticker"], record["event_ticker"], record["series_ticker"]) == (M, E, S)
    (event,) = bench.wait("events", E)
    assert event["body"] == bench.exchange.events[E] and event["series_ticker"] == S
    (series,) = bench.wait("series", S)
    assert series["body"] == bench.exchange.series[S]
    bench.wait_committed(1)
    (raw,) = bench.read("markets")
    assert (raw.header("type"), raw.header("content-type")) == ("markets", "application/json")
    assert json.dumps(body, ensure_ascii=False).encode() in (raw.value or b""), "the body is verbatim"


def test_calls_are_signed_over_the_path_without_query(bench: Bench) -> None:
    bench.start()
    wait_until("a list was asked for", lambda: bench.exchange.asked("/markets"))
    request = bench.exchange.asked("/markets")[0]
    headers = {k.upper(): v for k, v in request.headers.items()}
    public = serialization.load_pem_public_key(bench.key.public.read_bytes())
    assert isinstance(public, rsa.RSAPublicKey)
    assert headers["KALSHI-ACCESS-KEY"] == "key-1" and "ACCEPT-LANGUAGE" not in headers
    public.verify(
        base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]),
        f"{headers['KALSHI-ACCESS-TIMESTAMP']}GET/trade-api/v2/markets".encode(),
        padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        hashes.SHA256(),
    )


def test_determined_then_settled(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.start()
    bench.exchange.markets[M] |= determined()
    bench.frame(is_determined(M))
    (one,) = bench.wait("settlements", M)
    assert one["trigger"] == "determined" and one["status"] == "determined" and one["settled_at"] is None
    assert one["determined_at"] == "2026-11-22T09:50:00Z" and one["expiration_value"] == ""
    assert (one["market_ticker"], one["event_ticker"], one["series_ticker"], one["market_type"]) == (M, E, S, "binary")
    assert one["settlement_value_dollars"] == "1.0000" and one["result"] == "yes"
    bench.exchange.markets[M] |= settled()
    bench.frame(is_settled(M))
    _, two = bench.wait("settlements", M, 2)
    assert two["trigger"] == "settled" and two["settled_at"] == SETTLED_AT
    assert two["determined_at"] == one["determined_at"] and two["body"] == bench.exchange.markets[M]
    assert len(bench.exchange.asked(f"/markets/{M}")) == 2
    assert bench.wait("markets", M, 2)[-1]["body"]["status"] == "finalized"
    bench.wait_committed(2)


def test_empty_result_is_asked_for_until_it_is_there(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    empty = (200, {"market": dict(bench.exchange.markets[M])})
    no_value = (200, {"market": bench.exchange.markets[M] | {"status": "determined", "result": "yes"}})
    bench.exchange.rule(f"/markets/{M}", lambda _r, n: [empty, no_value, no_value][n] if n < 3 else None)
    one = bench.start()
    bench.exchange.markets[M] |= determined("0.5000", "scalar")
    bench.frame(is_determined(M))
    one.wait_metric("kmd_enricher_pending", 1)
    (record,) = bench.wait("settlements", M)
    assert record["result"] == "scalar" and record["settlement_value_dollars"] == "0.5000"
    times = [r.at for r in bench.exchange.asked(f"/markets/{M}")]
    waits = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert waits[0] >= 0.5 and waits[1] >= 1.0 and waits[2] >= 2.0
    assert one.metric("kmd_enricher_empty_results_total") == 3
    bench.wait_committed(1)


def test_settled_without_settlement_ts_is_asked_once_more(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.start()
    bench.wait("markets", M)
    bench.exchange.markets[M] |= settled(settled_at=None)
    bench.frame(is_settled(M))
    (record,) = bench.wait("settlements", M)
    assert record["trigger"] == "settled" and record["settled_at"] is None and record["determined_at"] is None
    assert len(bench.exchange.asked(f"/markets/{M}")) == 2


def test_redetermination_makes_another_record(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **determined("1.0000"))
    bench.start()
    bench.frame(is_determined(M, 1795341000))
    bench.wait("settlements", M)
    bench.exchange.markets[M] |= {"status": "amended", "result": "no", "settlement_value_dollars": "0.0000"}
    bench.frame(is_determined(M, 1795342000, 0))
    _, two = bench.wait("settlements", M, 2)
    assert (two["result"], two["settlement_value_dollars"], two["status"]) == ("no", "0.0000", "amended")
    assert two["determined_at"] == "2026-11-22T10:06:40Z"


def test_a_result_that_the_new_determination_contradicts_is_asked_for_again(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **determined("1.0000"))
    bench.start()
    bench.frame(is_determined(M, 1795341000))
    bench.wait("settlements", M)
    disputed = (200, {"market": bench.exchange.markets[M] | {"status": "disputed"}})
    bench.exchange.rule(f"/markets/{M}", lambda _r, n: disputed if n < 3 else None)
    bench.exchange.markets[M] |= {"status": "amended", "result": "no", "settlement_value_dollars": "0.0000"}
    bench.frame(is_determined(M, 1795342000, "0.00") | {"result": "no"})
    _, two = bench.wait("settlements", M, 2)
    assert (two["result"], two["status"], two["determined_at"]) == ("no", "amended", "2026-11-22T10:06:40Z")
    assert len(bench.exchange.asked(f"/markets/{M}")) == 4
    bench.wait_committed(2)
    bench.frame(is_determined(M, 1795343000, "1.0000"))  # REST never follows: what it shows is published in the end
    *_, three = bench.wait("settlements", M, 3, timeout=60)
    assert (three["result"], three["determined_at"]) == ("no", "2026-11-22T10:23:20Z")
    bench.wait_committed(3)


def test_one_settlement_fetch_at_a_time(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **settled())

    def slow(_request: Request, _before: int) -> None:
        time.sleep(0.4)

    bench.exchange.rule(f"/markets/{M}", slow)
    bench.start()
    bench.frames([*(is_determined(M, ts) for ts in range(1795341000, 1795341005)), is_settled(M)])
    wait_until("both", lambda: {r["trigger"] for r in bench.records("settlements", M)} >= {"determined", "settled"})
    bench.wait_committed(6)
    assert all(f"/markets/{M}" not in r.beside for r in bench.exchange.asked(f"/markets/{M}"))
    last = bench.records("settlements", M)[-1]
    assert last["determined_at"] == "2026-11-22T09:50:04Z"


def test_not_there_right_after_created(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.exchange.rule(f"/markets/{M}", first(2, NOT_FOUND))
    bench.exchange.rule("/markets", lambda _r, _n: (200, {"markets": [], "cursor": None}))
    bench.start()
    bench.frame(created(M, E))
    bench.wait("markets", M)
    assert len(bench.exchange.asked(f"/markets/{M}")) == 3
    assert not bench.exchange.asked(f"/historical/markets/{M}")


def test_archived_market_is_asked_for_in_the_archive(bench: Bench) -> None:
    bench.exchange.historical[M] = {**bench.exchange.add(M, E, S), **settled()}
    del bench.exchange.markets[M]
    bench.start()
    bench.frame(is_settled(M))
    (record,) = bench.wait("settlements", M)
    assert record["body"] == bench.exchange.historical[M]
    assert len(bench.exchange.asked(f"/historical/markets/{M}")) == 1


FAULTS = {
    "429 nested": (429, {"error": {"code": "too_many_requests", "message": "too many requests"}}),
    "429 documented": (429, {"error": "too many requests"}),
    "500 flat": (500, {"code": "internal", "message": "internal error", "details": ""}),
    "503 empty": (503, b""),
    "504 text": (504, b"<html>gateway</html>"),
    "garbage": (200, b"\x00\xff not JSON"),
    "truncated": (200, b'{"market": {"ticker": "KXRAIN'),
    "no market": (200, {"markets": []}),
    "another market": (200, {"market": {"ticker": "KXOTHER", "status": "finalized"}}),
    "400 validation": (400, {"msg": "Parameter validation failed"}),
}


def test_faults_are_retried_until_the_answer_is_good(bench: Bench) -> None:
    tickers = {f"{E}-T{n}": answer for n, answer in enumerate(FAULTS.values())}
    for ticker, answer in tickers.items():
        bench.exchange.add(ticker, E, S, **determined())
        bench.exchange.rule(f"/markets/{ticker}", first(2, answer))
    bench.start()
    bench.frames(is_determined(ticker) for ticker in tickers)
    for ticker, record in _by_ticker(bench.wait("settlements", None, len(tickers), timeout=60)).items():
        assert record["settlement_value_dollars"] == "1.0000"
        assert len(bench.exchange.asked(f"/markets/{ticker}")) == 3
    bench.wait_committed(len(tickers))


def _by_ticker(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {r["market_ticker"]: r for r in records}


def test_throttling_slows_everything(bench: Bench) -> None:
    tickers = [f"KXRAIN-26NOV22-T{i}" for i in range(20)]
    for ticker in tickers:
        bench.exchange.add(ticker, E, S, **determined())
    service = bench.start()
    refused_at = [0.0]

    def throttle(request: Request, _before: int) -> tuple[int, Any] | None:
        if refused_at[0]:
            return None
        refused_at[0] = request.at
        return 429, {"error": "too many requests"}

    bench.exchange.rule_for_all(throttle)
    bench.frames(is_determined(ticker) for ticker in tickers)
    bench.wait("settlements", None, len(tickers))
    after = sorted(r.at - refused_at[0] for r in bench.exchange.requests if r.at > refused_at[0])
    # what was under way may still arrive, then nothing for the length of the pause
    assert max(later - earlier for earlier, later in zip([0.0, *after], after, strict=False)) >= 0.4
    assert service.metric("kmd_enricher_requests_total", code="429") == 1


def test_clock_skew_and_bad_key_are_told_apart(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **determined())
    skew = (401, {"error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}})
    bad = (401, {"error": {"code": "authentication_error", "details": "INCORRECT_API_KEY_SIGNATURE"}})
    answer: list[tuple[int, Any] | None] = [skew]
    bench.exchange.rule_for_all(lambda _r, _n: answer[0])
    service = bench.start(ready=False)

    def why(word: str) -> Callable[[], bool]:
        return lambda: word in json.dumps(service.ready()[1]) and service.ready()[0] == 503

    wait_until("readyz names the clock", why("header_timestamp_expired"))
    answer[0] = bad
    wait_until("readyz names the key", why("INCORRECT_API_KEY_SIGNATURE"))
    answer[0] = None
    service.wait_ready()
    bench.frame(is_determined(M))
    bench.wait("settlements", M)


def test_slow_exchange_does_not_stop_consumption(bench: Bench) -> None:
    for i in range(5):
        bench.exchange.add(f"KXRAIN-T{i}", E, S, **determined())
    hold = [True]

    def slow(_request: Request, _before: int) -> None:
        while hold[0]:
            time.sleep(0.02)

    bench.start()
    bench.exchange.rule("/markets/KXRAIN-T0", slow)
    bench.frame(is_determined("KXRAIN-T0"))
    for i in range(1, 5):
        bench.frame(is_determined(f"KXRAIN-T{i}"))
        bench.wait("settlements", f"KXRAIN-T{i}")
    assert not bench.records("settlements", "KXRAIN-T0")
    hold[0] = False
    bench.wait("settlements", "KXRAIN-T0")


def test_unreadable_frame_is_a_dead_letter(bench: Bench) -> None:
    bench.start()
    bench.raw(b"\xff{nothing", "KXBAD", "market_lifecycle_v2")
    bench.raw(b'{"type":"market_lifecycle_v2","msg":{"event_type":"settled"}}', "KXWORSE", "market_lifecycle_v2")
    letters = wait_until("two dead letters", lambda: (found := bench.read("dlq")) and len(found) == 2 and found)
    one = next(r for r in letters if r.key == b"KXBAD")
    assert one.value == b"\xff{nothing" and one.header("lineage") == "17"
    assert one.header("__connect.errors.topic") == bench.topic("lifecycle")
    assert one.header("__connect.errors.partition") in ("0", "1") and (one.header("__connect.errors.offset") or "").isdigit()
    assert one.header("__connect.errors.exception.message") == "not JSON"
    bench.wait_committed(2)


def test_feed_record_of_an_unknown_kind_is_a_dead_letter(bench: Bench) -> None:
    service = bench.start()
    bench.feed(kind="teleported", lineage=7, at=time.time())
    bench.feed(kind="opened", lineage=8, at=time.time())
    consume.produce(bench.kafka.bootstrap, bench.topic("feed"), [consume.Outgoing(b'{"kind":"alive"}', b"9", ())])
    letters = wait_until("two dead letters", lambda: (found := bench.read("dlq")) and len(found) == 2 and found)
    one = next(r for r in letters if r.key == b"7")
    assert json.loads(one.value or b"")["kind"] == "teleported" and one.header("lineage") == "7"
    assert one.header("__connect.errors.topic") == bench.topic("feed")
    assert one.header("__connect.errors.exception.message") == "feed record of an unknown kind"
    service.wait_metric("kmd_enricher_records_total", 2, topic="dlq")
    wait_until("all three are done", lambda: bench.committed("feed") == 3)


def test_a_failure_that_repeats_is_told_once_a_minute(bench: Bench) -> None:
    tickers = [f"{E}-T{i}" for i in range(40)]
    bench.exchange.rule_for_all(lambda r, _n: (500, {"code": "internal"}) if r.path.startswith("/markets/") else None)
    service = bench.start()
    bench.frames(is_determined(ticker) for ticker in tickers)
    service.wait_metric("kmd_enricher_requests_total", 60, code="500", endpoint="market")
    told = [line for line in service.log_lines() if line["event"] == "call_failed"]
    assert len(told) == 1 and told[0]["of"] == "market" and told[0]["key"] in tickers and told[0]["why"] == "status 500"


def test_unknown_market_event_and_multivariate(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.exchange.add("KXMVE-1", "KXMVE", "KXMVE", **determined())
    bench.start()
    wait_until("listed", lambda: bench.records("markets", M))
    bench.exchange.markets[M]["title"] = "changed"
    bench.frame({"market_ticker": M, "event_type": "something_new_in_2027"})
    bench.frame(is_determined("KXMVE-1"), "multivariate_market_lifecycle")
    assert bench.wait("markets", M, 2)[-1]["body"]["title"] == "changed"
    bench.wait_committed(2)
    assert not bench.exchange.asked("/markets/KXMVE-1") and not bench.records("markets", "KXMVE-1")


def test_event_frames_fetch_the_event_anew(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.start()
    bench.wait("events", E)
    bench.exchange.events[E]["fee_type_override"] = "quadratic"
    bench.frame({"event_ticker": E, "fee_type_override": "quadratic"}, "event_fee_update")
    assert bench.wait("events", E, 2)[-1]["body"]["fee_type_override"] == "quadratic"
    bench.wait_committed(1)


def test_one_event_is_not_fetched_for_each_of_its_markets(bench: Bench) -> None:
    tickers = [f"{E}-T{i}" for i in range(30)]
    bench.start()
    bench.wait_walk()
    for ticker in tickers:
        bench.exchange.add(ticker, E, S)
    bench.frames(created(ticker, E) for ticker in tickers)
    bench.wait("markets", None, len(tickers))
    bench.wait_committed(30)
    assert len(bench.exchange.asked(f"/events/{E}")) == 1
    assert len(bench.exchange.asked(f"/series/{S}")) == 1
