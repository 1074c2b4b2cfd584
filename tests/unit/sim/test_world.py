"""The world: seeded, consistent with what it says, lives in the exchange's order."""

from typing import Any

import orjson
import pytest
from kmd_sim import bodies
from kmd_sim.book import Book
from kmd_sim.fmt import parse_price
from kmd_sim.lives import LifeSettings, Lives
from kmd_sim.model import CH_LIFE, CH_MVE, Emission, Market
from kmd_sim.world import World, WorldSettings

START = 1_790_000_000_123_456
SECOND = 1_000_000


def make(rate: float = 500.0, markets: int = 40, seed: int = 3, **life: Any) -> tuple[World, Lives]:
    world = World(WorldSettings(seed=seed, markets=markets, mve=4, rate=rate), START)
    lives = Lives(world, LifeSettings(**{"per_minute": 60.0, "churn_per_minute": 60.0, "time_scale": 10.0, **life}))
    lives.populate()
    lives.add_history_trades()
    return world, lives


def go(world: World, lives: Lives, seconds: float, start: int = START) -> list[Emission]:
    """Turns of 10 ms, as the server makes them; what was said."""
    said: list[Emission] = []
    for i in range(1, int(seconds * 100) + 1):
        now = start + i * 10_000
        world.step(now)
        lives.step(now)
        said += world.out
        world.out = []
    return said


def cents(text: str) -> int:
    whole, _, frac = text.lstrip("-").partition(".")
    return (int(whole) * 100 + int(frac)) * (-1 if text[0] == "-" else 1)


def life_of(said: list[Emission], ticker: str) -> list[str]:
    return [orjson.loads(e.msg)["event_type"] for e in said if e.channel in (CH_LIFE, CH_MVE) and e.ticker == ticker]


def test_same_seed_same_world() -> None:
    one, two = (go(*make(), 3) for _ in range(2))
    assert [(e.type, e.ticker, e.msg) for e in one] == [(e.type, e.ticker, e.msg) for e in two]
    assert [e.msg for e in go(*make(seed=4), 3)] != [e.msg for e in one]


def test_deltas_told_make_the_true_books() -> None:
    world, lives = make()
    books: dict[str, Book] = {}
    for m in world.order:
        books[m.ticker] = Book()
        books[m.ticker].yes.update(m.book.yes)
        books[m.ticker].no.update(m.book.no)
    flipped = 0
    for e in go(world, lives, 20):
        if e.type != "orderbook_delta":
            continue
        msg, yes = orjson.loads(e.msg), orjson.loads(e.msg_yes or "{}")
        book = books.setdefault(e.ticker, Book())
        change = cents(msg["delta_fp"])
        assert change != 0
        assert book.side(msg["side"]).get(parse_price(msg["price_dollars"]), 0) + change >= 0
        book.apply(msg["side"], parse_price(msg["price_dollars"]), change)
        if msg["side"] == "no":
            flipped += 1
            assert parse_price(yes["price_dollars"]) == 10_000 - parse_price(msg["price_dollars"])
        assert msg["ts_ms"] // 1000 == int(msg["ts_ms"]) // 1000
    assert flipped > 100
    for m in world.order:
        told = books.get(m.ticker, Book())
        assert (told.yes, told.no) == (m.book.yes, m.book.no), m.ticker


def test_books_never_cross_and_trades_are_on_the_tape() -> None:
    world, lives = make()
    said = go(world, lives, 10)
    for m in world.order:
        yes, no = m.book.best("yes"), m.book.best("no")
        assert not (yes and no and yes[0] + no[0] >= 10_000), m.ticker
    told = [orjson.loads(e.msg)["trade_id"] for e in said if e.type == "trade"]
    kept = [t.trade_id for t in world.tape.trades if t.created_us > START]
    assert told == kept and len(told) > 50
    assert world.tape.times == sorted(world.tape.times)


def test_rate_is_kept() -> None:
    world, lives = make(rate=1000, churn_per_minute=0.0, per_minute=0.0)
    assert len(go(world, lives, 5)) == pytest.approx(5000, rel=0.02)


def test_lives_go_in_order_and_are_replaced() -> None:
    world, lives = make(redetermine_share=0.3)
    said = go(world, lives, 40)
    ended = [m for m in world.order if m.status == "finalized" and not m.history]
    assert len(ended) > 20
    twice = 0
    for m in ended:
        ends = [t for t in life_of(said, m.ticker) if t in ("determined", "settled")]
        assert ends in (["determined", "settled"], ["determined", "determined", "settled"]), m.ticker
        twice += len(ends) == 3
        assert not m.book.yes and not m.book.no
    assert twice > 0
    born = [m for m in world.order if m.created_us > START]
    assert len(born) > 10
    for m in born:
        assert life_of(said, m.ticker)[0] == "created"
    assert {m.mve for m in ended} == {True, False}
    for e in said:
        assert (e.channel == CH_MVE) == (e.type in (CH_MVE,) or (e.type == "event_lifecycle" and "KXMVE" in e.msg))
        if e.channel == CH_LIFE:
            assert not e.ticker.startswith("KXMVE")


def test_the_silent_close_and_the_told_one() -> None:
    world, lives = make(churn_per_minute=0.0)
    said = go(world, lives, 40)
    told = {m.ticker: life_of(said, m.ticker) for m in world.order if m.status == "finalized" and not m.history}
    assert any("close_date_updated" in events for events in told.values())
    assert any("close_date_updated" not in events for events in told.values())
    for ticker in told:
        assert world.markets[ticker].close_us <= START + 40 * SECOND


def test_rest_knows_the_result_later() -> None:
    world, lives = make(per_minute=0.0, churn_per_minute=0.0, rest_lag_s=2.0, redetermine_share=0.0)
    m = world.active[0]
    lives.determine(m, START, "yes", settle=False)
    body = bodies.market(m)
    assert (body["result"], "settlement_value_dollars" in body) == ("", False)
    go(world, lives, 4)
    body = bodies.market(m)
    assert (body["status"], body["result"], body["settlement_value_dollars"]) == ("determined", "yes", "1.0000")
    assert "settlement_ts" not in body
    lives.redetermine(m, START + 4 * SECOND)
    lives.settle(m, START + 5 * SECOND)
    go(world, lives, 10, START + 4 * SECOND)
    body = bodies.market(m)
    assert (body["status"], body["result"], body["settlement_value_dollars"]) == ("finalized", "no", "0.0000")
    assert body["settlement_ts"] == "2026-09-21T14:13:25.123456Z"
    assert [d["result"] for d in bodies.settlement_truth(m)["determinations"]] == ["yes", "no"]


def test_a_paused_world_says_nothing_and_starts_nothing() -> None:
    world, lives = make()
    go(world, lives, 2)
    world.paused = True
    go(world, lives, 20, START + 2 * SECOND)
    assert lives.pending == 0
    assert go(world, lives, 20, START + 22 * SECOND) == []
    world.paused = False
    began = lives.ended
    go(world, lives, 3, START + 42 * SECOND)
    assert 1 <= lives.ended - began <= 4


def test_a_reactivated_market_begins_with_an_empty_book() -> None:
    world, lives = make(rate=0.0, per_minute=0.0, churn_per_minute=0.0)
    m = next(m for m in world.active if m.book.yes)
    lives.pause_market(m, START)
    assert m.status == "inactive" and m.book.yes
    lives.unpause_market(m, START + SECOND)
    assert m.status == "active" and not m.book.yes and not m.book.no
    events = [e.type for e in world.out]
    assert events[0] == events[-1] == CH_LIFE and set(events[1:-1]) == {"orderbook_delta"}


def test_the_world_is_as_varied_as_the_real_one() -> None:
    world, lives = make(markets=200)
    tickers = [m.ticker for m in world.order]
    assert len(set(tickers)) == len(tickers)
    assert any("." in t for t in tickers) and any("-TN" in t for t in tickers)
    texts = "".join(m.title + m.rules_primary + m.rules_secondary + m.yes_sub_title for m in world.order)
    assert all(c in texts for c in '"\n\\é“🐐候')
    assert {m.market_type for m in world.order} == {"binary", "scalar"}
    strikes = [m.strikes["floor_strike"] for m in world.order if "floor_strike" in m.strikes]
    assert any(isinstance(s, int) for s in strikes) and any(isinstance(s, float) for s in strikes)
    assert any(m.event.series.ticker != m.event.ticker.split("-")[0] for m in world.order)
    assert any(c % 100 for m in world.order for c in m.book.yes.values())
    assert {m.tick for m in world.order} == {100, 10, 1}
    assert any(not m.book.yes for m in world.active) and any(not m.book.no for m in world.active)


REQUIRED = frozenset(
    {
        "ticker", "event_ticker", "market_type", "yes_sub_title", "no_sub_title", "created_time", "updated_time",
        "open_time", "close_time", "latest_expiration_time", "status", "result", "can_close_early",
        "settlement_timer_seconds", "expiration_value", "rules_primary", "rules_secondary", "yes_bid_dollars",
        "yes_ask_dollars", "no_bid_dollars", "no_ask_dollars", "last_price_dollars", "previous_yes_bid_dollars",
        "previous_yes_ask_dollars", "previous_price_dollars", "notional_value_dollars", "yes_bid_size_fp",
        "yes_ask_size_fp", "volume_fp", "volume_24h_fp", "open_interest_fp", "price_level_structure", "price_ranges",
        "settlement_bounds_type",
    }
)  # fmt: skip


def test_market_bodies_are_whole_and_stay_the_same() -> None:
    world, lives = make(rate=0.0, per_minute=0.0, churn_per_minute=0.0)

    def whole(m: Market) -> bytes:
        return orjson.dumps(bodies.market(m))

    before = [whole(m) for m in world.order]
    for raw in before:
        assert REQUIRED <= set(orjson.loads(raw))
    go(world, lives, 1)
    assert [whole(m) for m in world.order] == before
