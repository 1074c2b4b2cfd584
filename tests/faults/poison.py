"""
One record in 100,000 is refused by Postgres: it is one dead letter, its neighbours are rows, and the rest goes on as fast as without it.

    cd tests && ../build/venv/bin/python -m faults.poison [--records 300000] [--runs 3] [--seed N]

Runs with and without poison take turns, on databases and topics of their own that are filled before the sink starts. What
is compared are the medians of the records a second from the first claim to the last commit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys

from component.sink_bench import Bench, delta, unindexable
from component.sink_commits import Commits

from faults.place import place, say
from support.consume import Outgoing

PARTITIONS = 4
ONE_IN = 100_000
SLOWER_MAX = 0.10


def fill(bench: Bench, records: int, poison: set[int]) -> None:
    """Deltas numbered from 1; @poison: numbers of those that no table takes."""
    like = delta(1, market="KX-%d")
    assert like.value

    def one(n: int) -> Outgoing:
        market, partition = n % 40, n % PARTITIONS
        if n in poison:
            value = delta(n, market=unindexable(n)).value
        else:
            value = like.value % market
        return Outgoing(value, b"KX-%d" % market, tuple((k, b"%d" % n if k == "n" else v) for k, v in like.headers), partition)

    bench.topic("orderbook", PARTITIONS)
    bench.produce("orderbook", map(one, range(1, records + 1)))


def run(bench: Bench, records: int, poison: set[int]) -> float:
    """Records a second."""
    commits = Commits(bench)
    fill(bench, records, poison)
    sink = bench.start(wait=False, KMD_SINK_TOPICS="orderbook", KMD_SINK_BATCH_AGE="250ms")
    bench.wait_done("orderbook", timeout=300)
    assert sink.stop() == 0
    dead = bench.query("SELECT kafka_offset * %s + kafka_partition, reason FROM kalshi.dead_letters", PARTITIONS)
    places = {(n // PARTITIONS - (n % PARTITIONS == 0)) * PARTITIONS + n % PARTITIONS for n in poison}
    assert {at for at, _ in dead} == places and len(dead) == len(poison), f"{len(dead)} dead letters for {len(poison)} poisoned records"
    assert {reason for _, reason in dead} <= {"rejected"}
    rows = bench.query("SELECT count(*), count(DISTINCT n), sum(n)::bigint FROM kalshi.orderbook_deltas")
    left = records * (records + 1) // 2 - sum(poison)
    assert rows == [(records - len(poison), records - len(poison), left)], f"neighbours of the poison: {rows}"
    return records / commits.seconds()


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--records", type=int, default=300_000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = p.parse_args()
    say(f"seed {options.seed}")
    chance = random.Random(options.seed)
    rates: dict[bool, list[float]] = {False: [], True: []}
    count = 0
    with place(f"7 poison, seed {options.seed}") as at:
        at.start_servers()
        for i in range(2 * options.runs):
            poisoned = i % 2 == 1
            poison = {chance.randrange(j, j + ONE_IN) + 1 for j in range(0, options.records, ONE_IN)} if poisoned else set()
            count = max(count, len(poison))
            rates[poisoned].append(run(at.bench(f"r{i}"), options.records, poison))
            say(f"{'with' if poisoned else 'without'} poison: {rates[poisoned][-1]:.0f} records/s")
        clean, slow = (statistics.median(rates[poisoned]) for poisoned in (False, True))
        at.tell(
            f"{count} in {options.records} records: {count} dead letters, neighbours intact, {slow:.0f} records/s, {clean:.0f} without it:"
            f" {(slow / clean - 1) * 100:+.1f} % (medians of {options.runs}), at most -{SLOWER_MAX * 100:.0f} %",
            good=slow >= clean * (1 - SLOWER_MAX),
        )
    return at.code


if __name__ == "__main__":
    sys.exit(main())
