"""
The broker is away for minutes under full load, and ingest is killed in the middle of it.

    start ── load ── broker stops ───────── ingest killed ─ dead ─ ingest starts ───────── broker starts ── drained ── stop

    cd tests && ../build/venv/bin/python -m faults.broker_away [--seconds 180] [--rate 5000]

What must hold is asserted; the figures are printed as one line. Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import base64
import sys
import threading
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition

from faults.place import place
from support import consume
from support.kafka import Kafka
from support.paths import PATIENCE
from support.process import wait_until
from support.rig import Rig
from system import checks

RSS_MAX_MIB = 256
LOST_MAX_S = 0.1  # of what was received before the kill
DEAD_S = 2.0
SLICE_US = 60_000_000  # of the exchange's trades, as much as it answers in time
ENRICHER = {"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_LIST_EVERY": "20s"}


def spooling(spool: Path) -> dict[str, str]:
    """Settings of ingest."""
    return {"KMD_INGEST_SPOOL_DIR": str(spool)}


@dataclass
class Story:
    """What happened when; Unix ns."""

    began_us: int = 0
    ended_us: int = 0
    killed_ns: int = 0
    back_ns: int = 0
    drained_ns: int = 0
    spooled_bytes: float = 0
    rss_mib: float = 0


class Watch:
    """The largest resident size that any life of ingest had, and the largest spool."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.rss_mib, self.spooled = rig, 0.0, 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.25):
            self.spooled = max(self.spooled, self.rig.ingest.metric("kmd_ingest_spool_bytes"))
            try:
                status = Path(f"/proc/{self.rig.ingest.process.pid}/status").read_text()
            except OSError:
                continue
            peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
            self.rss_mib = max(self.rss_mib, int(peak[0]) / 1024) if peak else self.rss_mib


def live_through(rig: Rig, kafka: Kafka, seconds: float, before: float = 10.0) -> Story:
    """The story above; on return everything is in Kafka and ingest has ended."""
    story, watch = Story(), Watch(rig)
    wanted = rig.ingest.metric("kmd_ingest_markets_expected")
    rig.ingest.wait_metric("kmd_ingest_markets_subscribed", wanted)
    story.began_us = rig.sim.stats()["now_us"]
    time.sleep(before)
    kafka.stop()
    time.sleep(seconds / 2)
    story.killed_ns = time.time_ns()
    rig.ingest.kill()
    time.sleep(DEAD_S)
    rig.ingest.start()
    rig.ingest.wait_metric("kmd_ingest_connections_total", 1)
    time.sleep(seconds / 2)
    kafka.start()
    story.back_ns = time.time_ns()
    rig.ingest.wait_ready(timeout=120 + seconds)
    wait_until("the spool is empty", lambda: rig.ingest.metric("kmd_ingest_spool_bytes") == 0, timeout=120 + seconds)
    story.drained_ns = time.time_ns()
    time.sleep(before)
    story.ended_us = rig.sim.stats()["now_us"]
    rig.sim.quiesce(settle=False)
    watch.stop()
    code = rig.ingest.stop()
    assert code == 0, f"ingest ended with {code}"
    story.rss_mib, story.spooled_bytes = watch.rss_mib, watch.spooled
    return story


# -- what is there ----------------------------------------------------------------------------------------------------


class Sent:
    """One connection in the exchange's ledger: hash and time of frame n at n - 1."""

    def __init__(self) -> None:
        self.hashes, self.times_ns = array("q"), array("q")


class Got:
    """One lineage in Kafka, beside what was sent on its connection."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.there = bytearray(len(sent.hashes))  # 1 at n - 1: frame n, as it was sent
        self.last: dict[int, tuple[int, int, int]] = {}  # sid -> n, seq, recv_ns of its last frame

    def add(self, n: int, text: bytes) -> None:
        assert n <= len(self.there) and hash(text) == self.sent.hashes[n - 1], f"frame {n} is not what was sent"
        assert not self.there[n - 1], f"frame {n} stands in two partitions"
        self.there[n - 1] = 1

    @property
    def last_n(self) -> int:
        return self.there.rfind(1) + 1


def read_ledger(path: Path) -> list[Sent]:
    """Connection by connection."""
    sent: dict[int, Sent] = defaultdict(Sent)
    with path.open("rb") as lines:
        for line in lines:
            f = orjson.loads(line)
            one = sent[f["conn"]]
            assert f["n"] == len(one.hashes) + 1
            one.hashes.append(hash(base64.b64decode(f["data"])))
            one.times_ns.append(f["t_ns"])
    return [sent[conn] for conn in sorted(sent)]


class Reader:
    """A topic, read on from where the last reading ended; nothing is kept."""

    def __init__(self, rig: Rig, topic: str) -> None:
        self.bootstrap, self.topic = rig.kafka.bootstrap, rig.topic(topic)
        self.at: dict[int, int] = {}

    def more(self) -> Iterator[Any]:
        """Every message that is new, partition by partition in order."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "faults", "enable.auto.commit": False})
        for partition, (low, high) in consume.watermarks(self.bootstrap, self.topic).items():
            at = self.at.get(partition, low)
            if at < high:
                consumer.assign([TopicPartition(self.topic, partition, at)])
            while at < high:
                for message in consumer.consume(10000, timeout=1.0):
                    if message.error() is None and message.partition() == partition and at <= message.offset() < high:
                        at = message.offset() + 1
                        yield message
            self.at[partition] = at
        consumer.close()


def read_frames(rig: Rig, sent: list[Sent], lineages: list[int]) -> tuple[dict[int, Got], int]:
    """By lineage, as the sink takes them: what is not behind the last one of its partition and lineage came twice."""
    assert len(sent) == len(lineages), f"{len(sent)} connections, {len(lineages)} lineages"
    found = {lineage: Got(one) for lineage, one in zip(lineages, sent, strict=True)}
    twice = 0
    for topic in checks.FRAME_TOPICS:
        newest: dict[tuple[int, int], int] = {}
        for message in Reader(rig, topic).more():
            headers = dict(message.headers() or ())
            if headers.get("source") != b"ws":
                continue
            lineage, n = int(headers["lineage"]), int(headers["n"])
            place = (message.partition(), lineage)
            if n <= newest.get(place, 0):
                twice += 1
                continue
            newest[place] = n
            one = found[lineage]
            one.add(n, message.value())
            if "sid" in headers:
                sid = int(headers["sid"])
                if n > one.last.get(sid, (0, 0, 0))[0]:
                    one.last[sid] = (n, int(headers.get("seq", 0)), int(headers["recv_ns"]))
    return found, twice


# -- what must hold ---------------------------------------------------------------------------------------------------


@dataclass
class Figures:
    frames: int = 0
    missing: int = 0
    lost_ms: float = 0.0
    hole_s: float = 0.0
    twice: int = 0
    trades: int = 0
    repaired: int = 0


def frames_are_there(got: dict[int, Got], story: Story, figures: Figures) -> None:
    """Only the end of the killed lineage may be missing: what came in the last moment before the kill, or after it."""
    for i, one in enumerate(got.values()):
        last = one.last_n
        figures.frames += last
        hole = one.there.find(0, 0, last)
        assert hole < 0, f"frame {hole + 1} is missing in the middle of lineage {i + 1}"
        missing = len(one.there) - last
        if i == 0:
            figures.missing = missing
            if missing:
                figures.lost_ms = max(0.0, (story.killed_ns - one.sent.times_ns[last]) / 1e6)
        else:
            assert not missing, f"{missing} frames at the end of lineage {i + 1} are missing"
    assert figures.lost_ms <= LOST_MAX_S * 1000 * PATIENCE, f"lost {figures.lost_ms:.0f} ms before the kill"


def read_feed(rig: Rig) -> list[dict[str, Any]]:
    return [orjson.loads(m.value()) for m in Reader(rig, "feed").more()]


def feed_bounds_the_hole(feed: list[dict[str, Any]], got: dict[int, Got], figures: Figures) -> None:
    """`closed` of the killed lineage is exact per sid; the successor's `subscribed` begins each hole there."""
    killed, successor = list(got)[:2]
    closed = [r for r in feed if r["kind"] == "closed" and r["lineage"] == killed]
    assert len(closed) == 1 and closed[0]["reason"] == "crashed", closed
    assert closed[0]["last_n"] == got[killed].last_n
    ends: dict[str, int] = {}
    for sid in closed[0]["sids"]:
        n, seq, recv_ns = got[killed].last.get(sid["sid"], (0, 0, 0))
        said = (sid.get("n", 0), sid.get("seq", 0) if seq else 0, sid.get("recv_ns", 0))
        assert said == (n, seq, recv_ns), f"{sid['channel']}: {sid}, there is n {n} seq {seq} recv_ns {recv_ns}"
        ends[sid["channel"]] = recv_ns or sid["subscribed_ns"]
    told = {r["channel"]: r for r in feed if r["kind"] == "subscribed" and r["lineage"] == successor}
    assert set(told) == set(ends), f"{set(ends)} were captured, {set(told)} are told"
    for channel, r in told.items():
        assert r["from_recv_ns"] == ends[channel] and r["to_recv_ns"] > r["from_recv_ns"], r
    figures.hole_s = (told["trade"]["to_recv_ns"] - told["trade"]["from_recv_ns"]) / 1e9
    kinds = Counter(r["kind"] for r in feed)
    assert not kinds["gap"] and not kinds["refused"] and not kinds["stale"], kinds


def trades_are_complete(rig: Rig, story: Story, figures: Figures) -> None:
    """Each trade of the exchange is there, those of the hole by REST."""
    wanted: set[str] = set()
    for at in range(story.began_us, story.ended_us, SLICE_US):
        until = min(at + SLICE_US - 1, story.ended_us)
        wanted |= {t["trade_id"] for t in rig.sim.get(f"trades?min_us={at}&max_us={until}")}
    figures.trades = len(wanted)
    trades = Reader(rig, "trades")

    def is_complete() -> bool:
        for message in trades.more():
            wanted.discard(orjson.loads(message.value())["msg"]["trade_id"])
            figures.repaired += dict(message.headers() or ()).get("source") == b"rest"
        return not wanted

    wait_until("every trade is there", is_complete, timeout=180, every=5.0)


def rows_are_right(rig: Rig, figures: Figures) -> int:
    """Postgres has every frame once; what came twice was dropped."""
    rig.wait_level(timeout=600)
    tables = ("orderbook_snapshots", "orderbook_deltas", "tickers", "lifecycle_events", "control_frames", "other_frames")
    rows = 0
    for table in tables:
        n, distinct = rig.query(f"SELECT count(*), count(DISTINCT (lineage, n)) FROM kalshi.{table}")[0]
        assert n == distinct, f"{table}: {n - distinct} rows stand twice"
        rows += n
    rows += rig.query("SELECT count(*) FROM kalshi.trades")[0][0]
    ids = rig.query("SELECT count(DISTINCT trade_id) FROM kalshi.trades")[0][0]
    sums = rig.query("SELECT sum(rows), sum(dead_letters), sum(duplicates) FROM kalshi.sink_offsets")[0]
    assert not sums[1] and ids >= figures.trades
    return int(rows)


def check(rig: Rig, ledger: Path, story: Story, with_sink: bool = True) -> Figures:
    figures = Figures()
    trades_are_complete(rig, story, figures)
    assert rig.sim.stop() == 0  # its ledger is whole now
    feed = read_feed(rig)
    lineages = sorted(r["lineage"] for r in feed if r["kind"] == "opened")
    got, figures.twice = read_frames(rig, read_ledger(ledger), lineages)
    frames_are_there(got, story, figures)
    feed_bounds_the_hole(feed, got, figures)
    if with_sink:
        rows_are_right(rig, figures)
    assert story.rss_mib < RSS_MAX_MIB, f"ingest had {story.rss_mib:.0f} MiB"
    return figures


def report(seconds: float, rate: float, story: Story, f: Figures) -> str:
    return (
        f"{seconds:.0f} s at {rate:.0f} frames/s, ingest killed in the middle: {f.frames} frames there,"
        f" {f.missing} missing (of the last {f.lost_ms:.0f} ms before the kill and the {DEAD_S:.0f} s after it),"
        f" hole of {f.hole_s:.2f} s in trades told exactly, {f.trades} trades complete ({f.repaired} by REST), {f.twice} frames sent twice,"
        f" spool at most {story.spooled_bytes / 2**20:.0f} MiB, RSS at most {story.rss_mib:.0f} MiB,"
        f" drained {(story.drained_ns - story.back_ns) / 1e9:.1f} s after the broker was back"
    )


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=180)
    p.add_argument("--rate", type=float, default=5000)
    p.add_argument("--markets", type=int, default=300)
    p.add_argument("--no-sink", action="store_true", help="without kmd-sink and Postgres")
    options = p.parse_args()
    world = {"rate": options.rate, "markets": options.markets, "determinations": 0, "rest_rate": 200}
    with place("1 broker away") as at:
        rig = at.rig(world, ingest=spooling(at.folder / "spool"), enricher=ENRICHER)
        at.kafka.start()
        if not options.no_sink:
            at.postgres.start()
            at.database()
        rig.start(("ingest", "enricher") if options.no_sink else ("ingest", "enricher", "sink"))
        story = live_through(rig, at.kafka, options.seconds)
        figures = check(rig, at.ledger, story, with_sink=not options.no_sink)
        rig.stop()
        at.tell(report(options.seconds, options.rate, story, figures))
    return at.code


if __name__ == "__main__":
    sys.exit(main())
