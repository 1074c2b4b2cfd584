"""
kmd-sink beside other programs that bring the same topic into the same table, pinned, one writer each.

Each does what its documentation recommends for this. `psycopg COPY` and `psycopg staged` are Python with confluent-kafka and
psycopg (bench/peers/psycopg_sink.py), the second one idempotent as the sink is. Not run here, for want of a package or of
time to build one: Debezium's JDBC sink on Kafka Connect, Bento, Telegraf.
"""

from __future__ import annotations

import sys

from bench import procs
from bench.figures import _sink
from bench.rows import Row, Sample, interleave, median, ratios, row_of
from bench.suite import Bench
from support.paths import TOP

PEERS = {"psycopg COPY": "plain", "psycopg staged": "staged"}


def measure(bench: Bench) -> list[Row]:
    topic = _sink.Topic(bench, "trade", bench.scaled(500_000, 100_000))
    store = _sink.Store(bench)

    def sink() -> Sample:
        name = store.clone()
        sample = _sink.run_sinks(bench, topic, name, KMD_SINK_WRITERS="1")
        bench.postgres.drop_database(name)
        return sample

    def psycopg(mode: str) -> Sample:
        name = store.clone()
        before = procs.family_cpu_s(bench.postgres.process.pid)
        script = str(TOP / "bench" / "peers" / "psycopg_sink.py")
        argv = [sys.executable, script, mode, bench.kafka.bootstrap, topic.name, bench.unique("g"), bench.postgres.url(name), str(topic.count)]
        ended = procs.run_to_end(argv, procs.OTHER_CORE)
        cpu = {"peer": ended.cpu_s, "postgres": procs.family_cpu_s(bench.postgres.process.pid) - before}
        sample = Sample(_sink.steady_rate(bench, name, topic.table), cpu, {"peer": ended.rss_mib})
        bench.postgres.drop_database(name)
        return sample

    peers = {name: (lambda mode=mode: psycopg(mode)) for name, mode in PEERS.items()}
    found = interleave(bench.rounds, {"kmd-sink": sink, **peers}, bench.tell)
    ours = found["kmd-sink"]
    fastest = max(PEERS, key=lambda name: median([s.value for s in found[name]]))
    cheapest = min(PEERS, key=lambda name: median([s.cpu_s["peer"] for s in found[name]]))
    rate = "trades, rows/s beside peers, pinned"
    cpu = "trades, own CPU per row beside peers"
    rows = [row_of(rate, "kmd-sink", "rows/s", ours, limit_name=fastest, goal=">= 2.0")]
    rows[0].ratio = ratios([s.value for s in ours], [s.value for s in found[fastest]])
    rows += [row_of(rate, name, "rows/s", found[name]) for name in PEERS]
    own = {name: [Sample(_sink.per_row_us(s, "peer", topic.count)) for s in found[name]] for name in PEERS}
    own["kmd-sink"] = [Sample(_sink.per_row_us(s, "kmd-sink", topic.count)) for s in ours]
    rows.append(row_of(cpu, "kmd-sink", "us", own["kmd-sink"], limit_name=cheapest, goal="<= 0.2"))
    rows[-1].ratio = ratios([s.value for s in own["kmd-sink"]], [s.value for s in own[cheapest]])
    return rows + [row_of(cpu, name, "us", own[name]) for name in PEERS]
