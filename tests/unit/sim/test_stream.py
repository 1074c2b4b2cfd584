"""The WebSocket side as a client sees it, against the ledger and the true books."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from support import certs, keys
from support.wire import WS_PATH, Caller, Client, Wire, run, until

StartSim = Callable[..., Client]
EVERYTHING = ("trade", "ticker", "market_lifecycle_v2", "multivariate_market_lifecycle")


async def capture(client: Client, use_yes_price: bool = False) -> tuple[Wire, list[str]]:
    """A connection with everything and the books of all open markets."""
    rows = await client.pages("/markets?limit=1000&status=open&mve_filter=exclude", "markets")
    tickers = [m["ticker"] for m in rows]
    wire = await client.dial()
    await wire.subscribe(*EVERYTHING)
    await wire.subscribe("orderbook_delta", id_=2, market_tickers=tickers, use_yes_price=use_yes_price)
    return wire, tickers


async def quiet(client: Client, wire: Wire) -> None:
    stats = await asyncio.to_thread(client.sim.quiesce)
    conn = max((c for c in stats["connections"]), key=lambda c: c["conn"])
    await until(lambda: len(wire.frames) == conn["frames"])


def ledger(client: Client, conn: int = 1) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in client.sim.frames(conn)]


def rebuilt(frames: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Books from snapshots and deltas, counts in 1/100."""

    def hundredths(text: str) -> int:
        return int(text.replace(".", ""))

    books: dict[str, dict[str, dict[str, int]]] = {}
    for frame in frames:
        msg = frame.get("msg")
        if frame["type"] == "orderbook_snapshot":
            books[msg["market_ticker"]] = {
                side: {p: hundredths(c) for p, c in msg.get(f"{side}_dollars_fp", [])} for side in ("yes", "no")
            }
        elif frame["type"] == "orderbook_delta":
            levels = books[msg["market_ticker"]][msg["side"]]
            left = levels.pop(msg["price_dollars"], 0) + hundredths(msg["delta_fp"])
            if left > 0:
                levels[msg["price_dollars"]] = left
    return books


def true_books(client: Client, use_yes_price: bool = False) -> dict[str, dict[str, dict[str, int]]]:
    query = "books?use_yes_price=true" if use_yes_price else "books"
    return {
        ticker: {side: {p: int(c.replace(".", "")) for p, c in book[side]} for side in ("yes", "no")}
        for ticker, book in client.sim.get(query).items()
    }


@pytest.mark.parametrize("use_yes_price", [False, True])
def test_what_arrives_is_the_ledger_and_makes_the_true_books(start_sim: StartSim, use_yes_price: bool) -> None:
    client = start_sim(markets=60, rate=1500, determinations_per_minute=120, churn=120, time_scale=10)

    async def body(client: Client) -> None:
        wire, tickers = await capture(client, use_yes_price)
        await asyncio.sleep(3)
        await quiet(client, wire)
        lines = ledger(client)
        assert wire.frames == [base64.b64decode(line["data"]) for line in lines]
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
        books, truth = rebuilt(wire.parsed()), true_books(client, use_yes_price)
        assert sorted(books) == sorted(tickers)
        assert books == {t: truth[t] for t in tickers}
        for sid in range(1, 6):
            numbers = wire.seqs(sid)
            assert numbers == list(range(1, len(numbers) + 1))
        told = {f["msg"]["trade_id"] for f in wire.of("trade")}
        fetched = await client.pages("/markets/trades?limit=1000", "trades")
        assert told <= {t["trade_id"] for t in fetched}
        assert [t["created_time"] for t in fetched] == sorted((t["created_time"] for t in fetched), reverse=True)
        settled = {f["msg"]["market_ticker"] for f in wire.of(*EVERYTHING) if f["msg"].get("event_type") == "settled"}
        truths = {s["market_ticker"]: s for s in client.sim.get("settlements")}
        for ticker in settled:
            market = (await client.get(f"/markets/{ticker}"))[1]["market"]
            for member in ("result", "settlement_value_dollars", "expiration_value", "settlement_ts"):
                assert market[member] == truths[ticker][member]
        assert settled

    run(client, body)


def test_frames_vary_as_on_the_wire(start_sim: StartSim) -> None:
    client = start_sim(markets=20, rate=2000)

    async def body(client: Client) -> None:
        wire, _ = await capture(client)
        await until(lambda: len(wire.frames) > 3000)
        frames = wire.parsed()
        assert len({tuple(f) for f in frames if f["type"] == "trade"}) >= 3
        assert all("sending_ts_ms" in f for f in frames)
        assert any(f.endswith(b"\n") for f in wire.frames)
        assert all(("seq" in f) == (f["type"] not in ("ticker", "subscribed")) for f in frames)

    run(client, body)


def test_commands_at_once_are_answered_in_any_order(start_sim: StartSim) -> None:
    client = start_sim(markets=30, rate=0, reply_jitter_ms=20)

    async def body(client: Client) -> None:
        wire, tickers = await capture(client)
        for i, ticker in enumerate(tickers):
            await wire.say("update_subscription", 100 + i, sid=5, action="get_snapshot", market_tickers=[ticker])
        answers = await until(
            lambda: len(found := [f["id"] for f in wire.of("orderbook_snapshot") if "id" in f]) == 30 and found
        )
        assert answers != sorted(answers) and sorted(answers) == list(range(100, 130))
        assert wire.seqs(5) == list(range(1, 61))

    run(client, body)


def test_pings(start_sim: StartSim) -> None:
    client = start_sim(markets=2, rate=0, ping_every="100ms")

    async def body(client: Client) -> None:
        wire = await client.dial()
        await until(lambda: len(wire.pings) >= 2)
        assert set(wire.pings) == {b"heartbeat"}

    run(client, body)


def test_handshake_must_be_signed(start_sim: StartSim) -> None:
    client = start_sim(markets=2, rate=0)

    async def refused(headers: dict[str, str]) -> tuple[int, bytes]:
        async with client.http.get(client.sim.ws_url.replace("ws:", "http:"), headers=headers) as r:
            return r.status, await r.read()

    async def body(client: Client) -> None:
        assert await refused({}) == (401, b'{"code":"token_authentication_failure"}')
        status, text = await refused(client.caller.headers("/trade-api/ws/v3"))
        assert (status, orjson.loads(text)["error"]["details"]) == (401, "INCORRECT_API_KEY_SIGNATURE")
        status, text = await refused(client.caller.headers(WS_PATH, skew_s=-60))
        assert (status, orjson.loads(text)["error"]["code"]) == (401, "header_timestamp_expired")
        stats = client.sim.stats()
        assert (stats["bad_signatures"], stats["unsigned"], stats["connections_total"]) == (1, 1, 0)
        client.sim.fault("handshake", status=429, count=1)
        with pytest.raises(aiohttp.WSServerHandshakeError) as e:
            await client.dial()
        assert e.value.status == 429
        await client.dial()

    run(client, body)


def test_ed25519_over_tls(start_sim: StartSim, folder: Path) -> None:
    key = keys.ed25519_key(folder, "ed")
    client = start_sim(markets=3, rate=100, key=key, tls=certs.Authority(folder / "ca"))
    client.caller = Caller(key.private)

    async def body(client: Client) -> None:
        wire = await client.dial()
        await wire.subscribe("ticker")
        await until(lambda: len(wire.of("ticker")) > 10)

    run(client, body)


# -- faults -------------------------------------------------------------------------------------------------------


def test_drop_and_dial_again(start_sim: StartSim) -> None:
    client = start_sim(markets=20, rate=500)

    async def body(client: Client) -> None:
        wire, _ = await capture(client)
        client.sim.fault("drop")
        await asyncio.wait_for(wire.closed.wait(), 10)
        again, _ = await capture(client)
        await until(lambda: len(again.of("trade")) > 5)
        assert [s["msg"]["sid"] for s in again.of("subscribed")] == [1, 2, 3, 4, 5]
        assert again.seqs(1)[0] == 1
        client.sim.fault("drop", code=1012)
        await asyncio.wait_for(again.closed.wait(), 10)
        assert again.ws.close_code == 1012
        first, second = client.sim.get("connections")
        assert (first["reason"], second["reason"]) == ("fault: dropped", "fault: dropped")
        assert wire.frames == [base64.b64decode(line["data"]) for line in ledger(client)][: len(wire.frames)]

    run(client, body)


def test_drops_that_are_asked_for_happen(start_sim: StartSim) -> None:
    client = start_sim(markets=3, rate=100)

    async def body(client: Client) -> None:
        client.sim.fault("drop", times=5, within_s=0.1)
        for _ in range(5):
            wire = await client.dial()
            await asyncio.wait_for(wire.closed.wait(), 10)
        assert client.sim.stats()["drops"] == 5

    run(client, body)


def test_skipped_frames_leave_a_hole_and_are_in_the_truth(start_sim: StartSim) -> None:
    client = start_sim(markets=10, rate=500)

    async def body(client: Client) -> None:
        wire, tickers = await capture(client)
        client.sim.fault("skip", channel="orderbook_delta", count=3)
        await until(lambda: len(client.sim.get("lost")) == 3)
        await wire.say("update_subscription", 9, sid=5, action="get_snapshot", market_tickers=tickers)
        await until(lambda: len([f for f in wire.of("orderbook_snapshot") if f.get("id") == 9]) == len(tickers))
        await quiet(client, wire)
        numbers = wire.seqs(5)
        lost = [row["seq"] for row in client.sim.get("lost")]
        assert sorted(numbers + lost) == list(range(1, len(numbers) + 4))
        assert rebuilt(wire.parsed()) == {t: b for t, b in true_books(client).items() if t in tickers}

    run(client, body)


def test_duplicates_and_terminal_errors(start_sim: StartSim) -> None:
    client = start_sim(markets=10, rate=500)

    async def body(client: Client) -> None:
        wire, _ = await capture(client)
        client.sim.fault("duplicate", channel="trade", count=2)
        await until(lambda: len(s := wire.seqs(1)) - len(set(s)) == 2)
        client.sim.fault("error", channel="trade", code=10)
        error = (await until(lambda: wire.of("error")))[0]
        assert (error["sid"], error["msg"]["code"], error["seq"]) == (1, 10, max(wire.seqs(1)))
        (again,) = await wire.subscribe("trade", id_=3)
        assert again["msg"]["sid"] == 6

    run(client, body)


def test_frozen_connection_answers_pings_only(start_sim: StartSim) -> None:
    client = start_sim(markets=10, rate=500, ping_every="50ms")

    async def body(client: Client) -> None:
        wire, _ = await capture(client)
        client.sim.fault("freeze")
        await asyncio.sleep(0.1)
        frames, pings = len(wire.frames), len(wire.pings)
        await until(lambda: len(wire.pings) > pings + 3)
        assert len(wire.frames) == frames
        client.sim.fault("thaw")
        await until(lambda: len(wire.frames) > frames + 20)
        numbers = wire.seqs(5)
        assert len(numbers) < numbers[-1]

    run(client, body)


def test_slow_reader_loses_a_subscription(start_sim: StartSim) -> None:
    client = start_sim(markets=20, rate=20_000, send_buffer=200_000)

    async def body(client: Client) -> None:
        session = aiohttp.ClientSession(read_bufsize=1024)
        async with session:
            ws = await session.ws_connect(client.sim.ws_url, headers=client.caller.headers(WS_PATH), max_msg_size=0)
            await ws.send_str('{"id":1,"cmd":"subscribe","params":{"channels":["ticker","trade"]}}')
            await until(lambda: any(len(c["subscriptions"]) == 1 for c in client.sim.stats()["connections"]), 30)
            async for message in ws:
                frame = orjson.loads(message.data)
                if frame["type"] == "error":
                    assert frame["msg"] == {"code": 25, "msg": "Subscription buffer overflow"}
                    break

    run(client, body)


def test_any_bytes_can_be_sent(start_sim: StartSim) -> None:
    client = start_sim(markets=2, rate=0)

    async def body(client: Client) -> None:
        wire = await client.dial()
        await until(lambda: client.sim.stats()["connections"])
        client.sim.fault("send", text="not json at all", fragments=4)
        client.sim.fault("send", base64=base64.b64encode(b"\x00\xff").decode(), binary=True)
        await until(lambda: len(wire.frames) == 2)
        assert wire.frames == [b"not json at all", b"\x00\xff"]

    run(client, body)


# -- replay -------------------------------------------------------------------------------------------------------

RECORDED = [
    b'{"type":"orderbook_snapshot","sid":11,"seq":90,"msg":{"market_ticker":"OLD","yes":[[1,2]]}}',
    b'{"type":"trade",  "sid":7,"seq":5,"msg":{"trade_id":"x","market_ticker":"A","price":0.960}}',
    b'{"type":"ok","id":3,"sid":7,"seq":6,"msg":{"market_tickers":[]}}',
    b'{"type":"ticker","sid":4,"msg":{"market_ticker":"A","Clock":3}}',
    b"neither JSON nor anything",
    b'{"type":"trade","sid":7,"seq":8,"msg":{"trade_id":"y","market_ticker":"A"}}',
]


@pytest.mark.parametrize("renumber", [False, True])
def test_replay(start_sim: StartSim, folder: Path, renumber: bool) -> None:
    file = folder / "frames.jsonl"
    file.write_bytes(b"\n".join(RECORDED) + b"\n")
    client = start_sim(markets=3, rate=0, churn=0, replay=file, **({"renumber": True} if renumber else {}))

    async def body(client: Client) -> None:
        wire = await client.dial()
        await wire.subscribe("ticker", "trade")
        await until(lambda: client.sim.stats()["replay"]["pending"] == {"orderbook_delta": 1})
        await wire.subscribe("orderbook_delta", id_=2, market_tickers=[])
        await until(lambda: len(wire.frames) == 3 + len(RECORDED))
        came = [f for f in wire.frames if b'"subscribed"' not in f]
        if not renumber:
            assert sorted(came) == sorted(RECORDED)
            assert [f for f in came if b'"trade"' in f] == [RECORDED[1], RECORDED[5]]
            return
        trades = [f for f in came if b'"trade"' in f]
        assert trades[0] == RECORDED[1].replace(b'"sid":7,"seq":5', b'"sid":2,"seq":1')
        assert [orjson.loads(f)["seq"] for f in trades] == [1, 2]
        assert RECORDED[0].replace(b'"sid":11,"seq":90', b'"sid":3,"seq":1') in came
        assert RECORDED[4] in came

    run(client, body)
