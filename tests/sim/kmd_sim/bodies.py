"""REST bodies of the world's things, with every member that the exchange requires. Pure."""

from typing import Any

from kmd_sim.fmt import DOLLAR, PRICES, SECOND, count, price, rfc3339
from kmd_sim.model import Event, Market, Series, Trade


def market(m: Market) -> dict[str, Any]:
    bid = m.book.best("yes") or (0, 0)
    no_bid = m.book.best("no")
    ask = (DOLLAR - no_bid[0], no_bid[1]) if no_bid else (DOLLAR, 0)
    s = m.shown
    body: dict[str, Any] = {
        "can_close_early": m.early_close,
        "close_time": rfc3339(m.close_us),
        "created_time": rfc3339(m.created_us),
        "event_ticker": m.event.ticker,
        "exchange_index": 0,
        "expected_expiration_time": rfc3339(m.expected_us),
        "expiration_time": rfc3339(m.latest_us),
        "expiration_value": s.expiration_value,
        "last_price_dollars": PRICES[m.last_price],
        "latest_expiration_time": rfc3339(m.latest_us),
        "market_type": m.market_type,
        "no_ask_dollars": PRICES[DOLLAR - bid[0]],
        "no_bid_dollars": PRICES[DOLLAR - ask[0]],
        "no_sub_title": m.no_sub_title,
        "notional_value_dollars": "1.0000",
        "open_interest_fp": count(m.open_interest),
        "open_time": rfc3339(m.open_us),
        "previous_price_dollars": PRICES[m.previous_price],
        "previous_yes_ask_dollars": PRICES[m.previous_price],
        "previous_yes_bid_dollars": PRICES[m.previous_price],
        "price_level_structure": m.structure,
        "price_ranges": m.ranges(),
        "result": s.result,
        "rules_primary": m.rules_primary,
        "rules_secondary": m.rules_secondary,
        "settlement_bounds_type": "default",
        "settlement_timer_seconds": m.settlement_timer,
        "status": s.status,
        "ticker": m.ticker,
        "title": m.title,
        "updated_time": rfc3339(m.updated_us),
        "volume_24h_fp": count(m.volume // 3),
        "volume_fp": count(m.volume),
        "yes_ask_dollars": PRICES[ask[0]],
        "yes_ask_size_fp": count(ask[1]),
        "yes_bid_dollars": PRICES[bid[0]],
        "yes_bid_size_fp": count(bid[1]),
        "yes_sub_title": m.yes_sub_title,
        **m.strikes,
        **m.static,
    }
    if m.early_close:
        body["early_close_condition"] = "This market will close and expire after the event occurs."
    if s.value is not None:
        body["settlement_value_dollars"] = price(s.value)
    if s.settlement_us is not None:
        body["settlement_ts"] = rfc3339(s.settlement_us)
    return dict(sorted(body.items()))


def event(e: Event) -> dict[str, Any]:
    body: dict[str, Any] = {
        "available_on_brokers": False,
        "category": e.series.category,
        "collateral_return_type": e.collateral,
        "event_ticker": e.ticker,
        "exchange_index": 0,
        "last_updated_ts": rfc3339(e.updated_us),
        "mutually_exclusive": e.mutually_exclusive,
        "series_ticker": e.series.ticker,
        "settlement_sources": e.settlement_sources,
        "sub_title": e.sub_title,
        "title": e.title,
    }
    if e.product_metadata is not None:
        body["product_metadata"] = e.product_metadata
    if e.strike_us is not None:
        body["strike_date"] = rfc3339(e.strike_us)
    elif e.strike_period is not None:
        body["strike_period"] = e.strike_period
    if e.fee_type_override is not None:
        body["fee_type_override"] = e.fee_type_override
        body["fee_multiplier_override"] = e.fee_multiplier_override
    return dict(sorted(body.items()))


def series(s: Series) -> dict[str, Any]:
    body: dict[str, Any] = {
        "additional_prohibitions": s.prohibitions,
        "category": s.category,
        "contract_terms_url": f"https://assets.example.com/contract_terms/{s.ticker}.pdf",
        "contract_url": f"https://assets.example.com/product-certifications/{s.ticker}.pdf",
        "exchange_index": 0,
        "fee_multiplier": s.fee_multiplier,
        "fee_type": s.fee_type,
        "frequency": s.frequency,
        "last_updated_ts": rfc3339(s.updated_us),
        "settlement_sources": s.settlement_sources,
        "tags": s.tags,
        "ticker": s.ticker,
        "title": s.title,
    }
    if s.product_metadata is not None:
        body["product_metadata"] = s.product_metadata
    return dict(sorted(body.items()))


def trade(t: Trade) -> dict[str, Any]:
    return {
        "count_fp": count(t.count),
        "created_time": rfc3339(t.created_us),
        "is_block_trade": t.block,
        "no_price_dollars": PRICES[DOLLAR - t.yes_price],
        "taker_book_side": "bid" if t.taker == "yes" else "ask",
        "taker_outcome_side": t.taker,
        "taker_side": t.taker,
        "ticker": t.ticker,
        "trade_id": t.trade_id,
        "yes_price_dollars": PRICES[t.yes_price],
    }


def settlement_truth(m: Market) -> dict[str, Any]:
    """What the settlement of a determined market must come to; times as REST tells them."""
    last = m.determinations[-1]
    return {
        "market_ticker": m.ticker,
        "event_ticker": m.event.ticker,
        "series_ticker": m.event.series.ticker,
        "market_type": m.market_type,
        "status": m.status,
        "result": m.result,
        "settlement_value_dollars": last["settlement_value_dollars"],
        "expiration_value": m.expiration_value,
        "determination_ts": last["determination_ts"],
        "settlement_ts": None if m.settled_us is None else rfc3339(m.settled_us),
        "settled_ts": None if m.settled_us is None else m.settled_us // SECOND,
        "determinations": m.determinations,
        "history": m.history,
        "mve": m.mve,
        "shown": m.shown.status == "finalized",
    }
