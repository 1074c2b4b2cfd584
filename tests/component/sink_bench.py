"""kmd-sink between a broker and a database: records by hand in, rows and the books of sink_offsets out."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from support import consume
from support.consume import Outgoing
from support.paths import program
from support.process import run, wait_until
from support.rig import Broker
from support.services import Service, StartService, base_env
from support.shared import Database, SharedKafka
from support.topics import TABLES

LINEAGE = 1_795_341_600_000_000_000


def now_ns() -> int:
    return time.time_ns()


def frame(
    type_: str, msg: Any = None, n: int | None = None, lineage: int = LINEAGE, raw: bytes | None = None, **headers: str
) -> Outgoing:
    """A frame as ingest writes it; @raw for a value that is no such frame. A header given as "" is left out."""
    value = raw if raw is not None else json.dumps({"type": type_, "sid": 1, "msg": msg}, ensure_ascii=False).encode()
    all_headers: dict[str, str] = {
        "type": type_, "recv_ns": str(now_ns()), "mono_ns": "5", "source": "ws", "sid": "1",
    } | ({"lineage": str(lineage), "n": str(n)} if n is not None else {}) | headers  # fmt: skip
    key = msg.get("market_ticker") if isinstance(msg, dict) else None
    return Outgoing(
        value,
        str(key).encode() if key else None,
        tuple((name, text.encode()) for name, text in all_headers.items() if text),
        partition=0,
    )


def trade(id_: str, n: int | None = None, market: str = "KXA", **more: Any) -> Outgoing:
    ts_ms = more.pop("ts_ms", now_ns() // 1_000_000)
    msg = {
        "trade_id": id_, "market_ticker": market, "yes_price_dollars": "0.3600", "no_price_dollars": "0.6400",
        "count_fp": "136.00", "taker_outcome_side": "no", "taker_book_side": "ask", "ts_ms": ts_ms,
    } | more  # fmt: skip
    return frame("trade", msg, n)


def delta(n: int | None, market: str = "KXA", price: str = "0.9600", **headers: str) -> Outgoing:
    msg = {"market_ticker": market, "market_id": "", "price_dollars": price, "delta_fp": "-54.00", "side": "yes"}
    return frame("orderbook_delta", msg, n, **headers)


def unindexable(seed: int = 1) -> str:
    """A ticker that only Postgres can refuse: no index holds so long a text that does not compress."""
    return random.Random(seed).randbytes(6000).hex()


def record(topic: str, **members: Any) -> Outgoing:
    """A record of the enricher."""
    headers = (("type", topic.encode()), ("content-type", b"application/json"))
    key = members.get("market_ticker") or members.get("ticker")
    return Outgoing(json.dumps(members).encode(), str(key).encode(), headers, partition=0)


class Bench:
    def __init__(self, kafka: Broker, database: Database, prefix: str, start: StartService) -> None:
        self.kafka = kafka
        self.database = database
        self.prefix = prefix
        self.group = prefix + "sink"  # the broker is shared with other tests
        self._start = start

    @property
    def settings(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "DATABASE_URL": self.database.url,
            "KMD_TOPIC_PREFIX": self.prefix,
            "KMD_TOPIC_PARTITIONS": "2",
            "KMD_SINK_GROUP": self.group,
            "KMD_SINK_BATCH_AGE": "50ms",
        }

    def migrate(self) -> None:
        run([program("kmd-sink"), "--migrate"], {**base_env(), **self.settings})

    def start(self, label: str | None = None, wait: bool = True, **settings: str) -> Service:
        one = self._start("sink", {**self.settings, **settings}, label)
        if wait:
            one.wait_ready()
        return one

    def topic(self, name: str, partitions: int = 2) -> str:
        consume.create_topic(self.kafka.bootstrap, self.prefix + name, partitions)
        return name

    def produce(self, topic: str, records: Iterable[Outgoing]) -> None:
        consume.produce(self.kafka.bootstrap, self.prefix + topic, records)

    def query(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        return self.database.query(sql, *args)

    def one(self, sql: str, *args: object) -> Any:
        ((value,),) = self.query(sql, *args)
        return value

    def offsets(self, topic: str) -> Mapping[int, dict[str, Any]]:
        names = ("first_offset", "next_offset", "rows", "dead_letters", "duplicates", "expired", "epoch", "stopped")
        found = self.query(
            f"SELECT kafka_partition, {', '.join(names)} FROM kalshi.sink_offsets WHERE topic = %s", self.prefix + topic
        )
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in found}

    def is_done(self, topic: str) -> bool:
        ends = consume.watermarks(self.kafka.bootstrap, self.prefix + topic)
        stored = self.offsets(topic)
        return all(p in stored and stored[p]["next_offset"] == high for p, (_, high) in ends.items())

    def wait_done(self, *topics: str, timeout: float = 60.0) -> None:
        """Everything in the topics is committed, and the books are in order."""
        for topic in topics:
            wait_until(f"{topic} is stored", lambda topic=topic: self.is_done(topic), timeout)  # type: ignore[misc]
            self.check_books(topic)

    def check_books(self, topic: str) -> None:
        """rows + dead_letters + duplicates = records, and rows and dead letters are really there, none of them twice."""
        places = [f"SELECT kafka_partition, kafka_offset, true FROM kalshi.{table}" for table in TABLES.get(topic, ())]
        places.append("SELECT kafka_partition, kafka_offset, false FROM kalshi.dead_letters WHERE topic = %s")
        found = self.query(
            "SELECT kafka_partition, count(*) FILTER (WHERE is_row), count(*) FILTER (WHERE NOT is_row), count(DISTINCT kafka_offset)"
            f" FROM ({' UNION ALL '.join(reversed(places))}) AS p (kafka_partition, kafka_offset, is_row) GROUP BY 1",
            self.prefix + topic,
        )
        stored = {partition: counts for partition, *counts in found}
        for partition, o in self.offsets(topic).items():
            received = o["next_offset"] - o["first_offset"] - o["expired"]
            assert o["rows"] + o["dead_letters"] + o["duplicates"] == received, (topic, partition, o)
            rows, dead, distinct = stored.get(partition, (0, 0, 0))
            assert rows == o["rows"] or topic not in TABLES, (topic, partition, o, rows)
            assert dead == o["dead_letters"], (topic, partition, o, dead)
            assert distinct == rows + dead, f"{topic} [{partition}]: an offset stands twice"

    def dead(self, topic: str) -> dict[int, str]:
        """offset -> reason, of partition 0"""
        return dict(
            self.query(
                "SELECT kafka_offset, reason FROM kalshi.dead_letters WHERE topic = %s AND kafka_partition = 0 ORDER BY 1",
                self.prefix + topic,
            )
        )


@pytest.fixture
def bench(shared_kafka: SharedKafka, database: Database, topic_prefix: str, service: StartService) -> Iterator[Bench]:
    """A migrated database and a prefix of its own."""
    made = Bench(shared_kafka, database, topic_prefix, service)
    made.migrate()
    yield made
