"""The things of the exchange's world. Times are microseconds since 1970, prices 1/10000 $, counts 1/100."""

from dataclasses import dataclass, field
from typing import Any

from kmd_sim.book import Book

CH_TRADE = "trade"
CH_TICKER = "ticker"
CH_BOOK = "orderbook_delta"
CH_LIFE = "market_lifecycle_v2"
CH_MVE = "multivariate_market_lifecycle"


@dataclass(slots=True)
class Series:
    ticker: str
    title: str
    category: str
    frequency: str
    tags: list[str] | None
    settlement_sources: list[dict[str, str]] | None
    fee_type: str
    fee_multiplier: float
    prohibitions: list[str] | None
    product_metadata: dict[str, Any] | None
    updated_us: int


@dataclass(slots=True)
class Event:
    ticker: str
    series: Series
    title: str
    sub_title: str
    collateral: str
    mutually_exclusive: bool
    strike_us: int | None
    strike_period: str | None
    product_metadata: dict[str, Any] | None
    settlement_sources: list[dict[str, str]] | None
    updated_us: int
    mve: bool = False
    fee_type_override: str | None = None
    fee_multiplier_override: float | None = None
    markets: list["Market"] = field(default_factory=list)


@dataclass(slots=True)
class Shown:
    """What REST says of a market's end; it follows the truth with a lag."""

    status: str
    result: str = ""
    value: int | None = None
    settlement_us: int | None = None
    expiration_value: str = ""


@dataclass(slots=True)
class Market:
    ticker: str
    market_id: str
    event: Event
    index: int
    market_type: str
    title: str
    yes_sub_title: str
    no_sub_title: str
    rules_primary: str
    rules_secondary: str
    created_us: int
    open_us: int
    close_us: int
    expected_us: int
    latest_us: int
    tick: int
    structure: str
    settlement_timer: int
    mid: int
    strikes: dict[str, Any]
    static: dict[str, Any]
    shown: Shown
    mve: bool = False
    early_close: bool = True
    status: str = "active"
    history: bool = False
    listed: bool = True
    visible_us: int = 0
    updated_us: int = 0
    book: Book = field(default_factory=Book)
    slot: int = -1
    volume: int = 0
    open_interest: int = 0
    last_price: int = 0
    last_size: int = 0
    previous_price: int = 0
    result: str = ""
    value: int | None = None
    expiration_value: str = ""
    determinations: list[dict[str, Any]] = field(default_factory=list)
    settled_us: int | None = None
    head: str = ""

    def ranges(self) -> list[dict[str, str]]:
        return [{"end": "1.0000", "start": "0.0000", "step": f"0.{self.tick:04d}"}]


@dataclass(slots=True)
class Trade:
    trade_id: str
    ticker: str
    yes_price: int
    count: int
    taker: str
    block: bool
    created_us: int


class Emission:
    """One frame of the world before it has a sid, a seq and an envelope."""

    __slots__ = ("channel", "type", "ticker", "msg", "msg_yes", "layout")

    def __init__(self, channel: str, type_: str, ticker: str, msg: str, msg_yes: str | None, layout: int) -> None:
        self.channel = channel
        self.type = type_
        self.ticker = ticker
        self.msg = msg
        self.msg_yes = msg_yes
        self.layout = layout
