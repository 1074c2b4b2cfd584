"""The exchange in one process: world, lives, connections that listen, ledger. One event loop owns it."""

import time
from collections import Counter
from random import Random
from typing import Any

from kmd_sim import messages
from kmd_sim.faults import Faults
from kmd_sim.fmt import SECOND
from kmd_sim.ledger import Ledger
from kmd_sim.lives import LifeSettings, Lives
from kmd_sim.model import Market
from kmd_sim.session import Limits
from kmd_sim.settings import Settings
from kmd_sim.world import DAY, World, WorldSettings
from kmd_sim.ws import Connection

CUTOFF_AGE = 60 * DAY


class Exchange:
    def __init__(self, settings: Settings) -> None:
        start = time.time_ns() // 1000
        self.settings = settings
        self.start_us = start
        self.world = World(
            WorldSettings(
                seed=settings.seed, markets=settings.markets, mve=settings.mve, rate=settings.rate,
                keep_trades=settings.keep_trades,
            ),
            start,
        )  # fmt: skip
        self.lives = Lives(
            self.world,
            LifeSettings(
                per_minute=settings.determinations_per_minute, total=settings.determinations,
                churn_per_minute=settings.churn_per_minute, time_scale=settings.time_scale,
                rest_lag_s=settings.rest_lag_s, created_404_s=settings.created_404_s, history=settings.history,
                redetermine_share=settings.redetermine_share,
            ),
        )  # fmt: skip
        self.lives.populate()
        self.lives.add_history_trades()
        self.world.paused = settings.start_paused
        self.rng = Random(settings.seed ^ 0x5EED)
        self.faults = Faults(self.rng)
        self.ledger = Ledger(settings.ledger, settings.keep_frames)
        self.limits = Limits(settings.max_markets_per_sub, settings.max_commands_per_s)
        self.connections: dict[int, Connection] = {}
        self.requests: Counter[str] = Counter()
        self.auth: Counter[str] = Counter()
        self.by_market: dict[str, Counter[str]] = {}
        self.drops = 0
        self._last_conn = 0

    # -- time ---------------------------------------------------------------------------------------------------

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def tick(self) -> None:
        """One turn: the world moves, its frames go to every connection that wants them, sockets are written."""
        now = self.now_us()
        self.world.step(now)
        self.lives.step(now)
        self.publish()
        for connection in list(self.connections.values()):
            connection.turn(now)

    def publish(self) -> None:
        out = self.world.out
        if not out:
            return
        now_ms = time.time_ns() // 1_000_000
        for connection in self.connections.values():
            connection.publish(out, now_ms)
        self.world.out = []

    def cutoff_us(self) -> int:
        cutoff = self.start_us - CUTOFF_AGE
        if self.settings.archive_after_s is not None:
            cutoff = max(cutoff, self.now_us() - int(self.settings.archive_after_s * SECOND))
        return cutoff

    def archived(self, m: Market) -> bool:
        return m.shown.settlement_us is not None and m.shown.settlement_us < self.cutoff_us()

    # -- connections --------------------------------------------------------------------------------------------

    def connect(self, key_id: str, transport: Any) -> Connection:
        self._last_conn += 1
        now = time.time_ns()
        connection = Connection(self, self._last_conn, transport, self.ledger.opened(self._last_conn, key_id, now))
        self.connections[connection.conn] = connection
        return connection

    def disconnect(self, connection: Connection, reason: str) -> None:
        self.connections.pop(connection.conn, None)
        self.ledger.closed(connection.conn, time.time_ns(), reason)

    def chosen(self, conn: int | None) -> list[Connection]:
        return [c for c in self.connections.values() if conn is None or c.conn == conn]

    # -- what a session asks (session.View) ---------------------------------------------------------------------

    def known(self, ticker: str) -> bool:
        m = self.world.markets.get(ticker)
        return m is not None and ticker not in self.faults.denied and not self.archived(m)

    def ticker_of_id(self, market_id: str) -> str | None:
        m = self.world.by_id.get(market_id)
        return m.ticker if m else None

    def snapshot(self, ticker: str, use_yes_price: bool) -> str:
        return messages.snapshot(self.world.markets[ticker], use_yes_price)

    def ticker_message(self, ticker: str) -> str:
        return messages.ticker(self.world.markets[ticker], self.now_us(), 0)

    def drained(self) -> bool:
        return all(c.drained() for c in self.connections.values())

    def count_request(self, endpoint: str, market: str | None, status: int) -> None:
        self.requests[f"{endpoint} {status}"] += 1
        if market:
            self.by_market.setdefault(market, Counter())[f"{endpoint} {status}"] += 1

    def stats(self) -> dict[str, Any]:
        w = self.world
        return {
            "started_us": self.start_us,
            "now_us": self.now_us(),
            "paused": w.paused,
            "frames_made": dict(w.counts),
            "frames_sent": self.ledger.frames,
            "ledger": self.ledger.describe(),
            "trades": len(w.tape),
            "markets": len(w.markets),
            "active": len(w.active),
            "determinations_started": self.lives.ended,
            "settled": self.lives.settled,
            "pending": self.lives.pending,
            "auth": dict(self.auth),
            "bad_signatures": self.auth["bad_signature"],
            "unsigned": self.auth["unsigned"] + self.auth["incomplete"],
            "requests": dict(self.requests),
            "rest_faults": [{"endpoint": f.endpoint, "mode": f.mode, "hits": f.hits} for f in self.faults.rest],
            "connections": [c.describe() for c in self.connections.values()],
            "connections_total": self._last_conn,
            "drops": self.drops,
        }
