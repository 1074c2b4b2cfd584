"""
How long a message takes: receipt to the broker's acknowledgement, and receipt to its committed row.

The exchange sends by the clock: each message carries the time it was due, and a late one keeps it, so that a stall counts for every
message that waited in it. `from receipt` begins at kmd-ingest's stamp (header recv_ns), `from when it was due` at the
exchange's schedule. Acknowledgements are noted by limits/acks.c inside kmd-ingest, in the delivery report, in a histogram whose
buckets grow by a 64th. Rows: kmd-sink and Postgres with their defaults; the time of a row is that of its commit as Postgres noted it
(track_commit_timestamp).
"""

from __future__ import annotations

from support.paths import program
from support.process import run, wait_until
from support.services import Service, base_env

from bench import procs
from bench.figures import _ingest
from bench.rows import Row
from bench.suite import Bench

_QUANTILES = ("p50", "p99", "p99.9", "max")


def _acknowledged(bench: Bench, rate: int) -> list[Row]:
    told = bench.folder / bench.unique("acks")
    seconds = bench.scaled(60, 15)
    with _ingest.exchange(bench) as source:
        more = {"LD_PRELOAD": bench.limit("acks.so"), "BENCH_ACKS": str(told)}
        with _ingest.capture(bench, source, **more) as ingest:
            ingest.run(20_000)  # not counted: it has no due_ns
            sample = ingest.run(rate * seconds, rate)
    rows = []
    for line in told.read_text().splitlines():
        since, count, *values = line.split()
        assert int(count) == rate * seconds
        for quantile, value in zip(_QUANTILES, map(float, values), strict=True):
            what = f"{'from receipt' if since == 'receipt' else 'from when it was due'}, {quantile}"
            goal = "<= 15" if (rate, since, quantile) == (2000, "receipt", "p99") else ""
            rows.append(Row(f"to the acknowledgement at {rate:,} messages/s", what, value, "ms", [value], goal=goal, cpu_s=sample.cpu_s))
    return rows


_LATENCY = """
SELECT percentile_disc(ARRAY[0.5, 0.99, 0.999, 1.0]) WITHIN GROUP (ORDER BY at_ns - recv_ns),
       percentile_disc(ARRAY[0.5, 0.99, 0.999, 1.0]) WITHIN GROUP (ORDER BY at_ns - (extra -> '_envelope' ->> 'due_ns')::bigint), count(*)
FROM (SELECT recv_ns, extra, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000000)::bigint AS at_ns FROM kalshi.trades) t
WHERE extra -> '_envelope' ? 'due_ns'
"""


def _stored(bench: Bench, rate: int) -> list[Row]:
    count = rate * bench.scaled(60, 15)
    database = bench.unique("db")
    bench.postgres.create_database(database)
    url = {"DATABASE_URL": bench.postgres.url(database)}
    run([program("kmd-sink"), "--migrate"], {**base_env(), **url})
    with _ingest.exchange(bench, distinct=count) as source, _ingest.capture(bench, source) as ingest:
        shared = {name: ingest.settings[name] for name in ("KAFKA_BOOTSTRAP_SERVERS", "KMD_TOPIC_PREFIX", "KMD_TOPIC_PARTITIONS")}
        sink = Service("sink", {**shared, **url, "KMD_SINK_GROUP": bench.unique("g")}, bench.folder, f"sink-{database}")
        sink.start(wait=True)
        try:
            sample = ingest.run(count, rate)
            wait_until("all is stored", lambda: sink.metric("kmd_sink_rows_total", table="trades") >= count, _ingest.PATIENCE_S, every=0.5)
            sample.cpu_s["kmd-sink"] = procs.cpu_s(sink.process.pid)
        finally:
            sink.stop()
    ((receipt, due, stored),) = bench.postgres.query(_LATENCY, database=database)
    assert stored == count, f"{stored} of {count} rows"
    bench.postgres.drop_database(database)
    rows = []
    for since, values in (("from receipt", receipt), ("from when it was due", due)):
        for quantile, value in zip(_QUANTILES, values, strict=True):
            ms = float(value) / 1e6
            goal = "<= 400" if (since, quantile) == ("from receipt", "p99") else ""
            rows.append(Row(f"to the committed row at {rate:,} messages/s", f"{since}, {quantile}", ms, "ms", [ms], goal=goal, cpu_s=sample.cpu_s))
    return rows


def measure(bench: Bench) -> list[Row]:
    rows = []
    for rate in (200, 2_000, 20_000):
        rows += _acknowledged(bench, rate)
    return rows + _stored(bench, 2_000)
