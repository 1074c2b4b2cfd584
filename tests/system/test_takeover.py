"""Three ingests share out four shards: one is killed, all of them are restarted in turn. The short form of faults/takeover.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import takeover

from support.rig import Rig
from support.services import stop_all


@pytest.fixture
def crew(make_rig: Callable[..., Rig], folder: Path) -> Iterator[takeover.Crew]:
    sim = {**takeover.STILL, "rate": 200, "markets": 60}
    rig = make_rig(sim=sim, ingest={"KMD_INGEST_SHARDS": str(takeover.SHARDS)}, enricher=takeover.ENRICHER)
    made = takeover.Crew(rig, folder)
    yield made
    stop_all(made.instances)


@pytest.mark.timeout(600)
def test_a_kill_and_a_rolling_restart(crew: takeover.Crew, folder: Path) -> None:
    crew.rig.start(("ingest", "enricher"))
    story = takeover.live_through(crew.rig, crew, pause=1)
    figures = takeover.check(crew.rig, story, folder / "ledger.jsonl")
    print(takeover.report(story, figures))
    assert figures.uncovered_s == 0
    assert crew.rig.enricher.stop() == 0
