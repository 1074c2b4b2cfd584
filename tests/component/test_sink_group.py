"""kmd-sink as one member of a group: what others do to it while partitions are divided anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from component.sink_bench import Bench, bench, trade
from confluent_kafka import Consumer, TopicPartition

from support.paths import PATIENCE
from support.process import wait_until

__all__ = ["bench"]

DAWDLE_S = 5.0


class Dawdler:
    """A member of the sinks' group that takes long over each answer, so that the others wait for it in the middle of a rebalance."""

    def __init__(self, bench: Bench, topic: str) -> None:
        self.assigned = 0
        self.over = False
        self._consumer = Consumer(
            {
                "bootstrap.servers": bench.kafka.bootstrap, "group.id": bench.group, "enable.auto.commit": False, "log_level": 2,
                "partition.assignment.strategy": "cooperative-sticky", "topic.metadata.propagation.max.ms": 600_000,
            }
        )  # fmt: skip
        self._consumer.subscribe([bench.prefix + topic], on_assign=self._on_assign)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _on_assign(self, _consumer: Consumer, parts: list[TopicPartition]) -> None:
        time.sleep(DAWDLE_S)
        self.assigned += len(parts)

    def _run(self) -> None:
        while not self.over:
            self._consumer.poll(0.1)
        self._consumer.close()

    def leave(self) -> None:
        self.over = True
        self._thread.join(60 * PATIENCE)


class Drip:
    """Trades into both partitions, a few a second, for as long as it is wanted."""

    def __init__(self, bench: Bench) -> None:
        self.sent = 0
        self.over = False
        self._bench = bench
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.over:
            few = [trade(f"t-{self.sent + i}", market=f"KX-{i}") for i in range(20)]
            self._bench.produce("trades", [replace(one, partition=i % 2) for i, one in enumerate(few)])
            self.sent += len(few)
            time.sleep(0.2)

    def end(self) -> None:
        self.over = True
        self._thread.join()


@pytest.fixture
def drip(bench: Bench) -> Iterator[Drip]:
    bench.topic("trades", 2)
    made = Drip(bench)
    yield made
    made.end()


def test_a_slow_member_takes_nothing_from_the_others(bench: Bench, drip: Drip) -> None:
    """
    What stays with a sink stays while the group waits for another member, though the sink tells its offsets meanwhile: librdkafka
    before 2.8.3 gives up all of its partitions when such a commit is answered "illegal generation".
    """
    one = bench.start(KMD_SINK_TOPICS="trades")
    wait_until("it stores", lambda: len(bench.offsets("trades")) == 2)
    slow = Dawdler(bench, "trades")
    one.process.wait_output('"partitions_revoked","count":1', timeout=60)
    wait_until("the other has its share", lambda: slow.assigned == 1, timeout=60)
    slow.leave()
    wait_until("one has all again", lambda: one.process.output().count('"partitions_assigned"') >= 2, timeout=60)
    drip.end()
    bench.wait_done("trades")
    assert bench.one("SELECT count(*) FROM kalshi.trades") == drip.sent
    assert '"lost":"yes"' not in one.process.output()


def test_members_that_are_stopped_before_their_first_assignment_end_well(bench: Bench) -> None:
    """librdkafka 2.0 aborts the process when such a member is closed (its issue 4312)."""
    bench.topic("trades", 2)
    codes = []
    for turn in range(4):
        few = [bench.start(f"sink-{turn}-{i}", wait=False, KMD_SINK_TOPICS="trades") for i in range(3)]
        for one in few:
            one.process.wait_output("{", timeout=60)
        time.sleep(0.4 * turn)
        codes += [one.stop() for one in few]
    assert set(codes) == {0}, codes
