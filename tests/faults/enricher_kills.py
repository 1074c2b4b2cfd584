"""
The enricher is killed again and again while markets end: every settlement is there, none twice.

    start ── markets end ── kill, start (20 times, at seeded moments) ── all lives over ── level ── stop

    cd tests && ../build/venv/bin/python -m faults.enricher_kills [--kills 20] [--seed 7]

What must hold is asserted; the figures are printed as one line. Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Any

from faults.place import place
from support import consume
from support.process import Failure, wait_until
from support.rig import Rig
from system import truth

SIM = {"paused": True, "rate": 100, "markets": 100, "determinations_per_minute": 90, "time_scale": 4, "rest_rate": 100, "churn": 30}
# A member that was killed holds its partitions for a session, so a short one makes for more kills in the midst of work.
ENRICHER = {
    "KMD_ENRICHER_RATE": "50",
    "KMD_ENRICHER_SETTLEMENT_RETRY": "500ms",
    "KMD_ENRICHER_LIST_EVERY": "10s",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
}


@dataclass
class Figures:
    kills: int = 0
    at_work: int = 0  # kills while calls were under way or frames not done
    frames: int = 0  # determined and settled ones that the exchange sent
    settlements: int = 0
    revisions: int = 0
    records: int = 0  # in topic `settlements`
    calls: int = 0  # for markets that ended
    seconds: float = 0.0


def _holds_partitions(rig: Rig) -> bool:
    if not rig.enricher.alive():
        raise Failure(f"the enricher ended with {rig.enricher.process.exit_code}\n{rig.enricher.process.tail()}")
    return '"assigned"' in rig.enricher.process.output()


def kill_again_and_again(rig: Rig, kills: int, seed: int) -> Figures:
    """Every fifth life is short, wherever it is in its start; the others are killed once they have had work."""
    moments, figures = random.Random(seed), Figures()
    for n in range(kills):
        if n % 5 == 4:
            time.sleep(moments.uniform(0, 3))
        else:
            wait_until("the group has let the new member in", lambda: _holds_partitions(rig), timeout=60, every=0.05)
            time.sleep(moments.uniform(0, 2))
        # one record of feed is always open: the last sign of life of ingest's connection
        figures.at_work += rig.enricher.metric("kmd_enricher_in_flight") > 0 or rig.enricher.metric("kmd_enricher_open_records") > 1
        rig.enricher.kill()
        rig.enricher.start()
        figures.kills += 1
        print(f"kill {n + 1} of {kills}", file=sys.stderr)
    return figures


def _ends(rig: Rig) -> list[dict[str, Any]]:
    """`msg` of every determined and settled frame in the exchange's ledger, without combinations; each once."""
    found = {}
    for r in rig.read("lifecycle"):
        msg = json.loads(r.value or b"{}").get("msg", {})
        if msg.get("event_type") in ("determined", "settled") and not msg["market_ticker"].startswith("KXMVE"):
            found[r.value] = msg
    return list(found.values())


def settle(rig: Rig) -> None:
    """Every life is over, every frame of it is done, and all that was written is in Postgres."""
    rig.sim.quiesce(timeout=120)
    name = rig.topic("lifecycle")

    def done() -> bool:
        _holds_partitions(rig)
        return consume.committed(rig.kafka.bootstrap, "kmd-enricher", name) == consume.count(rig.kafka.bootstrap, name)

    assert rig.ingest.stop() == 0
    wait_until("every frame is done", done, timeout=120, every=0.5)
    assert rig.enricher.stop() == 0
    rig.wait_level(timeout=120)


def check(rig: Rig, figures: Figures) -> None:
    """After everything is level. The exchange still answers."""
    ends = _ends(rig)
    tickers = {msg["market_ticker"] for msg in ends}
    ended = {s["market_ticker"] for s in rig.sim.get("settlements") if not s["history"] and not s["mve"]}
    assert ended <= tickers, f"frames of {len(ended - tickers)} markets that ended are not in Kafka"
    figures.frames = len(ends)
    figures.settlements = truth.settlements(rig)
    assert figures.settlements == len(ended)
    figures.revisions = truth.no_revision_twice(rig)
    last = {msg["market_ticker"]: msg["determination_ts"] for msg in ends if msg["event_type"] == "determined"}
    stored = dict(rig.query("SELECT market_ticker, extract(epoch FROM determined_at)::bigint FROM kalshi.settlements"))
    wrong = {t: (ts, stored.get(t)) for t, ts in last.items() if stored.get(t) != ts}
    assert not wrong, f"{len(wrong)} settlements do not tell the last determination, first: {next(iter(wrong.items()))}"
    figures.records = len(rig.read("settlements"))
    by_market = rig.sim.get("requests")["by_market"]
    figures.calls = sum(n for t in ended for n in by_market.get(t, {}).values())


def report(f: Figures) -> str:
    return (
        f"{f.kills} SIGKILLs, {f.at_work} of them with work open, while {f.settlements} markets ended ({f.frames} determined and"
        f" settled frames): {f.settlements} settlements there, 0 missing, {f.revisions} revisions, 0 twice, of {f.records} records;"
        f" {f.calls / max(1, f.settlements):.2f} calls per settlement, lookups of the market included; {f.seconds:.0f} s; none missing, none twice"
    )


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--seed", type=int, default=7)
    options = p.parse_args()
    began = time.monotonic()
    with place("2 enricher") as at:
        rig = at.rig({"seed": options.seed, **SIM}, enricher=ENRICHER)
        at.start_servers()
        at.database()
        rig.start()
        rig.first_subscribed_us("market_lifecycle_v2")
        rig.sim.resume()
        figures = kill_again_and_again(rig, options.kills, options.seed)
        settle(rig)
        check(rig, figures)
        rig.stop()
        figures.seconds = time.monotonic() - began
        at.tell(report(figures))
    return at.code


if __name__ == "__main__":
    sys.exit(main())
