"""What the figures of ingest share: an exchange that costs next to nothing, kmd-ingest behind it, programs that forward."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from support import consume, keys
from support.consume import Outgoing
from support.ports import answers, free_port
from support.process import Process, wait_until
from support.services import Service

from bench import procs
from bench.rows import Sample
from bench.suite import Bench

MARKETS = 2400
PARTITIONS = 12
PATIENCE_S = 1800.0  # for one run; a slow machine is measured too


class Exchange:
    """limits/exchange.c, which says what it does."""

    def __init__(self, bench: Bench, kind: str = "trade", distinct: int = 8192, levels: int = 0, markets: int = MARKETS) -> None:
        self.port = free_port()
        argv = [bench.limit("exchange"), str(self.port), kind, str(distinct), str(markets), str(levels)]
        self.process = Process(argv, bench.folder / "exchange.log")
        self.process.start()
        wait_until("the exchange listens", lambda: answers(self.port))

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/trade-api/ws/v2"

    def go(self, count: int, rate: float = 0, connections: int = 1) -> None:
        """@count messages to each of @connections, once they are there; returns when all is written."""
        url = f"http://127.0.0.1:{self.port}/go/{count}/{rate}/{connections}"
        urllib.request.urlopen(url, timeout=PATIENCE_S).read()


@contextmanager
def exchange(bench: Bench, kind: str = "trade", **more: int) -> Iterator[Exchange]:
    one = Exchange(bench, kind, **more)
    try:
        yield one
    finally:
        one.process.kill()


class Capture:
    """One kmd-ingest and its topics."""

    def __init__(self, bench: Bench, source: Exchange, channels: str = "trade", partitions: int = PARTITIONS, **more: str) -> None:
        self.bench, self.source = bench, source
        self.prefix = more.pop("KMD_TOPIC_PREFIX", "") or bench.unique("i") + "."
        self.channels = channels
        self.settings = {
            "KAFKA_BOOTSTRAP_SERVERS": bench.kafka.bootstrap,
            "KMD_TOPIC_PREFIX": self.prefix,
            "KMD_TOPIC_PARTITIONS": str(partitions),
            "KALSHI_WS_URL": source.url,
            "KALSHI_API_KEY_ID": "bench",
            "KALSHI_PRIVATE_KEY_FILE": str(keys.rsa_key(bench.folder, bench.unique("key")).private),
            "KMD_INGEST_CHANNELS": channels,
            "KMD_INGEST_GROUP": f"{self.prefix}ingest",
            "KMD_INGEST_STALE_AFTER": "1h",
            **more,
        }
        self.service = Service("ingest", self.settings, bench.folder, f"ingest-{bench.unique('')}")

    @property
    def pid(self) -> int:
        return self.service.process.pid

    def start(self, connections: int = 1) -> None:
        self.service.start()
        self.service.wait_metric("kmd_ingest_frames_total", connections, PATIENCE_S, type="subscribed")

    def delivered(self) -> float:
        """Of data; replies and what ingest itself has to say are not counted."""
        topics = ("trades", "orderbook", "tickers", "lifecycle")
        return sum(self.service.metric("kmd_ingest_delivered_total", topic=t) for t in topics)

    def run(self, count: int, rate: float = 0, connections: int = 1) -> Sample:
        """@count messages on each connection, until all are acknowledged: messages per CPU second of ingest."""
        before, wanted = self._cpu(), self.delivered() + count * connections
        began = time.monotonic()
        self.source.go(count, rate, connections)
        wait_until("everything is acknowledged", lambda: self.delivered() >= wanted, PATIENCE_S, every=0.1)
        wall_s = time.monotonic() - began
        cpu = {who: after - before[who] for who, after in self._cpu().items()}
        rss = {"kmd-ingest": procs.peak_rss_mib(self.pid)}
        return Sample(count * connections / cpu["kmd-ingest"], cpu, rss, {"wall_s": wall_s})

    def stop(self) -> None:
        self.service.stop()

    def _cpu(self) -> dict[str, float]:
        pids = {"kmd-ingest": self.pid, "exchange": self.source.process.pid, "kafka": self.bench.kafka.process.pid}
        return {who: procs.cpu_s(pid) for who, pid in pids.items()}


@contextmanager
def capture(bench: Bench, source: Exchange, connections: int = 1, **more: str) -> Iterator[Capture]:
    one = Capture(bench, source, **more)
    one.start(connections)
    try:
        yield one
    finally:
        one.stop()


def open_markets(bench: Bench, prefix: str, count: int) -> None:
    """The first @count markets of the exchange, in topic markets as the enricher writes them."""
    series = ("KXHIGHNY", "KXBTCD", "KXNFLGAME", "KXFEDDECISION", "KXETHD", "KXINXU")

    def record(market: int) -> Outgoing:
        ticker = f"{series[market % 6]}-26NOV{1 + market // 6 % 28:02d}-T{100000 + market:06d}.99"
        body = {"ticker": ticker, "body": {"ticker": ticker, "status": "active"}}
        return Outgoing(json.dumps(body).encode(), ticker.encode())

    consume.create_topic(bench.kafka.bootstrap, f"{prefix}markets", PARTITIONS, {"cleanup.policy": "compact"})
    consume.produce(bench.kafka.bootstrap, f"{prefix}markets", map(record, range(count)))


def forward(bench: Bench, source: Exchange, argv: Sequence[str], count: int) -> Sample:
    """
    A program that connects to @source, which nobody else does, takes @count messages, forwards what it forwards, and ends:
    messages per CPU second of it from the first message on, so that nobody's start counts.
    """
    before = procs.cpu_s(bench.kafka.process.pid)
    blast = Thread(target=source.go, args=(count,), daemon=True)
    blast.start()
    ended = procs.run_to_end(argv)
    blast.join()
    who = argv[0].rsplit("/", 1)[-1]
    cpu_s = float(ended.output.split()[3])
    cpu = {who: cpu_s, "kafka": procs.cpu_s(bench.kafka.process.pid) - before}
    return Sample(count / cpu_s, cpu, {who: ended.rss_mib}, {"wall_s": ended.wall_s})


def topic(bench: Bench, partitions: int = PARTITIONS) -> str:
    """An empty one for a program that forwards."""
    name = bench.unique("forward")
    consume.create_topic(bench.kafka.bootstrap, name, partitions)
    return name
