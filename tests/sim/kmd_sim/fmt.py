"""Text forms of the wire: prices in 1/10000 dollar, counts in 1/100 contract, times in microseconds."""

from datetime import UTC, datetime

DOLLAR = 10_000
SECOND = 1_000_000

PRICES: list[str] = [f"{p // DOLLAR}.{p % DOLLAR:04d}" for p in range(DOLLAR + 1)]

_second_cache: tuple[int, str] = (-1, "")


def price(p: int) -> str:
    if 0 <= p <= DOLLAR:
        return PRICES[p]
    return f"{p // DOLLAR}.{p % DOLLAR:04d}"


def count(c: int) -> str:
    if c < 0:
        return f"-{-c // 100}.{-c % 100:02d}"
    return f"{c // 100}.{c % 100:02d}"


def parse_price(text: str) -> int:
    whole, _, frac = text.partition(".")
    return int(whole) * DOLLAR + int(frac.ljust(4, "0")[:4] or 0)


def rfc3339(us: int) -> str:
    """Up to six fraction digits, trailing zeros dropped, as the exchange writes them."""
    global _second_cache
    sec, frac = divmod(us, SECOND)
    cached, text = _second_cache
    if cached != sec:
        text = datetime.fromtimestamp(sec, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second_cache = (sec, text)
    if frac == 0:
        return text + "Z"
    return f"{text}.{frac:06d}".rstrip("0") + "Z"


def seconds(us: int) -> int:
    return us // SECOND


def utc(us: int) -> datetime:
    return datetime.fromtimestamp(us / SECOND, UTC)
