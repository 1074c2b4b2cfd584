"""The exchange's world: markets, books, trades. Pure and seeded: `step(now)` moves it and returns what it would say.

Everything that happens is in the world whether or not anybody listens. Lives of markets are in lives.py.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random

from kmd_sim import messages
from kmd_sim.catalog import Catalog, MarketSpec, iter_markets
from kmd_sim.fmt import DOLLAR, SECOND
from kmd_sim.model import CH_BOOK, CH_LIFE, CH_MVE, CH_TICKER, CH_TRADE, Emission, Event, Market, Shown, Trade
from kmd_sim.tape import Tape

DAY = 86_400 * SECOND
STRUCTURES = {100: "linear_cent", 10: "deci_cent", 1: "centi_cent"}


@dataclass(frozen=True, slots=True)
class WorldSettings:
    seed: int = 1
    markets: int = 50
    mve: int = 5
    rate: float = 50.0
    trade_share: float = 0.1
    keep_trades: int = 1_000_000


class World:
    def __init__(self, settings: WorldSettings, start_us: int) -> None:
        self.settings = settings
        self.rng = Random(settings.seed)
        self.catalog = Catalog(self.rng, start_us)
        self.start_us = start_us
        self.now_us = start_us
        self.events: dict[str, Event] = {}
        self.markets: dict[str, Market] = {}
        self.by_id: dict[str, Market] = {}
        self.order: list[Market] = []
        self.active: list[Market] = []
        self.tape = Tape(settings.keep_trades)
        self.out: list[Emission] = []
        self.counts: Counter[str] = Counter()
        self.paused = False
        self.rate = settings.rate
        self._debt = 0.0
        self._pool: list[tuple[Event, str, MarketSpec]] = []
        self._pool_mve: list[tuple[Event, str, MarketSpec]] = []

    # -- what is there ------------------------------------------------------------------------------------------

    def take_spec(self, mve: bool) -> tuple[Event, str, MarketSpec]:
        """The next market to make, and its event; an event's markets follow one another."""
        pool = self._pool_mve if mve else self._pool
        if not pool:
            if mve:
                plain = [m for m in self.order if not m.mve]
                legs = self.rng.sample(plain, min(len(plain), self.rng.randrange(2, 4)))
                event, specs = self.catalog.next_mve([(m.event.ticker, m.ticker, m.yes_sub_title) for m in legs])
            else:
                event, specs = self.catalog.next_event()
            pool.extend((event, ticker, spec) for ticker, spec in iter_markets(event, specs))
        return pool.pop(0)

    def add_market(
        self, event: Event, ticker: str, spec: MarketSpec, created_us: int, open_us: int, close_us: int
    ) -> Market:
        rng = self.rng
        m = Market(
            ticker=ticker, market_id=self.catalog.uuid(), event=event, index=len(self.order),
            market_type=spec.market_type, title=spec.title, yes_sub_title=spec.yes_sub_title,
            no_sub_title=spec.no_sub_title, rules_primary=spec.rules_primary, rules_secondary=spec.rules_secondary,
            created_us=created_us, open_us=open_us, close_us=close_us,
            expected_us=close_us // SECOND * SECOND + 3 * 3600 * SECOND,
            latest_us=close_us // SECOND * SECOND + 7 * DAY, tick=spec.tick, structure=STRUCTURES[spec.tick],
            settlement_timer=spec.timer, mid=spec.tick * rng.randrange(1000 // spec.tick + 1, 9000 // spec.tick),
            strikes=dict(spec.strikes), static=spec.static, shown=Shown("initialized"), mve=event.mve,
            early_close=rng.random() < 0.9, status="initialized", updated_us=created_us,
        )  # fmt: skip
        m.head = messages.market_head(m)
        self.markets[ticker] = m
        self.by_id[m.market_id] = m
        self.order.append(m)
        event.markets.append(m)
        self.events.setdefault(event.ticker, event)
        return m

    def activate(self, m: Market) -> None:
        m.status = m.shown.status = "active"
        if m.slot < 0:
            m.slot = len(self.active)
            self.active.append(m)

    def deactivate(self, m: Market, status: str) -> None:
        m.status = m.shown.status = status
        if m.slot >= 0:
            last = self.active.pop()
            if last is not m:
                self.active[m.slot] = last
                last.slot = m.slot
            m.slot = -1

    def seed_book(self, m: Market) -> None:
        """Orders of before the beginning: nothing is said of them."""
        rng = self.rng
        for side, top in (("yes", m.mid - m.tick), ("no", DOLLAR - m.mid - m.tick)):
            if rng.random() < 0.07:
                continue
            for step in range(rng.randrange(1, 9)):
                p = top - step * m.tick * rng.randrange(1, 3)
                if p > 0:
                    m.book.side(side)[p] = self._size()
        if rng.random() < 0.8:
            m.volume = rng.randrange(100, 50_000_000)
            m.open_interest = m.volume // 2
            m.last_price = m.mid
            m.last_size = self._size()
            m.previous_price = m.mid

    # -- what happens -------------------------------------------------------------------------------------------

    def emit(
        self, channel: str, type_: str, m: Market | None, msg: str, msg_yes: str | None = None, turn: int = 0
    ) -> None:
        self.counts[type_] += 1
        self.out.append(Emission(channel, type_, m.ticker if m else "", msg, msg_yes, turn))

    def emit_life(self, m: Market, msg: str) -> None:
        channel = CH_MVE if m.mve else CH_LIFE
        self.emit(channel, channel, m, msg, None, self.turn())

    def turn(self) -> int:
        bits = self.rng.getrandbits(7)
        return (bits & 7) | (16 if bits < 3 else 0)

    def step(self, now_us: int) -> None:
        """Quotes and trades between the last step and now, at the set rate. Lost time over a second is forgiven."""
        before, self.now_us = self.now_us, max(now_us, self.now_us)
        elapsed = self.now_us - before
        if self.paused or not self.active or self.rate <= 0:
            self._debt = 0.0
            return
        self._debt = min(self._debt + elapsed * self.rate / SECOND, self.rate)
        owed = int(self._debt)
        if owed <= 0:
            return
        start = len(self.out)
        while len(self.out) - start < owed:
            done = len(self.out) - start
            self.activity(before + elapsed * (done + 1) // (owed + 1))
        self._debt -= len(self.out) - start

    def activity(self, us: int) -> None:
        rng = self.rng
        active = self.active
        skew = rng.random()
        m = active[int(skew * skew * len(active))]
        roll = rng.random()
        if roll < self.settings.trade_share and self.trade(m, "yes" if rng.random() < 0.5 else "no", us):
            return
        if roll > 0.97:
            self.drift(m, us)
        self.quote(m, us)

    def quote(self, m: Market, us: int) -> None:
        rng = self.rng
        side = "yes" if rng.random() < 0.5 else "no"
        levels = m.book.yes if side == "yes" else m.book.no
        top = (m.mid if side == "yes" else DOLLAR - m.mid) - m.tick
        p = top - m.tick * int(rng.random() ** 3 * 12)
        if len(levels) > 24 and rng.random() < 0.5:
            p = min(levels)
            change = -levels[p]
        elif p <= 0:
            return
        else:
            size = levels.get(p)
            if size is not None and rng.random() < 0.55:
                change = -size if rng.random() < 0.6 else -max(1, size // 3)
            else:
                change = self._size()
        best = max(levels) if levels else 0
        self.delta(m, side, p, change, us)
        if p >= best or rng.random() < 0.15:
            self.ticker(m, us)

    def delta(self, m: Market, side: str, p: int, change: int, us: int) -> None:
        m.book.apply(side, p, change)
        turn = self.turn()
        msg = messages.delta(m, side, p, change, us, turn)
        msg_yes = msg if side == "yes" else messages.delta(m, side, DOLLAR - p, change, us, turn)
        self.emit(CH_BOOK, "orderbook_delta", m, msg, msg_yes, turn)

    def ticker(self, m: Market, us: int) -> None:
        turn = self.turn()
        self.emit(CH_TICKER, "ticker", m, messages.ticker(m, us, turn), None, turn)

    def trade(self, m: Market, taker: str, us: int, all_of_it: bool = False) -> bool:
        """The taker meets the best bid of the other side; says delta, trade, ticker. False: nothing to meet."""
        maker = "no" if taker == "yes" else "yes"
        best = m.book.best(maker)
        if best is None:
            return False
        p, size = best
        qty = size if all_of_it else min(size, self._size())
        self.delta(m, maker, p, -qty, us)
        yes_price = DOLLAR - p if maker == "no" else p
        m.last_price, m.last_size = yes_price, qty
        m.volume += qty
        m.open_interest += qty // 2
        t = Trade(self.catalog.uuid(), m.ticker, yes_price, qty, taker, self.rng.random() < 0.01, us)
        self.tape.add(t)
        turn = self.turn()
        self.emit(CH_TRADE, "trade", m, messages.trade(t, turn), None, turn)
        self.ticker(m, us)
        return True

    def drift(self, m: Market, us: int) -> None:
        """The price moves a tick; orders that it passes are traded away."""
        up = self.rng.random() < 0.5
        mid = m.mid + (m.tick if up else -m.tick)
        if not 2 * m.tick <= mid <= DOLLAR - 2 * m.tick:
            return
        m.mid = mid
        taker, maker = ("yes", "no") if up else ("no", "yes")
        limit = (DOLLAR - mid if up else mid) - m.tick
        best = m.book.best(maker)
        while best is not None and best[0] > limit:
            self.trade(m, taker, us, all_of_it=True)
            best = m.book.best(maker)

    def empty_book(self, m: Market, us: int) -> None:
        """Every order is cancelled; each level says so."""
        for side in ("yes", "no"):
            for p, size in sorted(m.book.side(side).items()):
                self.delta(m, side, p, -size, us)

    def _size(self) -> int:
        rng = self.rng
        whole = int(2 ** (rng.random() * 12)) * 100
        return whole + rng.randrange(1, 100) if rng.random() < 0.3 else whole
