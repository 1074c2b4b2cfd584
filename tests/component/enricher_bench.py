"""One kmd-enricher with topics of its own and a scripted exchange: frames and feed records in, records out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from component.enricher_exchange import Exchange, Request

from support import consume, keys
from support.consume import Outgoing, Record
from support.process import wait_until
from support.rig import Broker
from support.services import Service, StartService
from support.shared import SharedKafka


class Bench:
    """One enricher, its topics, and the exchange it asks."""

    def __init__(self, start: StartService, kafka: Broker, prefix: str, exchange: Exchange, folder: Path) -> None:
        self.kafka, self.prefix, self.exchange = kafka, prefix, exchange
        self.key = keys.rsa_key(folder, "enricher-key")
        self.group = prefix + "group"
        self._start = start

    def start(self, ready: bool = True, **settings: str) -> Service:
        one = self._start(
            "enricher",
            {
                "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
                "KMD_TOPIC_PREFIX": self.prefix,
                "KMD_TOPIC_PARTITIONS": "2",
                "KALSHI_REST_BASE_URL": self.exchange.url,
                "KALSHI_API_KEY_ID": "key-1",
                "KMD_ENRICHER_GROUP": self.group,
                "KALSHI_PRIVATE_KEY_FILE": str(self.key.private),
                "KMD_ENRICHER_SETTLEMENT_RETRY": "500ms",
                "KMD_ENRICHER_RATE": "200",
                **settings,
            },
        )
        self.service = one
        if ready:
            one.wait_ready()
        return one

    def stop(self) -> None:
        assert self.service.stop() == 0

    def frame(self, msg: dict[str, Any], type_: str = "market_lifecycle_v2", at: float | None = None) -> bytes:
        """A lifecycle frame into its topic, as ingest would put it there; its bytes."""
        value = json.dumps({"type": type_, "sid": 3, "seq": 1, "msg": msg}).encode()
        self.raw(value, msg.get("market_ticker") or msg.get("event_ticker", ""), type_, at)
        return value

    def frames(self, msgs: Iterable[dict[str, Any]]) -> None:
        """Several at once, in order."""
        told = [(json.dumps({"type": "market_lifecycle_v2", "sid": 3, "msg": m}).encode(), m["market_ticker"]) for m in msgs]
        consume.produce(self.kafka.bootstrap, self.topic("lifecycle"), [outgoing(value, key) for value, key in told])

    def raw(self, value: bytes, key: str, type_: str, at: float | None = None) -> None:
        consume.produce(self.kafka.bootstrap, self.topic("lifecycle"), [outgoing(value, key, type_, at)])

    def feed(self, **record: Any) -> None:
        record.setdefault("group", "g")
        record.setdefault("shard", 0)
        record["at"] = rfc3339(record["at"])
        key = str(record["lineage"]).encode()
        headers = (("type", b"feed"), ("content-type", b"application/json"), ("lineage", key))
        consume.produce(self.kafka.bootstrap, self.topic("feed"), [Outgoing(json.dumps(record).encode(), key, headers)])

    def topic(self, name: str) -> str:
        return self.prefix + name

    def read(self, topic: str) -> list[Record]:
        return consume.read_topic(self.kafka.bootstrap, self.topic(topic))

    def records(self, topic: str, key: str | None = None) -> list[dict[str, Any]]:
        found = [r for r in self.read(topic) if r.value is not None and (key is None or r.key == key.encode())]
        return [json.loads(r.value or b"") for r in found]

    def wait(self, topic: str, key: str | None, count: int = 1, timeout: float = 30.0) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]] | None:
            found = self.records(topic, key)
            return found if len(found) >= count else None

        found = wait_until(f"{count} records of {key} in {topic}", look, timeout)
        assert found is not None
        return found

    def wait_walk(self) -> None:
        """Until a walk through the lists is over: what is added from now on is not listed for a while."""

        def over() -> bool:
            lists = self.exchange.asked("/markets")
            answered = self.service.metric("kmd_enricher_requests_total", endpoint="markets")
            return any(r.query["status"] == "settled" for r in lists) and answered >= len(lists)

        wait_until("a whole walk", over)

    def committed(self, topic: str = "lifecycle") -> int:
        """Offsets that the group committed, summed."""
        return consume.committed(self.kafka.bootstrap, self.group, self.topic(topic))

    def wait_committed(self, count: int) -> None:
        wait_until(f"{count} offsets of lifecycle committed", lambda: self.committed() >= count)


def outgoing(value: bytes, key: str, type_: str = "market_lifecycle_v2", at: float | None = None) -> Outgoing:
    recv_ns = str(int((time.time() if at is None else at) * 1e9)).encode()
    return Outgoing(value, key.encode(), (("lineage", b"17"), ("type", type_.encode()), ("recv_ns", recv_ns)))


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.close()


@pytest.fixture
def bench(
    service: StartService, shared_kafka: SharedKafka, topic_prefix: str, exchange: Exchange, folder: Path
) -> Bench:
    return Bench(service, shared_kafka, topic_prefix, exchange, folder)


def first(n: int, answer: tuple[int, Any]) -> Callable[[Request, int], tuple[int, Any] | None]:
    """The first @n requests get @answer, later ones the ordinary one."""
    return lambda _request, before: answer if before < n else None


M, E, S = "KXRAIN-26NOV22-T73749.99", "KXRAIN-26NOV22", "KXRAINDAILY"


def created(ticker: str, event: str) -> dict[str, Any]:
    return {"market_ticker": ticker, "event_type": "created", "additional_metadata": {"event_ticker": event}}


def is_determined(ticker: str, ts: int = 1795341000, value: Any = "1.0000") -> dict[str, Any]:
    return {
        "market_ticker": ticker, "event_type": "determined", "determination_ts": ts, "result": "yes", "settlement_value": value,
    }  # fmt: skip


def is_settled(ticker: str) -> dict[str, Any]:
    return {"market_ticker": ticker, "event_type": "settled", "settled_ts": 1795341300}
