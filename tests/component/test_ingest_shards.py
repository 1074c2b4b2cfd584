"""Instances of one group share out the shards, take over from a dead one, and hand over without a pause."""

from __future__ import annotations

import time
from pathlib import Path

from component.ingest_bench import Bench, bench, exchange, ingest_key
from component.ingest_crew import Crew
from component.ingest_exchange import Exchange

from support import consume, keys
from support.kafka import Kafka
from support.process import wait_until
from support.services import StartService

__all__ = ["bench", "exchange", "ingest_key"]


def test_each_shard_is_captured_by_one_of_them(bench: Bench) -> None:
    crew = Crew(bench, shards=4)
    first, second = crew.add(2)
    wait_until("two each", lambda: len(crew.held(first)) == len(crew.held(second)) == 2, timeout=60)
    crew.wait_even()
    assert crew.held(first) | crew.held(second) == {0, 1, 2, 3}
    for one in (first, second):
        said = one.ready()[1]["conditions"]["shards"]
        assert said["ok"] and said["why"].endswith("of 4")
        assert one.metric("kmd_ingest_shards", state="owned") == 2
        assert one.metric("kmd_ingest_markets_expected") == sum(len(crew.books(s)) for s in crew.held(one))
    for shard in range(4):
        crew.wait_handover(shard)
    assert consume.partitions(bench.bootstrap, bench.topic("shards")) == 4
    handed = {r["shard"]: r for r in bench.feed("handover")}
    assert set(handed) == {0, 1, 2, 3}
    assert len({r["instance"] for r in handed.values()}) == 2 and {r["group"] for r in handed.values()} == {bench.topic("ingest")}


def test_many_that_start_at_once_tell_no_hole(bench: Bench) -> None:
    crew = Crew(bench, shards=3)
    crew.add(3)
    crew.wait_even()
    crew.trade(5)
    for shard in range(3):
        crew.wait_handover(shard)
    crew.assert_no_hole()


def test_the_shards_of_a_dead_one_move(bench: Bench) -> None:
    crew = Crew(bench, shards=3)
    first, second = crew.add(2)
    crew.wait_even()
    crew.trade(5)
    dead, living = (first, second) if 0 in crew.held(first) else (second, first)
    lost = crew.held(dead)
    gone = {r["lineage"] for r in bench.feed("closed")}
    former = {r["lineage"] for r in bench.feed() if r["instance"].endswith(f":{dead.process.pid}")} - gone
    for lineage in former:
        bench.wait_feed("alive", lineage=lineage)
    handed = {shard: len([r for r in bench.feed("handover") if r["shard"] == shard]) for shard in lost}
    before = len(crew.open())
    dead.kill()
    killed = time.monotonic()
    wait_until("the exchange has noticed", lambda: len(crew.open()) < before, timeout=60)
    wait_until("every shard is captured again", lambda: all(len(crew.owners(s)) == 1 for s in range(3)), timeout=60)
    print(f"captured again {time.monotonic() - killed:.1f} s after SIGKILL")
    wait_until("the other has them all", lambda: crew.held(living) == {0, 1, 2})
    crew.wait_even()
    for shard in lost:
        crew.wait_handover(shard, handed[shard] + 1)
    told = [r for r in bench.feed("subscribed") if "from_recv_ns" in r]
    assert {r["shard"] for r in told} == lost
    assert {r["channel"] for r in told if r["shard"] == 0} >= {"trade", "ticker", "market_lifecycle_v2"}
    for r in told:
        assert r["instance"].endswith(f":{living.process.pid}") and r["from_recv_ns"] < r["to_recv_ns"]
        ends = [s for a in bench.feed("alive") if a["lineage"] in former and a["shard"] == r["shard"] for s in a["sids"] if s["channel"] == r["channel"]]
        assert r["from_recv_ns"] >= max(s.get("recv_ns", s["subscribed_ns"]) for s in ends)


def test_a_stop_hands_over_without_a_pause(bench: Bench) -> None:
    crew = Crew(bench, shards=3)
    crew.add(3)
    crew.wait_even()
    for one in list(crew.instances):
        began = time.monotonic()
        crew.trade(3)
        assert one.stop() == 0
        print(f"stopped in {time.monotonic() - began:.1f} s")
        crew.trade(3)
        one.start()
        crew.wait_even()
    crew.trade(3)
    for one in crew.instances:
        assert one.alive()
    crew.assert_no_hole()
    crew.assert_covered(range(3))
    former = [r for r in bench.feed("closed")]
    assert {r["reason"] for r in former} <= {"shutdown", "handed over"}


def test_who_joins_takes_its_share(bench: Bench) -> None:
    crew = Crew(bench, shards=2)
    (first,) = crew.add()
    crew.wait_even()
    assert crew.held(first) == {0, 1}
    (second,) = crew.add()
    wait_until("both have one", lambda: len(crew.held(first)) == len(crew.held(second)) == 1, timeout=60)
    crew.wait_even()
    bench.wait_feed("closed")
    crew.assert_no_hole()
    crew.assert_covered(range(2))
    assert bench.feed("closed")[0]["reason"] == "handed over"


def test_alone_a_stop_waits_for_nobody(bench: Bench) -> None:
    crew = Crew(bench, shards=2)
    (one,) = crew.add()
    crew.wait_even()
    began = time.monotonic()
    assert one.stop() == 0
    print(f"stopped in {time.monotonic() - began:.1f} s")
    assert not [line for line in one.log_lines() if line.get("state") == "leaving"]
    assert {r["reason"] for r in bench.feed("closed")} == {"shutdown"}


def test_all_of_them_stop_together(bench: Bench) -> None:
    crew = Crew(bench, shards=2)
    crew.add(2)
    crew.wait_even()
    crew.trade(3)
    for one in crew.instances:
        one.process.send(15)
    assert [one.process.wait(60) for one in crew.instances] == [0, 0]
    lineages = crew.lineages()
    assert all(records[-1]["kind"] == "closed" for records in lineages.values())


def test_one_without_a_shard_stands_by(bench: Bench) -> None:
    crew = Crew(bench, shards=1)
    (first,) = crew.add()
    crew.wait_even()
    (second,) = crew.add()
    second.wait_ready()
    wait_until("it says so", lambda: second.ready()[1]["conditions"]["shards"].get("why") == "none of 1")
    crew.wait_even()
    assert not crew.held(second)
    first.kill()
    wait_until("the other takes over", lambda: crew.held(second) == {0}, timeout=60)
    crew.wait_even()


def test_a_successor_that_does_not_come_is_waited_for_within_the_time_to_stop(bench: Bench) -> None:
    crew = Crew(bench, shards=1)
    (first,) = crew.add(KMD_SHUTDOWN_TIMEOUT="8s")
    crew.wait_even()
    (second,) = crew.add()
    second.wait_ready()
    bench.exchange.mute = True
    first.process.send(15)
    successor = bench.exchange.connection(2, timeout=60)
    assert bench.exchange.connections[0].open
    crew.trade(5)  # the former owner still has them
    assert first.process.wait(60) == 0
    stored = {r.value for r in bench.read("trades")}
    assert set(bench.exchange.connections[0].sent[-5:]) <= stored
    assert not [r for r in bench.feed("handover") if r["instance"].endswith(f":{second.process.pid}")]
    bench.exchange.mute = False
    successor.close()
    crew.wait_even(timeout=90)


def test_a_broker_that_is_away_moves_no_shard(kafka: Kafka, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair, folder: Path) -> None:
    bench = Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)
    crew = Crew(bench, shards=2, folder=folder)
    crew.add(2)
    crew.wait_even()
    held = [crew.held(one) for one in crew.instances]
    before = crew.open()
    kafka.stop()
    for _ in range(12):
        crew.trade(20)
        time.sleep(1)
    assert [crew.held(one) for one in crew.instances] == held
    assert all(c.open for c in before)
    kafka.start()
    crew.trade(5)
    crew.wait_even(timeout=120)
    sent = next(c for c in before if "trade" in c.sids).sent
    wait_until("every trade is there", lambda: {m for m in sent if b"trade_id" in m} <= {r.value for r in bench.read("trades")}, timeout=60)
    crew.assert_covered(range(2))


def test_the_topic_grows_with_the_shards(bench: Bench) -> None:
    two = Crew(bench, shards=2)
    (one,) = two.add()
    two.wait_even()
    assert one.stop() == 0
    three = Crew(bench, shards=3)
    three.add()
    three.wait_even()
    assert consume.partitions(bench.bootstrap, bench.topic("shards")) == 3
