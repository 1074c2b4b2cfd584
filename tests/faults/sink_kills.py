"""
Sinks are killed by SIGKILL again and again while records pass through them: nothing is lost, nothing is there twice.

    cd tests && ../build/venv/bin/python -m faults.sink_kills [--kills 50] [--records 2000000] [--sinks 3] [--seed N]

Trades with repetitions and bad ones, books, tickers and lifecycle frames of three lineages go through 12 partitions of each topic.
At the end the counts of sink_offsets are what was sent, partition by partition, the rows are there by their offsets, each
trade is one row and each number of a lineage stands once.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time

from component.sink_bench import Bench
from component.sink_load import Load

from faults.place import place, say
from support.process import wait_until
from support.services import Service

PARTITIONS = 12
EVERY_S = 4.0  # between two kills, about
AT_ONCE = 0.5  # of the killed come back at once, the others up to AWAY_S later
AWAY_S = 8.0
SETTINGS = {"KAFKA_SESSION_TIMEOUT_MS": "6000", "KMD_TOPIC_PARTITIONS": str(PARTITIONS)}


def stored(bench: Bench) -> int:
    return int(bench.one("SELECT coalesce(sum(next_offset), 0) FROM kalshi.sink_offsets"))


def kill_at_random(bench: Bench, sinks: list[Service], kills: int, chance: random.Random, most_s: float = 2.0) -> int:
    """
    Each time one of them, at a random moment after records were stored since the kill before; all are back at the end.
    How many held records when they were killed.
    """
    back_at: dict[str, float] = {}
    seen, busy = 0, 0

    def moved() -> bool:
        for one in sinks:
            if not one.alive() and back_at.get(one.label, 0.0) <= time.monotonic():
                one.start()
        return stored(bench) > seen

    for i in range(kills):
        wait_until("records are stored again", moved, timeout=120)
        time.sleep(chance.uniform(0, most_s))
        one = chance.choice([s for s in sinks if s.alive()])
        busy += one.metric("kmd_sink_held_bytes") > 0
        seen = stored(bench)
        one.kill()
        alone = not any(s.alive() for s in sinks)
        back_at[one.label] = time.monotonic() + (0 if alone or chance.random() < AT_ONCE else chance.uniform(0, AWAY_S))
        if i % 10 == 9:
            say(f"{i + 1} kills, {seen} records stored")
    for one in sinks:
        if not one.alive():
            one.start()
    return busy


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--records", type=int, default=2_000_000)
    p.add_argument("--sinks", type=int, default=3)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = p.parse_args()
    say(f"seed {options.seed}")
    with place(f"2 sink, seed {options.seed}") as at:
        at.start_servers()
        bench = at.bench()
        load = Load(bench, options.seed, PARTITIONS)
        sinks = [bench.start(f"sink-{i}", wait=False, **SETTINGS) for i in range(options.sinks)]
        began = time.monotonic()
        killed = threading.Event()
        rate = options.records / (options.kills * EVERY_S)
        pouring = load.pour(rate, lambda: killed.is_set() and load.sent >= options.records)
        busy = kill_at_random(bench, sinks, options.kills, random.Random(options.seed))
        killed_s, seen = time.monotonic() - began, stored(bench)
        killed.set()
        say(f"{seen} of {load.sent} records are stored after the last kill")
        pouring.join()
        load.check(timeout=600)
        rows, dead, twice = bench.query("SELECT sum(rows), sum(dead_letters), sum(duplicates) FROM kalshi.sink_offsets")[0]
        at.tell(
            f"killed {options.kills} times in {killed_s:.0f} s ({busy} times with records in hand), {load.sent} records through"
            f" {options.sinks} instances ({seen} stored by the last kill): 0 lost, 0 twice"
            f" ({rows} rows, {dead} dead letters, {twice} repetitions), 0 and 0"
        )
    return at.code


if __name__ == "__main__":
    sys.exit(main())
