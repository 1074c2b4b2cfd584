"""The REST side as a client sees it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import orjson
import pytest

from support.wire import REST_PATH, Client, run, until

StartSim = Callable[..., Client]


def test_pages_filters_and_words(start_sim: StartSim) -> None:
    client = start_sim(markets=45, mve=5, history=8, rate=0, determinations_per_minute=0, churn=0)

    async def body(client: Client) -> None:
        rows = await client.pages("/markets?limit=7", "markets")
        truth = client.sim.get("markets")
        assert {m["ticker"] for m in rows} == {m["body"]["ticker"] for m in truth if not m["archived"]}
        assert len(rows) == 54
        assert len(await client.pages("/markets?limit=7&mve_filter=only", "markets")) == 5
        assert len(await client.pages("/markets?limit=100&status=open", "markets")) == 50
        assert {m["status"] for m in await client.pages("/markets?status=settled", "markets")} == {"finalized"}
        names = ",".join(m["ticker"] for m in rows[:3])
        assert len(await client.pages(f"/markets?tickers={names}", "markets")) == 3
        event = rows[10]["event_ticker"]
        same = await client.pages(f"/markets?event_ticker={event}", "markets")
        assert same and all(m["event_ticker"] == event for m in same)
        status, garbage = await client.get("/markets?limit=5&cursor=garbage-cursor-fixture")
        assert status == 200 and len(garbage["markets"]) == 5
        assert (await client.get("/markets?limit=1001"))[0] == 400
        assert (await client.get("/events?limit=201"))[0] == 400
        events = await client.pages("/events?limit=3&with_nested_markets=true", "events")
        assert not any(e["event_ticker"].startswith("KXMVE") for e in events) and all("markets" in e for e in events)
        assert len(await client.pages("/events/multivariate?limit=3", "events")) == 5
        series = (await client.get("/series"))[1]["series"]
        assert {e["series_ticker"] for e in events} <= {s["ticker"] for s in series}
        assert (await client.get(f"/series/{series[0]['ticker']}"))[1]["series"] == series[0]
        one = (await client.get(f"/events/{event}"))[1]
        nested = (await client.get(f"/events/{event}?with_nested_markets=true"))[1]
        assert nested["event"]["markets"] == one["markets"] and "markets" not in one["event"]
        same_body = [(await client.get(f"/markets/{rows[0]['ticker']}"))[1]["market"] for _ in range(2)]
        assert same_body == [rows[0], rows[0]]

    run(client, body)


def test_archived_markets_are_historical(start_sim: StartSim) -> None:
    client = start_sim(markets=5, history=8, rate=0)

    async def body(client: Client) -> None:
        archived = [m["body"]["ticker"] for m in client.sim.get("markets") if m["archived"]]
        assert len(archived) == 4
        for ticker in archived:
            assert (await client.get(f"/markets/{ticker}"))[0] == 404
            status, found = await client.get(f"/historical/markets/{ticker}")
            assert status == 200 and found["market"]["status"] == "finalized"
        assert len(await client.pages("/historical/markets?limit=3", "markets")) == 4
        cutoff = (await client.get("/historical/cutoff"))[1]["trades_created_ts"]
        live = await client.pages("/markets/trades?limit=5", "trades")
        old = await client.pages("/historical/trades?limit=5", "trades")
        assert live and old
        assert all(t["created_time"] >= cutoff for t in live) and all(t["created_time"] < cutoff for t in old)
        late = (await client.get(f"/markets/trades?ticker={old[0]['ticker']}&max_ts=1000000000"))[1]
        assert late == {"cursor": "", "trades": []}

    run(client, body)


def test_created_is_404_for_a_while(start_sim: StartSim) -> None:
    client = start_sim(markets=5, rate=0, churn=0, created_404="600ms")

    async def body(client: Client) -> None:
        made = client.sim.market("create", ticker="KXNEW-26.5-A", event_ticker="KXNEW-26", title='Él said "so"\n')
        assert (await client.get("/markets/KXNEW-26.5-A"))[0] == 404
        while (answer := await client.get("/markets/KXNEW-26.5-A"))[0] == 404:
            await asyncio.sleep(0.05)
        assert answer[1]["market"]["title"] == 'Él said "so"\n'
        assert answer[1]["market"]["event_ticker"] == made["event_ticker"] == "KXNEW-26"
        assert (await client.get("/events/KXNEW-26"))[0] == 200

    run(client, body)


def test_lives_on_demand(start_sim: StartSim) -> None:
    client = start_sim(markets=5, rate=0, churn=0, determinations_per_minute=0, rest_lag="100ms")

    async def body(client: Client) -> None:
        wire = await client.dial()
        await wire.subscribe("market_lifecycle_v2", "multivariate_market_lifecycle")
        ticker = next(m["body"]["ticker"] for m in client.sim.get("markets") if m["truth"] == "active" and not m["mve"])
        client.sim.market("determine", ticker=ticker, result="scalar", value="0.3700")
        client.sim.market("redetermine", ticker=ticker, result="yes")
        client.sim.market("settle", ticker=ticker)
        lives = await until(lambda: len(f := wire.of("market_lifecycle_v2")) == 3 and f)
        assert [(f["msg"]["event_type"], f["msg"].get("settlement_value")) for f in lives] == [
            ("determined", "0.3700"), ("determined", "1.0000"), ("settled", None),
        ]  # fmt: skip
        truth = next(s for s in client.sim.get("settlements") if s["market_ticker"] == ticker)
        assert truth["determination_ts"] == lives[1]["msg"]["determination_ts"]
        while (market := (await client.get(f"/markets/{ticker}"))[1]["market"])["status"] != "finalized":
            await asyncio.sleep(0.02)
        assert (market["result"], market["settlement_value_dollars"]) == ("yes", "1.0000")
        client.sim.fault("listing", tickers=[ticker], listed=False)
        assert ticker not in {m["ticker"] for m in await client.pages("/markets?limit=100", "markets")}

    run(client, body)


def test_unsigned_calls_are_refused_and_counted(start_sim: StartSim) -> None:
    client = start_sim(markets=3, rate=0)

    async def body(client: Client) -> None:
        assert await client.get("/markets", headers={}) == (
            401,
            {"error": {"code": "signature_is_missing_from_headers", "message": "signature is missing from headers"}},
        )
        query_signed = client.caller.headers(REST_PATH + "/markets?limit=1")
        assert (await client.get("/markets?limit=1", headers=query_signed))[0] == 401
        stats = client.sim.stats()
        assert (stats["unsigned"], stats["bad_signatures"]) == (1, 1)
        client.sim.fault("clock", skew_s=60)
        status, answer = await client.get("/markets")
        assert (status, answer["error"]["code"]) == (401, "header_timestamp_expired")

    run(client, body)


def test_unsigned_calls_pass_when_allowed(start_sim: StartSim) -> None:
    client = start_sim(markets=3, rate=0, require_auth=False)

    async def body(client: Client) -> None:
        assert (await client.get("/markets", headers={}))[0] == 200

    run(client, body)


def test_too_many_requests(start_sim: StartSim) -> None:
    client = start_sim(markets=3, rate=0, rest_rate=5)

    async def body(client: Client) -> None:
        answers = [await client.get("/exchange/status") for _ in range(15)]
        assert (429, {"error": "too many requests"}) in answers
        assert answers[0][0] == 200

    run(client, body)


def test_faults(start_sim: StartSim) -> None:
    client = start_sim(markets=3, rate=0, fault=['{"kind":"rest","endpoint":"series_list","status":503}'])

    async def body(client: Client) -> None:
        assert (await client.get("/series"))[0] == 503
        assert (await client.get("/series"))[0] == 200
        ticker = (await client.get("/markets"))[1]["markets"][0]["ticker"]
        client.sim.fault("rest", endpoint="market", mode="garbage")
        with pytest.raises(orjson.JSONDecodeError):
            await client.get(f"/markets/{ticker}")
        client.sim.fault("rest", endpoint="market", market=ticker, mode="truncated")
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"/markets/{ticker}")
        client.sim.fault("rest", endpoint="market", mode="reset", count=2)
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"/markets/{ticker}", client.caller.headers(f"{REST_PATH}/markets/{ticker}"))
        client.sim.fault("rest", endpoint="*", mode="status", status=500, share=0.5)
        codes = [(await client.get(f"/markets/{ticker}"))[0] for _ in range(40)]
        assert set(codes) == {200, 500}
        client.sim.fault("clear")
        client.sim.fault("deny", tickers=[ticker])
        assert (await client.get(f"/markets/{ticker}"))[0] == 404
        counted = client.sim.get("requests")
        assert counted["by_endpoint"]["series_list 503"] == 1
        assert counted["by_market"][ticker]["market 404"] == 1
        assert counted["by_market"][ticker]["market 500"] == codes.count(500)

    run(client, body)


def test_recorded_bodies_are_verbatim(start_sim: StartSim, folder: Path) -> None:
    file = folder / "body.json"
    file.write_bytes(b'{ "market" : {"ticker":"X", "v":1.10} }\n')
    client = start_sim(markets=3, rate=0, body=f"/trade-api/v2/markets/X={file}")

    async def fetch(path: str) -> tuple[int, bytes]:
        headers = client.caller.headers(REST_PATH + path)
        async with client.http.get(client.sim.rest_url + path, headers=headers) as r:
            return r.status, await r.read()

    async def body(client: Client) -> None:
        assert await fetch("/markets/X") == (200, file.read_bytes())
        client.sim.body("/trade-api/v2/events/Y", '{"msg":"no"}', 400)
        assert await fetch("/events/Y") == (400, b'{"msg":"no"}')

    run(client, body)
