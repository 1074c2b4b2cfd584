"""HTTP control under /sim/: the truth to compare against, the generator's reins, faults and lives on demand."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from kmd_sim import bodies
from kmd_sim.actions import FaultError, act_market, set_fault

if TYPE_CHECKING:
    from kmd_sim.exchange import Exchange

QUIESCE_S = 30.0


def reply(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def refuse(why: str) -> web.Response:
    return reply({"error": why}, 400)


class Control:
    def __init__(self, exchange: "Exchange") -> None:
        self.exchange = exchange
        self.world = exchange.world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/stats", self.stats),
            web.get("/sim/requests", self.requests),
            web.get("/sim/books", self.books),
            web.get("/sim/trades", self.trades),
            web.get("/sim/settlements", self.settlements),
            web.get("/sim/markets", self.markets),
            web.get("/sim/events", self.events),
            web.get("/sim/series", self.series),
            web.get("/sim/connections", self.connections),
            web.get("/sim/subscriptions", self.subscriptions),
            web.get("/sim/lost", self.lost),
            web.get("/sim/frames", self.frames),
            web.post("/sim/pause", self.pause),
            web.post("/sim/resume", self.resume),
            web.post("/sim/quiesce", self.quiesce),
            web.post("/sim/rate", self.rate),
            web.post("/sim/fault", self.fault),
            web.post("/sim/market", self.market),
            web.post("/sim/body", self.body),
        ]

    async def stats(self, request: web.Request) -> web.Response:
        stats = self.exchange.stats()
        stats["replay"] = request.app["replay"].describe() if request.app["replay"] else None
        return reply(stats)

    async def requests(self, request: web.Request) -> web.Response:
        by_market = {t: dict(c) for t, c in self.exchange.by_market.items()}
        return reply({"by_endpoint": dict(self.exchange.requests), "by_market": by_market})

    async def books(self, request: web.Request) -> web.Response:
        flip = request.query.get("use_yes_price") == "true"
        wanted = request.query.get("ticker")
        return reply(
            {
                m.ticker: {
                    "status": m.status,
                    "mve": m.mve,
                    "yes": m.book.levels("yes"),
                    "no": m.book.levels("no", flip),
                }
                for m in self.world.order
                if wanted is None or m.ticker == wanted
            }
        )

    async def trades(self, request: web.Request) -> web.Response:
        """All that are kept, oldest first; min_us and max_us bound created time."""
        low = int(request.query.get("min_us", 0))
        high = int(request.query.get("max_us", 1 << 62))
        return reply(
            [
                {**bodies.trade(t), "created_us": t.created_us}
                for t in self.world.tape.trades
                if low <= t.created_us <= high
            ]
        )

    async def settlements(self, request: web.Request) -> web.Response:
        return reply([bodies.settlement_truth(m) for m in self.world.order if m.determinations])

    async def markets(self, request: web.Request) -> web.Response:
        return reply(
            [
                {
                    "truth": m.status,
                    "history": m.history,
                    "archived": self.exchange.archived(m),
                    "mve": m.mve,
                    "market_id": m.market_id,
                    "series_ticker": m.event.series.ticker,
                    "body": bodies.market(m),
                }
                for m in self.world.order
            ]
        )

    async def events(self, request: web.Request) -> web.Response:
        return reply([{"mve": e.mve, "body": bodies.event(e)} for e in self.world.events.values()])

    async def series(self, request: web.Request) -> web.Response:
        return reply([{"body": bodies.series(s)} for s in self.world.catalog.series.values()])

    async def connections(self, request: web.Request) -> web.Response:
        return reply([log.as_dict() for log in self.exchange.ledger.conns.values()])

    async def subscriptions(self, request: web.Request) -> web.Response:
        """The tickers of each live connection by channel; null where it has all."""
        return reply(
            {
                str(c.conn): {s.channel: None if s.everything else sorted(s.markets) for s in c.session.subs.values()}
                for c in self.exchange.connections.values()
            }
        )

    async def lost(self, request: web.Request) -> web.Response:
        return reply([{"conn": log.conn, **row} for log in self.exchange.ledger.conns.values() for row in log.lost])

    async def frames(self, request: web.Request) -> web.StreamResponse:
        conn = request.query.get("conn")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        chunk: list[bytes] = []
        for line in self.exchange.ledger.lines(int(conn) if conn else None):
            chunk.append(line)
            if len(chunk) >= 1000:
                await response.write(b"".join(chunk))
                chunk.clear()
        await response.write(b"".join(chunk))
        await response.write_eof()
        return response

    async def pause(self, request: web.Request) -> web.Response:
        self.world.paused = True
        return reply(self.exchange.stats())

    async def resume(self, request: web.Request) -> web.Response:
        self.world.paused = False
        return reply(self.exchange.stats())

    async def quiesce(self, request: web.Request) -> web.Response:
        """Pause; wait until every life under way is over and every socket has taken all; answer with the stats."""
        spec = await read(request)
        deadline = time.monotonic() + float(spec.get("timeout_s", QUIESCE_S))
        self.world.paused = True
        while time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            lives_over = self.exchange.lives.pending == 0 or not spec.get("settle", True)
            replay = request.app["replay"]
            if lives_over and self.exchange.drained() and (replay is None or replay.done()):
                return reply({"quiet": True, **self.exchange.stats()})
        return reply({"quiet": False, **self.exchange.stats()}, 503)

    async def rate(self, request: web.Request) -> web.Response:
        self.world.rate = float((await read(request))["rate"])
        return reply({"rate": self.world.rate})

    async def fault(self, request: web.Request) -> web.Response:
        try:
            set_fault(self.exchange, await read(request))
        except (FaultError, KeyError, ValueError, TypeError) as e:
            return refuse(f"{type(e).__name__}: {e}")
        return reply({"ok": True})

    async def market(self, request: web.Request) -> web.Response:
        try:
            m = act_market(self.exchange, await read(request))
        except (FaultError, KeyError, ValueError, TypeError) as e:
            return refuse(f"{type(e).__name__}: {e}")
        self.exchange.publish()
        return reply({"ticker": m.ticker, "event_ticker": m.event.ticker, "status": m.status})

    async def body(self, request: web.Request) -> web.Response:
        spec = await read(request)
        try:
            body = Path(spec["file"]).read_bytes() if "file" in spec else str(spec["body"]).encode()
            request.app["recorded"].add(spec["path"], int(spec.get("status", 200)), body)
        except (KeyError, OSError) as e:
            return refuse(f"{type(e).__name__}: {e}")
        return reply({"ok": True})


async def read(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    value = orjson.loads(raw) if raw else {}
    if not isinstance(value, dict):
        raise FaultError("a JSON object is wanted")
    return value
