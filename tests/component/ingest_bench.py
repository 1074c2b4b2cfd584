"""kmd-ingest on a bench: a scripted exchange in front of it, a real broker behind it. Fixtures: import them by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component.ingest_exchange import Connection, Exchange
from confluent_kafka import KafkaException

from support import consume, keys
from support.consume import Outgoing, Record
from support.process import wait_until
from support.services import Service, StartService
from support.shared import SharedKafka
from support.topics import FRAME_TOPICS

EXCHANGE_WIDE = ("trade", "ticker", "market_lifecycle_v2", "multivariate_market_lifecycle")


class Bench:
    """One ingest, its topics, and the exchange it captures."""

    def __init__(self, start: StartService, bootstrap: str, prefix: str, exchange: Exchange, key: keys.KeyPair) -> None:
        self.bootstrap, self.prefix, self.exchange, self.key = bootstrap, prefix, exchange, key
        self._start = start

    def settings(self, **more: str) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KMD_TOPIC_PREFIX": self.prefix,
            "KMD_TOPIC_PARTITIONS": "2",
            "KALSHI_WS_URL": self.exchange.url,
            "KALSHI_API_KEY_ID": "key-1",
            "KALSHI_PRIVATE_KEY_FILE": str(self.key.private),
            "KMD_INGEST_STALE_AFTER": "60s",
            "KMD_INGEST_GROUP": f"{self.prefix}ingest",  # tests share a broker
            **more,
        }

    def start(self, **more: str) -> Service:
        return self._start("ingest", self.settings(**more))

    def connect(self, *channels: str, **more: str) -> tuple[Service, Connection]:
        """Started, connected and subscribed to the exchange-wide channels."""
        one = self.start(**more)
        connection = self.exchange.connection()
        connection.wait_subscribed(*(channels or EXCHANGE_WIDE))
        return one, connection

    def topic(self, name: str) -> str:
        return self.prefix + name

    def read(self, name: str) -> list[Record]:
        return consume.read_topic(self.bootstrap, self.topic(name))

    def frames(self) -> list[Record]:
        """Every message in the order it was received, from all topics."""
        found = [r for name in FRAME_TOPICS for r in self.read(name)]
        return sorted(found, key=lambda r: (int(r.header("lineage") or 0), int(r.header("n") or 0)))

    def wait_frames(self, count: int, timeout: float = 30.0) -> list[Record]:
        def look() -> list[Record] | None:
            try:
                found = self.frames()
            except KafkaException:  # a broker that has just come back knows its leaders a moment later
                return None
            return found if len(found) >= count else None

        found = wait_until(f"{count} frames in Kafka", look, timeout, every=0.3)
        assert found is not None
        return found

    def feed(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(r.value or b"") for r in self.read("feed")]
        return [r for r in found if kind is None or r["kind"] == kind]

    def wait_feed(self, kind: str, count: int = 1, timeout: float = 30.0, **having: Any) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]] | None:
            found = [r for r in self.feed(kind) if all(r.get(k) == v for k, v in having.items())]
            return found if len(found) >= count else None

        found = wait_until(f"{count} {kind} in feed {having or ''}", look, timeout, every=0.3)
        assert found is not None
        return found

    def market(self, ticker: str, status: str | None = "active") -> None:
        """A record of topic markets; None: its tombstone."""
        value = None if status is None else json.dumps({"ticker": ticker, "body": {"ticker": ticker, "status": status}}).encode()
        if not consume.watermarks(self.bootstrap, self.topic("markets")):
            consume.create_topic(self.bootstrap, self.topic("markets"), 2, {"cleanup.policy": "compact"})
        consume.produce(self.bootstrap, self.topic("markets"), [Outgoing(value, ticker.encode(), ())])


@pytest.fixture
def ingest_key(folder: Path) -> keys.KeyPair:
    return keys.rsa_key(folder, "ingest-key")


@pytest.fixture
def exchange(ingest_key: keys.KeyPair) -> Iterator[Exchange]:
    made = Exchange(ingest_key.public, ping=1.0)
    yield made
    made.close()


@pytest.fixture
def bench(service: StartService, shared_kafka: SharedKafka, topic_prefix: str, exchange: Exchange, ingest_key: keys.KeyPair) -> Bench:
    return Bench(service, shared_kafka.bootstrap, topic_prefix, exchange, ingest_key)
