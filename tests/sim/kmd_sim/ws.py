"""One WebSocket connection: handshake, commands in, frames out in one write per turn of the loop."""

import asyncio
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from kmd_sim import auth, envelope
from kmd_sim.fmt import SECOND
from kmd_sim.ledger import ConnLog
from kmd_sim.model import CH_BOOK, Emission
from kmd_sim.session import Out, Session, Subscription

if TYPE_CHECKING:
    from kmd_sim.exchange import Exchange

WS_PATH = "/trade-api/ws/v2"
PING = b"\x89\x09heartbeat"
MAX_COMMAND_BYTES = 16 << 20


def ws_header(size: int, first: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def fragment(data: bytes, opcode: int, pieces: int) -> list[bytes]:
    """One message in several frames: the first has the opcode, the last the FIN bit."""
    step = max(1, -(-len(data) // pieces))
    chunks = [data[i : i + step] for i in range(0, len(data), step)] or [b""]
    parts: list[bytes] = []
    for i, chunk in enumerate(chunks):
        fin = 0x80 if i == len(chunks) - 1 else 0
        parts += (ws_header(len(chunk), fin | (0 if i else opcode)), chunk)
    return parts


class Connection:
    def __init__(self, exchange: "Exchange", conn: int, transport: asyncio.Transport, log: ConnLog) -> None:
        settings = exchange.settings
        self.exchange = exchange
        self.conn = conn
        self.log = log
        self.session = Session(conn, exchange, exchange.limits)
        self.transport = transport
        self.rng = Random(settings.seed * 7919 + conn)
        self.queue: list[Out] = []
        self.frozen_until: int | None = None
        self.hold = False
        self.skip: dict[str, int] = {}
        self.duplicate: dict[str, int] = {}
        self.last_command_us = 0
        self._ping_every = int(settings.ping_every_s * SECOND)
        self._next_ping = exchange.now_us() + self._ping_every
        transport.set_write_buffer_limits(high=settings.send_buffer_bytes)

    # -- frames of the world ------------------------------------------------------------------------------------

    def publish(self, emissions: list[Emission], now_ms: int) -> None:
        if not self.session.subs:
            return
        wants, queue = self.session.wants, self.queue
        tampered = bool(self.skip or self.duplicate)
        for e in emissions:
            sub = wants(e.channel, e.ticker)
            if sub is None:
                continue
            msg = e.msg_yes if sub.use_yes_price and e.msg_yes is not None else e.msg
            seq = sub.next_seq()
            out = Out(e.type, e.channel, sub.sid, seq, envelope.frame(e.layout, e.type, sub.sid, seq, msg, now_ms))
            sub.bytes_out += len(out.data)
            if tampered and self._tamper(out):
                continue
            queue.append(out)

    def _tamper(self, out: Out) -> bool:
        """True: the frame is lost. A duplicate goes out twice, number and all."""
        left = self.skip.get(out.channel, 0)
        if left > 0:
            self.skip[out.channel] = left - 1
            self.exchange.ledger.lost(self.log, out, self.exchange.now_us() * 1000, "skip")
            return True
        left = self.duplicate.get(out.channel, 0)
        if left > 0:
            self.duplicate[out.channel] = left - 1
            self.queue.append(out)
        return False

    # -- the socket ---------------------------------------------------------------------------------------------

    def turn(self, now_us: int) -> None:
        if self.frozen_until is not None and self.frozen_until <= now_us:
            self.frozen_until = None
        if now_us >= self._next_ping:
            self._next_ping += self._ping_every
            if self.exchange.faults.pings and not self.transport.is_closing():
                self.transport.write(PING)
        self.flush(now_us)

    def flush(self, now_us: int) -> None:
        if not self.queue or (self.frozen_until is not None and self.hold):
            return
        queue, self.queue = self.queue, []
        if self.frozen_until is not None:
            for out in queue:
                self.exchange.ledger.lost(self.log, out, now_us * 1000, "frozen")
            return
        if self.transport.is_closing():
            return
        parts: list[bytes] = []
        for out in queue:
            if out.fragments > 1:
                parts += fragment(out.data, out.opcode, out.fragments)
            else:
                parts.append(ws_header(len(out.data), 0x80 | out.opcode))
                parts.append(out.data)
        self.transport.write(b"".join(parts))
        self.exchange.ledger.sent(self.log, queue, now_us * 1000)
        self._check_buffer(now_us)

    def _check_buffer(self, now_us: int) -> None:
        """A reader that is too slow loses its busiest subscription (error 25)."""
        if self.transport.get_write_buffer_size() <= self.exchange.settings.send_buffer_bytes:
            return
        subs = self.session.subs.values()
        if subs:
            heaviest: Subscription = max(subs, key=lambda s: s.bytes_out)
            self.queue += self.session.terminate(heaviest.channel, 25, now_us // 1000)

    def drop(self, reason: str, code: int | None = None) -> None:
        """As a cut cable, what was queued is gone; with a code, a close frame goes first."""
        self.exchange.disconnect(self, reason)
        if code is None:
            self.transport.abort()
        else:
            self.transport.write(b"\x88\x02" + code.to_bytes(2, "big"))
            self.transport.close()

    def command(self, raw: bytes) -> None:
        now = self.exchange.now_us()
        self.last_command_us = now
        jitter = self.exchange.settings.reply_jitter_ms
        if jitter <= 0:
            self._handle(raw)
        else:
            asyncio.get_running_loop().call_later(self.rng.random() * jitter / 1000, self._handle, raw)

    def _handle(self, raw: bytes) -> None:
        if self.transport.is_closing():
            return
        now = self.exchange.now_us()
        self.queue += self.session.handle(raw, now // 1000)
        self.flush(now)

    def drained(self) -> bool:
        if self.frozen_until is not None or self.transport.is_closing():
            return True
        return not self.queue and self.transport.get_write_buffer_size() == 0

    def describe(self) -> dict[str, Any]:
        return {
            "conn": self.conn,
            "key_id": self.log.key_id,
            "frames": self.log.frames,
            "frozen": self.frozen_until is not None,
            "buffered": 0 if self.transport.is_closing() else self.transport.get_write_buffer_size(),
            "queued": len(self.queue),
            "subscriptions": [
                {
                    "channel": s.channel,
                    "sid": s.sid,
                    "seq": None if s.seq == 0 else s.seq,
                    "everything": s.everything,
                    "markets": len(s.markets),
                    "use_yes_price": s.use_yes_price if s.channel == CH_BOOK else None,
                }
                for s in self.session.subs.values()
            ],
        }


def refuse(exchange: "Exchange", request: web.Request) -> web.Response | None:
    """The answer to a handshake that is not let through."""
    fault = exchange.faults.next_handshake()
    headers = date_header(exchange)
    if fault is not None:
        exchange.count_request("ws", None, fault.status)
        if fault.status == 0 and request.transport is not None:
            request.transport.abort()
            return web.Response()
        return web.Response(status=fault.status, body=fault.body, headers=headers, content_type="application/json")
    verifier: auth.Verifier | None = request.app["verifier"]
    if verifier is None:
        return None
    now_ms = exchange.now_us() // 1000 + int(exchange.faults.skew_s * 1000)
    verdict = verifier.check(request.headers, "GET", request.raw_path.partition("?")[0], now_ms)
    exchange.auth[verdict.value] += 1
    if verdict is auth.Verdict.GOOD:
        return None
    if verdict is auth.Verdict.UNSIGNED and not exchange.settings.require_auth:
        return None
    exchange.count_request("ws", None, 401)
    body = auth.WS_UNSIGNED_BODY if verdict is auth.Verdict.UNSIGNED else auth.BODIES[verdict]
    return web.Response(status=401, body=body, headers=headers, content_type="application/json")


def date_header(exchange: "Exchange") -> dict[str, str]:
    return {"Date": formatdate(exchange.now_us() / SECOND + exchange.faults.skew_s, usegmt=True)}


async def handle_ws(request: web.Request) -> web.StreamResponse:
    exchange: Exchange = request.app["exchange"]
    refusal = refuse(exchange, request)
    if refusal is not None:
        return refusal
    ws = web.WebSocketResponse(compress=False, max_msg_size=MAX_COMMAND_BYTES, autoping=True)
    ws.headers.update(date_header(exchange))
    await ws.prepare(request)
    assert request.transport is not None
    exchange.count_request("ws", None, 101)
    connection = exchange.connect(request.headers.get(auth.KEY, ""), request.transport)
    request.app["sockets"].add(ws)
    try:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                connection.command(message.data.encode())
            elif message.type is WSMsgType.BINARY:
                connection.command(message.data)
            else:
                break
    finally:
        request.app["sockets"].discard(ws)
        exchange.disconnect(connection, f"closed: {ws.close_code}")
    return ws
