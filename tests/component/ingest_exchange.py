"""A scripted WebSocket exchange: answers commands as told, sends what the test wants, and notes all it heard."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support.process import wait_until

PATH = "/trade-api/ws/v2"


@dataclass
class Dial:
    """One handshake."""

    at: float
    headers: dict[str, str]
    path_and_query: str
    status: int


@dataclass(eq=False)
class Connection:
    """One open WebSocket; calls are made from the test's thread."""

    exchange: Exchange
    socket: web.WebSocketResponse
    number: int
    commands: list[dict[str, Any]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    sids: dict[str, int] = field(default_factory=dict)
    seqs: dict[int, int] = field(default_factory=dict)
    books: set[str] = field(default_factory=set)
    open: bool = True
    transport: Any = None

    # -- the test's side ----------------------------------------------------------------------------------------

    def send(self, *messages: dict[str, Any] | str | bytes) -> None:
        self.exchange.run(self.send_now(*messages))

    def send_slowly(self, message: str, seconds: float) -> tuple[int, int]:
        """@message as two fragments, @seconds apart. Returns wall and monotonic clock before the second, ns."""
        data = message.encode()
        half = len(data) // 2

        async def write(first_byte: int, part: bytes) -> None:
            assert 126 <= len(part) < 65536
            self.transport.write(bytes((first_byte, 126)) + len(part).to_bytes(2, "big") + part)

        self.exchange.run(write(0x01, data[:half]))
        time.sleep(seconds)
        now = time.time_ns(), time.monotonic_ns()
        self.exchange.run(write(0x80, data[half:]))
        self.sent.append(data)
        return now

    def trade(self, ticker: str = "M-1", count: int = 1, **envelope: Any) -> None:
        """@count trades with the next numbers of the trade sid."""
        self.send(*[self.numbered("trade", "trade", {"market_ticker": ticker, "trade_id": f"t{time.time_ns()}", "ts_ms": now_ms()}, **envelope) for _ in range(count)])

    def delta(self, ticker: str, **envelope: Any) -> None:
        self.send(self.numbered("orderbook_delta", "orderbook_delta", {"market_ticker": ticker, "price_dollars": "0.5000", "delta_fp": "1.00", "side": "yes"}, **envelope))

    def skip(self, channel: str, count: int = 1) -> None:
        """Numbers that are never sent."""
        self.seqs[self.sids[channel]] += count

    def numbered(self, channel: str, type_: str, msg: dict[str, Any], **envelope: Any) -> dict[str, Any]:
        sid = self.sids[channel]
        self.seqs[sid] += 1
        return {"type": type_, "sid": sid, "seq": self.seqs[sid], "msg": msg, **envelope}

    def lifecycle(self, ticker: str, event_type: str, **msg: Any) -> None:
        self.send(self.numbered("market_lifecycle_v2", "market_lifecycle_v2", {"market_ticker": ticker, "event_type": event_type, **msg}))

    def close(self, code: int = 1001, text: str = "") -> None:
        self.exchange.run(self.socket.close(code=code, message=text.encode()))

    def abort(self) -> None:
        """A reset without a closing handshake."""
        self.exchange.loop.call_soon_threadsafe(self.transport.abort)

    def heard(self, cmd: str, action: str | None = None) -> list[dict[str, Any]]:
        return [c for c in self.commands if c["cmd"] == cmd and (action is None or c["params"].get("action") == action)]

    def wait_subscribed(self, *channels: str, timeout: float = 20.0) -> None:
        wait_until(f"subscribed: {channels}", lambda: all(c in self.sids for c in channels), timeout)

    def wait_books(self, tickers: set[str], timeout: float = 20.0) -> None:
        try:
            wait_until(f"books {tickers}", lambda: self.books == tickers, timeout)
        except Exception:
            raise AssertionError(f"books are {self.books}, not {tickers}") from None

    # -- the exchange's side (its own thread) -------------------------------------------------------------------

    async def send_now(self, *messages: dict[str, Any] | str | bytes) -> None:
        for message in messages:
            if isinstance(message, bytes):
                self.sent.append(message)
                await self.socket.send_bytes(message)
            else:
                text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
                self.sent.append(text.encode())
                await self.socket.send_str(text)

    async def answer(self, command: dict[str, Any]) -> None:
        """The ordinary answer."""
        params = command["params"]
        if command["cmd"] == "subscribe":
            for channel in params["channels"]:
                await self.subscribe(command["id"], channel, params.get("market_tickers", []))
        elif command["cmd"] == "update_subscription":
            await self.update(command["id"], params)
        elif command["cmd"] == "unsubscribe":
            for sid in params["sids"]:
                await self.send_now({"type": "unsubscribed", "id": command["id"], "sid": sid})

    async def subscribe(self, id_: int, channel: str, tickers: list[str]) -> None:
        sid = self.exchange.next_sid(self)
        self.sids[channel] = sid
        self.seqs[sid] = 0
        await self.send_now({"type": "subscribed", "id": id_, "msg": {"channel": channel, "sid": sid}})
        self.books |= set(tickers)
        for ticker in tickers:
            await self.send_now(self.snapshot(ticker))

    async def update(self, id_: int, params: dict[str, Any]) -> None:
        sid, tickers = params["sid"], params["market_tickers"]
        if params["action"] == "get_snapshot":
            for ticker in tickers:
                await self.send_now({**self.snapshot(ticker), "id": id_})
            return
        if params["action"] == "add_markets":
            self.books |= set(tickers)
        else:
            self.books -= set(tickers)
        self.seqs[sid] += 1
        await self.send_now({"type": "ok", "id": id_, "sid": sid, "seq": self.seqs[sid]})
        if params["action"] == "add_markets":
            for ticker in tickers:
                await self.send_now(self.snapshot(ticker))

    def snapshot(self, ticker: str) -> dict[str, Any]:
        return self.numbered("orderbook_delta", "orderbook_snapshot", {"market_ticker": ticker, "yes_dollars_fp": [["0.4800", "10.00"]]})


Handler = Callable[[Connection, dict[str, Any]], Coroutine[Any, Any, bool]]


class Exchange:
    """
    Listens on loopback. `statuses`: what the next handshakes are refused with. `on_command`: a coroutine that may take a
    command over (True: it did). `mute`: commands are heard and not answered.
    """

    def __init__(self, public_key: Path | None = None, tls: ssl.SSLContext | None = None, ping: float | None = None) -> None:
        self.dials: list[Dial] = []
        self.connections: list[Connection] = []
        self.statuses: list[int] = []
        self.refusal_headers: dict[str, str] = {}
        self.on_command: Handler | None = None
        self.mute = False
        self.ping = ping
        self.scheme = "wss" if tls else "ws"
        self.bad_signatures = 0
        self._key = serialization.load_pem_public_key(public_key.read_bytes()) if public_key else None
        self._tls = tls
        self.loop = asyncio.new_event_loop()
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError("the scripted exchange did not start")

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def connection(self, number: int = 1, timeout: float = 30.0) -> Connection:
        """The @number-th connection that opened."""
        wait_until(f"connection {number}", lambda: len(self.connections) >= number, timeout)
        return self.connections[number - 1]

    def close(self) -> None:
        async def end() -> None:
            for c in self.connections:
                if c.transport is not None:
                    c.transport.abort()
            await self._runner.cleanup()
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self._thread.join(10)

    def next_sid(self, connection: Connection) -> int:
        return max([0, *connection.seqs]) + 1

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_get(PATH, self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

        async def begin() -> None:
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
            await site.start()
            self.port = self._runner.addresses[0][1]
            started.set()

        self.loop.run_until_complete(begin())
        self.loop.run_forever()

    def _signed(self, headers: dict[str, str]) -> bool:
        if self._key is None:
            return True
        assert isinstance(self._key, rsa.RSAPublicKey)
        text = f"{headers.get('KALSHI-ACCESS-TIMESTAMP', '')}GET{PATH}".encode()
        try:
            self._key.verify(
                base64.b64decode(headers.get("KALSHI-ACCESS-SIGNATURE", "")),
                text,
                padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                hashes.SHA256(),
            )
        except Exception:
            self.bad_signatures += 1
            return False
        return True

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = dict(request.headers)
        status = self.statuses.pop(0) if self.statuses else 101
        if status == 101 and not self._signed(headers):
            status = 401
        self.dials.append(Dial(time.monotonic(), headers, request.path_qs, status))
        if status != 101:
            return web.Response(status=status, headers=self.refusal_headers, text='{"error":{"code":"no"}}')
        socket = web.WebSocketResponse(heartbeat=self.ping, max_msg_size=0, autoping=True, compress=False)
        await socket.prepare(request)
        connection = Connection(self, socket, len(self.connections) + 1, transport=request.transport)
        self.connections.append(connection)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await self._command(connection, json.loads(message.data))
        connection.open = False
        return socket

    async def _command(self, connection: Connection, command: dict[str, Any]) -> None:
        connection.commands.append(command)
        if self.mute or (self.on_command is not None and await self.on_command(connection, command)):
            return
        await connection.answer(command)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
