"""
Frames are lost and sent twice, on the sids of books and of trades, under load: each gap is told once and healed, what came
twice changes nothing, and at the end every book is right and every trade is there.

    cd tests && ../build/venv/bin/python -m faults.gaps [--gaps 620] [--duplicates 400] [--rate 600]

Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from faults.place import place, say
from support.process import wait_until
from support.rig import Rig
from system import checks, truth

BOOKS, TRADES, LIFE = "orderbook_delta", "trade", "market_lifecycle_v2"
# Between two faults of one channel some frames of it must pass, or the two are one.
FRAMES_BETWEEN = 15
SHARE = {BOOKS: 0.5, TRADES: 0.06, LIFE: 0.001}  # of the frames that the simulator sends, a little less than it says
ENRICHER = {"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_SETTLEMENT_RETRY": "1s", "KMD_ENRICHER_LIST_EVERY": "20s"}


def world(rate: float) -> dict[str, float]:
    return {"rate": rate, "markets": 60, "determinations_per_minute": 20, "time_scale": 20, "rest_rate": 200, "churn": 20}


@dataclass
class Story:
    began_us: int = 0
    ended_us: int = 0
    told: Counter[tuple[str, str]] = field(default_factory=Counter)  # fault, channel -> how many were ordered
    skipped: Counter[str] = field(default_factory=Counter)  # channel -> frames ordered to be left out


@dataclass
class Figures:
    gaps: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    resynced: int = 0
    books: int = 0
    trades: int = 0
    by_rest: int = 0


def wait_books(rig: Rig) -> None:
    """Every book that should be subscribed is."""

    def level() -> bool:
        expected = rig.ingest.metric("kmd_ingest_markets_expected")
        return expected > 0 and expected == rig.ingest.metric("kmd_ingest_markets_subscribed")

    wait_until("expected and subscribed markets are equal", level, timeout=60)


def schedule(counts: dict[tuple[str, str], int], rate: float) -> list[tuple[float, str, str]]:
    """(seconds from now, fault, channel), in order: the channels side by side, each with its own distance."""
    found: list[tuple[float, str, str]] = []
    chance = random.Random(5)
    for channel in SHARE:
        faults = [fault for (fault, of), n in counts.items() if of == channel for _ in range(n)]
        chance.shuffle(faults)
        distance = FRAMES_BETWEEN / (rate * SHARE[channel])
        found += [(i * distance, fault, channel) for i, fault in enumerate(faults)]
    return sorted(found)


def inject(rig: Rig, counts: dict[tuple[str, str], int], rate: float) -> Story:
    """@counts: (skip or duplicate, channel) -> how many. On return each has happened and the exchange is silent."""
    wait_books(rig)
    story = Story(began_us=rig.first_subscribed_us(TRADES))
    chance, began = random.Random(6), time.monotonic()
    for at, fault, channel in schedule(counts, rate):
        behind = began + at - time.monotonic()
        if behind > 0:
            time.sleep(behind)
        else:
            began -= behind  # late: the distance to the next counts from now
        count = chance.choice((1, 1, 1, 2, 3)) if fault == "skip" else 1
        rig.sim.fault(fault, channel=channel, count=count)
        story.told[fault, channel] += 1
        if fault == "skip":
            story.skipped[channel] += count
    time.sleep(3)  # a frame after the last gap, and its healing begun
    story.ended_us = rig.sim.stats()["now_us"]
    return story


def jumps(rig: Rig) -> tuple[Counter[str], Counter[str]]:
    """
    Jumps of seq in what the exchange sent, and how many numbers they left out, by channel: the truth about the gaps. Two orders
    without a frame between make one jump; one order makes two where a numbered reply came between its frames.
    """
    found: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    last: dict[tuple[int, int], int] = {}
    for line in rig.sim.frames():
        f = json.loads(line)
        if f["seq"] is None:
            continue
        before = last.get((f["conn"], f["sid"]), 0)
        if f["seq"] > before + 1:
            found[f["channel"]] += 1
            missing[f["channel"]] += f["seq"] - before - 1
        last[f["conn"], f["sid"]] = max(before, f["seq"])
    return found, missing


def wait_repaired(rig: Rig, began_us: int, ended_us: int) -> None:
    """Until each trade is there: a window is fetched 5 s after its end and once more after 60 s."""

    def complete() -> bool:
        want = {t["trade_id"] for t in rig.sim.get(f"trades?min_us={began_us}&max_us={ended_us}")}
        return want <= {row[0] for row in rig.query("SELECT trade_id FROM kalshi.trades")}

    wait_until("every trade is a row", complete, timeout=180, every=1)


def check(rig: Rig, story: Story) -> Figures:
    """Everything comes to rest; then topics and tables are compared with the exchange's ledger and truth."""
    figures = Figures()
    wait_until("no book is suspect", lambda: healed(rig), timeout=90, every=1)
    rig.drain(timeout=400)
    wait_repaired(rig, story.began_us, story.ended_us)
    figures.repeated = int(rig.ingest.metric("kmd_ingest_repeated_seq_total"))
    assert rig.ingest.metric("kmd_ingest_connections_total") == 1, "the connection was lost"
    assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
    rig.wait_level(timeout=300)

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    figures.gaps = Counter(gap["channel"] for gap in checks.no_false_gaps(topics))
    injected, missing = jumps(rig)
    assert figures.gaps == injected, f"gaps told {figures.gaps}, sent {injected}"
    assert missing == story.skipped, f"frames left out {missing}, ordered {story.skipped}"
    twice = sum(n for (fault, _), n in story.told.items() if fault == "duplicate")
    assert figures.repeated == twice, f"{figures.repeated} frames counted as repeated, {twice} were"
    figures.resynced = len(topics.feed("resynced"))
    checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=True)
    checks.rows_of_topics(rig.query, topics)
    figures.trades = truth.trades(rig, story.began_us, story.ended_us)
    figures.by_rest = rig.query("SELECT count(*) FROM kalshi.trades WHERE source = 'rest'")[0][0]
    figures.books = truth.books(rig)
    truth.settlements(rig)
    return figures


def healed(rig: Rig) -> bool:
    """The last word of `feed` on the sid of books is that it is whole again."""
    records = [json.loads(r.value or b"{}") for r in rig.read("feed")]
    said = [r["kind"] for r in records if r["kind"] in ("gap", "resynced") and r["channel"] == BOOKS]
    return bool(said) and said[-1] == "resynced"


def report(story: Story, f: Figures, rate: float) -> str:
    twice = sum(n for (fault, _), n in story.told.items() if fault == "duplicate")
    gaps = sum(f.gaps.values())
    return (
        f"{gaps + twice} faults at {rate:.0f} frames/s: {gaps} gaps injected ({f.gaps[BOOKS]} books, {f.gaps[TRADES]} trades), {gaps} told;"
        f" {twice} duplicates, {f.repeated} counted, no gap of them; books whole again {f.resynced} times, {f.books} books equal;"
        f" {f.trades} trades complete, {f.by_rest} by REST"
    )


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gaps", type=int, default=620)
    p.add_argument("--duplicates", type=int, default=400)
    p.add_argument("--rate", type=float, default=600)
    options = p.parse_args()
    on_trades = options.gaps // 4, options.duplicates // 4
    counts = {
        ("skip", BOOKS): options.gaps - on_trades[0],
        ("skip", TRADES): on_trades[0],
        ("duplicate", BOOKS): options.duplicates - on_trades[1],
        ("duplicate", TRADES): on_trades[1],
    }
    with place("5 gaps and duplicates") as at:
        rig = at.rig(world(options.rate), enricher=ENRICHER)
        at.start_servers()
        at.database()
        rig.start()
        story = inject(rig, counts, options.rate)
        say("injected")
        text = report(story, check(rig, story), options.rate)
        rig.stop()
        at.tell(f"{text}, gaps told = gaps injected")
    return at.code


if __name__ == "__main__":
    sys.exit(main())
