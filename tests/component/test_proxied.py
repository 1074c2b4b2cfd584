"""Each pair of programs, with each fault of the way between them: nothing lost, nothing twice, well again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from component import proxied
from component.proxied import Pair, walk

from support import proxy
from support.proxy import TOXICS, ProxiedKafka, Toxiproxy
from support.services import StartService
from support.shared import Database, SharedKafka

pytestmark = pytest.mark.skipif(not proxy.available(), reason="no toxiproxy: scripts/setup.sh test builds it")

# So that a half-open way is noticed sooner than by default.
IMPATIENT = {"KAFKA_SOCKET_TIMEOUT_MS": "4000"}
IN_A_GROUP = {**IMPATIENT, "KAFKA_SESSION_TIMEOUT_MS": "6000"}


@pytest.fixture
def toxiproxy(folder: Path) -> Iterator[Toxiproxy]:
    made = Toxiproxy(folder).start()
    yield made
    made.kill()


@pytest.fixture
def proxied_kafka(folder: Path, toxiproxy: Toxiproxy) -> Iterator[ProxiedKafka]:
    broker = ProxiedKafka(folder / "kafka", toxiproxy)
    broker.start()
    yield broker
    broker.kill()


def every_toxic(pair: Pair) -> None:
    for toxic in TOXICS:
        print(f"{toxic}: well {walk(pair, toxic):.1f} s after its end")
    pair.check()


def test_exchange_and_ingest(service: StartService, shared_kafka: SharedKafka, toxiproxy: Toxiproxy, folder: Path) -> None:
    every_toxic(proxied.ExchangeIngest(service, shared_kafka, toxiproxy, folder))


def test_rest_and_enricher(service: StartService, shared_kafka: SharedKafka, toxiproxy: Toxiproxy, folder: Path) -> None:
    every_toxic(proxied.RestEnricher(service, shared_kafka, toxiproxy, folder))


def test_kafka_and_ingest(service: StartService, proxied_kafka: ProxiedKafka, folder: Path) -> None:
    every_toxic(proxied.KafkaIngest(service, proxied_kafka, folder, **IMPATIENT))


def test_kafka_and_enricher(service: StartService, proxied_kafka: ProxiedKafka, folder: Path) -> None:
    every_toxic(proxied.KafkaEnricher(service, proxied_kafka, folder, **IN_A_GROUP))


def test_kafka_and_sink(service: StartService, proxied_kafka: ProxiedKafka, database: Database) -> None:
    every_toxic(proxied.KafkaSink(service, proxied_kafka, database, **IN_A_GROUP))


def test_postgres_and_sink(service: StartService, shared_kafka: SharedKafka, toxiproxy: Toxiproxy, database: Database) -> None:
    every_toxic(proxied.PostgresSink(service, shared_kafka, toxiproxy, database, KMD_SINK_DATABASE_TIMEOUT="5s"))
