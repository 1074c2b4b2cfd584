"""Recorded frames, sent as they are on the channel they belong to; with renumber under the live sids and numbers.

Frames of one channel keep their order. A frame of a channel waits for a connection that has subscribed it; replies and
types that belong to no channel go to any connection that has subscribed something and has been quiet for a moment.
"""

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kmd_sim.fmt import SECOND
from kmd_sim.model import CH_BOOK, CH_LIFE, CH_MVE, CH_TICKER, CH_TRADE
from kmd_sim.renumber import renumber
from kmd_sim.session import CHANNELS, Out

if TYPE_CHECKING:
    from kmd_sim.exchange import Exchange
    from kmd_sim.ws import Connection

CHANNEL_OF = {
    "trade": CH_TRADE,
    "ticker": CH_TICKER,
    "orderbook_snapshot": CH_BOOK,
    "orderbook_delta": CH_BOOK,
    "market_lifecycle_v2": CH_LIFE,
    "event_lifecycle": CH_LIFE,
    "event_fee_update": CH_LIFE,
    "multivariate_market_lifecycle": CH_MVE,
}
QUIET_US = SECOND // 2


def envelope_of(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


class Replay:
    def __init__(self, exchange: "Exchange", path: Path, live_numbers: bool, rate: float) -> None:
        self.exchange = exchange
        self.live_numbers = live_numbers
        self.rate = rate
        self.queues: dict[str, deque[bytes]] = {}
        self.sent = 0
        self._debt = 0.0
        self._at = time.monotonic()
        for line in path.read_bytes().split(b"\n"):
            if line.strip():
                type_ = envelope_of(line).get("type")
                channel = CHANNEL_OF.get(type_, "") if isinstance(type_, str) else ""
                self.queues.setdefault(channel, deque()).append(line)

    def done(self) -> bool:
        return not any(self.queues.values())

    def describe(self) -> dict[str, Any]:
        return {"sent": self.sent, "pending": {c or "other": len(q) for c, q in self.queues.items() if q}}

    def turn(self) -> None:
        now = time.monotonic()
        self._debt = min(self._debt + (now - self._at) * self.rate, self.rate)
        self._at = now
        while self._debt >= 1 and self._send_one():
            self._debt -= 1

    def _send_one(self) -> bool:
        for channel, queue in self.queues.items():
            connection = self._taker(channel) if queue else None
            if connection is not None:
                self._send(connection, channel, queue.popleft())
                return True
        return False

    def _taker(self, channel: str) -> "Connection | None":
        quiet_before = self.exchange.now_us() - QUIET_US
        for c in self.exchange.connections.values():
            subs = c.session.subs
            if (channel in subs if channel else subs) and c.last_command_us < quiet_before and c.frozen_until is None:
                return c
        return None

    def _send(self, c: "Connection", channel: str, line: bytes) -> None:
        head = envelope_of(line)
        sub = c.session.subs.get(channel)
        if self.live_numbers and head:
            if sub is None:
                msg = head.get("msg")
                named = str(msg.get("channel")) if isinstance(msg, dict) else ""
                sub = c.session.subs.get(named) if named in CHANNELS else next(iter(c.session.subs.values()))
            if sub is not None:
                seq = sub.next_seq() if isinstance(head.get("seq"), int) else None
                line = renumber(line, sub.sid, seq)
                head = envelope_of(line)
        sid, seq = head.get("sid"), head.get("seq")
        type_ = str(head.get("type", ""))
        c.queue.append(
            Out(type_, channel, sid if isinstance(sid, int) else None, seq if isinstance(seq, int) else None, line)
        )
        self.sent += 1
