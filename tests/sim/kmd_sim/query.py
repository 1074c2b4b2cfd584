"""Query strings of the REST side: checks, filters, pages. Pure."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from kmd_sim.fmt import SECOND
from kmd_sim.model import Event, Market

STATUS_OF = {
    "unopened": frozenset({"initialized"}),
    "open": frozenset({"active"}),
    "paused": frozenset({"inactive"}),
    "closed": frozenset({"closed", "determined", "disputed", "amended"}),
    "settled": frozenset({"finalized"}),
}
FAMILIES = {
    "created": {"", "unopened", "open"},
    "close": {"", "closed"},
    "settled": {"", "settled"},
    "updated": {""},
}


class BadQuery(Exception):
    """400 with {"msg": text}."""


def limit(query: Mapping[str, str], what: str, default: int, maximum: int, minimum: int = 1) -> int:
    raw = query.get("limit")
    if raw is None or raw == "":
        return default
    try:
        value = int(raw)
    except ValueError:
        raise BadQuery(
            f"Parameter validation failed for {what}: strconv.ParseInt: parsing {raw!r}: invalid syntax"
        ) from None
    tag = "lte" if value > maximum else "gte" if value < minimum else None
    if tag:
        raise BadQuery(
            f"Parameter validation failed for {what}: Key: '{what}Params.Limit' Error:Field validation for 'Limit' "
            f"failed on the '{tag}' tag"
        )
    return value or default


def seconds_us(query: Mapping[str, str], name: str) -> int | None:
    raw = query.get(name)
    if raw is None or raw == "":
        return None
    try:
        return int(raw) * SECOND
    except ValueError:
        raise BadQuery(f"Parameter validation failed: {name} must be a Unix time in seconds") from None


def flag(query: Mapping[str, str], name: str) -> bool | None:
    raw = query.get(name, "").lower()
    return None if raw == "" else raw in ("true", "1")


def encode_cursor(number: int) -> str:
    return base64.urlsafe_b64encode(b"kmd:%d" % number).decode().rstrip("=")


def decode_cursor(raw: str | None) -> int | None:
    """None for garbage: the first page, and 200."""
    if not raw:
        return None
    try:
        text = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except (binascii.Error, ValueError):
        return None
    return int(text[4:]) if text.startswith(b"kmd:") and text[4:].isdigit() else None


T = TypeVar("T")


def page(items: Iterable[T], index: Callable[[T], int], cursor: int | None, size: int) -> tuple[list[T], str]:
    """`items` come in falling order of `index`; a page goes on below the cursor. "" ends."""
    found: list[T] = []
    for item in items:
        if cursor is not None and index(item) >= cursor:
            continue
        if len(found) == size:
            return found, encode_cursor(index(found[-1]))
        found.append(item)
    return found, ""


def market_filter(query: Mapping[str, str]) -> Callable[[Market], bool]:
    """The filters of GET /markets. BadQuery when they exclude each other."""
    status = query.get("status", "")
    if status and status not in STATUS_OF:
        raise BadQuery(f"Parameter validation failed for GetMarkets: invalid status {status!r}")
    mve = query.get("mve_filter", "")
    if mve not in ("", "only", "exclude"):
        raise BadQuery("Parameter validation failed for GetMarkets: mve_filter must be only or exclude")
    ranges = {name: (seconds_us(query, f"min_{name}_ts"), seconds_us(query, f"max_{name}_ts")) for name in FAMILIES}
    used = [name for name, (low, high) in ranges.items() if low is not None or high is not None]
    if len(used) > 1 or (used and status not in FAMILIES[used[0]]):
        raise BadQuery("Parameter validation failed for GetMarkets: incompatible timestamp filters")
    names = frozenset(t for t in query.get("tickers", "").split(",") if t)
    event, series = query.get("event_ticker", ""), query.get("series_ticker", "")
    statuses = STATUS_OF.get(status)
    family = used[0] if used else None
    low, high = ranges[family] if family else (None, None)

    def keep(m: Market) -> bool:
        if statuses is not None and m.shown.status not in statuses:
            return False
        if (names and m.ticker not in names) or (event and m.event.ticker != event):
            return False
        if series and m.event.series.ticker != series:
            return False
        if mve and m.mve != (mve == "only"):
            return False
        if family is None:
            return True
        when = time_of(m, family)
        return when is not None and (low is None or when >= low) and (high is None or when <= high)

    return keep


def time_of(m: Market, family: str) -> int | None:
    if family == "created":
        return m.created_us
    if family == "close":
        return m.close_us
    return m.updated_us if family == "updated" else m.shown.settlement_us


def event_status(e: Event, status: str) -> bool:
    return any(m.shown.status in STATUS_OF[status] for m in e.markets)
