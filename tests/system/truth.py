"""The exchange's truth against Postgres, in one call each; see checks.py for what is compared."""

from __future__ import annotations

from typing import Any

from support.rig import Rig
from system import checks


def books(rig: Rig) -> int:
    """Every market whose book should be live: known, not settled, not a combination."""
    live = {m["body"]["ticker"] for m in rig.sim.get("markets") if m["truth"] != "finalized" and not m["mve"]}
    truth = {
        ticker: {"yes_dollars": book["yes"], "no_dollars": book["no"]} for ticker, book in rig.sim.get("books").items()
    }
    return checks.books(rig.query, truth, sorted(live))


def settlements(rig: Rig) -> int:
    """Every market that was determined while the run went on, as REST shows it now."""
    bodies = {m["body"]["ticker"]: m["body"] for m in rig.sim.get("markets")}
    ended = [s for s in rig.sim.get("settlements") if not s["history"] and not s["mve"]]
    return checks.settlements(rig.query, {s["market_ticker"]: bodies[s["market_ticker"]] for s in ended})


def no_revision_twice(rig: Rig) -> int:
    """No market has two revisions that tell the same; how many revisions there are."""
    told = "market_ticker, status, result, settlement_value, expiration_value, determined_at, settled_at"
    twice = rig.query(f"SELECT {told}, count(*) FROM kalshi.settlement_revisions GROUP BY {told} HAVING count(*) > 1")
    assert not twice, f"{len(twice)} revisions stand twice, first: {twice[0]}"
    return int(rig.query("SELECT count(*) FROM kalshi.settlement_revisions")[0][0])


def hierarchy(rig: Rig) -> dict[str, int]:
    """Markets that live or lived in the run, their events and series."""
    markets = [m for m in rig.sim.get("markets") if not m["mve"] and not m["history"]]
    bodies = {m["body"]["ticker"]: m["body"] for m in markets}
    parents = {body["event_ticker"] for body in bodies.values()}
    events = {e["body"]["event_ticker"]: e["body"] for e in rig.sim.get("events") if e["body"]["event_ticker"] in parents}
    wanted = {body["series_ticker"] for body in events.values()}
    series = {s["body"]["ticker"]: s["body"] for s in rig.sim.get("series") if s["body"]["ticker"] in wanted}
    return {
        "markets": checks.hierarchy(rig.query, "markets", bodies),
        "events": checks.hierarchy(rig.query, "events", events),
        "series": checks.hierarchy(rig.query, "series", series),
    }


def trades(rig: Rig, since_us: int, until_us: int) -> int:
    """Every trade between the two, which are times of the exchange."""
    found: list[dict[str, Any]] = rig.sim.get(f"trades?min_us={since_us}&max_us={until_us}")
    return checks.trades(rig.query, found)


def no_bad_signature(rig: Rig) -> None:
    stats = rig.sim.stats()
    assert stats["bad_signatures"] == 0 and stats["unsigned"] == 0, stats["auth"]
