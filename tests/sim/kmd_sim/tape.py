"""The list of all trades, oldest first, numbered for ever so that a page's cursor stays true as trades arrive. Pure."""

from bisect import bisect_left, bisect_right

from kmd_sim.model import Trade


class Tape:
    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.first = 0
        self.trades: list[Trade] = []
        self.times: list[int] = []

    def __len__(self) -> int:
        return self.first + len(self.trades)

    def add(self, t: Trade) -> None:
        if self.times and t.created_us < self.times[-1]:
            t.created_us = self.times[-1]
        self.trades.append(t)
        self.times.append(t.created_us)
        if len(self.trades) >= self.keep + self.keep // 8 + 1:
            cut = len(self.trades) - self.keep
            del self.trades[:cut], self.times[:cut]
            self.first += cut

    def page(
        self,
        limit: int,
        before: int | None = None,
        min_us: int | None = None,
        max_us: int | None = None,
        ticker: str | None = None,
        block: bool | None = None,
    ) -> tuple[list[Trade], int | None]:
        """Newest first; `before` is the number under which to go on. Second result: the next `before`, or None."""
        high = len(self.trades) if max_us is None else bisect_right(self.times, max_us)
        if before is not None:
            high = min(high, before - self.first)
        low = 0 if min_us is None else bisect_left(self.times, min_us)
        found: list[Trade] = []
        i = high
        while i > low and len(found) < limit:
            i -= 1
            t = self.trades[i]
            if (ticker is None or t.ticker == ticker) and (block is None or t.block == block):
                found.append(t)
        more = i > low and len(found) == limit
        return found, (self.first + i if more else None)
