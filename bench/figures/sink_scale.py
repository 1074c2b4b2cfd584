"""
kmd-sink over many day-partitions, and what it takes in steady state and at rest.

Days: one topic of trades whose times run over all the days, one writer, in one run; CPU per row of a day is the CPU seconds
between the times at which its first and its last row were stored, by what is read meanwhile; the first fifth of each day is left
out, in which the program starts. Steady state: a sink with default settings and all its topics at 2,000 trades a second; at rest:
the same one with nothing to do. Nothing is pinned here but the database.
"""

from __future__ import annotations

import time

from support import consume
from support.services import Service
from support.topics import TOPICS

from bench import procs
from bench.figures import _sink
from bench.rows import Row
from bench.suite import Bench


def _days(bench: Bench) -> list[Row]:
    days, each = bench.scaled(25, 5), bench.scaled(2_000_000, 40_000)
    topic = _sink.Topic(bench, "trade", days * each, days=days)
    database = _sink.Store(bench, days).clone()
    sink = Service("sink", _sink.sink_settings(bench, topic, database, KMD_SINK_WRITERS="1"), bench.folder, "sink-days")
    points: list[tuple[float, float, float]] = []  # rows, CPU s of the sink, of Postgres
    sink.start()
    try:
        while not points or points[-1][0] < topic.count:
            rows = sink.metric("kmd_sink_rows_total")
            points.append((rows, procs.cpu_s(sink.process.pid), procs.family_cpu_s(bench.postgres.process.pid)))
            time.sleep(0.1 if bench.quick else 1.0)
        peak = procs.peak_rss_mib(sink.process.pid)
    finally:
        sink.stop()
    bench.postgres.drop_database(database)

    def at(rows: float, which: int) -> float:
        """CPU s when so many rows were stored: between the two readings around it, evenly."""
        for a, b in zip(points, points[1:]):
            if a[0] <= rows <= b[0] and b[0] > a[0]:
                return a[which] + (b[which] - a[which]) * (rows - a[0]) / (b[0] - a[0])
        return points[-1][which]

    found = []
    for who, which in (("kmd-sink", 1), ("postgres", 2)):
        # Begins behind the start of the program, of which the first day knows and the last does not.
        begin = each * 0.2
        per_row = [(at((d + 1) * each, which) - at(d * each + begin, which)) / (each - begin) * 1e6 for d in range(days)]
        found += [Row("CPU per row by day", who, v, "us", x=float(d + 1), x_name="day-partition") for d, v in enumerate(per_row)]
        found.append(
            Row(
                f"CPU per row of {who}, last day against first", f"{days} days of {each:,} rows", per_row[-1], "us",
                limit=per_row[0], limit_name="first day", ratio=per_row[-1] / per_row[0], goal="<= 1.15",
                rss_mib={"kmd-sink": peak},
            )
        )  # fmt: skip
    return found


def _steady(bench: Bench) -> list[Row]:
    """Memory at 2,000 trades/s, and then what an idle sink takes."""
    rate, seconds, idle_s = 2000, bench.scaled(120, 20), bench.scaled(60, 15)
    prefix, database = bench.unique("b") + ".", _sink.Store(bench).clone()
    for name in TOPICS:
        consume.create_topic(bench.kafka.bootstrap, prefix + name, 12)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": bench.kafka.bootstrap, "DATABASE_URL": bench.postgres.url(database), "KMD_TOPIC_PREFIX": prefix,
        "KMD_TOPIC_PARTITIONS": "12", "KMD_SINK_GROUP": bench.unique("g"),
    }  # fmt: skip
    sink = Service("sink", settings, bench.folder, "sink-steady").start(wait=True)
    try:
        argv = [bench.limit("load"), bench.kafka.bootstrap, prefix + "trades", "trade", rate * seconds, 12, _sink.MARKETS, 0, 0, rate]
        procs.run_to_end([str(a) for a in argv])
        _sink.wait_stored(bench, [sink], rate * seconds)
        steady = procs.rss_mib(sink.process.pid)
        peak = procs.peak_rss_mib(sink.process.pid)
        time.sleep(2)
        before, began = procs.cpu_s(sink.process.pid), time.monotonic()
        time.sleep(idle_s)
        idle = (procs.cpu_s(sink.process.pid) - before) / (time.monotonic() - began) * 100
    finally:
        sink.stop()
    bench.postgres.drop_database(database)
    return [
        Row("sink, RSS in steady state", f"{rate} trades/s, 12 topics of 12 partitions", steady, "MiB", goal="<= 96", note=f"peak {peak:.0f}"),
        Row("sink, idle CPU", "12 topics of 12 partitions", idle, "% of a core", goal="<= 0.5", note=f"over {idle_s} s"),
    ]


def measure(bench: Bench) -> list[Row]:
    return _days(bench) + _steady(bench)
