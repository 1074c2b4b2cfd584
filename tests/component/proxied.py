"""
Pairs of programs with a proxy between them: load that goes on whatever is wrong with the way, how a way through which
nothing flows is noticed, and what must be there once at the end. Used by test_proxied.py and faults/proxied.py.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException

from component.enricher_bench import Bench as EnricherBench
from component.enricher_bench import is_determined
from component.enricher_exchange import Exchange as RestExchange
from component.enricher_exchange import determined
from component.ingest_bench import EXCHANGE_WIDE
from component.ingest_bench import Bench as IngestBench
from component.ingest_exchange import Exchange
from component.sink_bench import Bench as SinkBench
from component.sink_bench import delta, trade

from support import keys
from support.process import wait_until
from support.proxy import ProxiedKafka, Proxy, Toxiproxy
from support.rig import Broker
from support.services import Service, StartService
from support.shared import Database, unique

PASSING = ("latency", "bandwidth", "bytewise")  # slow, and all of it comes
TOXIC_S = 2.0  # how long the others are there, at least


class Pair(Protocol):
    """A service and what it talks to, through `proxy`."""

    proxy: Proxy
    service: Service

    def load(self) -> None:
        """Some more work."""

    def losses(self) -> float:
        """A number that grows when something went wrong that a way which is merely slow must not bring about."""

    def wait_through(self) -> None:
        """Until all work given so far is done."""

    def wait_noticed(self) -> None:
        """Until the service says that nothing comes through."""

    def check(self) -> None:
        """Nothing lost, nothing twice."""


def walk(pair: Pair, toxic: str, rounds: int = 1) -> float:
    """The toxic comes and goes under load, @rounds times; then everything is done. Seconds from its end to that."""
    for _ in range(rounds):
        pair.load()
        losses = pair.losses()
        with pair.proxy.toxic(toxic):
            began = time.monotonic()
            pair.load()
            if toxic == "half-open":
                pair.wait_noticed()
            while time.monotonic() < began + TOXIC_S:
                pair.load()
                time.sleep(0.5)
            if toxic in PASSING:
                pair.wait_through()
                assert pair.losses() == losses
        gone = time.monotonic()
        pair.load()
        pair.wait_through()
    took = time.monotonic() - gone
    assert pair.service.alive()
    pair.service.wait_ready()
    return took


def names(service: Service, condition: str) -> Callable[[], bool]:
    """Does /readyz say that the condition does not hold?"""
    return lambda: condition in service.ready()[1].get("missing", [])


class _Capture:
    """ingest: the exchange sends on whatever connection there is."""

    whole = False  # each frame of the exchange must be there, no connection may be lost

    def __init__(self, start: StartService, bootstrap: str, folder: Path) -> None:
        key = keys.rsa_key(folder, "key")
        self.exchange = Exchange(key.public, ping=20.0)  # it gives up on a pong that is late
        self.bench = IngestBench(start, bootstrap, unique("t") + ".", self.exchange, key)

    def losses(self) -> float:
        return self.service.metric("kmd_ingest_connections_total")

    def load(self) -> None:
        connection = self.exchange.connections[-1]
        if connection.open and "trade" in connection.sids:
            with contextlib.suppress(ConnectionResetError):
                connection.trade(count=40)

    def wait_through(self) -> None:
        wait_until("what the exchange sends is in Kafka", self._arrives, timeout=90)

    def _arrives(self) -> bool:
        """One more trade, on the connection that is the last now, comes through within a moment."""
        connection = self.exchange.connections[-1]
        if not connection.open or not set(EXCHANGE_WIDE) <= set(connection.sids):
            return False
        try:
            connection.trade()
            mark = connection.sent[-1]
            return wait_until("it arrives", lambda: any(r.value == mark for r in self.bench.read("trades")), 5, every=0.3)
        except (AssertionError, KafkaException, ConnectionResetError):
            return False

    def check(self) -> None:
        assert self.service.stop() == 0
        lineages: dict[int, list[bytes]] = {}
        for record in self.bench.frames():
            values = lineages.setdefault(int(record.header("lineage") or 0), [])
            values.append(record.value or b"")
            assert record.header("n") == str(len(values)), "no hole and no repetition in a lineage"
        self._are_prefixes([lineages[lineage] for lineage in sorted(lineages)])
        feed = self.bench.feed()
        assert not [r for r in feed if r["kind"] in ("gap", "refused")]
        told = [r for r in feed if r["kind"] == "subscribed" and r["channel"] == "trade"]
        assert all("from_recv_ns" in r for r in told[1:]), "every hole between two lineages is told"
        ends = {r["lineage"]: r["last_n"] for r in feed if r["kind"] == "closed"}
        assert {lineage: n for lineage, n in ends.items() if n} == {k: len(v) for k, v in lineages.items()}
        self.exchange.close()

    def _are_prefixes(self, captured: list[list[bytes]]) -> None:
        """What was captured of each lineage is what the exchange sent first on one connection, in their order."""
        connections = iter(self.exchange.connections)
        for values in captured:
            assert any(c.sent[: len(values)] == values for c in connections), "frames that were not sent so"
        if self.whole:
            assert captured == [c.sent for c in self.exchange.connections]


class ExchangeIngest(_Capture):
    def __init__(self, start: StartService, kafka: Broker, toxiproxy: Toxiproxy, folder: Path) -> None:
        super().__init__(start, kafka.bootstrap, folder)
        self.proxy = toxiproxy.proxy(self.exchange.port)
        url = self.exchange.url.replace(str(self.exchange.port), str(self.proxy.port))
        self.bench.market("KX-1")  # something to ask for while this test sends nothing
        self.service, connection = self.bench.connect(KALSHI_WS_URL=url, KMD_INGEST_STALE_AFTER="4s")
        connection.wait_books({"KX-1"})

    def wait_noticed(self) -> None:
        before = self.service.metric("kmd_ingest_stale_total")
        self.service.wait_metric("kmd_ingest_stale_total", before + 1)


class KafkaIngest(_Capture):
    whole = True

    def __init__(self, start: StartService, kafka: ProxiedKafka, folder: Path, **settings: str) -> None:
        super().__init__(start, kafka.bootstrap, folder)
        self.proxy = kafka.proxy
        self.service, _ = self.bench.connect(**kafka.settings(), **settings)

    def wait_noticed(self) -> None:
        wait_until("kafka is named", names(self.service, "kafka"), timeout=120)


class _Settle:
    """enricher: market after market is determined."""

    condition: str

    def __init__(self, start: StartService, kafka: Broker, folder: Path) -> None:
        self.exchange = RestExchange()
        self.bench = EnricherBench(start, kafka, unique("t") + ".", self.exchange, folder)
        self.markets: list[str] = []

    def losses(self) -> float:
        return 0

    def load(self) -> None:
        fresh = [f"KXP-{len(self.markets) + i}" for i in range(5)]
        for ticker in fresh:
            self.exchange.add(ticker, "KXP", "KXPS", **determined())
        self.markets += fresh
        self.bench.frames(is_determined(ticker) for ticker in fresh)

    def settled(self) -> list[str]:
        return [r["market_ticker"] for r in self.bench.records("settlements")]

    def wait_through(self) -> None:
        wait_until("each market has its settlement", lambda: set(self.settled()) >= set(self.markets), timeout=120, every=0.5)

    def wait_noticed(self) -> None:
        wait_until(f"{self.condition} is named", names(self.service, self.condition), timeout=120)

    def check(self) -> None:
        assert self.service.stop() == 0
        said: dict[str, set[str]] = {ticker: set() for ticker in self.markets}
        for r in self.bench.records("settlements"):  # twice where the connection went before the acknowledgement came
            said[r["market_ticker"]].add(json.dumps({**r, "known_at": None}))
        assert {len(contents) for contents in said.values()} == {1}, "one settlement for each"
        assert self.bench.committed() == len(self.markets), "each frame is done"
        self.exchange.close()


class RestEnricher(_Settle):
    condition = "exchange"

    def __init__(self, start: StartService, kafka: Broker, toxiproxy: Toxiproxy, folder: Path) -> None:
        super().__init__(start, kafka, folder)
        port = self.exchange.url.split(":")[2].split("/")[0]
        self.proxy = toxiproxy.proxy(int(port))
        self.service = self.bench.start(KALSHI_REST_BASE_URL=self.exchange.url.replace(port, str(self.proxy.port)))


class KafkaEnricher(_Settle):
    condition = "kafka"

    def __init__(self, start: StartService, kafka: ProxiedKafka, folder: Path, **settings: str) -> None:
        super().__init__(start, kafka, folder)
        self.proxy = kafka.proxy
        self.service = self.bench.start(**kafka.settings(), **settings)


class _Store:
    """sink: book changes, and trades some of which come twice."""

    condition: str

    def __init__(self, start: StartService, kafka: Broker, database: Database) -> None:
        self.bench = SinkBench(kafka, database, unique("t") + ".", start)
        self.bench.migrate()
        self.bench.topic("orderbook", 1)
        self.bench.topic("trades", 1)
        self.sent = 0

    def losses(self) -> float:
        return 0

    def load(self) -> None:
        numbers = range(self.sent + 1, self.sent + 51)
        self.sent += 50
        self.bench.produce("orderbook", [delta(n, market=f"KX-{n % 7}") for n in numbers])
        self.bench.produce("trades", [trade(f"t-{n - (n % 10 == 3)}", n) for n in numbers])

    def wait_through(self) -> None:
        self.bench.wait_done("orderbook", "trades", timeout=120)

    def wait_noticed(self) -> None:
        wait_until(f"{self.condition} is named", names(self.service, self.condition), timeout=150)

    def check(self) -> None:
        assert self.service.stop() == 0
        self.wait_through()
        every = "array_agg(n ORDER BY n) = array(SELECT generate_series(1::bigint, %s))"
        assert self.bench.one(f"SELECT {every} FROM kalshi.orderbook_deltas", self.sent)
        assert self.bench.one("SELECT count(*) FROM kalshi.trades") == self.sent - self.sent // 10
        assert self.bench.one("SELECT count(*) FROM kalshi.dead_letters") == 0


class KafkaSink(_Store):
    condition = "kafka"

    def __init__(self, start: StartService, kafka: ProxiedKafka, database: Database, **settings: str) -> None:
        super().__init__(start, kafka, database)
        self.proxy = kafka.proxy
        self.service = self.bench.start(**kafka.settings(), **settings)


class PostgresSink(_Store):
    condition = "database"

    def __init__(self, start: StartService, kafka: Broker, toxiproxy: Toxiproxy, database: Database, **settings: str) -> None:
        super().__init__(start, kafka, database)
        port = database.server.port
        self.proxy = toxiproxy.proxy(port)
        url = database.url.replace(f":{port}/", f":{self.proxy.port}/")
        self.service = self.bench.start(DATABASE_URL=url, **settings)
