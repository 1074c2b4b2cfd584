"""What the figures of the sink share: a filled topic, a database with its partitions, one run of the sink over it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from support import consume
from support.paths import program
from support.process import Failure, run, wait_until
from support.services import Service, base_env

from bench import procs
from bench.rows import Sample
from bench.suite import Bench

MARKETS = 2000
TABLE = {"trade": "trades", "delta": "orderbook_deltas"}
TOPIC = {"trade": "trades", "delta": "orderbook"}


def day(n: int) -> datetime:
    """Midnight of @n days ago."""
    return datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=n)


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000


@dataclass
class Topic:
    """A topic of @count frames of one @kind, spread over @days days of which the last was yesterday."""

    bench: Bench
    kind: str
    count: int
    partitions: int = 1
    days: int = 1

    def __post_init__(self) -> None:
        self.prefix = self.bench.unique("b") + "."
        self.name = self.prefix + TOPIC[self.kind]
        consume.create_topic(self.bench.kafka.bootstrap, self.name, self.partitions)
        first, last = ns(day(self.days)), ns(day(0)) - 1
        argv = [self.bench.limit("load"), self.bench.kafka.bootstrap, self.name, self.kind, self.count, self.partitions, MARKETS, first, last]
        procs.run_to_end([str(a) for a in argv])

    @property
    def table(self) -> str:
        return TABLE[self.kind]


class Store:
    """A database with the schema and the partitions of @days; clones of it are what is filled."""

    def __init__(self, bench: Bench, days: int = 1) -> None:
        self.bench = bench
        self.server = bench.postgres
        self.template = bench.unique("template")
        self.server.create_database(self.template)
        run([program("kmd-sink"), "--migrate"], {**base_env(), "DATABASE_URL": self.server.url(self.template)})
        with self.server.connect(self.template) as connection:
            # The two days that the sink makes ahead too, so that no run makes any.
            for n in range(-3, days + 1):
                connection.execute("SELECT kalshi.ensure_partition(parent, %s::date) FROM kalshi.partitioned", [day(n).date()])

    def clone(self) -> str:
        """A fresh copy: its name."""
        name = self.bench.unique("db")
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"')
        self.server.execute("CHECKPOINT")
        return name


def steady_rate(bench: Bench, database: str, table: str) -> float:
    """
    Rows a second between the first commit and the last but one, by the times at which Postgres committed them. The first
    batch is left out because nothing says when it began, the last one because it may have waited for more.
    """
    commits = bench.postgres.query(
        f"SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at, count(*) FROM kalshi.{table} GROUP BY xmin ORDER BY at",
        database=database,
    )
    if len(commits) < 4:
        raise Failure(f"{len(commits)} transactions are too few to measure")
    rows = sum(count for _, count in commits[1:-1])
    return float(rows / (commits[-2][0] - commits[0][0]))


def sink_settings(bench: Bench, topic: Topic, database: str, **more: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bench.kafka.bootstrap,
        "DATABASE_URL": bench.postgres.url(database),
        "KMD_TOPIC_PREFIX": topic.prefix,
        "KMD_TOPIC_PARTITIONS": str(topic.partitions),
        "KMD_SINK_GROUP": bench.unique("g"),
        "KMD_SINK_TOPICS": TOPIC[topic.kind],
        **more,
    }


def wait_stored(bench: Bench, sinks: Sequence[Service], count: int, timeout: float = 900.0) -> None:
    """By the sinks' own counters, so that the database is not asked while it is measured."""

    def look() -> bool:
        for one in sinks:
            if not one.alive():
                raise Failure(f"{one.label} ended\n{one.process.tail()}")
        return sum(one.metric("kmd_sink_rows_total") for one in sinks) >= count

    wait_until("everything is stored", look, timeout, every=0.2)


def run_sinks(bench: Bench, topic: Topic, database: str, sinks: int = 1, pin: bool = True, **settings: str) -> Sample:
    """Sinks from their start until all of the topic is stored."""
    kafka_before, postgres_before = procs.cpu_s(bench.kafka.process.pid), procs.family_cpu_s(bench.postgres.process.pid)
    shared = sink_settings(bench, topic, database, **settings)
    running = [Service("sink", shared, bench.folder, f"sink{bench.unique('')}") for _ in range(sinks)]
    began = time.monotonic()
    for one in running:
        if pin:
            procs.pin(one.process, procs.OTHER_CORE)
        one.start()
    try:
        wait_stored(bench, running, topic.count)
        wall_s = time.monotonic() - began
        cpu = {
            "kmd-sink": sum(procs.cpu_s(one.process.pid) for one in running),
            "postgres": procs.family_cpu_s(bench.postgres.process.pid) - postgres_before,
            "kafka": procs.cpu_s(bench.kafka.process.pid) - kafka_before,
        }
        rss = {"kmd-sink": max(procs.peak_rss_mib(one.process.pid) for one in running)}
    finally:
        for one in running:
            one.stop()
    stored = bench.postgres.query(f"SELECT count(*) FROM kalshi.{topic.table}", database=database)[0][0]
    if stored != topic.count:
        raise Failure(f"{stored} rows of {topic.count} are stored")
    return Sample(steady_rate(bench, database, topic.table), cpu, rss, {"wall_s": wall_s})


def columns(bench: Bench, database: str, table: str) -> str:
    found = bench.postgres.query(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = ('kalshi.' || %s)::regclass AND attnum > 0 AND NOT attisdropped",
        table,
        database=database,
    )
    return str(found[0][0])


def copy_out(bench: Bench, database: str, topic: Topic) -> str:
    """The rows of a filled database as one COPY BINARY stream in a file, in the order in which they were written."""
    path = bench.folder / f"{topic.kind}-{bench.unique('rows')}.copy"
    with bench.postgres.connect(database) as connection, open(path, "wb") as out:
        sql = f"COPY (SELECT {columns(bench, database, topic.table)} FROM kalshi.{topic.table}) TO STDOUT (FORMAT binary)"
        with connection.cursor().copy(sql) as stream:
            for piece in stream:
                out.write(piece)
    return str(path)


def run_copy(bench: Bench, topic: Topic, database: str, rows: str, batch: int = 10_000, writers: int = 1) -> Sample:
    """Bare COPY BINARY of those rows into the same table."""
    before = procs.family_cpu_s(bench.postgres.process.pid)
    sql = f"COPY kalshi.{topic.table} ({columns(bench, database, topic.table)}) FROM STDIN (FORMAT binary)"
    argv = [bench.limit("copy"), bench.postgres.url(database), rows, sql, str(batch)]
    assert writers == 1
    ended = procs.run_to_end(argv, procs.OTHER_CORE)
    cpu = {"copy": ended.cpu_s, "postgres": procs.family_cpu_s(bench.postgres.process.pid) - before}
    return Sample(steady_rate(bench, database, topic.table), cpu, {"copy": ended.rss_mib})


def per_row_us(sample: Sample, who: str, count: int) -> float:
    return sample.cpu_s[who] / count * 1e6


