"""Two groups of ingest capture everything at once: both are stored whole, trades once, and SQL makes one book of the two."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from support.paths import LOAD
from support.process import wait_until
from support.rig import Rig
from support.services import Service, StartService
from system import checks, truth

SIM = {"rate": 600 * LOAD, "markets": 40, "determinations": 0, "churn": 0, "rest_rate": 200}
ENRICHER = {"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_LIST_EVERY": "20s"}

Books = dict[str, checks.Book]


class Pair:
    """Both ingests, and what the books truly were at moments in which the exchange stood still."""

    def __init__(self, rig: Rig, other: Service) -> None:
        self.rig, self.both = rig, (rig.ingest, other)
        self.moments: list[tuple[str, datetime, Books, bool]] = []  # name, when, the books, should they be known?

    def wait_books(self) -> None:
        for one in self.both:
            wait_until("every book is captured", lambda one=one: self._level(one), timeout=60)  # type: ignore[misc]

    def connection(self, i: int) -> int:
        """A live connection of the exchange; 0 is the one that has lived longest."""
        return sorted(map(int, self.rig.sim.get("subscriptions")))[i]

    def skip(self, i: int, channel: str, count: int) -> None:
        conn, before = self.connection(i), len(self.rig.sim.get("lost"))
        self.rig.sim.fault("skip", channel=channel, count=count, conn=conn)
        wait_until("frames were lost", lambda: len(self.rig.sim.get("lost")) >= before + count)

    def look(self, name: str, known: bool = True) -> None:
        """The exchange stands still, everything that it sent is received, and this is a moment."""
        self.rig.sim.quiesce(settle=False)
        wait_until("everything sent is received", self._has_all, every=0.2)
        moment = datetime.fromtimestamp(time.time_ns() // 1000 / 1_000_000, UTC)
        books = {
            ticker: {side: {Decimal(p): Decimal(c) for p, c in book[side]} for side in ("yes", "no")}
            for ticker, book in self.rig.sim.get("books").items()
            if not book["mve"] and book["status"] == "active"
        }
        self.moments.append((name, moment, books, known))
        self.rig.sim.resume()

    def _has_all(self) -> bool:
        """What was sent on the connections that live; what was on its way when one was cut is nobody's."""
        sent = sum(c["frames"] for c in self.rig.sim.get("connections") if c["closed_ns"] is None)
        (over,) = self.rig.query("SELECT coalesce(sum((record->>'last_n')::bigint), 0) FROM kalshi.feed_events WHERE kind = 'closed'")[0]
        return sum(one.metric("kmd_ingest_frames_total") for one in self.both) == sent + over

    def _level(self, one: Service) -> bool:
        expected = one.metric("kmd_ingest_markets_expected")
        return expected > 0 and expected == one.metric("kmd_ingest_markets_subscribed")


def stored_book(rig: Rig, ticker: str, moment: datetime) -> tuple[bool, checks.Book]:
    rows = rig.query("SELECT known, side, price, count, use_yes_price FROM kalshi.book_at(%s, %s)", ticker, moment)
    book: checks.Book = {"yes": {}, "no": {}}
    for _, side, price, count, yes_priced in rows:
        if side:
            book[side][1 - price if side == "no" and yes_priced else price] = count
    return rows[0][0], book


def replayed_book(rows: list[tuple[Any, ...]], moment: datetime) -> checks.Book | None:
    """By the rows of kalshi.book alone; None in a hole."""
    book: checks.Book | None = None
    for at, event, side, price, delta, yes, no, yes_priced in rows:
        if at > moment:
            break
        if event == "hole":
            book = None
        elif event != "delta":
            book = {"yes": checks.levels_of(yes, False), "no": checks.levels_of(no, yes_priced)}
        else:
            assert book is not None
            price = 1 - price if side == "no" and yes_priced else price
            book[side][price] = book[side].get(price, Decimal(0)) + delta
            if book[side][price] <= 0:
                del book[side][price]
    return book


def test_one_book_out_of_two_connections(make_rig: Callable[..., Rig], service: StartService) -> None:
    rig = make_rig(sim=SIM, ingest={"KMD_INGEST_GROUP": "a"}, enricher=ENRICHER).start()
    settings = {name: value for name, value in rig.ingest.settings.items() if name != "KMD_HTTP_LISTEN"}
    pair = Pair(rig, service("ingest", {**settings, "KMD_INGEST_GROUP": "b"}, "ingest-b"))
    pair.wait_books()
    began = rig.sim.stats()["now_us"]
    time.sleep(1)
    pair.look("both are whole")
    for i in (0, 1):
        time.sleep(1)
        pair.skip(i, "orderbook_delta", 3)
        pair.look(f"connection {i} has just lost frames")
        pair.wait_books()
        time.sleep(1.5)
        pair.look(f"connection {i} had lost frames")
    rig.sim.fault("drop", conn=pair.connection(0))
    time.sleep(0.2)
    pair.look("one connection is cut")
    pair.wait_books()
    rig.sim.fault("handshake", status=503, count=10_000)
    rig.sim.fault("drop", conn=pair.connection(0))
    time.sleep(0.5)
    pair.look("one connection is away")
    rig.sim.fault("drop", conn=pair.connection(0))
    time.sleep(0.5)
    pair.look("both are away", known=False)
    rig.sim.fault("clear")
    wait_until("both are back", lambda: len(rig.sim.get("subscriptions")) == 2, timeout=90)
    pair.wait_books()
    time.sleep(1)
    pair.look("both are back")
    time.sleep(2)
    ended = rig.sim.stats()["now_us"]
    rig.sim.quiesce(settle=False)
    assert [one.stop() for one in pair.both] == [0, 0]
    wait_trades(rig, began, ended)
    assert rig.enricher.stop() == 0
    rig.wait_level()

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    frames = checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=False)
    rows = checks.rows_of_topics(rig.query, topics)
    assert not any(count["dead_letters"] for count in rows.values())
    assert rows["trades"]["duplicates"] >= rows["trades"]["rows"] / 2, "each came twice"
    assert {r["group"] for r in topics.feed("closed")} == {"a", "b"}
    trades = truth.trades(rig, began, ended)
    switches = compare(rig, pair)
    print(f"{frames} frames of {len(topics.feed('opened'))} lineages, {trades} trades, {len(pair.moments)} moments, {switches} changes of lineage")


def wait_trades(rig: Rig, began: int, ended: int) -> None:
    want = {t["trade_id"] for t in rig.sim.get(f"trades?min_us={began}&max_us={ended}")}
    wait_until("every trade is a row", lambda: want <= {r[0] for r in rig.query("SELECT trade_id FROM kalshi.trades")}, 120, 1)


def compare(rig: Rig, pair: Pair) -> int:
    """At every moment each book, by book_at and by replaying book(), is the exchange's; or it is a hole where it must be one."""
    first, last = pair.moments[0][1], pair.moments[-1][1]
    switches = 0
    for ticker in pair.moments[0][2]:
        rows = rig.query(
            "SELECT at, event, side, price, delta, yes_levels, no_levels, use_yes_price FROM kalshi.book(%s, %s, %s)",
            ticker, first - timedelta(milliseconds=1), last + timedelta(milliseconds=1),
        )  # fmt: skip
        switches += sum(row[1] == "book" for row in rows) - 1
        for name, moment, truth_then, should_be_known in pair.moments:
            if ticker not in truth_then:
                continue
            known, book = stored_book(rig, ticker, moment)
            assert known == should_be_known, f"{name}: {ticker}"
            replay = replayed_book(rows, moment)
            assert (replay is not None) == should_be_known, f"{name}: {ticker} by kalshi.book"
            if known:
                assert book == truth_then[ticker], f"{name}: {ticker}"
                assert replay == truth_then[ticker], f"{name}: {ticker} by kalshi.book"
    assert switches > 0, "the line went over to the other lineage"
    return switches
