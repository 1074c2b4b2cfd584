"""kmd-sink and a Postgres that cuts it off, restarts, goes away; the long form is faults/postgres_away.py."""

from __future__ import annotations

from component.sink_bench import Bench
from faults import postgres_away

from support.postgres import Postgres
from support.services import StartService
from support.shared import Database, SharedKafka, unique

RATE = 500


def test_cut_inside_commit_restarted_and_away(shared_kafka: SharedKafka, postgres: Postgres, service: StartService) -> None:
    postgres.create_database("kmd")
    bench = Bench(shared_kafka, Database(postgres, "kmd"), unique("t") + ".", service)
    bench.migrate()
    proxy, sink = postgres_away.set_up(bench, postgres.port)
    story = postgres_away.live_through(bench, postgres, proxy, seconds=3, restarts=2, cuts=6, rate=RATE)
    lost, twice = postgres_away.check(bench, sink, story)
    print(postgres_away.report(story, lost, twice, RATE))
    assert (lost, twice) == (0, 0)
    assert sink.stop() == 0
    proxy.close()
