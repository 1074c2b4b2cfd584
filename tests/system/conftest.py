"""Fixtures of the system tests: the whole platform around a simulated exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.rig import Rig
from support.sim import Sim


@pytest.fixture
def make_rig(request: pytest.FixtureRequest, folder: Path, topic_prefix: str) -> Iterator[Callable[..., Rig]]:
    """
    make_rig(sim={...}, private=True, settings={...}, ingest={...}, ...): the platform, not started. @private: a broker and
    a database server of its own, to be stopped and killed. Everything is stopped after the test, exit codes looked at.
    """
    rigs: list[Rig] = []

    def make(sim: dict[str, Any] | None = None, private: bool = False, **settings: Any) -> Rig:
        options = {"ledger": folder / "ledger.jsonl", **(sim or {})}
        if private:
            kafka, postgres, name = request.getfixturevalue("kafka"), request.getfixturevalue("postgres"), "kmd"
            postgres.create_database(name)
        else:
            kafka, database = request.getfixturevalue("shared_kafka"), request.getfixturevalue("database")
            postgres, name = database.server, database.name
        rig = Rig(folder, kafka, postgres, name, topic_prefix, Sim(folder, **options), **settings)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.stop()
