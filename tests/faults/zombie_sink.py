"""
A sink is frozen under load until others have taken over its partitions, and wakes up: it must not commit what is no more its own.
Then one sink becomes four and one again: nothing lost, nothing twice, no partition without a commit for long.

    cd tests && ../build/venv/bin/python -m faults.zombie_sink [--rounds 5] [--rate 4000] [--seed N]

A trigger in the database notes who claims and who moves a partition, in which transaction. After the takeover the former owner
must not stand there for a partition before it has claimed it anew, and each row must have been written by the transaction
that moved the offset past it, its owner's.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from component.sink_bench import Bench
from component.sink_commits import Commits, Pause, instance
from component.sink_load import Load

from faults.place import place, say
from support.process import wait_until
from support.services import Service

PARTITIONS = 12
PAUSE_MAX_S = 5.0
# Small batches, so that a sink is in the middle of one whenever it is frozen.
SETTINGS = {
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "KMD_TOPIC_PARTITIONS": str(PARTITIONS),
    "KMD_SINK_BATCH_ROWS": "1000",
    "KMD_SINK_BATCH_AGE": "100ms",
}


def freeze_and_wake(commits: Commits, zombie: Service, chance: random.Random) -> tuple[int, int]:
    """
    One takeover from @zombie, the name of whose commits is its label, and its return. Partitions it lost, records committed by the others meanwhile.
    """
    name = zombie.label
    wait_until(f"{name} commits", lambda at=commits.last_id(): commits.moved(name, at) > 0, timeout=120)
    time.sleep(chance.uniform(0, 1))
    zombie.process.freeze()
    frozen = commits.last_id()
    had = [place for place, owner in commits.owners().items() if owner == name]
    wait_until(f"{name} has lost its partitions", lambda: name not in commits.owners().values(), timeout=120)
    time.sleep(chance.uniform(0, 1))
    taken = commits.last_id()
    zombie.process.thaw()
    wait_until(f"{name} has partitions again", lambda: commits.claims(name, taken) > 0, timeout=120)
    others = set(commits.owners().values()) - {name}
    return len(had), sum(commits.moved(other, frozen) for other in others)


def scale(bench: Bench, commits: Commits, first: Service, others: int, settings: dict[str, str]) -> Pause:
    """From @first alone to as many @others more and back, with time to settle."""

    def names() -> set[str]:
        return set(commits.owners().values())

    wait_until("one owns all", lambda: names() == {first.label}, timeout=120)
    since = commits.last_id()
    time.sleep(3)
    more = [bench.start(f"more-{i}", wait=False, **settings, **instance(f"more-{i}", bench)) for i in range(others)]
    wait_until("all have some", lambda: names() == {first.label, *(m.label for m in more)}, timeout=120)
    say(f"{others + 1} share")
    time.sleep(5)
    for one in more:
        one.process.send(15)
    for one in more:
        code = one.process.wait(timeout=60)
        assert code == 0, f"{one.label} ended with {code}"
    wait_until("one owns all again", lambda: names() == {first.label}, timeout=120)
    say("one owns all again")
    time.sleep(5)
    return commits.longest_pause(since, commits.last_id(), "trades", "orderbook", "tickers")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--rate", type=float, default=4000)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = p.parse_args()
    say(f"seed {options.seed}")
    chance = random.Random(options.seed)
    over = False
    lost = committed = 0
    with place(f"3 zombie sink, seed {options.seed}") as at:
        at.start_servers()
        bench = at.bench()
        commits = Commits(bench)
        load = Load(bench, options.seed, PARTITIONS)
        sinks = [bench.start(name, wait=False, **SETTINGS, **instance(name, bench)) for name in ("zombie", "other")]
        pouring = load.pour(options.rate, lambda: over)
        for i in range(options.rounds):
            had, meanwhile = freeze_and_wake(commits, sinks[0], chance)
            lost, committed = lost + had, committed + meanwhile
            say(f"takeover {i + 1}: {had} partitions, {meanwhile} records committed by the other")
        fenced = sinks[0].metric("kmd_sink_fenced_total")
        sinks[0].stop()
        pause = scale(bench, commits, sinks[1], 3, SETTINGS)
        over = True
        pouring.join()
        load.check(timeout=300)
        late = commits.late()
        rows, strays = commits.strays()
        assert rows == sum(load.rows.values()), f"{rows} rows were written of {sum(load.rows.values())}"
        at.tell(
            f"frozen {options.rounds} times: {lost} partitions taken over ({committed} records meanwhile, fenced {fenced:.0f} times),"
            f" {late} records committed by the former owner after it, {strays} of {rows} rows by another than the owner; scale 1 -> 4 -> 1 at"
            f" {options.rate:.0f} records/s: 0 of {load.sent} lost, 0 twice, longest pause {pause.seconds:.2f} s ({pause.place}),"
            f" 0 and < {PAUSE_MAX_S:.0f} s",
            good=late == 0 and strays == 0 and pause.seconds < PAUSE_MAX_S,
        )
    return at.code


if __name__ == "__main__":
    sys.exit(main())
