"""kmd-sink when things go wrong: kills, servers away, two owners, another topic under the same name, another platform."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from component.sink_bench import LINEAGE, Bench, bench, delta, frame, now_ns, trade
from component.sink_commits import Commits, instance
from component.sink_load import Load

from faults.sink_kills import kill_at_random
from faults.zombie_sink import freeze_and_wake
from support import consume
from support.kafka import Kafka
from support.paths import LOAD, program
from support.postgres import Postgres
from support.process import run, wait_until
from support.services import Service, StartService, base_env
from support.shared import Database, SharedKafka, unique

__all__ = ["bench"]

EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE, EX_CONFIG = 64, 69, 70, 78


def test_kills_lose_and_double_nothing(bench: Bench) -> None:
    """The short form of faults.sink_kills."""
    load = Load(bench, seed=4, partitions=2)
    settings = {"KMD_SINK_BATCH_ROWS": "200", "KMD_SINK_BATCH_AGE": "20ms", "KAFKA_SESSION_TIMEOUT_MS": "6000"}
    sinks = [bench.start(f"sink-{i}", wait=False, **settings) for i in range(2)]
    killed = threading.Event()
    pouring = load.pour(2000 * LOAD, killed.is_set, at_a_time=100)
    kill_at_random(bench, sinks, 4, random.Random(4), most_s=0.5)
    killed.set()
    pouring.join()
    load.check()


def test_sigterm_writes_what_is_held_and_ends_with_0(bench: Bench) -> None:
    bench.topic("tickers", 1)
    one = bench.start(KMD_SINK_BATCH_AGE="1h")
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 101)])
    one.wait_metric("kmd_sink_held_bytes", 100 * 100)
    assert bench.one("SELECT count(*) FROM kalshi.tickers") == 0
    assert one.stop() == 0
    bench.wait_done("tickers")
    assert bench.one("SELECT count(*) FROM kalshi.tickers") == 100


class Own:
    """A sink on the shared broker and a Postgres of the test's own."""

    def __init__(self, kafka: SharedKafka, postgres: Postgres, start: StartService) -> None:
        self.postgres = postgres
        prefix = unique("t") + "."
        postgres.create_database("kmd")
        self.bench = Bench(kafka, Database(postgres, "kmd"), prefix, start)
        self.bench.migrate()


@pytest.fixture
def own(shared_kafka: SharedKafka, postgres: Postgres, service: StartService) -> Own:
    return Own(shared_kafka, postgres, service)


def test_postgres_away_and_back(own: Own) -> None:
    bench = own.bench
    bench.topic("trades", 2)
    one = bench.start(KMD_SINK_BATCH_BYTES="64KiB")
    bench.produce("trades", [trade(f"t-{n}", n) for n in range(1, 101)])
    bench.wait_done("trades")
    own.postgres.kill()
    bench.produce("trades", [trade(f"t-{n}", n) for n in range(101, 20_001)])
    wait_until("it says so", lambda: "database" in one.ready()[1].get("missing", []))
    wait_until("it holds what it may", lambda: one.metric("kmd_sink_held_bytes") > 4 * 64 * 1024)
    assert one.ready()[0] == 503 and one.live() == 200 and one.alive()
    assert one.metric("kmd_sink_held_bytes") < 8 * 1024 * 1024, "its partitions are paused"
    bench.produce("trades", [trade(f"t-{n}", n) for n in range(20_001, 25_001)])
    one.wait_metric("kmd_sink_lag_messages", 24_900, topic="trades")  # what comes meanwhile is behind too
    own.postgres.start()
    bench.wait_done("trades")
    one.wait_ready()
    assert bench.one("SELECT count(*) FROM kalshi.trades") == 25_000
    assert one.metric("kmd_sink_retries_total") > 0
    assert one.metric("kmd_sink_dead_letters_total") == 0, "an outage is no record's fault"


def test_postgres_restarts_under_load(own: Own) -> None:
    bench = own.bench
    bench.topic("orderbook", 2)
    one = bench.start(KMD_SINK_BATCH_ROWS="100", KMD_SINK_BATCH_AGE="10ms")
    for i in range(4):
        bench.produce("orderbook", [delta(n, market=f"KX-{n % 7}") for n in range(1 + i * 4000, 4001 + i * 4000)])
        own.postgres.kill()
        own.postgres.start()
    bench.wait_done("orderbook")
    assert bench.one("SELECT count(*) = 16000 AND count(DISTINCT n) = 16000 FROM kalshi.orderbook_deltas")
    assert one.alive()


def test_every_commit_without_an_answer_is_looked_up(own: Own) -> None:
    """Backends are ended at random moments, some of them between COMMIT and its answer."""
    bench = own.bench
    bench.topic("trades", 2)
    one = bench.start(KMD_SINK_BATCH_ROWS="50", KMD_SINK_BATCH_AGE="5ms")
    bench.produce("trades", [trade(f"t-{n}", n, market=f"KX-{n % 5}") for n in range(1, 15_001)])
    for _ in range(25):
        bench.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kmd-sink'")
        time.sleep(0.05)
    bench.wait_done("trades")
    assert bench.one("SELECT count(*) FROM kalshi.trades") == 15_000
    o = bench.offsets("trades")[0]
    assert (o["dead_letters"], o["duplicates"]) == (0, 0)
    assert one.metric("kmd_sink_dead_letters_total") == 0


def test_sigterm_while_postgres_is_away_tells_what_is_left(own: Own) -> None:
    bench = own.bench
    bench.topic("trades", 1)
    one = bench.start(KMD_SHUTDOWN_TIMEOUT="1s")
    bench.produce("trades", [trade("t-1", 1)])
    bench.wait_done("trades")  # it has claimed the partition
    own.postgres.stop()
    bench.produce("trades", [trade(f"t-{n}", n) for n in range(2, 12)])
    wait_until("it holds them", lambda: one.metric("kmd_sink_held_bytes") > 0)
    assert one.stop() == EX_SOFTWARE
    (left,) = [line for line in one.log_lines() if line["event"] == "left_unflushed"]
    assert left["records"] == "trades=10"
    own.postgres.start()
    one.start(wait=True)
    bench.wait_done("trades")
    assert bench.one("SELECT count(*) FROM kalshi.trades") == 11, "they were in Kafka all the time"


def test_the_broker_away_and_back(kafka: Kafka, database: Database, service: StartService) -> None:
    bench = Bench(SharedKafka(kafka.port), database, "b.", service)
    bench.migrate()
    bench.topic("tickers", 2)
    one = bench.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 101)])
    bench.wait_done("tickers")
    kafka.stop()
    wait_until("it says so", lambda: "kafka" in one.ready()[1].get("missing", []), 60)
    assert one.alive() and one.live() == 200
    kafka.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(101, 201)])
    bench.wait_done("tickers")
    one.wait_ready()
    assert bench.one("SELECT count(*) FROM kalshi.tickers") == 200


def test_two_sinks_share_and_one_takes_over(bench: Bench) -> None:
    bench.topic("orderbook", 4)

    def more(first: int, count: int) -> None:
        bench.produce(
            "orderbook",
            [
                consume.Outgoing(d.value, d.key, d.headers, n % 4)
                for n in range(first, first + count)
                for d in [delta(n, market=f"KX-{n % 50}")]
            ],
        )

    a = bench.start("a")
    more(1, 4000)
    b = bench.start("b")
    wait_until("b has some of them", lambda: any(o["epoch"] > 1 for o in bench.offsets("orderbook").values()), 90)
    more(4001, 4000)
    bench.wait_done("orderbook")
    a.kill()
    more(8001, 4000)
    bench.wait_done("orderbook", timeout=120)
    assert b.alive()
    assert bench.one("SELECT count(*) = 12000 AND count(DISTINCT n) = 12000 FROM kalshi.orderbook_deltas")


def test_a_frozen_owner_cannot_commit_after_its_successor(bench: Bench) -> None:
    """SIGSTOP in the middle of its work; another takes over; then it wakes up and writes on. The short form of faults.zombie_sink."""
    commits = Commits(bench)
    load = Load(bench, seed=5, partitions=2)
    settings = {"KAFKA_SESSION_TIMEOUT_MS": "6000", "KMD_SINK_BATCH_ROWS": "100", "KMD_SINK_BATCH_AGE": "5ms"}
    a, b = (bench.start(name, wait=False, **settings, **instance(name, bench)) for name in ("a", "b"))
    awake = threading.Event()
    pouring = load.pour(2000 * LOAD, awake.is_set, at_a_time=100)
    lost, _ = freeze_and_wake(commits, a, random.Random(5))
    awake.set()
    pouring.join()
    load.check()
    assert lost > 0 and commits.late() == 0
    assert commits.strays() == (sum(load.rows.values()), 0), "every row is its owner's"
    assert a.alive() and b.alive()
    a.wait_ready()


def test_a_topic_made_anew_is_not_taken_until_it_is_accepted(bench: Bench) -> None:
    bench.topic("tickers", 1)
    bench.topic("other", 1)
    one = bench.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 6)])
    bench.wait_done("tickers")
    one.stop()
    consume.delete_topic(bench.kafka.bootstrap, bench.prefix + "tickers")
    wait_until("it is gone", lambda: not consume.watermarks(bench.kafka.bootstrap, bench.prefix + "tickers"))
    bench.topic("tickers", 1)
    # as long as before: only the record itself tells
    bench.produce("tickers", [frame("ticker", {"market_ticker": "NEW"}, n, lineage=LINEAGE + 1) for n in range(1, 8)])
    bench.produce("other", [frame("x", {}, 1)])
    one.start()
    wait_until("it says so", lambda: "partitions" in one.ready()[1].get("missing", []))
    bench.wait_done("other")
    assert one.ready()[0] == 503 and bench.prefix + "tickers" in json.dumps(one.ready()[1])
    assert bench.one("SELECT count(*) FROM kalshi.tickers") == 5
    one.restart()
    wait_until("it still does", lambda: "partitions" in one.ready()[1].get("missing", []))
    done = run([program("kmd-sink"), "--accept-topic", "tickers"], {**base_env(), **bench.settings})
    assert done.returncode == 0
    wait_until("it is taken", lambda: bench.is_done("tickers"))
    o = bench.offsets("tickers")[0]
    assert (o["first_offset"], o["next_offset"], o["rows"]) == (0, 7, 7)
    one.wait_ready()


def test_a_topic_that_is_shorter_than_what_was_read(bench: Bench) -> None:
    bench.topic("tickers", 1)
    one = bench.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 6)])
    bench.wait_done("tickers")
    one.stop()
    consume.delete_topic(bench.kafka.bootstrap, bench.prefix + "tickers")
    wait_until("it is gone", lambda: not consume.watermarks(bench.kafka.bootstrap, bench.prefix + "tickers"))
    bench.topic("tickers", 1)
    bench.produce("tickers", [frame("ticker", {"market_ticker": "NEW"}, n, lineage=LINEAGE + 1) for n in range(1, 3)])
    one.start()
    wait_until("it says so", lambda: "partitions" in one.ready()[1].get("missing", []))
    assert bench.offsets("tickers")[0]["next_offset"] == 5


def test_a_topic_made_anew_while_it_is_read(bench: Bench) -> None:
    bench.topic("tickers", 1)
    one = bench.start(KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS="1000")
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 6)])
    bench.wait_done("tickers")
    consume.delete_topic(bench.kafka.bootstrap, bench.prefix + "tickers")
    wait_until("it is gone", lambda: not consume.watermarks(bench.kafka.bootstrap, bench.prefix + "tickers"))
    bench.topic("tickers", 1)
    bench.produce("tickers", [frame("ticker", {"market_ticker": "NEW"}, n, lineage=LINEAGE + 1) for n in range(1, 3)])
    wait_until("it says so", lambda: "partitions" in one.ready()[1].get("missing", []), 90)
    run([program("kmd-sink"), "--accept-topic", "tickers"], {**base_env(), **bench.settings})
    wait_until("it is taken", lambda: bench.offsets("tickers")[0]["rows"] == 2 and bench.is_done("tickers"))
    one.wait_ready()


def test_what_retention_took_is_counted_and_passed_over(bench: Bench) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    bench.topic("tickers", 1)
    one = bench.start()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(1, 6)])
    bench.wait_done("tickers")
    one.stop()
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n) for n in range(6, 21)])
    admin = AdminClient({"bootstrap.servers": bench.kafka.bootstrap, "log_level": 2})
    (deleted,) = admin.delete_records([TopicPartition(bench.prefix + "tickers", 0, 12)]).values()
    deleted.result(30)
    one.start(wait=True)
    bench.wait_done("tickers")
    o = bench.offsets("tickers")[0]
    assert (o["first_offset"], o["rows"], o["expired"]) == (0, 13, 7)
    one.wait_metric("kmd_sink_expired_records_total", 7, topic="tickers")


def settle_platform(bench: Bench) -> None:
    one = bench.start()
    one.stop()


def test_a_database_of_another_platform_ends_with_78(bench: Bench) -> None:
    settle_platform(bench)
    for settings in ({"KMD_TOPIC_PREFIX": unique("t") + "."}, {"KMD_SINK_GROUP": "others"}):
        one = bench.start(wait=False, **settings)
        assert one.process.wait(timeout=30) == EX_CONFIG
        lines = [line for line in one.process.output().splitlines() if not line.startswith("{")]
        assert len(lines) == 1 and "another platform" in lines[0]


def test_another_cluster_ends_with_78(bench: Bench, kafka: Kafka) -> None:
    settle_platform(bench)
    one = bench.start(wait=False, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{kafka.port}")
    assert one.process.wait(timeout=60) == EX_CONFIG


def test_a_foreign_database_found_later_ends_with_78(own: Own, folder: Path) -> None:
    """The database is away at start; when it is reached it belongs to others."""
    bench = own.bench
    settle_platform(bench)
    own.postgres.stop()
    one = bench.start(wait=False, KMD_SINK_GROUP="others")
    wait_until("it waits", lambda: "database" in one.ready()[1].get("missing", []))
    assert one.alive()
    own.postgres.start()
    assert one.process.wait(timeout=60) == EX_CONFIG


def test_accept_topic_is_careful(bench: Bench) -> None:
    def accept(name: str, **settings: str) -> Any:
        return run([program("kmd-sink"), "--accept-topic", name], {**base_env(), **bench.settings, **settings}, check=False)

    settle_platform(bench)
    assert accept("nonsense").returncode == EX_USAGE
    assert accept("trades", KMD_SINK_GROUP="others").returncode == EX_CONFIG
    assert accept("trades", DATABASE_URL="postgresql://postgres@127.0.0.1:1/x").returncode == EX_UNAVAILABLE
    assert accept("trades").returncode == 0


def test_expired_frames_are_dead_letters_and_old_partitions_go(bench: Bench) -> None:
    day_ns = 86_400 * 10**9
    bench.topic("tickers", 1)
    bench.topic("trades", 1)
    one = bench.start()
    old, oldest_kept = str(now_ns() - 5 * day_ns), str(now_ns() - 3 * day_ns)
    times = ({"recv_ns": old}, {"recv_ns": oldest_kept}, {})
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, n, **at) for n, at in enumerate(times, 1)])
    bench.produce("trades", [trade("old", 1, ts_ms=int(old) // 10**6), trade("new", 2)])
    bench.wait_done("tickers", "trades")
    assert bench.one("SELECT count(*) FROM kalshi.tickers") == 3
    one.stop()
    one.settings["KMD_SINK_RETENTION_DAYS"] = "3"
    one.start(wait=True)
    wait_until("the old partitions are gone", lambda: bench.one("SELECT count(*) FROM kalshi.tickers") <= 2)
    wait_until("and dropped", lambda: not bench.query("SELECT FROM pg_class WHERE relname ~ %s", "^trades_p.*" + _day(old)))
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, 4, recv_ns=old)])
    bench.produce("trades", [trade("older", 3, ts_ms=int(old) // 10**6)])
    wait_until("stored", lambda: bench.is_done("tickers") and bench.is_done("trades"))
    assert bench.dead("tickers") == {3: "expired"} and bench.dead("trades") == {2: "expired"}
    assert bench.query("SELECT trade_id FROM kalshi.trades") == [("new",)]
    assert bench.query("SELECT n FROM kalshi.tickers ORDER BY n") == [(2,), (3,)]


def _day(ns: str) -> str:
    return time.strftime("%Y%m%d", time.gmtime(int(ns) // 10**9))


def test_a_second_signal_is_not_needed(bench: Bench) -> None:
    """SIGINT is like SIGTERM."""
    one: Service = bench.start()
    one.process.send(signal.SIGINT)
    assert one.process.wait() == 0
