"""A scripted exchange: REST answers chosen by the test, every request noted with its time and what else was under way."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = "/trade-api/v2"

NOT_FOUND = (404, {"error": {"code": "not_found", "message": "not found", "service": "exchange"}})


@dataclass
class Request:
    at: float  # monotonic
    path: str  # below the root, unquoted
    query: dict[str, str]
    headers: dict[str, str]
    beside: list[str] = field(default_factory=list)  # paths under way at that moment


Answer = tuple[int, Any]
Rule = Callable[[Request, int], Answer | None]  # the request, how many of that path came before; None: the ordinary answer


class Exchange:
    """Holds markets, events, series and trades by ticker; `rule(path, f)` takes a path over."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.markets: dict[str, dict[str, Any]] = {}
        self.historical: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.series: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []
        self.historical_trades: list[dict[str, Any]] = []
        self.cutoff: dict[str, str] = {"trades_created_ts": "2026-01-01T00:00:00Z"}
        self.page = 1000
        self.requests: list[Request] = []
        self._rules: dict[str, Rule] = {}
        self._everything: Rule | None = None
        self._lock = threading.Lock()
        self._under_way: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_address[1]}{ROOT}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rule(self, path: str, rule: Rule | None) -> None:
        if rule is None:
            self._rules.pop(path, None)
        else:
            self._rules[path] = rule

    def rule_for_all(self, rule: Rule | None) -> None:
        self._everything = rule

    def add(self, ticker: str, event: str, series: str, **members: Any) -> dict[str, Any]:
        """A market with its event and series."""
        self.series.setdefault(series, {"ticker": series, "title": series.title(), "frequency": "daily"})
        self.events.setdefault(event, {"event_ticker": event, "series_ticker": series, "title": "Café “Ω”?"})
        self.markets[ticker] = market(ticker, event, **members)
        return self.markets[ticker]

    def asked(self, path: str) -> list[Request]:
        with self._lock:
            return [r for r in self.requests if r.path == path]

    def answer(self, request: Request) -> Answer:
        with self._lock:
            before = sum(r.path == request.path for r in self.requests)
            request.beside = list(self._under_way)
            self.requests.append(request)
            self._under_way.append(request.path)
        try:
            for rule in (self._everything, self._rules.get(request.path)):
                ruled = rule(request, before) if rule else None
                if ruled is not None:
                    return ruled
            return self._ordinary(request)
        finally:
            with self._lock:
                self._under_way.remove(request.path)

    def _ordinary(self, request: Request) -> Answer:
        where, _, ticker = request.path.strip("/").partition("/")
        lists: dict[str, Callable[[Request], Answer]] = {
            "/markets": self._list_markets,
            "/events": self._list_events,
            "/markets/trades": lambda r: self._list_trades(r, self.trades),
            "/historical/trades": lambda r: self._list_trades(r, self.historical_trades),
            "/historical/cutoff": lambda r: (200, self.cutoff),
        }
        if request.path in lists:
            return lists[request.path](request)
        if request.path.startswith("/historical/markets/"):
            return _one("market", self.historical.get(request.path.rpartition("/")[2]))
        if where in ("markets", "events", "series"):
            known = {"markets": self.markets, "events": self.events, "series": self.series}[where]
            return _one(where.rstrip("s") if where != "series" else "series", known.get(ticker))
        return NOT_FOUND

    def _list_markets(self, request: Request) -> Answer:
        words = {"open": "active", "unopened": "initialized", "paused": "inactive", "settled": "finalized"}
        found = [m for m in self.markets.values() if m["status"] == words.get(request.query.get("status", ""), "?")]
        since = int(request.query.get("min_settled_ts", 0))
        found = [m for m in found if _seconds(m.get("settlement_ts") or "9999-01-01T00:00:00Z") >= since]
        if request.query.get("mve_filter") == "exclude":
            found = [m for m in found if not m["ticker"].startswith("KXMVE")]
        return self._page(request, "markets", found)

    def _list_events(self, request: Request) -> Answer:
        return self._page(request, "events", list(self.events.values()) if request.query["status"] == "open" else [])

    def _list_trades(self, request: Request, trades: list[dict[str, Any]]) -> Answer:
        low, high = int(request.query["min_ts"]), int(request.query["max_ts"])
        found = [t for t in trades if low <= _seconds(t["created_time"]) <= high]
        return self._page(request, "trades", sorted(found, key=lambda t: str(t["created_time"]), reverse=True))

    def _page(self, request: Request, name: str, found: list[Any]) -> Answer:
        start = int(request.query.get("cursor", "c/0+").strip("c/+"))
        end = start + min(self.page, int(request.query["limit"]))
        return 200, {name: found[start:end], "cursor": f"c/{end}+" if end < len(found) else ""}


def market(ticker: str, event: str, **members: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "event_ticker": event,
        "market_type": "binary",
        "title": "Will it – really – rain?",
        "status": "active",
        "result": "",
        "expiration_value": "",
        "yes_bid_dollars": "0.4800",
        "volume_fp": "12.34",
        "notional_value_dollars": "1.0000",
        "floor_strike": 73749.99,
        "updated_time": "2026-11-22T10:00:00Z",
        **members,
    }


# Of late: what was settled more than a week ago is forgotten.
SETTLED_AT = datetime.fromtimestamp(int(time.time()) - 3600, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.123456Z")


def settled(value: str = "1.0000", result: str = "yes", settled_at: str | None = SETTLED_AT) -> dict[str, Any]:
    """Members of a finalized market."""
    members = {"status": "finalized", "result": result, "settlement_value_dollars": value, "expiration_value": "2.0"}
    return {**members, "settlement_ts": settled_at} if settled_at else members


def determined(value: str = "1.0000", result: str = "yes") -> dict[str, Any]:
    return {"status": "determined", "result": result, "settlement_value_dollars": value, "expiration_value": ""}


def _one(name: str, body: dict[str, Any] | None) -> Answer:
    return (200, {name: body}) if body is not None else NOT_FOUND


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def _handler(exchange: Exchange) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {k: v[-1] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
            path = unquote(url.path.removeprefix(ROOT))
            status, body = exchange.answer(Request(time.monotonic(), path, query, dict(self.headers.items())))
            data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the caller did not wait

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
