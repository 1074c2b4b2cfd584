"""
An owner of shards is killed, one is stopped, all of them are restarted one after the other; what each costs.

    three instances, four shards ── SIGKILL of the owner of shard 0 ── it comes back ── each is stopped and started in turn

    cd tests && ../build/venv/bin/python -m faults.takeover [--rate 1000] [--markets 200]

Progress goes to stderr, the figures to stdout as one line. Exit code 1 when a bound is missed or something does not hold.
"""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from faults.place import place, say
from support.process import wait_until
from support.rig import Rig
from support.services import Service
from system import checks

LIVE_AGAIN_MAX_S = 12.0
INSTANCES, SHARDS = 3, 4
EXCHANGE_WIDE = {"trade", "ticker", "market_lifecycle_v2", "multivariate_market_lifecycle"}
# Nothing ends and nothing is new, so that the books of a shard are the same for everybody.
STILL = {"determinations": 0, "churn": 0, "rest_rate": 200}
ENRICHER = {"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_LIST_EVERY": "60s"}


class Crew:
    """The rig's ingest and others like it."""

    def __init__(self, rig: Rig, folder: Path, count: int = INSTANCES) -> None:
        self.rig = rig
        others = {k: v for k, v in rig.ingest.settings.items() if k != "KMD_HTTP_LISTEN"}
        self.instances = [rig.ingest, *(Service("ingest", others, folder, f"ingest{n}") for n in range(1, count))]

    def held(self, one: Service) -> set[int]:
        return {n for n in range(SHARDS) if one.metric("kmd_ingest_shard_held", shard=str(n)) == 1}

    def wait_even(self, timeout: float = 90.0) -> None:
        """Each shard is held by one of those that run, whole."""

        def look() -> bool:
            alive = [one for one in self.instances if one.alive()]
            held = [n for one in alive for n in self.held(one)]
            books = [(one.metric("kmd_ingest_markets_subscribed"), one.metric("kmd_ingest_markets_expected")) for one in alive]
            ready = all(one.ready()[0] == 200 for one in alive)
            even = ready and sorted(held) == list(range(SHARDS)) and all(has == wants for has, wants in books)
            return even and self.all_told()

        wait_until("each shard is held once", look, timeout, every=0.2)

    def all_told(self) -> bool:
        """Has the newest lineage of each shard that lives said that it has everything?"""
        notes = [orjson.loads(record.value or b"{}") for record in self.rig.read("feed")]
        of = {kind: {(n["shard"], n["lineage"]) for n in notes if n["kind"] == kind} for kind in ("opened", "handover", "closed")}
        books = {(n["shard"], n["lineage"]) for n in notes if n.get("channel") == "orderbook_delta"}
        newest = dict(sorted(of["opened"] - of["closed"]))
        return len(newest) == SHARDS and set(newest.items()) <= of["handover"] & books

    def kill(self) -> None:
        for one in self.instances:
            one.kill()


@dataclass
class Story:
    began_us: int = 0
    ended_us: int = 0
    killed_ns: int = 0
    killed_shards: set[int] = field(default_factory=set)
    killed_instance: str = ""
    stops_s: list[float] = field(default_factory=list)


def live_through(rig: Rig, crew: Crew, pause: float) -> Story:
    """The story above; on return everything is in Kafka and every ingest has ended."""
    story = Story()
    wait_until("the first one has everything", crew.all_told, timeout=90)
    for one in crew.instances[1:]:
        one.start()
    crew.wait_even()
    story.began_us = rig.sim.stats()["now_us"]
    time.sleep(pause)

    victim = next(one for one in crew.instances if 0 in crew.held(one))
    story.killed_shards, story.killed_instance = crew.held(victim), f":{victim.process.pid}"
    say(f"{victim.label} has shards {sorted(story.killed_shards)}: SIGKILL")
    story.killed_ns = time.time_ns()
    victim.kill()
    crew.wait_even()
    time.sleep(pause)
    victim.start()
    crew.wait_even()

    for one in crew.instances:
        time.sleep(pause)
        say(f"{one.label} has shards {sorted(crew.held(one))}: SIGTERM")
        began = time.monotonic()
        code = one.stop()
        assert code == 0, f"{one.label} ended with {code}"
        story.stops_s.append(time.monotonic() - began)
        crew.wait_even()
        one.start()
        crew.wait_even()
    time.sleep(pause)
    story.ended_us = rig.sim.stats()["now_us"]
    rig.sim.quiesce(settle=False)
    trades_are_complete(rig, story)
    for one in crew.instances:
        code = one.stop()
        assert code == 0, f"{one.label} ended with {code}"
    return story


def trades_are_complete(rig: Rig, story: Story) -> None:
    """Each trade of the exchange is there; those that nobody heard come by REST."""
    wanted = {t["trade_id"] for t in rig.sim.get(f"trades?min_us={story.began_us}&max_us={story.ended_us}")}

    def missing() -> set[str]:
        return wanted - {orjson.loads(r.value or b"")["msg"]["trade_id"] for r in rig.read("trades")}

    wait_until("every trade is there", lambda: not missing(), timeout=180, every=3.0)


# -- what is there ----------------------------------------------------------------------------------------------------


@dataclass
class Capture:
    """One lineage, in the exchange's time: whole from `since`, heard last at `until`."""

    lineage: int
    shard: int
    instance: str
    since_ns: int
    until_ns: int


@dataclass
class Figures:
    live_again_s: float = 0.0
    uncovered_s: float = 0.0
    handovers: int = 0
    trades: int = 0
    by_rest: int = 0
    only_rest_in_peace: int = 0  # trades that came by REST alone although nobody had been killed
    frames: int = 0


def read_ledger(path: Path) -> dict[int, list[tuple[int, bytes]]]:
    """Connection -> (time, message), in order."""
    sent: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    with path.open("rb") as lines:
        for line in lines:
            f = orjson.loads(line)
            sent[f["conn"]].append((f["t_ns"], base64.b64decode(f["data"])))
    return dict(sent)


def whole_from(frames: list[Any], shard: int, books: set[str]) -> int | None:
    """Number of the frame with which a lineage has everything of its shard; None: it never had."""
    missing = set(books) | ({f"channel {c}" for c in EXCHANGE_WIDE} if shard == 0 else set())
    for r in frames:
        message = orjson.loads(r.value)
        if message["type"] == "orderbook_snapshot":
            missing.discard(message["msg"]["market_ticker"])
        elif message["type"] == "subscribed":
            missing.discard(f"channel {message['msg']['channel']}")
        if not missing:
            return int(r.header("n"))
    return None


def captures_of(topics: checks.Topics, ledger: dict[int, list[tuple[int, bytes]]], killed: str, figures: Figures) -> list[Capture]:
    """Every lineage beside what the exchange sent on its connection, frame by frame."""
    frames = topics.frames_by_lineage()
    opened = {r["lineage"]: r for r in topics.feed("opened")}
    books: dict[int, set[str]] = defaultdict(set)
    for lineage, records in frames.items():
        books[opened[lineage]["shard"]] |= {(r.key or b"").decode() for r in records if r.header("type") == "orderbook_snapshot"}
    left = dict(ledger)
    found = []
    for lineage, records in frames.items():
        texts = {int(r.header("n") or 0): r.value for r in records}
        shard, instance, last = opened[lineage]["shard"], opened[lineage]["instance"], max(texts)
        conn = next((c for c, sent in left.items() if len(sent) >= last and all(sent[n - 1][1] == text for n, text in texts.items())), None)
        assert conn is not None, f"lineage {lineage}: no connection sent just these {len(texts)} frames"
        assert len(texts) == last or instance.endswith(killed), f"lineage {lineage}: {last - len(texts)} frames are missing in the middle"
        sent = left.pop(conn)
        figures.frames += len(texts)
        n = whole_from(records, shard, books[shard])
        if n is not None:
            found.append(Capture(lineage, shard, instance, sent[n - 1][0], sent[last - 1][0]))
    assert not [c for c, sent in left.items() if len(sent) > 20], "a connection of which nothing is stored"
    return found


def measure(captures: list[Capture], story: Story, figures: Figures) -> None:
    """Per shard: how long nobody had all of it, while the exchange spoke. The figure of the kill is kept apart."""
    captures = [c for c in captures if c.since_ns < story.ended_us * 1000]
    for shard in range(SHARDS):
        until, before = 0, ""
        for c in sorted((c for c in captures if c.shard == shard), key=lambda c: c.since_ns):
            if until and c.since_ns > until and before.endswith(story.killed_instance) and c.since_ns > story.killed_ns > until - 10**9:
                figures.live_again_s = max(figures.live_again_s, (c.since_ns - story.killed_ns) / 1e9)
            elif until:
                figures.uncovered_s += max(0, c.since_ns - until) / 1e9
                figures.handovers += 1
            if c.until_ns > until:
                until, before = c.until_ns, c.instance
    assert figures.live_again_s > 0, "nobody took over after the kill"


def feed_says_who(topics: checks.Topics, story: Story) -> None:
    """Every lineage names its owner; one that took over after the kill tells the hole, one that was handed to tells none."""
    for r in topics.feed():
        assert {"shard", "group", "instance"} <= set(r), r
    told = [r for r in topics.feed("subscribed") if "from_recv_ns" in r]
    wrong = [r for r in told if not r["from_recv_ns"] <= story.killed_ns <= r["to_recv_ns"]]
    assert not wrong, f"a hole is told that was none: {wrong[0]}"
    assert {r["shard"] for r in told} == story.killed_shards, f"{story.killed_shards} were killed, {told} told"
    ended = {r["lineage"] for r in topics.feed("closed")}
    silent = [r for r in topics.feed("opened") if r["lineage"] not in ended and not r["instance"].endswith(story.killed_instance)]
    assert not silent, f"never closed: {silent}"


def look_at_trades(rig: Rig, topics: checks.Topics, story: Story, figures: Figures) -> None:
    """Those that came by REST alone happened around the kill."""
    by: dict[str, set[str]] = defaultdict(set)
    for r in topics.records["trades"]:
        by[orjson.loads(r.value or b"")["msg"]["trade_id"]].add(r.header("source") or "")
    hole = [(r["from_recv_ns"], r["to_recv_ns"]) for r in topics.feed("subscribed") if r["channel"] == "trade" and "from_recv_ns" in r][0]
    truth = rig.sim.get(f"trades?min_us={story.began_us}&max_us={story.ended_us}")
    figures.trades = len(truth)
    for t in truth:
        if by[t["trade_id"]] == {"rest"}:
            figures.by_rest += 1
            figures.only_rest_in_peace += not hole[0] - 10**9 <= t["created_us"] * 1000 <= hole[1] + 10**9


def check(rig: Rig, story: Story, ledger: Path) -> Figures:
    figures = Figures()
    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    look_at_trades(rig, topics, story, figures)
    assert rig.sim.stop() == 0  # its ledger is whole now
    captures = captures_of(topics, read_ledger(ledger), story.killed_instance, figures)
    measure(captures, story, figures)
    feed_says_who(topics, story)
    assert not topics.feed("gap"), "a gap is told where none was"
    assert figures.only_rest_in_peace == 0, f"{figures.only_rest_in_peace} trades were missed in planned hand-overs"
    return figures


def report(story: Story, f: Figures) -> str:
    return (
        f"{INSTANCES} instances, {SHARDS} shards, {f.frames} frames; owner killed: all books live again after"
        f" {f.live_again_s:.1f} s, at most {LIVE_AGAIN_MAX_S:.0f} s; {f.trades} trades complete, {f.by_rest} of them by REST;"
        f" {f.handovers} planned hand-overs in a stop and a rolling restart of {INSTANCES} (a stop takes {max(story.stops_s):.1f} s):"
        f" {f.uncovered_s:.3f} s without a capture, 0 s"
    )


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rate", type=float, default=1000)
    p.add_argument("--markets", type=int, default=200)
    p.add_argument("--pause", type=float, default=5.0, help="seconds of quiet between two events")
    options = p.parse_args()
    with place("8 takeover") as at:
        rig = at.rig({"rate": options.rate, "markets": options.markets, **STILL}, ingest={"KMD_INGEST_SHARDS": str(SHARDS)}, enricher=ENRICHER)
        crew = Crew(rig, at.folder)
        at.ends.callback(crew.kill)
        at.kafka.start()
        rig.start(("ingest", "enricher"))
        story = live_through(rig, crew, options.pause)
        f = check(rig, story, at.ledger)
        assert rig.enricher.stop() == 0
        at.tell(report(story, f), f.live_again_s <= LIVE_AGAIN_MAX_S and f.uncovered_s == 0)
    return at.code


if __name__ == "__main__":
    sys.exit(main())
