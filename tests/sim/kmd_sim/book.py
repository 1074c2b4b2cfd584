"""One market's order book: two sides of bids, price (1/10000 $) to count (1/100 contract). Pure."""

from kmd_sim.fmt import DOLLAR, PRICES, count


class Book:
    __slots__ = ("yes", "no")

    def __init__(self) -> None:
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}

    def side(self, name: str) -> dict[int, int]:
        return self.yes if name == "yes" else self.no

    def apply(self, side: str, price: int, delta: int) -> None:
        """A level that reaches zero or less is gone."""
        levels = self.yes if side == "yes" else self.no
        size = levels.get(price, 0) + delta
        if size > 0:
            levels[price] = size
        else:
            levels.pop(price, None)

    def best(self, side: str) -> tuple[int, int] | None:
        levels = self.yes if side == "yes" else self.no
        if not levels:
            return None
        top = max(levels)
        return top, levels[top]

    def levels(self, side: str, use_yes_price: bool = False) -> list[list[str]]:
        """Ascending; with use_yes_price the no side is told in yes-leg prices."""
        book = self.side(side)
        flip = use_yes_price and side == "no"
        rows = [(DOLLAR - p if flip else p, c) for p, c in book.items()]
        rows.sort()
        return [[PRICES[p], count(c)] for p, c in rows]
