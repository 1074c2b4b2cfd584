"""The whole platform with every connection to Kafka and to the exchange over TLS, by each way of saying who one is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import certs
from support.rig import Rig
from support.secured import PASSWORD, SCRAM_PASSWORD, Secured, newer_bin
from support.shared import Database, make_folder
from support.sim import Sim
from system import checks

WAYS = ("certificate", "PLAIN", "SCRAM-SHA-512")


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    folder = make_folder("kmd-tls-")
    made = Secured(folder).start()
    yield made
    made.kafka.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("way", WAYS)
def test_all_over_tls(way: str, secured: Secured, database: Database, topic_prefix: str, folder: Path) -> None:
    settings = secured.mutual() if way == "certificate" else secured.sasl(way)
    sim = Sim(folder, tls=certs.Authority(folder / "exchange"), ledger=folder / "ledger.jsonl", rate=100, markets=20,
        determinations=3, determinations_per_minute=60, time_scale=20)  # fmt: skip
    rig = Rig(folder, secured.kafka, database.server, database.name, topic_prefix, sim, settings,
        enricher={"KMD_ENRICHER_SETTLEMENT_RETRY": "2s"})  # fmt: skip
    if way.startswith("SCRAM"):
        newer = newer_bin()
        if newer is None:
            pytest.skip("no librdkafka of 2.6.1 or newer (scripts/setup.sh build test)")
        for one in rig.services:
            one.process.argv[0] = str(newer / f"kmd-{one.name}")
    try:
        rig.start()
        rig.ingest.wait_metric("kmd_ingest_frames_total", 500)
        rig.enricher.wait_metric("kmd_enricher_records_total", 20)
        rig.drain()
        assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
        topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
        assert checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=True) > 500
        rig.wait_level()
        assert not sum(c["dead_letters"] for c in checks.rows_of_topics(rig.query, topics).values())
    finally:
        rig.stop()
    said = "".join(one.process.output(whole=True) for one in rig.services)
    assert PASSWORD not in said and SCRAM_PASSWORD not in said
