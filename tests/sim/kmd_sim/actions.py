"""What can be done to the exchange on demand: faults of connections and REST, steps in the life of a market."""

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kmd_sim.fmt import SECOND, parse_price
from kmd_sim.model import Market
from kmd_sim.session import Out

if TYPE_CHECKING:
    from kmd_sim.exchange import Exchange


DROP_AGAIN_S = 0.2


class FaultError(ValueError):
    pass


# -- faults -------------------------------------------------------------------------------------------------------


def drop(exchange: "Exchange", spec: dict[str, Any]) -> None:
    """Now, or `times` times at random moments of the next `within_s` seconds: whoever is connected then."""
    times, within = int(spec.get("times", 0)), float(spec.get("within_s", 0))
    if times <= 0:
        for connection in exchange.chosen(spec.get("conn")):
            exchange.drops += 1
            connection.drop("fault: dropped", spec.get("code"))
        return
    loop = asyncio.get_running_loop()
    for _ in range(times):
        loop.call_later(exchange.rng.random() * within, drop_somebody, exchange, {**spec, "times": 0})


def drop_somebody(exchange: "Exchange", spec: dict[str, Any]) -> None:
    """When nobody is there, wait until somebody is: a drop that is asked for happens."""
    if exchange.chosen(spec.get("conn")):
        drop(exchange, spec)
    elif "conn" not in spec:
        asyncio.get_running_loop().call_later(DROP_AGAIN_S, drop_somebody, exchange, spec)


def freeze(exchange: "Exchange", spec: dict[str, Any]) -> None:
    until = exchange.now_us() + int(float(spec.get("for_s", 86_400)) * SECOND)
    for connection in exchange.chosen(spec.get("conn")):
        connection.frozen_until = until
        connection.hold = bool(spec.get("hold", False))


def thaw(exchange: "Exchange", spec: dict[str, Any]) -> None:
    for connection in exchange.chosen(spec.get("conn")):
        connection.frozen_until = None


def on_frames(exchange: "Exchange", spec: dict[str, Any]) -> None:
    for connection in exchange.chosen(spec.get("conn")):
        counts = connection.skip if spec["kind"] == "skip" else connection.duplicate
        counts[spec["channel"]] = counts.get(spec["channel"], 0) + int(spec.get("count", 1))


def channel_error(exchange: "Exchange", spec: dict[str, Any]) -> None:
    now_ms = exchange.now_us() // 1000
    code = int(spec.get("code", 25))
    if code not in (10, 25):
        raise FaultError("code must be 10 or 25")
    for connection in exchange.chosen(spec.get("conn")):
        connection.queue += connection.session.terminate(spec["channel"], code, now_ms)


def send(exchange: "Exchange", spec: dict[str, Any]) -> None:
    """Any bytes as one message, as they are: `text` or `base64`, `binary`, in `fragments` pieces."""
    data = base64.b64decode(spec["base64"]) if "base64" in spec else spec["text"].encode()
    opcode = 2 if spec.get("binary") else 1
    for connection in exchange.chosen(spec.get("conn")):
        connection.queue.append(Out("", "", None, None, data, opcode, int(spec.get("fragments", 1))))


def clock(exchange: "Exchange", spec: dict[str, Any]) -> None:
    exchange.faults.skew_s = float(spec["skew_s"])


def pings(exchange: "Exchange", spec: dict[str, Any]) -> None:
    exchange.faults.pings = bool(spec["on"])


def deny(exchange: "Exchange", spec: dict[str, Any]) -> None:
    exchange.faults.denied.update(spec["tickers"])


def listing(exchange: "Exchange", spec: dict[str, Any]) -> None:
    for ticker in spec["tickers"]:
        exchange.world.markets[ticker].listed = bool(spec["listed"])


def clear(exchange: "Exchange", spec: dict[str, Any]) -> None:
    exchange.faults.clear()
    for connection in exchange.chosen(None):
        connection.frozen_until = None
        connection.skip.clear()
        connection.duplicate.clear()


FAULTS: dict[str, Callable[["Exchange", dict[str, Any]], None]] = {
    "drop": drop,
    "freeze": freeze,
    "thaw": thaw,
    "skip": on_frames,
    "duplicate": on_frames,
    "send": send,
    "error": channel_error,
    "handshake": lambda exchange, spec: exchange.faults.add_handshake(members(spec)),
    "rest": lambda exchange, spec: exchange.faults.add_rest(members(spec)),
    "clock": clock,
    "pings": pings,
    "deny": deny,
    "listing": listing,
    "clear": clear,
}


def members(spec: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in spec.items() if k not in ("kind", "at_s")}


def set_fault(exchange: "Exchange", spec: dict[str, Any]) -> None:
    """One fault, now. FaultError, KeyError, TypeError or ValueError for what is not understood."""
    act = FAULTS.get(str(spec.get("kind")))
    if act is None:
        raise FaultError(f"unknown kind {spec.get('kind')!r}")
    act(exchange, spec)


# -- lives --------------------------------------------------------------------------------------------------------


def create(exchange: "Exchange", spec: dict[str, Any]) -> Market:
    """The next market of the catalogue, under another ticker, event or title if they are given."""
    world = exchange.world
    event, ticker, market = world.take_spec(bool(spec.get("mve", False)))
    if "event_ticker" in spec:
        known = world.events.get(spec["event_ticker"])
        event = known or dataclasses.replace(event, ticker=spec["event_ticker"], markets=[])
    market.title = spec.get("title", market.title)
    market.market_type = spec.get("market_type", market.market_type)
    ticker = spec.get("ticker", ticker)
    if ticker in world.markets:
        raise FaultError(f"there is a market {ticker!r}")
    return exchange.lives.create_from(event, ticker, market, exchange.now_us(), spec.get("open_in_s"))


def act_market(exchange: "Exchange", spec: dict[str, Any]) -> Market:
    lives, now = exchange.lives, exchange.now_us()
    action = spec.get("action")
    value = parse_price(spec["value"]) if spec.get("value") is not None else None
    if action == "create":
        return create(exchange, spec)
    m = exchange.world.markets[spec["ticker"]]
    match action:
        case "close":
            lives.close(m, now)
        case "end":
            lives.begin_end(m, now)
        case "determine":
            lives.determine(m, now, spec.get("result"), value, settle=bool(spec.get("settle", False)))
        case "redetermine":
            lives.redetermine(m, now, spec.get("result"), value)
        case "settle":
            lives.settle(m, now)
        case "deactivate":
            lives.pause_market(m, now)
        case "activate":
            lives.unpause_market(m, now)
        case "metadata":
            lives.change_metadata(m, now)
        case "fee":
            lives.change_fee(m, now)
        case "close_date":
            lives.move_close(m, now, int(spec["close_ts"]) * SECOND)
        case "trade":
            exchange.world.trade(m, spec.get("taker", "yes"), now)
        case other:
            raise FaultError(f"unknown action {other!r}")
    return m
