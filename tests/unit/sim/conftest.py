from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.sim import Sim
from support.wire import Client

StartSim = Callable[..., Client]


@pytest.fixture
def start_sim(folder: Path) -> Iterator[StartSim]:
    """`start_sim(markets=20, rate=500)`: a running exchange and a client to it. It must end with 0."""
    running: list[Sim] = []

    def start(**options: Any) -> Client:
        sim = Sim(folder, **{"rest_rate": 0, **options})
        running.append(sim)
        sim.start()
        return Client(sim)

    yield start
    for sim in running:
        assert sim.stop() == 0
