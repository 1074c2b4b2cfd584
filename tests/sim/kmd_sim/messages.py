"""The `msg` member of each frame, as JSON text. Pure. Members vary in order from frame to frame, as on the wire."""

from typing import Any

import orjson

from kmd_sim.fmt import DOLLAR, PRICES, count, price, rfc3339
from kmd_sim.model import Event, Market, Trade


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


def market_head(m: Market) -> str:
    """The two members that begin almost every message of a market; made once."""
    return f'"market_ticker":{text(m.ticker)},"market_id":"{m.market_id}"'


def delta(m: Market, side: str, p: int, change: int, us: int, turn: int) -> str:
    if turn & 4:
        return (
            f'{{{m.head},"price_dollars":"{PRICES[p]}","delta_fp":"{count(change)}","side":"{side}",'
            f'"ts":"{rfc3339(us)}","ts_ms":{us // 1000}}}'
        )
    return (
        f'{{"delta_fp":"{count(change)}",{m.head},"price_dollars":"{PRICES[p]}","side":"{side}",'
        f'"ts_ms":{us // 1000},"ts":"{rfc3339(us)}"}}'
    )


def snapshot(m: Market, use_yes_price: bool) -> str:
    """A side without orders is absent."""
    parts = [m.head]
    if m.book.yes:
        parts.append(f'"yes_dollars_fp":{text(m.book.levels("yes"))}')
    if m.book.no:
        parts.append(f'"no_dollars_fp":{text(m.book.levels("no", use_yes_price))}')
    return "{" + ",".join(parts) + "}"


def ticker(m: Market, us: int, turn: int) -> str:
    bid = m.book.best("yes") or (0, 0)
    no_bid = m.book.best("no")
    ask = (DOLLAR - no_bid[0], no_bid[1]) if no_bid else (DOLLAR, 0)
    sizes = (
        f'"yes_bid_size_fp":"{count(bid[1])}","yes_ask_size_fp":"{count(ask[1])}",'
        f'"last_trade_size_fp":"{count(m.last_size)}"'
    )
    prices = (
        f'"price_dollars":"{PRICES[m.last_price]}","yes_bid_dollars":"{PRICES[bid[0]]}",'
        f'"yes_ask_dollars":"{PRICES[ask[0]]}"'
    )
    volumes = (
        f'"volume_fp":"{count(m.volume)}","open_interest_fp":"{count(m.open_interest)}",'
        f'"dollar_volume":{m.volume // 100},"dollar_open_interest":{m.open_interest // 100}'
    )
    times = f'"ts":{us // 1_000_000},"ts_ms":{us // 1000},"time":"{rfc3339(us)}"'
    if turn & 4:
        return f"{{{m.head},{prices},{volumes},{sizes},{times}}}"
    return f"{{{times},{sizes},{m.head},{volumes},{prices}}}"


def trade(t: Trade, turn: int) -> str:
    us = t.created_us
    book_side = "bid" if t.taker == "yes" else "ask"
    ticker_text = text(t.ticker)
    block = "true" if t.block else "false"
    prices = f'"yes_price_dollars":"{PRICES[t.yes_price]}","no_price_dollars":"{PRICES[DOLLAR - t.yes_price]}"'
    sides = f'"taker_side":"{t.taker}","taker_outcome_side":"{t.taker}","taker_book_side":"{book_side}"'
    times = f'"ts":{us // 1_000_000},"ts_ms":{us // 1000}'
    if turn & 4:
        return (
            f'{{"trade_id":"{t.trade_id}","market_ticker":{ticker_text},{prices},"count_fp":"{count(t.count)}",'
            f'{sides},"is_block_trade":{block},{times}}}'
        )
    return (
        f'{{"count_fp":"{count(t.count)}","is_block_trade":{block},"market_ticker":{ticker_text},{prices},'
        f'{sides},"trade_id":"{t.trade_id}",{times}}}'
    )


def created(m: Market) -> str:
    metadata: dict[str, Any] = {
        "name": m.yes_sub_title,
        "title": m.title,
        "yes_sub_title": m.yes_sub_title,
        "no_sub_title": m.no_sub_title,
        "rules_primary": m.rules_primary,
        "rules_secondary": m.rules_secondary,
        "can_close_early": m.early_close,
        "event_ticker": m.event.ticker,
        "expected_expiration_ts": m.expected_us // 1_000_000,
    }
    for name in ("strike_type", "floor_strike", "cap_strike", "custom_strike"):
        if name in m.strikes:
            metadata[name] = m.strikes[name]
    return text(
        {
            "event_type": "created",
            "market_ticker": m.ticker,
            "exchange_index": 0,
            "open_ts": m.open_us // 1_000_000,
            "close_ts": m.close_us // 1_000_000,
            "price_level_structure": m.structure,
            "price_ranges": m.ranges(),
            "additional_metadata": metadata,
        }
    )


def life(m: Market, event_type: str, **members: Any) -> str:
    return text({"event_type": event_type, "market_ticker": m.ticker, **members})


def determined(m: Market, us: int) -> str:
    assert m.value is not None
    return life(m, "determined", result=m.result, determination_ts=us // 1_000_000, settlement_value=price(m.value))


def event_lifecycle(e: Event) -> str:
    body: dict[str, Any] = {
        "event_ticker": e.ticker,
        "exchange_index": 0,
        "title": e.title,
        "subtitle": e.sub_title,
        "collateral_return_type": e.collateral,
        "series_ticker": e.series.ticker,
    }
    if e.strike_us is not None:
        body["strike_date"] = e.strike_us // 1_000_000
    elif e.strike_period is not None:
        body["strike_period"] = e.strike_period
    return text(body)


def event_fee_update(e: Event) -> str:
    return text(
        {
            "event_ticker": e.ticker,
            "fee_type_override": e.fee_type_override,
            "fee_multiplier_override": e.fee_multiplier_override,
        }
    )
