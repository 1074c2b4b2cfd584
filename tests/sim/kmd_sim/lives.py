"""Lives of markets: created, opened, paused, closed in silence, determined (perhaps twice), settled. Pure, seeded.

A heap holds what is due. `step(now)` does it through the world, which says what is to be said. REST's view
(Market.shown) follows the truth with a lag, as the real one does.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kmd_sim import messages
from kmd_sim.fmt import DOLLAR, SECOND, price
from kmd_sim.model import CH_LIFE, CH_MVE, Market, Trade
from kmd_sim.world import DAY, World

Action = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LifeSettings:
    per_minute: float = 6.0
    total: int | None = None
    churn_per_minute: float = 6.0
    time_scale: float = 1.0
    rest_lag_s: float = 1.5
    created_404_s: float = 0.5
    history: int = 10
    redetermine_share: float = 0.08


class Lives:
    def __init__(self, world: World, settings: LifeSettings) -> None:
        self.world = world
        self.settings = settings
        self.rng = world.rng
        self.ended = 0
        self.settled = 0
        self.pending = 0
        self._heap: list[tuple[int, int, bool, Action]] = []
        self._n = 0
        self._queue: deque[Market] = deque()
        self._interval = int(60 * SECOND / settings.per_minute) if settings.per_minute > 0 else 0
        self._next_end = world.start_us + self._interval
        self._next_churn = world.start_us + self._churn_interval()

    # -- beginning ----------------------------------------------------------------------------------------------

    def populate(self) -> None:
        w, start = self.world, self.world.start_us
        for i in range(self.settings.history):
            self._make_history(i)
        made = [self._make_old(mve=False) for _ in range(w.settings.markets)]
        made += [self._make_old(mve=True) for _ in range(w.settings.mve)]
        self.rng.shuffle(made)
        for m in made:
            self._plan_end(m, start)
        w.out.clear()

    def _make_old(self, mve: bool) -> Market:
        w = self.world
        event, ticker, spec = w.take_spec(mve)
        age = self.rng.randrange(3600, 40 * 86_400) * SECOND
        m = w.add_market(event, ticker, spec, w.start_us - age + self.rng.randrange(SECOND), w.start_us - age // 2, 0)
        w.activate(m)
        w.seed_book(m)
        return m

    def _plan_end(self, m: Market, start: int) -> None:
        """Most markets know the second of their close; a fifth are closed early, with a frame that says so."""
        self._queue.append(m)
        k = len(self._queue)
        cap = self.settings.total
        doomed = self._interval > 0 and (cap is None or self.ended + k <= cap)
        if doomed and self.rng.random() < 0.8:
            m.close_us = (max(self._next_end, start) + (k - 1) * self._interval) // SECOND * SECOND
        else:
            m.close_us = (start + self.rng.randrange(1, 20) * DAY) // SECOND * SECOND
        m.expected_us = m.close_us + 3 * 3600 * SECOND
        m.latest_us = m.close_us + 7 * DAY

    def _make_history(self, i: int) -> None:
        """Settled before we began: every other one past the cutoff of the historical tier."""
        w, rng = self.world, self.rng
        event, ticker, spec = w.take_spec(mve=False)
        days = rng.randrange(70, 90) if i % 2 else rng.randrange(1, 40)
        settled = w.start_us - days * DAY + rng.randrange(SECOND)
        m = w.add_market(
            event, ticker, spec, settled - 9 * DAY, settled - 8 * DAY, settled // SECOND * SECOND - 600 * SECOND
        )
        m.history = True
        self._choose_result(m)
        determined = settled - 300 * SECOND
        self._note_determined(m, determined)
        m.status = "finalized"
        m.settled_us = settled
        m.updated_us = settled + SECOND
        self._show_final(m, settled)
        m.last_price = m.value or 0
        m.volume = rng.randrange(100, 1_000_000)

    def add_history_trades(self) -> None:
        w, rng = self.world, self.rng
        old: list[Trade] = []
        for m in w.order:
            if m.history and m.settled_us:
                for _ in range(3):
                    us = m.settled_us - rng.randrange(3600, 86_400) * SECOND + rng.randrange(SECOND)
                    p = rng.randrange(1, 100) * 100
                    side = rng.choice(("yes", "no"))
                    old.append(Trade(w.catalog.uuid(), m.ticker, p, rng.randrange(1, 9999), side, False, us))
        for t in sorted(old, key=lambda t: t.created_us):
            w.tape.add(t)

    # -- going on -----------------------------------------------------------------------------------------------

    def at(self, us: int, action: Action, counted: bool = True) -> None:
        """Do it when due. A counted action is part of a life under way (see `pending`)."""
        self._n += 1
        self.pending += counted
        heapq.heappush(self._heap, (us, self._n, counted, action))

    def step(self, now: int) -> None:
        if self.world.paused:
            self._next_end = max(self._next_end, now + self._interval)
        else:
            self._start_due(now)
        while self._heap and self._heap[0][0] <= now:
            _, _, counted, action = heapq.heappop(self._heap)
            self.pending -= counted
            action(now)

    def _start_due(self, now: int) -> None:
        cap = self.settings.total
        while self._interval and self._next_end <= now and self._queue and (cap is None or self.ended < cap):
            self._next_end += self._interval
            m = self._queue.popleft()
            if m.status in ("active", "inactive"):
                self.begin_end(m, now)
        if self._next_churn <= now:
            self._next_churn = now + self._churn_interval()
            if self.settings.churn_per_minute > 0:
                self.churn(now)

    def _churn_interval(self) -> int:
        rate = self.settings.churn_per_minute
        return int(60 * SECOND / rate * (0.5 + self.rng.random())) if rate > 0 else DAY

    def _scaled(self, low_s: float, high_s: float) -> int:
        return int((low_s + (high_s - low_s) * self.rng.random()) * SECOND / self.settings.time_scale)

    def _lag(self, low: float, high: float) -> int:
        return int(self.settings.rest_lag_s * (low + (high - low) * self.rng.random()) * SECOND)

    # -- birth --------------------------------------------------------------------------------------------------

    def create(self, now: int, mve: bool = False, open_in_s: float | None = None) -> Market:
        w = self.world
        event, ticker, spec = w.take_spec(mve)
        return self.create_from(event, ticker, spec, now, open_in_s)

    def create_from(self, event: Any, ticker: str, spec: Any, now: int, open_in_s: float | None = None) -> Market:
        w = self.world
        new_event = event.ticker not in w.events
        if new_event:
            event.updated_us = now
        wait = self._scaled(0.0, 2.0) if open_in_s is None else int(open_in_s * SECOND)
        m = w.add_market(event, ticker, spec, now, (now + wait) // SECOND * SECOND, now + DAY)
        m.visible_us = now + int(self.settings.created_404_s * SECOND)
        self._plan_end(m, now)
        if new_event:
            channel = CH_MVE if event.mve else CH_LIFE
            w.emit(channel, "event_lifecycle", None, messages.event_lifecycle(event), None, w.turn())
        w.emit_life(m, messages.created(m))
        self.at(now + wait, lambda t: self._open(m, t))
        return m

    def _open(self, m: Market, now: int) -> None:
        """In silence: no frame when the open time passes."""
        if m.status == "initialized":
            self.world.activate(m)
            m.updated_us = now

    # -- changes ------------------------------------------------------------------------------------------------

    def churn(self, now: int) -> None:
        w, rng = self.world, self.rng
        if not w.active:
            return
        m = rng.choice(w.active)
        roll = rng.random()
        if roll < 0.35:
            self.pause_market(m, now)
            self.at(now + self._scaled(1.0, 4.0), lambda t: self.unpause_market(m, t))
        elif roll < 0.6:
            self.change_metadata(m, now)
        elif roll < 0.75:
            self.move_close(m, now, m.close_us + 3600 * SECOND)
        elif roll < 0.85 and m.tick == 100:
            m.tick, m.structure = 10, "deci_cent"
            m.updated_us = now
            w.emit_life(
                m,
                messages.life(
                    m, "price_level_structure_updated", price_level_structure=m.structure, price_ranges=m.ranges()
                ),
            )
        elif not m.mve:
            self.change_fee(m, now)

    def pause_market(self, m: Market, now: int) -> None:
        if m.status == "active":
            self.world.deactivate(m, "inactive")
            m.updated_us = now
            self.world.emit_life(m, messages.life(m, "deactivated", is_deactivated=True))

    def unpause_market(self, m: Market, now: int) -> None:
        """The book of a market that comes back is empty."""
        if m.status == "inactive":
            self.world.empty_book(m, now)
            self.world.activate(m)
            m.updated_us = now
            self.world.emit_life(m, messages.life(m, "activated", is_deactivated=False))

    def change_metadata(self, m: Market, now: int) -> None:
        changes: dict[str, Any] = {}
        if "floor_strike" in m.strikes and self.rng.random() < 0.5:
            m.strikes["floor_strike"] = m.strikes["floor_strike"] + 0.25
            changes["floor_strike"] = m.strikes["floor_strike"]
        else:
            m.yes_sub_title = f"above ${self.rng.randrange(1_000_000) / 100:,.2f} – «adjusted»"
            changes["yes_sub_title"] = m.yes_sub_title
        m.updated_us = now
        self.world.emit_life(m, messages.life(m, "metadata_updated", **changes))

    def move_close(self, m: Market, now: int, close_us: int) -> None:
        m.close_us = close_us
        m.updated_us = now
        self.world.emit_life(m, messages.life(m, "close_date_updated", close_ts=close_us // SECOND))

    def change_fee(self, m: Market, now: int) -> None:
        e = m.event
        if e.fee_type_override is None:
            e.fee_type_override, e.fee_multiplier_override = "quadratic", self.rng.choice((1, 0.5, 2))
        else:
            e.fee_type_override = e.fee_multiplier_override = None
        e.updated_us = now
        self.world.emit(CH_LIFE, "event_fee_update", None, messages.event_fee_update(e), None, self.world.turn())

    # -- end ----------------------------------------------------------------------------------------------------

    def begin_end(self, m: Market, now: int) -> None:
        self.ended += 1
        if m.close_us > now + SECOND:
            self.move_close(m, now, (now + self._scaled(0.5, 1.5)) // SECOND * SECOND + SECOND)
            self.at(m.close_us, lambda t: self._close_and_go_on(m, t))
        else:
            self._close_and_go_on(m, now)

    def _close_and_go_on(self, m: Market, now: int) -> None:
        self.close(m, now)
        self.at(now + self._scaled(1.0, 4.0), lambda t: self.determine(m, t))

    def close(self, m: Market, now: int) -> None:
        """In silence: only the cancelled orders are told."""
        if m.status in ("active", "inactive", "initialized"):
            self.world.deactivate(m, "closed")
            m.updated_us = now
            self.world.empty_book(m, now)

    def determine(
        self, m: Market, now: int, result: str | None = None, value: int | None = None, settle: bool = True
    ) -> None:
        """Say the result; then dispute it at times; then settle. REST knows later (`rest_lag_s`)."""
        if m.status == "finalized":
            return
        self.close(m, now)
        again = bool(m.determinations)
        self._choose_result(m, result, value)
        self._note_determined(m, now)
        m.status = "amended" if again else "determined"
        self.world.emit_life(m, messages.determined(m, now))
        self._show_determined(m, now)
        if not settle:
            return
        timer = self._scaled(1.0, 5.0) if m.settlement_timer > 1 else self._scaled(1.0, 1.5)
        if not again and self.rng.random() < self.settings.redetermine_share:
            self.at(now + timer // 2, lambda t: self.redetermine(m, t))
        else:
            self.at(now + timer, lambda t: self.settle(m, t))

    def redetermine(self, m: Market, now: int, result: str | None = None, value: int | None = None) -> None:
        if m.status == "finalized" or not m.determinations:
            return
        m.status = m.shown.status = "disputed"
        other = result or ("no" if m.result == "yes" else "yes")
        self.determine(m, now, other, value)

    def settle(self, m: Market, now: int) -> None:
        if m.status == "finalized" or not m.determinations:
            return
        m.status = "finalized"
        m.settled_us = now
        self.settled += 1
        self.world.emit_life(m, messages.life(m, "settled", settled_ts=now // SECOND))

        def show(t: int) -> None:
            self._show_final(m, now)
            m.updated_us = t

        self.at(now + self._lag(0.3, 1.0), show)
        if self._interval and not m.history:
            self.at(now + self._scaled(0.0, 2.0), lambda t: self._replace(m, t))

    def _replace(self, m: Market, now: int) -> None:
        if not self.world.paused:
            self.create(now, m.mve)

    def _choose_result(self, m: Market, result: str | None = None, value: int | None = None) -> None:
        rng = self.rng
        if result is None:
            void = rng.random() < 0.03
            result = "scalar" if void or m.market_type == "scalar" else "yes" if rng.random() * DOLLAR < m.mid else "no"
        if value is None:
            value = {"yes": DOLLAR, "no": 0}.get(result, rng.randrange(1, DOLLAR))
        m.result, m.value = result, value
        texts = ("", "", m.yes_sub_title, "83950.62", "2.0", "Miami – “OT”")
        m.expiration_value = rng.choice(texts)

    def _note_determined(self, m: Market, us: int) -> None:
        assert m.value is not None
        m.determinations.append(
            {
                "result": m.result,
                "settlement_value_dollars": price(m.value),
                "expiration_value": m.expiration_value,
                "determination_ts": us // SECOND,
            }
        )

    def _show_determined(self, m: Market, now: int) -> None:
        """At first nothing, then (for some) a status without result, or a result without value, then all."""
        nth = len(m.determinations)
        result, value, expiration = m.result, m.value, m.expiration_value
        lag = self._lag(0.3, 1.5)
        half = self.rng.randrange(3)

        def current() -> bool:
            return len(m.determinations) == nth and m.shown.status != "finalized"

        def some(t: int) -> None:
            if current():
                m.shown.status = m.status if m.status != "finalized" else "determined"
                m.shown.result = result if half == 1 else m.shown.result
                m.updated_us = t

        def everything(t: int) -> None:
            if current():
                m.shown.status = m.status if m.status != "finalized" else "determined"
                m.shown.result, m.shown.value, m.shown.expiration_value = result, value, expiration
                m.updated_us = t

        if half < 2:
            self.at(now + lag // 2, some)
        self.at(now + lag, everything)

    def _show_final(self, m: Market, settled_us: int) -> None:
        s = m.shown
        s.status, s.result, s.value, s.expiration_value = "finalized", m.result, m.value, m.expiration_value
        s.settlement_us = settled_us
