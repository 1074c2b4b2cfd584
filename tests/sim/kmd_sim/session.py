"""What one connection has subscribed: commands in, replies and snapshots out. Pure: no socket, no clock.

One sid is one channel; sids count from 1 per connection and are not used again within it. On a sequenced channel every
frame of the sid takes a number, replies too; `subscribed` has none, and the ticker channel has none at all.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from kmd_sim import envelope
from kmd_sim.messages import text
from kmd_sim.model import CH_BOOK, CH_LIFE, CH_MVE, CH_TICKER, CH_TRADE

LIFE_CHANNELS = frozenset({CH_LIFE, CH_MVE})
OTHER_CHANNELS = frozenset(
    {
        "fill", "user_orders", "market_positions", "order_group_updates", "communications",
        "cfbenchmarks_value", "cfbenchmarks_value_5hz", "pyth_value",
    }
)  # fmt: skip
CHANNELS = LIFE_CHANNELS | OTHER_CHANNELS | {CH_BOOK, CH_TICKER, CH_TRADE}
UNSEQUENCED = frozenset({CH_TICKER, "fill", "user_orders", "market_positions"})
NEEDS_INDEX = {"cfbenchmarks_value": 24, "cfbenchmarks_value_5hz": 24, "pyth_value": 28}

ERRORS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    18: "Command timeout",
    24: "Index IDs required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
    28: "Underlying tickers required",
}


class View(Protocol):
    """What a session asks of the world."""

    def known(self, ticker: str) -> bool: ...
    def ticker_of_id(self, market_id: str) -> str | None: ...
    def snapshot(self, ticker: str, use_yes_price: bool) -> str: ...
    def ticker_message(self, ticker: str) -> str: ...


@dataclass(slots=True)
class Out:
    """A frame ready for the socket."""

    type: str
    channel: str
    sid: int | None
    seq: int | None
    data: bytes
    opcode: int = 1
    fragments: int = 1


@dataclass(slots=True)
class Subscription:
    channel: str
    sid: int
    everything: bool
    markets: set[str] = field(default_factory=set)
    use_yes_price: bool = False
    skip_ack: bool = False
    seq: int = 0
    bytes_out: int = 0
    commands: deque[int] = field(default_factory=deque)

    def next_seq(self) -> int | None:
        if self.channel in UNSEQUENCED:
            return None
        self.seq += 1
        return self.seq


@dataclass(frozen=True, slots=True)
class Limits:
    markets_per_sub: int = 500_000
    commands_per_s: int = 10_000


class CommandError(Exception):
    def __init__(self, code: int, sub: Subscription | None = None, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.sub = sub
        self.more = more


class Session:
    def __init__(self, conn: int, view: View, limits: Limits = Limits()) -> None:
        self.conn = conn
        self.view = view
        self.limits = limits
        self.subs: dict[str, Subscription] = {}
        self._last_sid = 0

    # -- frames of the world ------------------------------------------------------------------------------------

    def wants(self, channel: str, ticker: str) -> Subscription | None:
        """Frames of events have no market; they go to all of their channel."""
        sub = self.subs.get(channel)
        if sub is None or not (sub.everything or not ticker or ticker in sub.markets):
            return None
        return sub

    def by_sid(self, sid: Any) -> Subscription | None:
        return next((s for s in self.subs.values() if s.sid == sid), None)

    # -- commands -----------------------------------------------------------------------------------------------

    def handle(self, raw: bytes, now_ms: int) -> list[Out]:
        id_: int | None = None
        try:
            command = orjson.loads(raw)
            if not isinstance(command, dict):
                raise CommandError(1)
            id_ = command.get("id")
            if id_ is not None and (not isinstance(id_, int) or isinstance(id_, bool) or id_ < 0):
                id_ = None
                raise CommandError(1)
            return self._run(command, id_, now_ms)
        except orjson.JSONDecodeError:
            return [self.error(1, id_, now_ms)]
        except CommandError as e:
            return [self.error(e.code, id_, now_ms, e.sub, **e.more)]

    def error(self, code: int, id_: int | None, now_ms: int, sub: Subscription | None = None, **more: Any) -> Out:
        """An error of a known sid is one of its frames; it takes a number there."""
        msg = text({"code": code, "msg": ERRORS[code], **more})
        if sub is None:
            return Out("error", "", None, None, envelope.reply("error", now_ms, id_, None, None, msg))
        seq = sub.next_seq()
        return Out("error", sub.channel, sub.sid, seq, envelope.reply("error", now_ms, id_, sub.sid, seq, msg))

    def terminate(self, channel: str, code: int, now_ms: int) -> list[Out]:
        """A terminal error (10, 25): the subscription is gone."""
        sub = self.subs.pop(channel, None)
        return [] if sub is None else [self.error(code, None, now_ms, sub)]

    def _run(self, command: dict[str, Any], id_: int | None, now_ms: int) -> list[Out]:
        cmd = command.get("cmd")
        if cmd == "list_subscriptions":
            rows = [{"channel": s.channel, "sid": s.sid} for s in self.subs.values()]
            return [Out("ok", "", None, None, envelope.reply("ok", now_ms, id_, None, None, text(rows)))]
        if cmd not in ("subscribe", "unsubscribe", "update_subscription"):
            raise CommandError(5)
        params = command.get("params")
        if not isinstance(params, dict):
            raise CommandError(2)
        if cmd == "subscribe":
            return self._subscribe(params, id_, now_ms)
        if cmd == "unsubscribe":
            return self._unsubscribe(params, id_, now_ms)
        return self._update(params, id_, now_ms)

    def _tickers(self, params: dict[str, Any], channel: str, sub: Subscription | None = None) -> list[str] | None:
        """Tickers that the command names, None if it names none; unknown ones are passed over in silence."""
        named = [n for n in ("market_ticker", "market_tickers", "market_id", "market_ids") if params.get(n) is not None]
        if len(named) > 1:
            raise CommandError(11, sub)
        if not named:
            return None
        name, value = named[0], params[named[0]]
        values = [value] if name in ("market_ticker", "market_id") else value
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise CommandError(11, sub)
        if name.startswith("market_id"):
            if channel != CH_TICKER:
                raise CommandError(11, sub)
            found = [self.view.ticker_of_id(v) for v in values]
            return [t for t in found if t is not None]
        return [v for v in values if self.view.known(v)]

    def _flag(self, params: dict[str, Any], name: str) -> bool:
        value = params.get(name, False)
        if not isinstance(value, bool):
            raise CommandError(11)
        return value

    def _subscribe(self, params: dict[str, Any], id_: int | None, now_ms: int) -> list[Out]:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise CommandError(3)
        for channel in channels:
            if channel not in CHANNELS:
                raise CommandError(8)
            if channel in NEEDS_INDEX and not (params.get("index_ids") or params.get("underlying_tickers")):
                raise CommandError(NEEDS_INDEX[channel])
        wanted = {c: None if c in LIFE_CHANNELS or c in OTHER_CHANNELS else self._tickers(params, c) for c in channels}
        if CH_BOOK in wanted and wanted[CH_BOOK] is None:
            raise CommandError(14)
        for flag in ("skip_ticker_ack", "use_yes_price", "send_initial_snapshot"):
            self._flag(params, flag)
        out: list[Out] = []
        for channel in dict.fromkeys(channels):
            out += self._subscribe_one(channel, wanted[channel], params, id_, now_ms)
        return out

    def _subscribe_one(
        self, channel: str, tickers: list[str] | None, params: dict[str, Any], id_: int | None, now_ms: int
    ) -> list[Out]:
        sub = self.subs.get(channel)
        if sub is not None:
            return self._add(sub, tickers or [], params, id_, now_ms, everything=tickers is None)
        fresh = set(tickers or [])
        if len(fresh) > self.limits.markets_per_sub:
            raise CommandError(26)
        self._last_sid += 1
        sub = Subscription(
            channel, self._last_sid, tickers is None, set(), self._flag(params, "use_yes_price"),
            self._flag(params, "skip_ticker_ack"),
        )  # fmt: skip
        self.subs[channel] = sub
        msg = text({"channel": channel, "sid": sub.sid})
        out = [Out("subscribed", channel, sub.sid, None, envelope.reply("subscribed", now_ms, id_, None, None, msg))]
        sub.markets = fresh
        return out + self._first_frames(sub, tickers or [], params, now_ms)

    def _first_frames(
        self, sub: Subscription, tickers: list[str], params: dict[str, Any], now_ms: int, id_: int | None = None
    ) -> list[Out]:
        if sub.channel == CH_BOOK:
            return [self._snapshot(sub, t, now_ms, id_) for t in dict.fromkeys(tickers)]
        if sub.channel == CH_TICKER and params.get("send_initial_snapshot"):
            return [
                Out("ticker", CH_TICKER, sub.sid, None,
                    envelope.frame(0, "ticker", sub.sid, None, self.view.ticker_message(t), now_ms))
                for t in dict.fromkeys(tickers)
            ]  # fmt: skip
        return []

    def _snapshot(self, sub: Subscription, ticker: str, now_ms: int, id_: int | None) -> Out:
        seq = sub.next_seq()
        msg = self.view.snapshot(ticker, sub.use_yes_price)
        data = envelope.frame((seq or 0) & 3, "orderbook_snapshot", sub.sid, seq, msg, now_ms, id_ or None)
        return Out("orderbook_snapshot", CH_BOOK, sub.sid, seq, data)

    def _ok(self, sub: Subscription, id_: int | None, now_ms: int) -> Out:
        seq = sub.next_seq()
        msg: str | None = text({"market_tickers": sorted(sub.markets)})
        if sub.skip_ack:
            msg = "{}" if sub.sid % 2 else None
        return Out("ok", sub.channel, sub.sid, seq, envelope.reply("ok", now_ms, id_, sub.sid, seq, msg))

    def _add(
        self, sub: Subscription, tickers: list[str], params: dict[str, Any], id_: int | None, now_ms: int,
        everything: bool = False,
    ) -> list[Out]:  # fmt: skip
        fresh = [t for t in dict.fromkeys(tickers) if t not in sub.markets]
        if len(sub.markets) + len(fresh) > self.limits.markets_per_sub:
            raise CommandError(26, sub)
        sub.everything = sub.everything or (everything and sub.channel != CH_BOOK)
        if "skip_ticker_ack" in params:
            sub.skip_ack = self._flag(params, "skip_ticker_ack")
        sub.markets.update(fresh)
        return [self._ok(sub, id_, now_ms), *self._first_frames(sub, fresh, params, now_ms)]

    def _unsubscribe(self, params: dict[str, Any], id_: int | None, now_ms: int) -> list[Out]:
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise CommandError(4)
        out: list[Out] = []
        for sid in sids:
            sub = self.by_sid(sid)
            if sub is None:
                out.append(self.error(7, id_, now_ms))
                continue
            del self.subs[sub.channel]
            seq = sub.next_seq()
            data = envelope.reply("unsubscribed", now_ms, id_, sub.sid, seq, None)
            out.append(Out("unsubscribed", sub.channel, sub.sid, seq, data))
        return out

    def _target(self, params: dict[str, Any]) -> Subscription:
        sid, sids = params.get("sid"), params.get("sids")
        if (sid is None) == (sids is None) or (sids is not None and (not isinstance(sids, list) or len(sids) != 1)):
            raise CommandError(12)
        sub = self.by_sid(sid if sids is None else sids[0])
        if sub is None:
            raise CommandError(7)
        return sub

    def _check_rate(self, sub: Subscription, now_ms: int) -> None:
        while sub.commands and sub.commands[0] <= now_ms - 1000:
            sub.commands.popleft()
        if len(sub.commands) >= self.limits.commands_per_s:
            raise CommandError(27, sub)
        sub.commands.append(now_ms)

    def _update(self, params: dict[str, Any], id_: int | None, now_ms: int) -> list[Out]:
        sub = self._target(params)
        self._check_rate(sub, now_ms)
        action = params.get("action")
        if not action:
            raise CommandError(15, sub)
        if action == "get_snapshot":
            return self._get_snapshot(sub, params, id_, now_ms)
        if action not in ("add_markets", "delete_markets") or sub.channel not in (CH_BOOK, CH_TICKER, CH_TRADE):
            raise CommandError(13, sub)
        tickers = self._tickers(params, sub.channel, sub)
        if tickers is None:
            raise CommandError(14, sub)
        if action == "add_markets":
            return self._add(sub, tickers, params, id_, now_ms)
        sub.markets.difference_update(tickers)
        return [self._ok(sub, id_, now_ms)]

    def _get_snapshot(self, sub: Subscription, params: dict[str, Any], id_: int | None, now_ms: int) -> list[Out]:
        if sub.channel != CH_BOOK:
            raise CommandError(13, sub)
        tickers = self._tickers(params, sub.channel, sub)
        if tickers is None:
            raise CommandError(14, sub)
        return self._first_frames(sub, tickers, params, now_ms, id_)
