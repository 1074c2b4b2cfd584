"""The REST side: GET /trade-api/v2/... as the exchange answers it, with its limits, its errors and faults on demand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from kmd_sim import auth, bodies, query
from kmd_sim.bucket import Bucket
from kmd_sim.faults import REST_BODIES, RestFault
from kmd_sim.fmt import SECOND, rfc3339
from kmd_sim.model import Event, Market
from kmd_sim.ws import date_header

if TYPE_CHECKING:
    from kmd_sim.exchange import Exchange

PREFIX = "/trade-api/v2/"
NOT_FOUND = b'{"error":{"code":"not_found","message":"not found"}}'
TOO_MANY = b'{"error":"too many requests"}'


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


def ok(value: Any) -> Answer:
    return Answer(200, orjson.dumps(value))


def classify(path: str) -> tuple[str, str | None]:
    """(endpoint name, ticker) of a path below the prefix; the names are those that faults and counts use."""
    match path.split("/"):
        case ["markets"]:
            return "markets", None
        case ["markets", "trades"]:
            return "trades", None
        case ["markets", "orderbooks"]:
            return "orderbooks", None
        case ["markets", ticker]:
            return "market", ticker
        case ["markets", ticker, "orderbook"]:
            return "orderbook", ticker
        case ["events"]:
            return "events", None
        case ["events", "multivariate"]:
            return "events_multivariate", None
        case ["events", ticker]:
            return "event", ticker
        case ["series"]:
            return "series_list", None
        case ["series", ticker]:
            return "series", ticker
        case ["historical", "cutoff"]:
            return "cutoff", None
        case ["historical", "markets"]:
            return "historical_markets", None
        case ["historical", "markets", ticker]:
            return "historical_market", ticker
        case ["historical", "trades"]:
            return "historical_trades", None
        case ["exchange", "status"]:
            return "status", None
        case ["account", "limits"]:
            return "account", None
    return "unknown", None


class Rest:
    """Answers of the world: pure, from path and query."""

    def __init__(self, exchange: "Exchange") -> None:
        self.exchange = exchange
        self.world = exchange.world

    def answer(self, endpoint: str, ticker: str | None, q: Mapping[str, str]) -> Answer:
        try:
            found: Answer = getattr(self, "_" + endpoint)(ticker, q)
            return found
        except query.BadQuery as e:
            return Answer(400, orjson.dumps({"msg": str(e)}))

    def _unknown(self, ticker: str | None, q: Mapping[str, str]) -> Answer:
        return Answer(404, NOT_FOUND)

    def _visible(self, m: Market) -> bool:
        return m.visible_us <= self.exchange.now_us() and m.ticker not in self.exchange.faults.denied

    def _market(self, ticker: str, q: Mapping[str, str]) -> Answer:
        m = self.world.markets.get(ticker)
        if m is None or not self._visible(m) or self.exchange.archived(m):
            return Answer(404, NOT_FOUND)
        return ok({"market": bodies.market(m)})

    def _historical_market(self, ticker: str, q: Mapping[str, str]) -> Answer:
        m = self.world.markets.get(ticker)
        if m is None or not self.exchange.archived(m) or not self._visible(m):
            return Answer(404, NOT_FOUND)
        return ok({"market": bodies.market(m)})

    def _list(self, q: Mapping[str, str], archived: bool) -> Answer:
        size = query.limit(q, "GetMarkets", 100, 1000)
        keep = query.market_filter(q)
        rows, cursor = query.page(
            (
                m
                for m in reversed(self.world.order)
                if m.listed and self.exchange.archived(m) == archived and self._visible(m) and keep(m)
            ),
            lambda m: m.index,
            query.decode_cursor(q.get("cursor")),
            size,
        )
        return ok({"cursor": cursor, "markets": [bodies.market(m) for m in rows]})

    def _markets(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return self._list(q, archived=False)

    def _historical_markets(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return self._list(q, archived=True)

    def _nested(self, e: Event) -> list[dict[str, Any]]:
        return [bodies.market(m) for m in e.markets if self._visible(m) and not self.exchange.archived(m)]

    def _event(self, ticker: str, q: Mapping[str, str]) -> Answer:
        e = self.world.events.get(ticker)
        if e is None or not any(self._visible(m) for m in e.markets):
            return Answer(404, NOT_FOUND)
        body = bodies.event(e)
        if query.flag(q, "with_nested_markets"):
            return ok({"event": {**body, "markets": self._nested(e)}})
        return ok({"event": body, "markets": self._nested(e)})

    def _events(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return self._event_list(q, mve=False)

    def _events_multivariate(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return self._event_list(q, mve=True)

    def _event_list(self, q: Mapping[str, str], mve: bool) -> Answer:
        size = query.limit(q, "GetEvents", 200, 200)
        status, series = q.get("status", ""), q.get("series_ticker", "")
        if status and status not in query.STATUS_OF:
            raise query.BadQuery(f"Parameter validation failed for GetEvents: invalid status {status!r}")
        names = frozenset(t for t in q.get("tickers", "").split(",") if t)
        min_close, min_updated = query.seconds_us(q, "min_close_ts"), query.seconds_us(q, "min_updated_ts")
        numbered = list(enumerate(self.world.events.values()))
        rows, cursor = query.page(
            (
                (i, e)
                for i, e in reversed(numbered)
                if e.mve == mve
                and (not names or e.ticker in names)
                and (not series or e.series.ticker == series)
                and (not status or query.event_status(e, status))
                and (min_close is None or any(m.close_us >= min_close for m in e.markets))
                and (min_updated is None or e.updated_us >= min_updated)
            ),
            lambda row: row[0],
            query.decode_cursor(q.get("cursor")),
            size,
        )
        nested = query.flag(q, "with_nested_markets")
        found = [{**bodies.event(e), "markets": self._nested(e)} if nested else bodies.event(e) for _, e in rows]
        return ok({"cursor": cursor, "events": found, "milestones": []} if "with_milestones" in q else
                  {"cursor": cursor, "events": found})  # fmt: skip

    def _series(self, ticker: str, q: Mapping[str, str]) -> Answer:
        s = self.world.catalog.series.get(ticker)
        return Answer(404, NOT_FOUND) if s is None else ok({"series": bodies.series(s)})

    def _series_list(self, ticker: None, q: Mapping[str, str]) -> Answer:
        category, since = q.get("category"), query.seconds_us(q, "min_updated_ts")
        tags = frozenset(t for t in q.get("tags", "").split(",") if t)
        return ok(
            {
                "series": [
                    bodies.series(s)
                    for s in self.world.catalog.series.values()
                    if (not category or s.category == category)
                    and (not tags or tags & set(s.tags or ()))
                    and (since is None or s.updated_us >= since)
                ]
            }
        )

    def _trade_page(self, q: Mapping[str, str], low: int | None, high: int | None) -> Answer:
        size = query.limit(q, "GetTrades", 100, 1000)
        min_us, max_us = query.seconds_us(q, "min_ts"), query.seconds_us(q, "max_ts")
        min_us = low if min_us is None else min_us if low is None else max(low, min_us)
        max_us = high if max_us is None else max_us if high is None else min(high, max_us)
        rows, before = self.world.tape.page(
            size, query.decode_cursor(q.get("cursor")), min_us, max_us, q.get("ticker") or None,
            query.flag(q, "is_block_trade"),
        )  # fmt: skip
        cursor = "" if before is None else query.encode_cursor(before)
        return ok({"cursor": cursor, "trades": [bodies.trade(t) for t in rows]})

    def _trades(self, ticker: None, q: Mapping[str, str]) -> Answer:
        lag = int(self.exchange.settings.trades_lag_s * SECOND)
        return self._trade_page(q, self.exchange.cutoff_us(), self.exchange.now_us() - lag if lag else None)

    def _historical_trades(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return self._trade_page(q, None, self.exchange.cutoff_us() - 1)

    def _cutoff(self, ticker: None, q: Mapping[str, str]) -> Answer:
        at = rfc3339(self.exchange.cutoff_us() // SECOND * SECOND)
        return ok(
            {
                "market_positions_last_updated_ts": at,
                "market_settled_ts": at,
                "orders_updated_ts": at,
                "trades_created_ts": at,
            }
        )

    def _status(self, ticker: None, q: Mapping[str, str]) -> Answer:
        return ok({"exchange_active": True, "trading_active": not self.world.paused})

    def _account(self, ticker: None, q: Mapping[str, str]) -> Answer:
        rate = int(self.exchange.settings.rest_rate * 10)
        bucket = {"bucket_capacity": 2 * rate, "refill_rate": rate}
        return ok(
            {"grants": [], "read": bucket, "usage_tier": "basic", "write": {"bucket_capacity": 100, "refill_rate": 100}}
        )

    def _ladder(self, m: Market, depth: int) -> dict[str, Any]:
        yes, no = m.book.levels("yes"), m.book.levels("no")
        return {"no_dollars": no[-depth:] if depth else no, "yes_dollars": yes[-depth:] if depth else yes}

    def _orderbook(self, ticker: str, q: Mapping[str, str]) -> Answer:
        m = self.world.markets.get(ticker)
        if m is None or not self._visible(m):
            return Answer(404, NOT_FOUND)
        raw = q.get("depth", "0")
        if not raw.isdecimal() or int(raw) > 100:
            raise query.BadQuery("Parameter validation failed for GetMarketOrderbook: depth")
        return ok({"orderbook_fp": self._ladder(m, int(raw))})

    def _orderbooks(self, ticker: None, q: Mapping[str, str]) -> Answer:
        names = q.getall("tickers", [])  # type: ignore[attr-defined]
        if not 0 < len(names) <= 100:
            raise query.BadQuery("Parameter validation failed for GetMarketOrderbooks: tickers")
        found = [self.world.markets[n] for n in names if n in self.world.markets]
        return ok({"orderbooks": [{"ticker": m.ticker, "orderbook_fp": self._ladder(m, 0)} for m in found]})


def check_auth(exchange: "Exchange", request: web.Request) -> Answer | None:
    verifier: auth.Verifier | None = request.app["verifier"]
    if verifier is None:
        return None
    now_ms = exchange.now_us() // 1000 + int(exchange.faults.skew_s * 1000)
    verdict = verifier.check(request.headers, request.method, request.raw_path.partition("?")[0], now_ms)
    exchange.auth[verdict.value] += 1
    if verdict is auth.Verdict.GOOD or (verdict is auth.Verdict.UNSIGNED and not exchange.settings.require_auth):
        return None
    return Answer(401, auth.BODIES[verdict])


def respond(exchange: "Exchange", answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers=date_header(exchange), content_type="application/json"
    )


async def cut(request: web.Request, body: bytes, exchange: "Exchange") -> web.StreamResponse:
    """Promise all of the body, send half of it, hang up."""
    response = web.StreamResponse(headers={**date_header(exchange), "Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: max(1, len(body) // 2)])
    if request.transport is not None:
        request.transport.close()
    return response


async def act_fault(
    exchange: "Exchange", request: web.Request, fault: RestFault, answer: Answer
) -> web.StreamResponse | None:
    """None: go on with the true answer."""
    match fault.mode:
        case "status":
            body = fault.body.encode() if fault.body is not None else REST_BODIES.get(fault.status, b"{}")
            return respond(exchange, Answer(fault.status, body))
        case "garbage":
            return respond(exchange, Answer(200, b'{"market":{"ticker": \xff\xfe<html>not json'))
        case "empty":
            return respond(exchange, Answer(200, b""))
        case "truncated":
            return await cut(request, answer.body, exchange)
        case "slow":
            await asyncio.sleep(fault.delay_s)
            return None
        case "timeout":
            await asyncio.sleep(max(fault.delay_s, 120.0))
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def handle_rest(request: web.Request) -> web.StreamResponse:
    exchange: Exchange = request.app["exchange"]
    bucket: Bucket = request.app["bucket"]
    rest: Rest = request.app["rest"]
    recorded = request.app["recorded"].find(request.path, request.query_string)
    endpoint, ticker = classify(request.path.removeprefix(PREFIX))
    answer = check_auth(exchange, request)
    if answer is None and not bucket.take(exchange.now_us()):
        answer = Answer(429, TOO_MANY)
    if answer is None:
        fault = exchange.faults.next_rest(endpoint, ticker)
        answer = Answer(*recorded) if recorded else rest.answer(endpoint, ticker, request.query)
        if fault is not None:
            exchange.count_request(endpoint, ticker, fault.status if fault.mode == "status" else 599)
            response = await act_fault(exchange, request, fault, answer)
            if response is not None:
                return response
    exchange.count_request(endpoint, ticker, answer.status)
    return respond(exchange, answer)
