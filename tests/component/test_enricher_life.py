"""Lives and deaths of kmd-enricher: what it repeats, what it does not lose, how it waits and how it ends."""

from __future__ import annotations

import json
import signal
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from component.enricher_bench import Bench, E, M, S, bench, created, exchange, is_determined, is_settled
from component.enricher_exchange import NOT_FOUND, Exchange, Request, determined, settled

from support import certs, consume, keys
from support.kafka import Kafka
from support.paths import FIXTURES
from support.process import wait_until
from support.services import Service, StartService

__all__ = ["bench", "exchange"]


def test_a_restart_repeats_nothing_that_was_published(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.start()
    bench.wait_walk()
    bench.exchange.markets[M] |= settled()
    bench.frames([is_determined(M), is_settled(M)])
    bench.wait("settlements", M, 2)
    bench.wait_committed(2)
    bench.stop()
    before = len(bench.exchange.asked(f"/markets/{M}"))
    bench.start()
    wait_until("a walk", lambda: bench.exchange.asked("/markets")[-1].query["status"] == "settled")
    bench.exchange.add(M + "B", E, S)
    bench.frame(created(M + "B", E))
    bench.wait("markets", M + "B")
    assert len(bench.exchange.asked(f"/markets/{M}")) == before
    told = [r["trigger"] for r in bench.records("settlements")]
    assert sorted(told) == ["determined", "settled"] and len(bench.records("events")) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_open_survives_a_death(bench: Bench, how: signal.Signals) -> None:
    """Frames whose result is not there yet are asked for by the next life."""
    tickers = [f"{E}-T{i}" for i in range(10)]
    for ticker in tickers:
        bench.exchange.add(ticker, E, S)
    bench.start(KMD_ENRICHER_SETTLEMENT_RETRY="1h")
    bench.frames(is_determined(ticker) for ticker in tickers)
    for ticker in tickers:
        wait_until("asked", lambda t=ticker: bench.exchange.asked(f"/markets/{t}"))
    if how == signal.SIGTERM:
        bench.stop()
    else:
        bench.service.kill()
    for ticker in tickers:
        bench.exchange.markets[ticker] |= determined()
    bench.start()
    bench.wait("settlements", None, len(tickers))
    bench.wait_committed(len(tickers))


def test_offsets_wait_for_the_slowest(bench: Bench) -> None:
    bench.exchange.add(M, E, S)
    bench.exchange.add(M + "B", E, S, **determined())
    bench.start(KMD_TOPIC_PARTITIONS="1")
    bench.frames([is_determined(M), is_determined(M + "B")])
    bench.wait("settlements", M + "B")
    bench.frame(is_determined(M + "B", 1795342000))
    bench.wait("settlements", M + "B", 2)
    assert bench.committed() == 0
    bench.exchange.markets[M] |= determined()
    bench.wait("settlements", M)
    bench.wait_committed(3)


def test_sigterm_in_the_middle_of_calls_ends_with_0(bench: Bench) -> None:
    for i in range(40):
        bench.exchange.add(f"{E}-T{i}", E, S, **determined())

    def slow(_request: Request, _before: int) -> None:
        time.sleep(0.5)

    bench.start()
    bench.exchange.rule_for_all(slow)
    bench.frames(is_determined(f"{E}-T{i}") for i in range(40))
    wait_until("calls under way", lambda: bench.service.metric("kmd_enricher_in_flight") > 0)
    bench.stop()
    bench.exchange.rule_for_all(None)
    bench.start()
    bench.wait("settlements", None, 40)
    assert {r["market_ticker"] for r in bench.records("settlements")} == {f"{E}-T{i}" for i in range(40)}


def test_the_rate_is_kept(bench: Bench) -> None:
    for i in range(60):
        bench.exchange.add(f"{E}-T{i}", E, S, **determined())
    bench.start(KMD_ENRICHER_RATE="15")
    bench.frames(is_determined(f"{E}-T{i}") for i in range(60))
    bench.wait("settlements", None, 60)
    times = sorted(r.at for r in bench.exchange.requests)
    busiest = max(sum(start <= at < start + 1 for at in times) for start in times)
    assert busiest <= 17  # 15 and what the clocks of two processes leave open
    assert max(len(r.beside) for r in bench.exchange.requests) < 32


def test_calls_at_a_time_are_bounded(bench: Bench) -> None:
    for i in range(30):
        bench.exchange.add(f"{E}-T{i}", E, S, **determined())

    def slow(_request: Request, _before: int) -> None:
        time.sleep(0.1)

    bench.exchange.rule_for_all(slow)
    bench.start(KMD_ENRICHER_MAX_IN_FLIGHT="3")
    bench.frames(is_determined(f"{E}-T{i}") for i in range(30))
    bench.wait("settlements", None, 30)
    assert max(len(r.beside) for r in bench.exchange.requests) == 2


def test_settlements_go_before_new_markets(bench: Bench) -> None:
    for i in range(40):
        bench.exchange.add(f"{E}-N{i}", E, S)
    bench.exchange.add(M, E, S, **determined())
    bench.exchange.rule("/markets", lambda _r, _n: (200, {"markets": [], "cursor": ""}))
    bench.start(KMD_ENRICHER_RATE="10")
    bench.frames([*(created(f"{E}-N{i}", E) for i in range(40)), is_determined(M)])
    bench.wait("settlements", M)
    assert sum("-N" in r.path for r in bench.exchange.requests) < 30


def test_an_event_that_cannot_be_had_does_not_hold_a_settlement_for_ever(bench: Bench) -> None:
    bench.exchange.add(M, E, S, **determined())
    bench.exchange.rule(f"/events/{E}", lambda _r, _n: NOT_FOUND)
    bench.exchange.rule("/events", lambda _r, _n: (200, {"events": [], "cursor": ""}))
    bench.start()
    bench.frame(is_determined(M))
    (record,) = bench.wait("settlements", M, timeout=40)
    assert record["series_ticker"] is None and record["event_ticker"] == E


def test_broker_away_at_start_and_in_between(
    kafka: Kafka, service: StartService, topic_prefix: str, exchange: Exchange, folder: Path
) -> None:
    kafka.stop()
    own = Bench(service, kafka, topic_prefix, exchange, folder)
    exchange.add(M, E, S, **determined())
    one = own.start(ready=False)
    wait_until("it says what is missing", lambda: one.ready()[0] == 503 and "kafka" in json.dumps(one.ready()[1]))
    assert one.live() == 200
    kafka.start()
    one.wait_ready()
    own.frame(is_determined(M))
    own.wait("settlements", M)
    kafka.kill()
    exchange.markets[M] |= settled()
    wait_until("it notices", lambda: one.ready()[0] == 503)
    assert one.alive()
    kafka.start()
    own.frame(is_settled(M))
    own.wait("settlements", M, 2, timeout=60)
    one.wait_ready()


def test_a_stop_that_cannot_flush_ends_with_70_and_the_next_life_repeats(
    kafka: Kafka, service: StartService, topic_prefix: str, exchange: Exchange, folder: Path
) -> None:
    own = Bench(service, kafka, topic_prefix, exchange, folder)
    exchange.add(M, E, S)
    one = own.start(KMD_SHUTDOWN_TIMEOUT="2s")
    own.wait("markets", M)
    hold = [True]

    def slow(_request: Request, _before: int) -> None:
        while hold[0]:
            time.sleep(0.02)

    exchange.rule(f"/markets/{M}", slow)
    own.frame(is_determined(M))
    wait_until("asked", lambda: exchange.asked(f"/markets/{M}"))
    exchange.markets[M] |= determined()
    kafka.kill()
    wait_until("it notices", lambda: one.ready()[0] == 503)
    hold[0] = False
    wait_until("the answer is in", lambda: one.metric("kmd_enricher_in_flight") == 0)
    one.process.send(signal.SIGTERM)
    assert one.process.wait() == 70
    (left,) = [line for line in one.log_lines() if line["event"] == "left_unflushed"]
    assert "settlements=1" in left["records"]
    kafka.start()
    own.start()
    own.wait("settlements", M)


def test_a_new_key_is_taken_without_restart(bench: Bench, folder: Path) -> None:
    bench.exchange.add(M, E, S, **determined())
    bench.start()
    good = keys.rsa_key(folder, "second")
    seen: set[str] = set()

    def only_second(request: Request, _before: int) -> tuple[int, Any] | None:
        import base64

        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding

        headers = {k.upper(): v for k, v in request.headers.items()}
        public: Any = serialization.load_pem_public_key(good.public.read_bytes())
        told = f"{headers['KALSHI-ACCESS-TIMESTAMP']}GET/trade-api/v2{request.path}".encode()
        try:
            public.verify(base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]), told, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())  # fmt: skip
        except InvalidSignature:
            seen.add("refused")
            return 401, {"error": {"code": "authentication_error", "details": "INCORRECT_API_KEY_SIGNATURE"}}
        return None

    bench.exchange.rule_for_all(only_second)
    bench.frame(is_determined(M))
    # so often that everything pauses for long
    bench.service.wait_metric("kmd_enricher_requests_total", 5, timeout=90, code="401")
    assert "refused" in seen and bench.service.ready()[0] == 503
    changed = time.monotonic()
    bench.key.private.write_bytes(good.private.read_bytes())
    bench.wait("settlements", M)
    print(f"settlement {time.monotonic() - changed:.1f} s after the key file changed")
    refused = bench.service.metric("kmd_enricher_requests_total", code="401")
    assert bench.service.metric("kmd_enricher_requests_total", code="200") > 0 and refused <= 6


def test_lifecycle_made_anew_is_read_and_committed(bench: Bench) -> None:
    tickers = [f"{E}-T{i}" for i in range(6)]
    for ticker in tickers:
        bench.exchange.add(ticker, E, S, **determined())
    service = bench.start(KMD_TOPIC_PARTITIONS="1")
    bench.frames(is_determined(ticker) for ticker in tickers[:4])
    bench.wait("settlements", None, 4)
    bench.wait_committed(4)
    name = bench.topic("lifecycle")
    consume.delete_topic(bench.kafka.bootstrap, name)
    consume.create_topic(bench.kafka.bootstrap, name, 1)
    # a broker under load goes on with the old one for a moment
    wait_until("the new topic stands", lambda: consume.watermarks(bench.kafka.bootstrap, name) == {0: (0, 0)})
    for n, ticker in enumerate(tickers[4:], 1):
        bench.frame(is_determined(ticker))
        bench.wait("settlements", ticker, timeout=60)
        wait_until("its new offset is committed", lambda k=n: bench.committed() == k)
    assert service.alive() and service.ready()[0] == 200


def test_a_record_refused_for_good_is_not_committed_past(bench: Bench) -> None:
    consume.create_topic(bench.kafka.bootstrap, bench.topic("settlements"), 1, {"max.message.bytes": "3000"})
    bench.exchange.add(M, E, S, **determined(), rules_primary="".join(f"{n:x}" for n in range(5000)))
    bench.exchange.add(M + "B", E, S, **determined())
    bench.start(KMD_TOPIC_PARTITIONS="1")
    bench.frame(created(M + "B", E))
    bench.wait_committed(1)
    bench.frames([is_determined(M), is_determined(M + "B")])
    bench.wait("settlements", M + "B")
    bench.service.wait_metric("kmd_enricher_refused_total", 1, topic="settlements")
    assert bench.service.alive() and not bench.records("settlements", M)
    assert any(line["event"] == "record_refused" for line in bench.service.log_lines())
    bench.frame(is_determined(M + "B", 1795342000))
    bench.wait("settlements", M + "B", 2)
    assert bench.committed() == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
def test_two_members_share_the_work_and_take_over(bench: Bench, how: signal.Signals) -> None:
    tickers = [f"{E}-T{i}" for i in range(40)]
    for ticker in tickers:
        bench.exchange.add(ticker, E, S)
    settings = {"KMD_ENRICHER_SETTLEMENT_RETRY": "1s", "KMD_TOPIC_PARTITIONS": "12"}
    one, two = bench.start(**settings), bench.start(**settings)
    wait_until("both have partitions", lambda: all(_assigned(s) for s in (one, two)))
    bench.frames(is_determined(ticker) for ticker in tickers)
    for ticker in tickers:
        wait_until("asked", lambda t=ticker: bench.exchange.asked(f"/markets/{t}"))
    one.process.send(how)
    assert how != signal.SIGTERM or one.process.wait() == 0
    for ticker in tickers:
        bench.exchange.markets[ticker] |= determined()
    bench.wait("settlements", None, len(tickers), timeout=60)
    assert {r["market_ticker"] for r in bench.records("settlements")} == set(tickers)
    bench.wait_committed(len(tickers))
    if how == signal.SIGSTOP:
        one.process.thaw()
        one.wait_ready()
        bench.frame(is_determined(tickers[0], 1795342000))
        bench.wait("settlements", tickers[0], 2)
        bench.wait_committed(len(tickers) + 1)
    assert len(bench.records("settlements")) == len(tickers) + (how == signal.SIGSTOP)
    bench.exchange.add(M, E, S)  # the lists are walked by who is left
    bench.feed(kind="gap", lineage=1, at=time.time(), channel="market_lifecycle_v2", from_recv_ns=time.time_ns() - 10**9)
    bench.wait("markets", M)


def _assigned(service: Service) -> int:
    return sum(line["partitions"] for line in service.log_lines() if line["event"] == "assigned")


REST = sorted((FIXTURES / "rest").rglob("*.json")) if FIXTURES.exists() else []


@pytest.mark.skipif(not REST, reason="../shared/fixtures is not here")
def test_every_recorded_body_as_the_answer_to_everything(bench: Bench) -> None:
    """None of them ends it or is taken for what it is not; a market that was asked for is published as it came."""
    bodies = [path.read_bytes() for path in REST if not path.name.endswith(".meta.json")]
    markets = {m["ticker"]: m for m in map(_market_of, bodies) if m}
    for n, body in enumerate(bodies):  # each as a market, an event and a series that was asked for, once
        for path in (f"/markets/KXANY-{n}", f"/events/KXANY-{n}", f"/series/KXANY-{n}"):
            bench.exchange.rule(path, lambda _r, before, b=body: (200, b) if before == 0 else NOT_FOUND)
    for path in ("/markets", "/events", "/markets/trades", "/historical/cutoff"):  # and as a page of every list
        bench.exchange.rule(path, lambda _r, before: (200, bodies[before]) if before < len(bodies) else None)
    bench.start(KMD_ENRICHER_LIST_EVERY="1s", KMD_ENRICHER_RATE="2000")
    bench.frames(is_settled(f"KXANY-{n}") for n in range(len(bodies)))
    for n in range(0, len(bodies), 10):
        bench.frame({"event_ticker": f"KXANY-{n}", "series_ticker": f"KXANY-{n + 1}"}, "event_lifecycle")
        bench.feed(kind="gap", lineage=9, at=time.time() - 90, channel="trade", sid=1, from_recv_ns=1, to_recv_ns=2 + n)
    for n in range(len(bodies)):
        wait_until(f"body {n} was served", lambda k=n: bench.exchange.asked(f"/markets/KXANY-{k}"))
    wait_until("pages were served", lambda: len(bench.exchange.asked("/markets")) > 5)
    for ticker, body in markets.items():
        bench.exchange.markets[ticker] = body
    bench.frames(is_settled(ticker) for ticker in markets)
    for ticker, market in markets.items():
        if market["status"] != "finalized":
            continue
        record = bench.wait("settlements", ticker, timeout=60)[-1]
        assert record["body"] == market and record["settled_at"] == market["settlement_ts"]
        assert record["settlement_value_dollars"] == market["settlement_value_dollars"]


def _market_of(body: bytes) -> dict[str, Any] | None:
    found = json.loads(body)
    market = found.get("market") if isinstance(found, dict) else None
    return dict(market) if isinstance(market, dict) else None


def test_tls_of_rest_is_verified(bench: Bench, folder: Path) -> None:
    authority = certs.Authority(folder / "ca")
    good, wrong = authority.server("good"), authority.server("wrong", hosts=("example.org",))
    expired = authority.server("expired", days=-1)
    trusted = {"KALSHI_CA_FILE": str(authority.ca)}
    for certificate, settings, accepted in ((good, trusted, True), (good, {}, False), (wrong, trusted, False), (expired, trusted, False)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        secure = Exchange(tls=context)
        one = bench.start(ready=accepted, KALSHI_REST_BASE_URL=secure.url, **settings)
        if not accepted:
            wait_until("the certificate is named", lambda one=one: "certificate" in str(one.ready()[1]).lower())
            assert not secure.requests
        assert one.stop() == 0
        secure.close()
