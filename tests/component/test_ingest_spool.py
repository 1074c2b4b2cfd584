"""The disk spool of kmd-ingest: a broker that is away costs nothing, whatever happens to ingest meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, bench, exchange, ingest_key
from component.ingest_exchange import Connection, Exchange

from support import consume, keys
from support.consume import Record
from support.kafka import Kafka
from support.process import run, wait_until
from support.services import Service, StartService, base_env
from support.topics import FRAME_TOPICS

__all__ = ["bench", "exchange", "ingest_key"]


@pytest.fixture
def away(kafka: Kafka, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair) -> Bench:
    """A bench whose broker may be stopped."""
    return Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)


@pytest.fixture
def spool(folder: Path) -> Path:
    return folder / "spool"


def why(one: Service, condition: str) -> str:
    return one.ready()[1].get("conditions", {}).get(condition, {}).get("why", "")


def segments(spool: Path) -> list[Path]:
    return sorted(spool.glob("*.spool"))


def in_spool(spool: Path, text: str) -> bool:
    return any(text.encode() in part.read_bytes() for part in segments(spool))


def wait_spooled(spool: Path, connection: Connection) -> None:
    """Until the last message that was sent is on disk."""
    last = connection.sent[-1].decode()
    wait_until("the last frame is in the spool", lambda: in_spool(spool, last))


def wait_drained(one: Service, spool: Path) -> None:
    wait_until("the spool is empty", lambda: not segments(spool), timeout=90)
    one.wait_ready()
    wait_until("its gauge says so", lambda: one.metric("kmd_ingest_spool_bytes") == 0)


def by_lineage(bench: Bench) -> dict[int, dict[int, Record]]:
    """Frames as the sink keeps them: one that comes again is dropped; whatever is new stands behind what is older."""
    found: dict[int, dict[int, Record]] = defaultdict(dict)
    for topic in FRAME_TOPICS:
        last: dict[tuple[int, int], int] = {}
        for r in bench.read(topic):
            lineage, n = int(r.header("lineage") or 0), int(r.header("n") or 0)
            if n > last.get((r.partition, lineage), 0):
                last[r.partition, lineage] = n
                assert n not in found[lineage]
                found[lineage][n] = r
    return dict(sorted(found.items()))


def assert_all(bench: Bench, connections: list[Connection]) -> dict[int, dict[int, Record]]:
    """Every message of each connection is there, byte for byte."""
    lineages = by_lineage(bench)
    assert len(lineages) == len(connections)
    for frames, connection in zip(lineages.values(), connections, strict=True):
        assert [frames[n].value for n in sorted(frames)] == connection.sent
        assert sorted(frames) == list(range(1, len(connection.sent) + 1))
    return lineages


def assert_exact(closed: dict[str, Any], frames: dict[int, Record], connection: Connection) -> None:
    """What `closed` says of each sid is the last frame that is there of it."""
    last: dict[int, Record] = {}
    for n in sorted(frames):
        if frames[n].header("sid") is not None:
            last[int(frames[n].header("sid") or 0)] = frames[n]
    assert closed["last_n"] == max(frames)
    said = {s["sid"]: s for s in closed["sids"]}
    assert {s["channel"]: sid for sid, s in said.items()} == connection.sids
    for sid, frame in last.items():
        assert said[sid]["n"] == int(frame.header("n") or 0)
        assert said[sid]["seq"] == int(frame.header("seq") or 0)
        assert said[sid]["recv_ns"] == int(frame.header("recv_ns") or 0)


def test_an_outage_is_bridged_by_the_disk(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    connection.trade(count=20)
    away.wait_frames(len(connection.sent))
    one.wait_ready()
    assert not segments(spool)
    kafka.stop()
    for _ in range(30):
        connection.trade(count=100)
    wait_spooled(spool, connection)
    wait_until("both are named", lambda: {"kafka", "spool"} <= set(one.ready()[1].get("missing", [])))
    assert one.ready()[0] == 503 and "spooling to disk" in why(one, "spool")
    wait_until("its gauge says so", lambda: one.metric("kmd_ingest_spool_bytes") > 3000 * 100)
    kafka.start()
    wait_drained(one, spool)
    assert one.stop() == 0
    assert_all(away, [connection])
    assert sum(len(away.read(t)) for t in FRAME_TOPICS) == len(connection.sent)  # nothing twice without a crash
    assert away.feed("closed")[0]["last_n"] == len(connection.sent)


def test_a_killed_ingest_loses_nothing_that_was_spooled(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    connection.trade(count=20)
    away.wait_frames(len(connection.sent))
    kafka.stop()
    for _ in range(10):
        connection.trade(count=50)
    wait_spooled(spool, connection)
    one.kill()
    second = away.start(KMD_INGEST_SPOOL_DIR=str(spool))
    after = away.exchange.connection(2)  # captured again although the broker is away
    after.wait_subscribed(*EXCHANGE_WIDE)
    for _ in range(10):
        after.trade(count=50)
    wait_spooled(spool, after)
    kafka.start()
    wait_drained(second, spool)
    assert second.stop() == 0
    lineages = assert_all(away, [connection, after])
    closed = away.feed("closed")
    assert [c["lineage"] for c in closed] == list(lineages)
    assert [c["reason"] for c in closed] == ["crashed", "shutdown"]
    assert_exact(closed[0], lineages[closed[0]["lineage"]], connection)
    assert_exact(closed[1], lineages[closed[1]["lineage"]], after)
    told = next(r for r in away.feed("subscribed") if r["lineage"] == closed[1]["lineage"] and r["channel"] == "trade")
    trade = next(s for s in closed[0]["sids"] if s["channel"] == "trade")
    assert told["from_recv_ns"] == trade["recv_ns"] and told["to_recv_ns"] > told["from_recv_ns"]
    kinds = [(r["lineage"], r["kind"]) for r in away.feed() if r["kind"] in ("opened", "closed")]
    assert kinds == [(lineage, kind) for lineage in lineages for kind in ("opened", "closed")]


def test_a_kill_while_the_spool_is_sent(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    kafka.stop()
    for _ in range(200):
        connection.trade(count=100)
    wait_spooled(spool, connection)
    kafka.start(wait=False)
    lives = [one]
    for _ in range(3):
        begun = lives[-1].metric("kmd_ingest_delivered_total")
        wait_until("some is sent", lambda: lives[-1].metric("kmd_ingest_delivered_total") > begun, timeout=60, every=0.01)
        lives[-1].kill()
        lives.append(away.start(KMD_INGEST_SPOOL_DIR=str(spool)))
    wait_drained(lives[-1], spool)
    assert lives[-1].stop() == 0
    frames = next(iter(by_lineage(away).values()))
    assert [frames[n].value for n in sorted(frames)] == connection.sent
    crashed = [c for c in away.feed("closed") if c["lineage"] == int(frames[1].header("lineage") or 0)]
    assert crashed and all(c["reason"] == "crashed" for c in crashed)


def test_a_stop_while_the_broker_is_away_puts_everything_away(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    away.wait_frames(len(connection.sent))
    kafka.stop()
    connection.trade(count=200)
    one.wait_metric("kmd_ingest_frames_total", len(connection.sent))
    assert one.stop() == 0
    assert in_spool(spool, connection.sent[-1].decode())
    kafka.start()
    second = away.start(KMD_INGEST_SPOOL_DIR=str(spool))
    wait_drained(second, spool)
    frames = next(iter(by_lineage(away).values()))
    assert [frames[n].value for n in sorted(frames)] == connection.sent
    closed = away.feed("closed")
    assert len(closed) == 1 and closed[0]["reason"] == "shutdown"
    assert_exact(closed[0], frames, connection)


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_a_torn_last_record_costs_itself_alone(away: Bench, kafka: Kafka, spool: Path, damage: str) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    away.wait_frames(len(connection.sent))
    kafka.stop()
    connection.trade(count=50)
    wait_spooled(spool, connection)
    one.kill()
    last = segments(spool)[-1]
    content = last.read_bytes()
    at = content.rindex(connection.sent[-1])
    if damage == "cut":
        last.write_bytes(content[: at + 10])
    elif damage == "zeros":
        last.write_bytes(content[: at + 10] + bytes(len(content) - at - 10))
    else:
        last.write_bytes(content + os.urandom(3000))
    kafka.start()
    second = away.start(KMD_INGEST_SPOOL_DIR=str(spool))
    wait_drained(second, spool)
    want = connection.sent if damage == "noise" else connection.sent[:-1]
    frames = next(iter(by_lineage(away).values()))
    assert [frames[n].value for n in sorted(frames)] == want
    closed = away.wait_feed("closed")[0]
    assert closed["reason"] == "crashed"
    assert_exact(closed, frames, connection)


def test_damage_in_the_middle_is_told(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    away.wait_frames(len(connection.sent))
    kafka.stop()
    connection.trade(count=50)
    wait_spooled(spool, connection)
    one.kill()
    part = segments(spool)[0]
    content = bytearray(part.read_bytes())
    lost = len(connection.sent) - 20
    content[content.index(connection.sent[lost]) + 5] ^= 1
    part.write_bytes(content)
    kafka.start()
    second = away.start(KMD_INGEST_SPOOL_DIR=str(spool))
    wait_drained(second, spool)
    frames = next(iter(by_lineage(away).values()))
    assert [frames[n].value for n in sorted(frames)] == connection.sent[:lost] + connection.sent[lost + 1 :]
    told = away.wait_feed("refused")[0]
    assert told["reason"] == "spool_damaged" and told["size"] > 0
    closed = away.wait_feed("closed")[0]
    assert next(s["n"] for s in closed["sids"] if s["channel"] == "trade") <= lost  # no more than is proven
    assert list(spool.glob("*.damaged"))


def test_a_full_spool_stops_the_reading_and_loses_nothing(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool), KMD_INGEST_SPOOL_MAX="2MiB")
    away.wait_frames(len(connection.sent))
    kafka.stop()
    while "full" not in why(one, "spool"):
        connection.trade(count=200)
    for _ in range(20):
        connection.trade(count=100)
    assert sum(p.stat().st_size for p in segments(spool)) <= 2 * 1024 * 1024
    assert one.live() == 200 and connection.open
    kafka.start()
    wait_drained(one, spool)
    one.wait_metric("kmd_ingest_frames_total", len(connection.sent))
    assert one.stop() == 0
    assert_all(away, [connection])
    told = [r for r in away.feed("stale") if r["reason"] == "spool_full"]
    assert len(told) >= 1 and told[0]["lineage"] == away.feed("closed")[0]["lineage"]


def test_a_stop_with_a_full_spool_says_what_is_left(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool), KMD_INGEST_SPOOL_MAX="1MiB", KMD_SHUTDOWN_TIMEOUT="3s")
    away.wait_frames(len(connection.sent))
    kafka.kill()
    while "full" not in why(one, "spool"):
        connection.trade(count=200)
    for _ in range(30):
        connection.trade(count=200)
    assert one.stop() == 70
    assert any("trades=" in json.dumps(line) for line in one.log_lines() if line["event"] == "left_unflushed")


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    where = folder / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(where)], capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_disk_without_room_is_waited_for(away: Bench, kafka: Kafka, small_disk: Path) -> None:
    spool = small_disk / "spool"
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool), KMD_INGEST_SPOOL_MAX="8MiB")
    away.wait_frames(len(connection.sent))
    (small_disk / "other").write_bytes(bytes(7_500_000))
    kafka.stop()
    while "No space left" not in why(one, "spool"):
        connection.trade(count=200)
    connection.trade(count=100)
    assert one.live() == 200 and connection.open
    (small_disk / "other").unlink()
    wait_until("it goes on", lambda: "No space left" not in why(one, "spool"))
    (small_disk / "other").write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 20_000))
    connection.trade(count=3000)
    kafka.start()  # what is in memory is delivered although the disk takes nothing
    wait_drained(one, spool)
    one.wait_metric("kmd_ingest_frames_total", len(connection.sent))
    assert one.stop() == 0
    assert_all(away, [connection])


def test_capture_begins_without_a_broker_and_the_hole_is_told_later(away: Bench, kafka: Kafka, spool: Path) -> None:
    one, connection = away.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    connection.trade(count=5)
    away.wait_frames(len(connection.sent))
    assert one.stop() == 0
    former = away.feed("closed")[0]
    kafka.stop()
    lives = [away.start(KMD_INGEST_SPOOL_DIR=str(spool))]
    after = [away.exchange.connection(2)]
    after[0].wait_subscribed(*EXCHANGE_WIDE)
    after[0].trade(count=5)
    wait_spooled(spool, after[0])
    wait_until("subscriptions are told", lambda: in_spool(spool, '"kind":"subscribed"'))
    lives[0].kill()
    lives.append(away.start(KMD_INGEST_SPOOL_DIR=str(spool)))
    after.append(away.exchange.connection(3))
    after[1].wait_subscribed(*EXCHANGE_WIDE)
    after[1].trade(count=5)
    wait_spooled(spool, after[1])
    kafka.start()
    wait_drained(lives[1], spool)
    assert lives[1].stop() == 0
    lineages = list(assert_all(away, [connection, *after]))
    told = {r["lineage"]: r for r in away.feed("subscribed") if r["channel"] == "trade"}
    ends = {c["lineage"]: next(s for s in c["sids"] if s["channel"] == "trade")["recv_ns"] for c in away.feed("closed")}
    assert former["lineage"] == lineages[0]
    for before, now in zip(lineages, lineages[1:], strict=False):
        assert told[now]["from_recv_ns"] == ends[before]


def test_books_are_captured_again_without_a_broker(away: Bench, kafka: Kafka, spool: Path) -> None:
    tickers = {f"KX-{n}" for n in range(20)}
    for ticker in tickers:
        away.market(ticker)
    settings = {"KMD_INGEST_SPOOL_DIR": str(spool)}
    one, connection = away.connect(**settings)
    connection.wait_books(tickers)
    connection.lifecycle("KX-new", "created")
    connection.lifecycle("KX-0", "settled")
    tickers = tickers - {"KX-0"} | {"KX-new"}
    connection.wait_books(tickers)
    wait_until("the markets are noted", lambda: set((spool / "markets").read_text().split()) == tickers)
    kafka.stop()
    one.kill()
    second = away.start(**settings)
    again = away.exchange.connection(2)
    again.wait_books(tickers)
    again.lifecycle("KX-late", "created")
    again.wait_books(tickers | {"KX-late"})
    kafka.start()
    wait_drained(second, spool)
    # topic markets has not heard of the settlement yet
    again.wait_books(tickers | {"KX-late", "KX-0"})
    second.wait_metric("kmd_ingest_markets_subscribed", len(tickers) + 2)


def test_a_refused_record_is_kept(bench: Bench, spool: Path) -> None:
    consume.create_topic(bench.bootstrap, bench.topic("other"), 1, {"max.message.bytes": "10000"})
    one, connection = bench.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    text = os.urandom(60_000).hex()
    connection.send(text)
    connection.trade(count=2)
    told = bench.wait_feed("refused")[0]
    kept = spool / "refused" / f"other-{told['lineage']}-{told['n']}"
    wait_until("it is kept", lambda: kept.exists() and kept.stat().st_size == told["size"])
    assert kept.read_text() == text
    facts = wait_until("its facts are kept", lambda: Path(f"{kept}.json").exists() and Path(f"{kept}.json").read_text())
    facts = json.loads(facts)
    assert facts["topic"] == "other" and facts["reason"] == told["reason"]
    assert dict(facts["headers"])["n"] == str(told["n"])
    assert one.stop() == 0
    second = bench.start(KMD_INGEST_SPOOL_DIR=str(spool))
    bench.exchange.connection(2).wait_subscribed(*EXCHANGE_WIDE)
    assert second.stop() == 0
    assert text.encode() not in [r.value for r in bench.read("other")]  # it is not sent again by itself


def test_one_process_a_folder(bench: Bench, spool: Path) -> None:
    bench.connect(KMD_INGEST_SPOOL_DIR=str(spool))
    second = bench.start(KMD_INGEST_SPOOL_DIR=str(spool))
    assert second.process.wait() == 78
    assert "used by another process" in second.process.output()
    bench.start(KMD_INGEST_SPOOL_DIR=str(spool / "other")).wait_ready()


@pytest.mark.parametrize("place", ["file", "file/below", "locked"])
def test_a_folder_that_cannot_be_used_is_a_bad_setting(bench: Bench, folder: Path, place: str) -> None:
    (folder / "file").write_text("")
    (folder / "locked").mkdir(mode=0o500)
    if place == "locked" and os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    settings = {**base_env(), **bench.settings(KMD_INGEST_SPOOL_DIR=str(folder / place))}
    program = Service("ingest", settings, folder).process.argv[0]
    for option in ([], ["--check"]):
        done = run([program, *option], settings, check=False)
        assert done.returncode == 78
        assert "KMD_INGEST_SPOOL_DIR" in done.stderr and len(done.stderr.splitlines()) == 1


def test_check_makes_no_folder(bench: Bench, folder: Path, spool: Path) -> None:
    settings = {**base_env(), **bench.settings(KMD_INGEST_SPOOL_DIR=str(spool / "deep"))}
    program = Service("ingest", settings, folder).process.argv[0]
    assert run([program, "--check"], settings).stdout == "ok\n"
    assert not spool.exists()
