"""
Postgres cuts connections inside COMMIT, restarts, and is away for minutes, while producers go on.

    load ── cuts inside COMMIT (before, during, after it) ── restarts (stop or kill) ── away ── back ── drained

    cd tests && ../build/venv/bin/python -m faults.postgres_away [--seconds 180] [--restarts 10] [--cuts 50]

One line with the figures on stdout, progress on stderr. Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from component.sink_bench import Bench, delta, trade
from confluent_kafka import Producer

from faults.place import place
from support.pg_proxy import Cut, PgProxy
from support.postgres import Postgres
from support.process import wait_until
from support.services import Service, stop_all

TOPICS = {"trades": "trades", "orderbook": "orderbook_deltas"}
PARTITIONS = 4
SINK = {"KMD_SINK_BATCH_ROWS": "2000", "KMD_SINK_BATCH_AGE": "50ms"}


class Load:
    """Trades and changes of books, @rate a second of them in all, numbered from 1 in each topic; every one is acknowledged."""

    def __init__(self, bench: Bench, rate: float) -> None:
        self.bench, self.rate = bench, rate
        self.sent = 0  # in each topic
        self.failed: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        assert not self.failed, self.failed[:3]

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": self.bench.kafka.bootstrap, "enable.idempotence": True, "linger.ms": 20, "log_level": 2})
        began = time.monotonic()
        while not self._end.wait(0.02):
            due = int((time.monotonic() - began) * self.rate / len(TOPICS))
            for n in range(self.sent + 1, due + 1):
                for topic, one in (("trades", trade(f"t-{n}", n)), ("orderbook", delta(n, market=f"KX-{n % 97}"))):
                    producer.produce(
                        self.bench.prefix + topic, one.value, one.key, n % PARTITIONS, self._delivered, headers=list(one.headers)
                    )
            self.sent = max(self.sent, due)
            producer.poll(0)
        if producer.flush(60):
            self.failed.append("not everything was produced")

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self.failed.append(str(error))


@dataclass
class Story:
    restarts: int = 0
    kills: int = 0  # of them
    away_s: float = 0.0
    behind: int = 0  # records that had come meanwhile
    drained_s: float = 0.0
    sent: int = 0
    cuts: dict[str, int] = field(default_factory=dict)


def stored(bench: Bench) -> int:
    return int(bench.one("SELECT coalesce(sum(next_offset), 0)::bigint FROM kalshi.sink_offsets"))


def wait_progress(bench: Bench) -> None:
    before = stored(bench)
    wait_until("the sink goes on by itself", lambda: stored(bench) > before, timeout=60)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def live_through(bench: Bench, postgres: Postgres, proxy: PgProxy, seconds: float, restarts: int, cuts: int, rate: float) -> Story:
    """The story above, for a sink that runs already and comes through @proxy; everything is stored on return."""
    story = Story()
    load = Load(bench, rate)
    wait_progress(bench)
    kinds = kinds_in_turn()
    for _ in range(cuts):
        proxy.cut(next(kinds))
    wait_progress(bench)
    story.cuts = {kind.value: proxy.done[kind] for kind in Cut}
    say(f"cut inside COMMIT: {story.cuts}")
    for i in range(restarts):
        if i % 2:
            postgres.kill()
            story.kills += 1
        else:
            postgres.stop()
        postgres.start()
        wait_progress(bench)
        story.restarts += 1
    say(f"restarted {story.restarts} times")
    postgres.kill()
    gone, sent = time.monotonic(), load.sent
    time.sleep(seconds)
    postgres.start()
    back = time.monotonic()
    story.away_s, story.behind = back - gone, (load.sent - sent) * len(TOPICS)
    say(f"away for {story.away_s:.0f} s, {story.behind} records behind")
    wait_until("it has caught up", lambda: stored(bench) > load.sent * len(TOPICS) - rate, timeout=120 + seconds, every=0.5)
    story.drained_s = time.monotonic() - back
    load.stop()
    story.sent = load.sent
    bench.wait_done(*TOPICS, timeout=120)
    return story


def kinds_in_turn() -> Iterator[Cut]:
    while True:
        yield from Cut


def check(bench: Bench, sink: Service, story: Story) -> tuple[int, int]:
    """Lost, twice. What else must hold is asserted: the same process all the time, ready, no record blamed."""
    lost = twice = 0
    for topic, table in TOPICS.items():
        number = "split_part(trade_id, '-', 2)::bigint" if topic == "trades" else "n"
        rows, distinct, least, most = bench.query(f"SELECT count(*), count(DISTINCT {number}), min({number}), max({number}) FROM kalshi.{table}")[0]
        assert (least, most) == (1, story.sent), f"{table} goes from {least} to {most}, {story.sent} were sent"
        lost += story.sent - distinct
        twice += rows - distinct
        for o in bench.offsets(topic).values():
            assert (o["dead_letters"], o["duplicates"], o["expired"], o["stopped"]) == (0, 0, 0, None), o
    sink.wait_ready()
    starts = [line for line in sink.log_lines() if line["event"] == "starting"]
    assert sink.alive() and len(starts) <= 1, "nobody had to help"
    return lost, twice


def report(story: Story, lost: int, twice: int, rate: float) -> str:
    return (
        f"{story.away_s:.0f} s at {rate:.0f} records/s, {story.restarts} restarts ({story.kills} by SIGKILL),"
        f" {sum(story.cuts.values())} cuts inside COMMIT ({', '.join(f'{n} {kind}' for kind, n in story.cuts.items())}):"
        f" {story.sent * len(TOPICS)} records, {lost} lost, {twice} twice, {story.behind} behind caught up in {story.drained_s:.1f} s"
        f" without help, bound 0 lost and 0 twice"
    )


def set_up(bench: Bench, postgres_port: int) -> tuple[PgProxy, Service]:
    """A sink behind a proxy, ready, and its empty topics."""
    proxy = PgProxy(postgres_port)
    for topic in TOPICS:
        bench.topic(topic, PARTITIONS)
    sink = bench.start(**SINK, DATABASE_URL=bench.database.url.replace(f":{postgres_port}/", f":{proxy.port}/"))
    return proxy, sink


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=180)
    p.add_argument("--restarts", type=int, default=10)
    p.add_argument("--cuts", type=int, default=50)
    p.add_argument("--rate", type=float, default=4000)
    options = p.parse_args()
    with place("6 postgres away") as at:
        at.start_servers()
        bench = at.bench()
        proxy, sink = set_up(bench, at.postgres.port)
        story = live_through(bench, at.postgres, proxy, options.seconds, options.restarts, options.cuts, options.rate)
        lost, twice = check(bench, sink, story)
        stop_all(at.services)
        proxy.close()
        at.tell(report(story, lost, twice, options.rate), not lost and not twice)
    return at.code


if __name__ == "__main__":
    sys.exit(main())
