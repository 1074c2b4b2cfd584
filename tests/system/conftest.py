"""Fixtures of the system tests: the whole platform around a simulated exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kafka import Kafka
from support.postgres import Postgres
from support.rig import Rig
from support.shared import SharedKafka
from support.sim import Sim


Made = Callable[..., Rig]


@pytest.fixture
def make_rig(folder: Path, topic_prefix: str, shared_kafka: SharedKafka, database: Any) -> Iterator[Made]:
    """make_rig(sim={...}, settings={...}, ingest={...}, ...): the platform, not started; stopped after the test, exit codes looked at."""
    yield from _makes(folder, topic_prefix, shared_kafka, database.server, database.name)


@pytest.fixture
def make_private_rig(folder: Path, topic_prefix: str, kafka: Kafka, postgres: Postgres) -> Iterator[Made]:
    """The same with a broker and a database server of its own, to be stopped and killed."""
    postgres.create_database("kmd")
    yield from _makes(folder, topic_prefix, kafka, postgres, "kmd")


def _makes(folder: Path, prefix: str, kafka: Kafka | SharedKafka, postgres: Postgres, name: str) -> Iterator[Made]:
    rigs: list[Rig] = []

    def make(sim: dict[str, Any] | None = None, **settings: Any) -> Rig:
        options = {"ledger": folder / "ledger.jsonl", **(sim or {})}
        rigs.append(Rig(folder, kafka, postgres, name, prefix, Sim(folder, **options), **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()
