"""Frames of all kinds for the sink, as fast as a broker takes them, and what must have become of each of them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from component.sink_bench import LINEAGE, Bench, delta, frame, now_ns, trade
from confluent_kafka import Producer

from support.consume import Outgoing
from support.topics import TABLES

TOPICS = ("trades", "orderbook", "tickers", "lifecycle")
LINEAGES = 3
MARKETS = 240
REPEATED, BAD, AGAIN = 0.1, 0.0005, 0.002  # of the trades: the same one anew, unreadable; of all: sent again as it was


class Mould:
    """Makes many of one kind: its value with %d where they differ."""

    def __init__(self, topic: str, one: Outgoing) -> None:
        assert one.value
        self.topic, self.value = topic, one.value
        self.headers = [h for h in one.headers if h[0] not in ("lineage", "n")]


class Load:
    """
    Trades (some of them repetitions, a few bad), books, tickers and lifecycle frames of a few lineages, all from @seed;
    a market has its partition. `rows`, `dead`, `duplicates`: how many there must be, by topic and partition.
    """

    def __init__(self, bench: Bench, seed: int, partitions: int) -> None:
        self.bench, self.partitions = bench, partitions
        self.sent = self.trades = 0
        self.rows: Counter[tuple[str, int]] = Counter()
        self.dead: Counter[tuple[str, int]] = Counter()
        self.duplicates: Counter[tuple[str, int]] = Counter()
        self.numbers = [(0, 0, 0)] * LINEAGES  # of the frames that are rows: how many, sum of n, sum of its squares
        self._chance = random.Random(seed)
        self._n = [0] * LINEAGES
        self._last_trade: dict[int, int] = {}  # market -> its last good one
        self._recent: deque[tuple[str, bytes, bytes, int, list[tuple[str, bytes | None]]]] = deque(maxlen=50)
        levels = [["0.0100", "5.00"], ["0.0200", "7.00"]]
        ts_ms = now_ns() // 1_000_000
        self._trade = Mould("trades", trade("t-%d", market="KX-%d", ts_ms=ts_ms))
        self._bad = Mould("trades", trade("t-%d", market="KX-%d", ts_ms=ts_ms, yes_price_dollars="bad"))
        self._others = (
            Mould("orderbook", delta(None, market="KX-%d")),
            Mould("orderbook", frame("orderbook_snapshot", {"market_ticker": "KX-%d", "yes_dollars_fp": levels})),
            Mould("tickers", frame("ticker", {"market_ticker": "KX-%d", "price_dollars": "0.3000", "ts_ms": ts_ms})),
            Mould("lifecycle", frame("market_lifecycle_v2", {"market_ticker": "KX-%d", "event_type": "activated"})),
        )
        self._shares = [0.45, 0.5, 0.65, 0.66]  # up to here of all: the others; the rest are trades
        for topic in TOPICS:
            bench.topic(topic, partitions)
        self._producer = Producer(
            {
                "bootstrap.servers": bench.kafka.bootstrap, "enable.idempotence": True, "linger.ms": 20, "log_level": 2,
                "compression.type": "lz4", "topic.metadata.propagation.max.ms": 600_000, "queue.buffering.max.messages": 200_000,
            }
        )  # fmt: skip

    def send(self, count: int) -> None:
        """So many more, on their way."""
        for _ in range(count):
            self._one()
        self.sent += count

    def flush(self) -> None:
        while self._producer.flush(5):
            pass

    def pour(self, rate: float, until: Callable[[], bool], at_a_time: int = 500) -> threading.Thread:
        """Sends at @rate (records a second) in a thread until @until says so; then all of it is acknowledged."""

        def run() -> None:
            began = time.monotonic()
            before = self.sent
            while not until():
                self.send(at_a_time)
                ahead = (self.sent - before) / rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
            self.flush()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _one(self) -> None:
        chance = self._chance.random()
        if chance < AGAIN and self._recent:
            again = self._recent[int(chance / AGAIN * len(self._recent))]
            self.duplicates[again[0], again[3]] += 1
            self._put(*again)
            return
        market = self._chance.randrange(MARKETS)
        for mould, share in zip(self._others, self._shares, strict=True):
            if chance < share:
                self._frame(mould, mould.value % market, market, self.rows)
                return
        self._a_trade(market)

    def _a_trade(self, market: int) -> None:
        chance = self._chance.random()
        if chance < REPEATED and market in self._last_trade:
            self._frame(self._trade, self._trade.value % (self._last_trade[market], market), market, self.duplicates)
        elif chance > 1 - BAD:
            self._frame(self._bad, self._bad.value % (self.sent, market), market, self.dead)
        else:
            self.trades += 1
            self._last_trade[market] = self.trades
            self._frame(self._trade, self._trade.value % (self.trades, market), market, self.rows)

    def _frame(self, mould: Mould, value: bytes, market: int, what: Counter[tuple[str, int]]) -> None:
        lineage = market % LINEAGES
        n = self._n[lineage] = self._n[lineage] + 1
        partition = market % self.partitions
        what[mould.topic, partition] += 1
        if what is self.rows:
            count, total, squares = self.numbers[lineage]
            self.numbers[lineage] = (count + 1, total + n, squares + n * n)
        headers = [*mould.headers, ("lineage", b"%d" % (LINEAGE + lineage)), ("n", b"%d" % n)]
        one = (mould.topic, value, b"KX-%d" % market, partition, headers)
        self._recent.append(one)
        self._put(*one)

    def _put(self, topic: str, value: bytes, key: bytes, partition: int, headers: list[tuple[str, bytes | None]]) -> None:
        while True:
            try:
                self._producer.produce(self.bench.prefix + topic, value, key, partition, headers=headers)
                return
            except BufferError:
                self._producer.poll(0.05)

    def check(self, timeout: float = 120.0) -> None:
        """All of it is in Postgres, nothing is lost or twice; AssertionError else."""
        self.bench.wait_done(*TOPICS, timeout=timeout)
        for topic in TOPICS:
            for partition, o in self.bench.offsets(topic).items():
                place = topic, partition
                want = (self.rows[place], self.dead[place], self.duplicates[place])
                assert (o["rows"], o["dead_letters"], o["duplicates"]) == want, (place, o, want)
        stored = self.bench.query("SELECT count(*), count(DISTINCT trade_id) FROM kalshi.trades")
        assert stored == [(self.trades, self.trades)], f"{stored} trades of {self.trades}"
        frames = " UNION ALL ".join(f"SELECT lineage, n FROM kalshi.{table}" for topic in TOPICS for table in TABLES[topic])
        found = self.bench.query(
            "SELECT lineage, count(*), count(DISTINCT n), sum(n)::numeric, sum(n::numeric * n)"
            f" FROM ({frames}) AS f GROUP BY 1 ORDER BY 1"
        )
        for i, (lineage, count, distinct, total, squares) in enumerate(found):
            assert lineage == LINEAGE + i and count == distinct, f"{count - distinct} frames of lineage {lineage} stand twice"
            assert (count, total, squares) == self.numbers[i], f"lineage {lineage}: {count} of {self.numbers[i][0]} frames"
        assert len(found) == LINEAGES
