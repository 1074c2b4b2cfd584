"""
The alerts live: a Prometheus scrapes the three services around a simulated exchange, with the project's rules in fast motion. What
alerts and dashboards ask for is there, nothing fires on a quiet day, and each fault fires its own alerts and no others, until it is healed.

    cd tests && ../build/venv/bin/python -m monitoring.alerts [--scale 10] [CASE ...]

Every time in the rules (`for:`, windows, ages) is divided by --scale; 1 leaves the rules as they are and takes hours. One line each on
stdout, progress on stderr. Exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml
from component.test_monitoring import NAME, RULES, dashboard_expressions, rules

from monitoring.scaled import scaled
from support.kafka import Kafka
from support.paths import PATIENCE
from support.postgres import Postgres
from support.process import Failure, wait_until
from support.prometheus import Prometheus
from support.rig import Rig
from support.shared import make_folder
from support.sim import Sim

MARKETS = 1000
RATE, RUSH = 200, 2500  # frames a second; the second for what must pile up
STALE_AFTER_S = 4
Labels = dict[str, str]
_began = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - _began:5.0f} s] {text}", file=sys.stderr, flush=True)


class Trouble:
    """What goes wrong: begin, again and again until all has fired that should, heal."""

    expected: list[Labels]

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def begin(self) -> None: ...
    def go_on(self) -> None: ...
    def heal(self) -> None: ...


class Freeze(Trouble):
    """Connections carry no data though pings are answered, and so does each that replaces one."""

    expected = [{"alertname": "KmdFeedFrozen", "job": "kmd-ingest"}]

    def go_on(self) -> None:
        held = self.rig.ingest.metric("kmd_ingest_markets_subscribed")
        if held and held == self.rig.ingest.metric("kmd_ingest_markets_expected"):
            self.rig.sim.fault("freeze")

    def heal(self) -> None:
        self.rig.sim.fault("clear")


class Gap(Trouble):
    """Frames of books are lost faster than snapshots heal the books."""

    expected = [{"alertname": "KmdGapUnhealed", "job": "kmd-ingest"}]

    def go_on(self) -> None:
        self.rig.sim.fault("skip", channel="orderbook_delta", count=1)

    def heal(self) -> None:
        self.rig.sim.fault("clear")


class Lag(Trouble):
    """Postgres is away while much comes."""

    expected = [
        {"alertname": "KmdSinkLagRising", "topic": "orderbook"},
        {"alertname": "KmdSinkLagRising", "topic": "tickers"},
        {"alertname": "KmdNotReady", "job": "kmd-sink", "condition": "database"},
    ]

    def begin(self) -> None:
        self.rig.postgres.stop()
        self.rig.sim.rate(RUSH)

    def heal(self) -> None:
        self.rig.sim.rate(RATE)
        self.rig.postgres.start()


class Poison(Trouble):
    """A trade whose price is no number."""

    expected = [{"alertname": "KmdDeadLetters", "job": "kmd-sink", "reason": "bad_number"}]

    def begin(self) -> None:
        msg = {"trade_id": f"poison-{time.time_ns()}", "market_ticker": "KXPOISON", "yes_price_dollars": "much", "no_price_dollars": "0.6400",
               "count_fp": "1.00", "taker_outcome_side": "no", "ts_ms": time.time_ns() // 1_000_000}  # fmt: skip
        self.rig.sim.fault("send", text=json.dumps({"type": "trade", "sid": 9999, "msg": msg}))


class Overdue(Trouble):
    """A market is determined, and REST goes on to show it without a result."""

    expected = [{"alertname": "KmdSettlementOverdue", "job": "kmd-enricher"}]

    def begin(self) -> None:
        market = next(m for m in self.rig.sim.get("markets") if m["truth"] == "active" and not m["mve"])
        self.ticker = market["body"]["ticker"]
        self.rig.sim.body(f"markets/{self.ticker}", json.dumps({"market": market["body"]}))
        self.rig.sim.market("determine", ticker=self.ticker, result="yes")

    def heal(self) -> None:
        market = next(m for m in self.rig.sim.get("markets") if m["body"]["ticker"] == self.ticker)
        self.rig.sim.body(f"markets/{self.ticker}", json.dumps({"market": market["body"]}))
        self.rig.sim.market("settle", ticker=self.ticker)


CASES: dict[str, type[Trouble]] = {"freeze": Freeze, "gap": Gap, "lag": Lag, "dead letter": Poison, "overdue settlement": Overdue}


def is_like(labels: Labels, wanted: Labels) -> bool:
    return wanted.items() <= labels.items()


def named(labels: Labels) -> str:
    more = [labels[n] for n in ("job", "topic", "condition", "reason") if n in labels]
    return f"{labels['alertname']}({', '.join(more)})"


class Watch:
    """What has fired since its beginning."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus
        self.seen: dict[str, Labels] = {}

    def look(self) -> list[Labels]:
        now = self.prometheus.firing()
        for labels in now:
            if named(labels) not in self.seen:
                say(f"fires: {named(labels)}")
            self.seen[named(labels)] = labels
        return now


def live_through(rig: Rig, prometheus: Prometheus, name: str, patience_s: float) -> str:
    """One case from a quiet state to a quiet state; what was seen."""
    trouble, watch = CASES[name](rig), Watch(prometheus)
    assert not watch.look(), f"{name}: alerts before it begins: {sorted(watch.seen)}"
    say(f"{name} begins")
    began = time.monotonic()
    trouble.begin()

    def all_fire() -> bool:
        now = watch.look()
        if missing := [w for w in trouble.expected if not any(is_like(labels, w) for labels in now)]:
            trouble.go_on()
        return not missing

    def quiet() -> bool:
        return not watch.look() and not prometheus.pending()

    try:
        wait_until(f"{[named(w) for w in trouble.expected]} fire", all_fire, patience_s, every=0.5)
        fired_s = time.monotonic() - began
    finally:
        trouble.heal()
    healed = time.monotonic()
    say(f"{name} is healed")
    wait_until("all alerts are over", quiet, patience_s, every=0.5)
    others = [n for n, labels in watch.seen.items() if not any(is_like(labels, w) for w in trouble.expected)]
    assert not others, f"{', '.join(others)} fired too"
    return f"{', '.join(sorted(watch.seen))}, the last after {fired_s:.0f} s; over {time.monotonic() - healed:.0f} s after it was healed; no other"


def look_at_everything(prometheus: Prometheus) -> str:
    """On a quiet day, some time after the start: what rules and dashboards ask for is there."""
    shown = dashboard_expressions()
    asked = {n for e in [r["expr"] for r in rules()] + shown for n in NAME.findall(e)}
    missing = asked - prometheus.names()
    assert not missing, f"nobody exposes {sorted(missing)}"
    assert not prometheus.sick_rules(), prometheus.sick_rules()
    empty = [e for e in shown if "ALERTS{" not in e and not prometheus.query(e)]  # no alert fires on a quiet day
    assert not empty, f"panels without data: {empty}"
    return f"{len(asked)} names and {len(shown)} expressions of dashboards have series, {len(list(rules()))} rules evaluate"


def quiet_day(prometheus: Prometheus, seconds: float) -> str:
    watch, until = Watch(prometheus), time.monotonic() + seconds
    while time.monotonic() < until:
        watch.look()
        time.sleep(0.5)
    assert not watch.seen, f"{sorted(watch.seen)} fired"
    return f"{seconds:.0f} s, nothing fires"


def make_rig(folder: Path, kafka: Kafka, postgres: Postgres) -> Rig:
    sim = Sim(folder, markets=MARKETS, rate=RATE, rest_rate=0, determinations_per_minute=12, churn=12, ping_every="1s", keep_frames=0)
    return Rig(
        folder, kafka, postgres, "kmd", "kalshi.", sim,
        ingest={"KMD_INGEST_STALE_AFTER": f"{STALE_AFTER_S}s", "KMD_INGEST_SPOOL_DIR": str(folder / "spool")},
        enricher={"KMD_ENRICHER_RATE": "100"},
    )  # fmt: skip


def settled(rig: Rig) -> bool:
    ingest = rig.ingest.metrics()
    level = ingest.total("kmd_ingest_markets_expected") == ingest.total("kmd_ingest_markets_subscribed") >= MARKETS
    return level and rig.sink.metric("kmd_sink_lag_messages") < RATE


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--scale", type=float, default=10)
    p.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    options = p.parse_args()
    if unknown := set(options.cases) - set(CASES):
        p.error(f"no case {', '.join(sorted(unknown))}")
    folder = make_folder("kmd-m-")
    kafka, postgres = Kafka(folder / "kafka"), Postgres(folder / "postgres")
    rig = make_rig(folder, kafka, postgres)
    targets = {f"kmd-{s.name}": s.settings["KMD_HTTP_LISTEN"] for s in rig.services}
    prometheus = Prometheus(folder / "prometheus", targets, scaled(yaml.safe_load(RULES.read_text()), options.scale))
    steps: dict[str, Callable[[], str]] = {
        "series": lambda: look_at_everything(prometheus),
        "quiet day": lambda: quiet_day(prometheus, 600 / options.scale),
    }
    for name in options.cases or CASES:
        steps[name] = partial(live_through, rig, prometheus, name, 60 + 4000 / options.scale)
    failed = False
    try:
        postgres.start()
        kafka.start()
        postgres.create_database("kmd")
        rig.start()
        wait_until("all books are held and the sink is level", lambda: settled(rig), timeout=120)
        prometheus.start()
        time.sleep(15 * PATIENCE)
        for name, step in steps.items():
            try:
                text = f"{step()}: ok"
            except AssertionError as wrong:
                text, failed = f"{' '.join(str(wrong).split())[:600]}: FAIL", True
            print(f"alerts, times / {options.scale:g}, {name}: {text}", flush=True)
    except (AssertionError, Failure) as wrong:
        print(f"alerts: {wrong}: FAIL")
        failed = True
    finally:
        for one in [prometheus.process, *(s.process for s in rig.services), rig.sim.process, kafka.process]:
            one.kill()
        postgres.kill()
    if failed:
        print(f"logs: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
