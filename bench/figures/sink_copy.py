"""
kmd-sink beside bare COPY BINARY of the same rows into the same tables, pinned, one writer on both sides.

The rows of the limit are what the sink stored, read back as a COPY BINARY stream in the order they were written; the limit
sends them on one connection, as many in a statement as the sink writes in a transaction. Tables, keys, indexes and partitions
are the same. Rates are taken between commits, by the times Postgres noted for them. The sink's CPU seconds include
its start and its metrics.
"""

from __future__ import annotations

from bench import procs
from bench.figures import _sink
from bench.rows import Row, Rounds, interleave, ratios, row_of
from bench.suite import Bench

WRITER = {"KMD_SINK_WRITERS": "1"}


def _of(bench: Bench, kind: str) -> tuple[_sink.Topic, Rounds]:
    topic = _sink.Topic(bench, kind, bench.scaled(1_000_000, 120_000))
    store = _sink.Store(bench)
    database = store.clone()
    bench.tell(f"  {kind}: {topic.count} frames")
    _sink.run_sinks(bench, topic, database, **WRITER)  # warms the broker too
    rows = _sink.copy_out(bench, database, topic)
    bench.postgres.drop_database(database)

    def sink() -> _sink.Sample:
        name = store.clone()
        sample = _sink.run_sinks(bench, topic, name, **WRITER)
        bench.postgres.drop_database(name)
        return sample

    def copy() -> _sink.Sample:
        name = store.clone()
        sample = _sink.run_copy(bench, topic, name, rows)
        bench.postgres.drop_database(name)
        return sample

    def consume() -> _sink.Sample:
        before = procs.cpu_s(bench.kafka.process.pid)
        argv = [bench.limit("consume"), bench.kafka.bootstrap, topic.name, "1", str(topic.count)]
        ended = procs.run_to_end(argv, procs.OTHER_CORE)
        cpu = {"consume": ended.cpu_s, "kafka": procs.cpu_s(bench.kafka.process.pid) - before}
        return _sink.Sample(topic.count / float(ended.output), cpu, {"consume": ended.rss_mib})

    return topic, interleave(bench.rounds, {"kmd-sink": sink, "bare COPY": copy, "consume": consume}, bench.tell)


def _rows(kind: str, goal: float, topic: _sink.Topic, found: Rounds) -> list[Row]:
    ours, bare, consume = found["kmd-sink"], found["bare COPY"], found["consume"]
    rate = [s.value for s in ours], [s.value for s in bare]
    ours_pg, bare_pg = ([_sink.per_row_us(s, "postgres", topic.count) for s in side] for side in (ours, bare))
    ours_cpu = [_sink.per_row_us(s, "kmd-sink", topic.count) for s in ours]
    consume_cpu = [_sink.per_row_us(s, "consume", topic.count) for s in consume]

    def as_runs(values: list[float]) -> list[_sink.Sample]:
        return [_sink.Sample(v) for v in values]

    first = row_of(f"{kind}s, rows/s, pinned", "kmd-sink", "rows/s", ours, limit_name="bare COPY BINARY", goal=f">= {goal}")
    second = row_of(f"{kind}s, rows/s, pinned", "bare COPY BINARY", "rows/s", bare)
    first.limit, first.ratio = second.value, ratios(*rate)
    third = row_of(f"{kind}s, Postgres CPU per row", "under kmd-sink", "us", as_runs(ours_pg), limit_name="under bare COPY", goal="<= 1.1")
    fourth = row_of(f"{kind}s, Postgres CPU per row", "under bare COPY", "us", as_runs(bare_pg))
    third.limit, third.ratio = fourth.value, ratios(ours_pg, bare_pg)
    fifth = row_of(f"{kind}s, CPU per row of the client", "kmd-sink", "us", as_runs(ours_cpu), limit_name="librdkafka alone")
    sixth = row_of(f"{kind}s, CPU per row of the client", "librdkafka alone", "us", as_runs(consume_cpu))
    fifth.limit, fifth.ratio = sixth.value, ratios(ours_cpu, consume_cpu)
    return [first, second, third, fourth, fifth, sixth]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for kind, goal in (("trade", 0.85), ("delta", 0.8)):
        rows += _rows(kind, goal, *_of(bench, kind))
    return rows
