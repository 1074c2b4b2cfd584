"""
A feed that freezes while its pings are answered is replaced in time; an exchange that has nothing to tell is left in peace.

    10 ingests (5 with books alone) ── every feed freezes, 4 times ── the exchange pauses and drops everybody once ── resumes

    cd tests && ../build/venv/bin/python -m faults.frozen_feed [--rounds 4] [--each 5] [--pause 40]

A quiet night takes hours, so it is a unit test on a simulated clock (test_ingest_stale), which this runs for its figure.
Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from faults.place import place
from support import consume
from support.kafka import Kafka
from support.paths import BUILD
from support.process import run
from support.services import Service, StartService, stop_all
from support.sim import Sim

BOOKS = "orderbook_delta"
CHANNELS = {"books only": BOOKS, "more": f"trade,ticker,market_lifecycle_v2,{BOOKS}"}
MARKETS = 20
STALE_AFTER_S = 10
SLACK_S = 2.0
QUIET_NIGHT = BUILD / "tests" / "unit" / "ingest" / "test_ingest_stale"


def make_sim(folder: Path) -> Sim:
    return Sim(folder, markets=MARKETS, rate=100, mve=0, churn=0, determinations=0, ping_every="1s")


def capture(start: StartService, bootstrap: str, prefix: str, sim: Sim, channels: str, stale_after_s: int, label: str | None = None) -> Service:
    """An ingest that has every book of the exchange."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "KMD_TOPIC_PREFIX": prefix,
        "KMD_TOPIC_PARTITIONS": "1",
        **sim.settings(),
        "KMD_INGEST_CHANNELS": channels,
        "KMD_INGEST_STALE_AFTER": f"{stale_after_s}s",
    }
    consume.create_topic(bootstrap, prefix + "markets", 1, {"cleanup.policy": "compact"})
    records = [consume.Outgoing(b'{"status":"active"}', ticker.encode(), ()) for ticker in sim.get("books")]
    consume.produce(bootstrap, prefix + "markets", records)
    one = start("ingest", settings, label)
    one.wait_metric("kmd_ingest_markets_subscribed", MARKETS)
    one.wait_metric("kmd_ingest_frames_total", MARKETS, type="orderbook_snapshot")
    return one


def freeze(sim: Sim, ingests: Sequence[Service], stale_after_s: int) -> float:
    """Every feed freezes, pings go on; on return each ingest has all its books on another connection. Unix s of the freeze."""
    before = [one.metric("kmd_ingest_connections_total") for one in ingests]
    books = [one.metric("kmd_ingest_frames_total", type="orderbook_snapshot") for one in ingests]
    frozen = time.time()
    sim.fault("freeze")
    for one, connections, snapshots in zip(ingests, before, books, strict=True):
        one.wait_metric("kmd_ingest_connections_total", connections + 1, timeout=stale_after_s + 30)
        one.wait_metric("kmd_ingest_frames_total", snapshots + MARKETS, type="orderbook_snapshot")
    return frozen


def pause(sim: Sim, ingests: Sequence[Service], seconds: float) -> None:
    """The exchange says nothing of itself, and drops everybody once at the beginning: each comes back, and stays."""
    before = [one.metric("kmd_ingest_connections_total") for one in ingests]
    stale = sum(one.metric("kmd_ingest_stale_total") for one in ingests)
    sim.pause()
    sim.fault("drop")
    for one, connections in zip(ingests, before, strict=True):
        one.wait_metric("kmd_ingest_connections_total", connections + 1)
        one.wait_metric("kmd_ingest_markets_subscribed", MARKETS)
    time.sleep(seconds)
    assert sum(one.metric("kmd_ingest_stale_total") for one in ingests) == stale, "a false alarm in the pause"
    frames = [one.metric("kmd_ingest_frames_total", type="orderbook_delta") for one in ingests]
    sim.resume()
    for one, connections, deltas in zip(ingests, before, frames, strict=True):
        one.wait_metric("kmd_ingest_frames_total", deltas + 1, type="orderbook_delta")
        assert one.metric("kmd_ingest_connections_total") == connections + 1, "a reconnect loop in the pause"


def seconds_of(at: str) -> float:
    return datetime.fromisoformat(at[:26] + "+00:00").timestamp()


def replaced_after(feed: Sequence[dict[str, Any]], frozen: float) -> float:
    """From the freeze to the connection that came after `stale`, by the records of `feed`."""
    stale = next(r for r in feed if r["kind"] == "stale" and seconds_of(r["at"]) > frozen)
    opened = next(r for r in feed if r["kind"] == "opened" and r["lineage"] > stale["lineage"])
    return seconds_of(opened["at"]) - frozen


def quiet_night() -> str:
    """What the unit test says of its night; it fails where there was an alarm."""
    done = run([str(QUIET_NIGHT)])
    said = re.search(r"quiet night: (.*)", done.stdout + done.stderr)
    assert said, "the unit test says nothing of a quiet night"
    return said[1]


@dataclass
class Story:
    frozen: list[float] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=dict)


def live_through(kafka: Kafka, sim: Sim, start: StartService, each: int, rounds: int, pause_s: float) -> Story:
    story, prefixes = Story(), {}
    for kind, channels in CHANNELS.items():
        for i in range(each):
            prefix = f"{'b' if kind == 'books only' else 'm'}{i}."
            prefixes[prefix] = (kind, capture(start, kafka.bootstrap, prefix, sim, channels, STALE_AFTER_S, f"ingest-{prefix}"))
    ingests = [one for _, one in prefixes.values()]
    for i in range(rounds):
        time.sleep(1.3)
        story.frozen.append(freeze(sim, ingests, STALE_AFTER_S))
        print(f"frozen and replaced: {i + 1} of {rounds}", file=sys.stderr)
    pause(sim, ingests, pause_s)
    print("the pause is over", file=sys.stderr)
    stop_all(ingests)
    for prefix, (kind, _) in prefixes.items():
        feed = [json.loads(r.value or b"") for r in consume.read_topic(kafka.bootstrap, prefix + "feed")]
        alarms = [r for r in feed if r["kind"] == "stale"]
        assert len(alarms) == rounds, f"{prefix}: {len(alarms)} alarms for {rounds} freezes"
        story.took.setdefault(kind, []).extend(replaced_after(feed, at) for at in story.frozen)
    return story


def report(story: Story, pause_s: float, night: str) -> tuple[bool, str]:
    bound = STALE_AFTER_S + SLACK_S
    parts, good = [], True
    for kind, took in story.took.items():
        in_time = sum(t <= bound for t in took)
        good = good and in_time == len(took)
        parts.append(f"{in_time} of {len(took)} with {kind} replaced in time (median {statistics.median(took):.1f} s, at most {max(took):.1f} s)")
    ingests = sum(map(len, story.took.values())) // len(story.frozen)
    text = f"{', '.join(parts)}; quiet night: {night}; pause of {pause_s:.0f} s: {ingests} ingests, no alarm, no connection after the first"
    return good, f"{text}, each within {bound:.0f} s"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=4)
    p.add_argument("--each", type=int, default=5, help="ingests of each kind")
    p.add_argument("--pause", type=float, default=40)
    options = p.parse_args()
    with place("4 frozen feed") as at:
        night = quiet_night()
        at.kafka.start()
        sim = make_sim(at.folder)
        at.ends.callback(sim.kill)
        sim.start()
        story = live_through(at.kafka, sim, at.start, options.each, options.rounds, options.pause)
        good, text = report(story, options.pause, night)
        at.tell(text, good)
    return at.code


if __name__ == "__main__":
    sys.exit(main())
