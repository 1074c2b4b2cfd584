"""kalshi.book and kalshi.book_at: one book per market out of several connections, through the real sink."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from component.sink_bench import Bench, bench, frame
from psycopg.rows import dict_row

from support.consume import Outgoing
from support.shared import unique

__all__ = ["bench"]

Levels = dict[tuple[str, Decimal], Decimal]
SECOND = 1_000_000_000
T0 = (time.time_ns() // SECOND - 3600) * SECOND


def ns(seconds: float) -> int:
    return T0 + round(seconds * 1000) * 1_000_000


def when(seconds: float) -> datetime:
    """As a time for a query; microseconds are what Postgres has."""
    return datetime.fromtimestamp(T0 // SECOND, UTC) + timedelta(milliseconds=round(seconds * 1000))


def rfc3339(seconds: float) -> str:
    return when(seconds).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


@dataclass
class Line:
    """One connection with one book subscription: what it receives, and what feed says of it."""

    lineage: int
    group: str = "a"
    sid: int = 5
    yes_priced: bool = False
    n: int = 0
    seq: int = 0
    last: float | None = None
    missed: float | None = None
    book: list[Outgoing] = field(default_factory=list)
    feed: list[Outgoing] = field(default_factory=list)

    def tell(self, kind: str, at: float, **more: Any) -> None:
        record = {"kind": kind, "lineage": self.lineage, "at": rfc3339(at), "shard": 0, "group": self.group, "instance": "i"} | more
        headers = (("type", b"feed"), ("lineage", str(self.lineage).encode()))
        self.feed.append(Outgoing(json.dumps(record).encode(), str(self.lineage).encode(), headers, 0))

    def subscribed(self, at: float) -> Line:
        self.tell("subscribed", at, sid=self.sid, channel="orderbook_delta", markets=0, use_yes_price=self.yes_priced)
        return self

    def _sids(self) -> list[dict[str, Any]]:
        mark = {"seq": self.seq, "n": self.n, "recv_ns": ns(self.last)} if self.last is not None else {}
        return [{"sid": self.sid, "channel": "orderbook_delta", "subscribed_ns": ns(0)} | mark]

    def alive(self, at: float) -> None:
        self.tell("alive", at, last_n=self.n, sids=self._sids())

    def closed(self, at: float) -> None:
        self.tell("closed", at, last_n=self.n, reason="closed", sids=self._sids())

    def skip(self) -> None:
        """The exchange's frame does not arrive."""
        self.missed = self.missed if self.missed is not None else self.seq + 1
        self.seq += 1

    def _frame(self, type_: str, at: float, msg: dict[str, Any], again: bool = False, lost: bool = False) -> None:
        self.n += 1
        self.seq += 0 if again else 1
        if self.missed is not None:
            before = {"from_recv_ns": ns(self.last)} if self.last is not None else {}
            self.tell("gap", at, sid=self.sid, expected_seq=int(self.missed), got_seq=self.seq, to_recv_ns=ns(at), **before)
            self.missed = None
        self.last = at
        headers = {"sid": str(self.sid), "seq": str(self.seq), "recv_ns": str(ns(at)), "use_yes_price": str(self.yes_priced).lower()}
        if not lost:
            self.book.append(frame(type_, msg, self.n, self.lineage, **headers))

    def snapshot(self, at: float, market: str = "KX", yes: str = "", no: str = "") -> None:
        """Levels as "0.40:100 0.39:5"."""
        sides = {"yes_dollars_fp": yes, "no_dollars_fp": no}
        levels = {name: [level.split(":") for level in text.split()] for name, text in sides.items() if text}
        self._frame("orderbook_snapshot", at, {"market_ticker": market, "market_id": ""} | levels)

    def delta(self, at: float, side: str, price: str, change: str, market: str = "KX", again: bool = False, lost: bool = False) -> None:
        msg = {"market_ticker": market, "market_id": "", "price_dollars": price, "delta_fp": change, "side": side}
        self._frame("orderbook_delta", at, msg, again, lost)


class Books:
    """The functions, as a researcher calls them: with a login that has kmd_reader only."""

    def __init__(self, bench: Bench, reader: psycopg.Connection[dict[str, Any]]) -> None:
        self.bench = bench
        self._reader = reader

    def load(self, *lines: Line, **more: list[Outgoing]) -> None:
        topics = {"orderbook": [r for line in lines for r in line.book], "feed": [r for line in lines for r in line.feed], **more}
        for topic, records in topics.items():
            self.bench.topic(topic, 1)
            self.bench.produce(topic, records)
        self.bench.start()
        self.bench.wait_done(*topics)

    def query(self, sql: str, *args: object) -> list[dict[str, Any]]:
        return self._reader.execute(sql, args).fetchall()

    def line(self, since: float, until: float, market: str = "KX") -> list[dict[str, Any]]:
        return self.query("SELECT * FROM kalshi.book(%s, %s, %s)", market, when(since), when(until))

    def at(self, moment: float, market: str = "KX") -> list[dict[str, Any]]:
        return self.query("SELECT * FROM kalshi.book_at(%s, %s)", market, when(moment))

    def levels(self, moment: float, market: str = "KX") -> str | None:
        """As "yes 0.40:100, no 0.55:3"; None in a hole."""
        rows = self.at(moment, market)
        if not rows[0]["known"]:
            assert len(rows) == 1 and rows[0]["reason"] and rows[0]["side"] is None and rows[0]["lineage"] is None
            return None
        return ", ".join(f"{r['side']} {r['price']}:{r['count']}" for r in rows if r["side"])


@pytest.fixture
def books(bench: Bench) -> Iterator[Books]:
    role = unique("r")
    bench.database.execute(f"CREATE ROLE {role} LOGIN IN ROLE kmd_reader")
    url = bench.database.url.replace("postgres@", f"{role}@")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield Books(bench, connection)
    bench.database.execute(f"DROP ROLE {role}")


def shape(rows: list[dict[str, Any]]) -> list[tuple[str, Any, float]]:
    """event, what tells it apart, when"""
    return [(r["event"], r["reason"] if r["event"] == "hole" else r["lineage"], (r["recv_ns"] - T0) / SECOND) for r in rows]


def test_a_line_is_a_snapshot_and_what_follows_it(books: Books) -> None:
    a = Line(1).subscribed(0)
    a.snapshot(1, yes="0.3900:5.00 0.4000:100.00", no="0.5500:3.00")
    a.delta(2, "yes", "0.4000", "-40.00")
    a.delta(3, "no", "0.5500", "-3.00")
    a.delta(3, "no", "0.5500", "-3.00", again=True)  # what came before changes nothing
    a.delta(4, "no", "0.5600", "0.50")
    a.delta(5, "yes", "0.10", "1", market="OTHER")
    a.alive(6)
    a.snapshot(8, yes="0.3900:5.00")
    books.load(a)
    assert books.levels(0.5) is None
    assert books.levels(1) == "yes 0.4000:100.00, yes 0.3900:5.00, no 0.5500:3.00", "digits as received"
    assert books.levels(2.5) == "yes 0.4000:60.00, yes 0.3900:5.00, no 0.5500:3.00"
    assert books.levels(3.5) == "yes 0.4000:60.00, yes 0.3900:5.00"
    assert books.levels(4.5) == "yes 0.4000:60.00, yes 0.3900:5.00, no 0.5600:0.50"
    (first, *_) = books.at(4.5)
    assert (first["lineage"], first["sid"], first["seq"], first["n"], first["use_yes_price"]) == (1, 5, 4, 5, False)
    assert books.levels(7) is None and books.levels(8) is None, "nothing is known beyond the last alive"
    rows = books.line(0, 5)
    assert shape(rows) == [("hole", "no_snapshot", 0), ("snapshot", 1, 1), ("delta", 1, 2), ("delta", 1, 3), ("delta", 1, 4)]
    assert rows[1]["yes_levels"] == [["0.3900", "5.00"], ["0.4000", "100.00"]] and str(rows[2]["delta"]) == "-40.00"
    rows = books.line(2.5, 9)
    assert shape(rows) == [("book", 1, 2.5), ("delta", 1, 3), ("delta", 1, 4), ("hole", "alive", 5)]
    assert rows[0]["yes_levels"] == [["0.3900", "5.00"], ["0.4000", "60.00"]] and rows[0]["no_levels"] == [["0.5500", "3.00"]]


def test_a_gap_goes_over_to_the_other_lineage(books: Books) -> None:
    """The gap names no market: a frame of OTHER is lost, and KX is suspect too."""
    a, b = Line(1).subscribed(0), Line(2, "b", sid=7, yes_priced=True).subscribed(0)
    a.snapshot(1, yes="0.40:10")
    b.snapshot(1.1, yes="0.40:10", no="0.60:1")
    a.delta(2, "yes", "0.40", "1")
    b.delta(2.1, "yes", "0.40", "1")
    a.skip()
    b.delta(3, "yes", "0.10", "1", market="OTHER")
    a.delta(4, "yes", "0.40", "2")
    b.delta(4.1, "yes", "0.40", "2")
    a.snapshot(6, yes="0.40:13")
    b.skip()
    a.delta(8, "yes", "0.40", "4")
    b.delta(8.1, "yes", "0.40", "4")
    for one in (a, b):
        one.closed(10)
    books.load(a, b)
    rows = books.line(1, 8.05)
    assert shape(rows) == [("book", 1, 1), ("delta", 1, 2), ("book", 2, 2), ("delta", 2, 2.1), ("delta", 2, 4.1), ("hole", "gap", 4.1),
                           ("snapshot", 1, 6), ("delta", 1, 8), ("hole", "closed", 8)]  # fmt: skip
    assert rows[2]["use_yes_price"] is True and rows[1]["use_yes_price"] is False, "told where the terms change"
    assert [rows[2]["yes_levels"], rows[2]["no_levels"]] == [[["0.40", "10"]], [["0.60", "1"]]]
    assert books.levels(3) == "yes 0.40:11, no 0.60:1"
    assert books.levels(5) is None, "a has a gap, b may have lost a frame any time since its last one"
    assert books.levels(7) == "yes 0.40:13"
    spans = books.query("SELECT * FROM kalshi.book_spans('KX', %s, %s)", when(0), when(20))
    assert [(s["lineage"], s["ingest_group"], s["ended"]) for s in spans] == [(1, "a", "gap"), (2, "b", "gap"), (1, "a", "closed")]


def test_what_never_became_a_row_is_a_hole(books: Books) -> None:
    """Refused by the broker, a dead letter, a change that cannot be read: the sequence has no gap, the rows have."""
    refused, dead, odd, damaged = (Line(i, sid=i).subscribed(0) for i in (1, 2, 3, 4))
    for i, one in enumerate((refused, dead, odd, damaged)):
        one.snapshot(1, f"M{i}", yes="0.40:10")
        one.delta(2, "yes", "0.40", "1", f"M{i}")
    refused.delta(3, "yes", "0.40", "1", "M0", lost=True)
    refused.tell("refused", 3, n=refused.n, size=70_000_000, topic="orderbook", reason="too large")
    dead.delta(3, "yes", "0.40", "much", "M1")
    odd._frame("orderbook_delta", 3, {"market_ticker": "M2", "side": "yes", "price_in_gold": "1"})
    damaged.delta(3, "yes", "0.40", "1", "M3")
    damaged.tell("refused", 3, size=512, reason="spool_damaged")
    for i, one in enumerate((refused, dead, odd, damaged)):
        one.delta(4, "yes", "0.40", "1", f"M{i}")
        one.snapshot(5, f"M{i}", yes="0.40:20")
        one.closed(6)
    books.load(refused, dead, odd, damaged)
    for market, why in (("M0", "refused"), ("M1", "dead_letter"), ("M2", "unreadable")):
        assert [books.levels(t, market) for t in (2, 3, 4.5, 5)] == ["yes 0.40:11", None, None, "yes 0.40:20"], market
        assert books.at(4.5, market)[0]["reason"] == why
        assert shape(books.line(1.5, 6, market))[2:4] == [("hole", why, 2), ("snapshot", int(market[1]) + 1, 5)]
    assert [books.levels(t, "M3") for t in (2, 5)] == [None, None], "what is lost of a damaged spool is not known"


def test_a_settled_market_has_no_book_and_an_empty_one_is_known(books: Books) -> None:
    a = Line(1).subscribed(0)
    a.snapshot(1)
    a.delta(2, "yes", "0.40", "1", market="OTHER")
    life = frame("market_lifecycle_v2", {"market_ticker": "KX", "event_type": "settled"}, 9, 1, recv_ns=str(ns(3)))
    a.delta(4, "yes", "0.40", "1", market="OTHER")
    a.alive(5)
    books.load(a, lifecycle=[life])
    assert books.levels(2) == "" and books.at(2)[0]["known"]
    assert books.levels(3.5) is None and books.at(3.5)[0]["reason"] == "settled"
    assert books.levels(3.5, "NEVER") is None


def test_what_is_not_stored_yet_is_not_known(books: Books) -> None:
    a = Line(1).subscribed(0)
    a.snapshot(1, yes="0.40:10")
    a.delta(2, "yes", "0.40", "1")
    stored = list(a.book)
    a.delta(3, "yes", "0.40", "1")
    a.alive(4)
    late, a.book = a.book[len(stored) :], stored
    books.load(a)  # topic feed is ahead of topic orderbook
    assert books.levels(2) == "yes 0.40:11"
    assert books.levels(2.5) is None and books.at(2.5)[0]["reason"] == "stored"
    books.bench.produce("orderbook", late)
    books.bench.wait_done("orderbook")
    assert books.levels(2.5) == "yes 0.40:11" and books.levels(3) == "yes 0.40:12"


def test_what_another_group_stored_says_nothing_of_this_one(books: Books) -> None:
    """A's spool still delivers what B had long before, behind frames of B that are newer."""
    a, b, later = Line(1, "a").subscribed(0), Line(2, "b").subscribed(8), Line(3, "a").subscribed(7)
    a.snapshot(1, yes="0.40:10")
    a.delta(2, "yes", "0.40", "1")
    stored = list(a.book)
    a.delta(3, "yes", "0.40", "1")
    a.delta(4, "yes", "0.40", "1", market="OTHER", lost=True)  # as if in another partition
    a.alive(5)
    b.snapshot(9, "OTHER")
    b.alive(10)
    late, a.book = a.book[len(stored) :], stored
    books.load(a, b)
    assert books.levels(2) == "yes 0.40:11"
    assert books.levels(3.5) is None and books.at(3.5)[0]["reason"] == "stored"
    books.bench.produce("orderbook", late)
    books.bench.wait_done("orderbook")
    assert books.levels(3) == "yes 0.40:12" and books.levels(3.5) is None
    later.snapshot(9.5, "OTHER")  # the same instance again: what it had before is there before it
    books.bench.produce("feed", later.feed)
    books.bench.produce("orderbook", later.book)
    books.bench.wait_done("feed", "orderbook")
    assert books.levels(4) == "yes 0.40:12" and books.levels(4.5) is None


def test_odd_dead_letters_and_feed_records_are_passed_over(books: Books) -> None:
    a = Line(1).subscribed(0)
    a.snapshot(1, yes="0.40:10")
    a.delta(2, "yes", "0.40", "1")
    a.alive(3)
    for odd in (b"x", b"", b"1" * 20, b"9" * 19, b"\xff", b"-1"):
        a.book.append(Outgoing(b"no JSON", b"KX", (("lineage", odd), ("n", odd), ("type", b"orderbook_delta")), 0))
    a.book.append(Outgoing(b"no JSON", b"KX", (("lineage", None), ("n", b"1")), 0))
    a.tell("gap", 2, sid="many", expected_seq=[1], got_seq=None, to_recv_ns="late")
    a.tell("alive", 4, sids="none")
    a.tell("alive", 4, sids=["none", 5, {"sid": {}, "seq": "x", "recv_ns": 1.5}])
    a.tell("subscribed", 0.5, sid="9" * 30, shard="first", use_yes_price="perhaps")
    a.tell("subscribed", 0.5, sid=5, shard="first", use_yes_price="perhaps")
    books.load(a)
    assert len(books.bench.dead("orderbook")) == 7
    assert books.levels(2) == "yes 0.40:11"
    assert shape(books.line(1, 2.5)) == [("book", 1, 1), ("delta", 1, 2), ("hole", "alive", 2)]
    (first, *_) = books.at(2)
    assert first["use_yes_price"] is None


# -- many histories ---------------------------------------------------------------------------------------------------


@dataclass
class Replica:
    """A line of the random history, and what is known of it by construction."""

    line: Line
    open: bool = True
    good: dict[str, float] = field(default_factory=dict)  # market -> since when its book is known
    spans: list[tuple[str, float, float]] = field(default_factory=list)  # market, from, until
    state: dict[tuple[int, str], Levels] = field(default_factory=dict)  # n, market -> the true book then

    def lose(self) -> None:
        until = self.line.last
        if until is not None:
            self.spans += [(market, since, until) for market, since in self.good.items() if until >= since]
        self.good = {}


class History:
    """One exchange, two groups; each connection misses frames, is cut, and asks for snapshots after a gap."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.markets = [f"H{seed}-{i}" for i in range(3)]
        self.truth: dict[str, Levels] = {m: {} for m in self.markets}
        self.seed, self.now, self.made = seed, 0.0, 0
        self.all: list[Replica] = []
        self.live = [self._connect("a"), self._connect("b")]
        for _ in range(250):
            self._pass(0.001, 0.02, 0.3)
            self._step()
        for one in self.live:
            self._cut(one)

    def _pass(self, *seconds: float) -> None:
        self.now = round(self.now + self.chance.choice(seconds), 3)

    def _connect(self, group: str) -> Replica:
        self.made += 1
        one = Replica(Line(self.seed * 100 + self.made, group, sid=self.chance.randint(1, 9)).subscribed(self.now))
        self.all.append(one)
        for market in self.markets:
            self._snapshot(one, market)
        return one

    def _snapshot(self, one: Replica, market: str) -> None:
        book = self.truth[market]
        text = {s: " ".join(f"{p}:{c}" for (side, p), c in sorted(book.items()) if side == s) for s in ("yes", "no")}
        one.line.snapshot(self.now, market, **text)
        one.good.setdefault(market, self.now)
        one.state[one.line.n, market] = dict(book)

    def _cut(self, one: Replica) -> None:
        one.lose()
        one.line.closed(self.now)
        one.open = False

    def _step(self) -> None:
        for i, one in enumerate(self.live):
            dice = self.chance.random()
            if dice < 0.01:
                self._cut(one)
                self._pass(0.0, 0.5)
                self.live[i] = self._connect(one.line.group)
            elif dice < 0.08:  # of the books that are suspect, one is told; now and then one that is not
                suspects = [m for m in self.markets if m not in one.good] or self.markets
                self._snapshot(one, self.chance.choice(suspects))
        market, side = self.chance.choice(self.markets), self.chance.choice(("yes", "no"))
        price, book = Decimal(self.chance.randint(40, 45)) / 100, self.truth[market]
        has = book.get((side, price), Decimal(0))
        change = -has if has and self.chance.random() < 0.3 else Decimal(self.chance.randint(1, 900)) / 100
        book[side, price] = has + change
        if not book[side, price]:
            del book[side, price]
        for one in self.live:
            if self.chance.random() < 0.02:
                one.line.skip()
                one.lose()
                continue
            one.line.delta(self.now, side, str(price), str(change), market)
            one.state[one.line.n, market] = dict(book)


def replayed(book: Levels, row: dict[str, Any]) -> Levels:
    """What a researcher does with the rows."""
    if row["event"] in ("book", "snapshot"):
        return {(s, Decimal(p)): Decimal(c) for s in ("yes", "no") for p, c in row[f"{s}_levels"] or []}
    place = (row["side"], row["price"])
    book = {**book, place: book.get(place, Decimal(0)) + row["delta"]}
    return {at: count for at, count in book.items() if count > 0}


def test_random_histories_of_a_pair(books: Books) -> None:
    histories = [History(seed) for seed in range(1, 6)]
    books.load(*(one.line for h in histories for one in h.all))
    switches = holes = 0
    for h in histories:
        for market in h.markets:
            rows = books.line(0, h.now + 1, market)
            replica = {one.line.lineage: one for one in h.all}
            book: Levels = {}
            for row in rows:
                if row["event"] == "hole":
                    continue
                book = replayed(book, row)
                assert book == replica[row["lineage"]].state[row["n"], market], (h.seed, market, row)
            spans = [(a, b) for one in h.all for m, a, b in one.spans if m == market]
            moments = sorted({t for span in spans for t in span} | {h.now * i / 20 for i in range(21)})
            for moment in (round(m, 3) for m in moments[:-1]):
                known = any(a <= moment <= b for a, b in spans)
                assert (books.levels(moment, market) is not None) == known, (h.seed, market, moment, spans)
            told = [(r["recv_ns"] - T0) / SECOND for r in rows if r["event"] == "hole"]
            for moment in told:  # nobody knows the book right after it
                assert not any(a <= moment < b for a, b in spans), (h.seed, market, moment, spans)
            holes += len(told)
            switches += sum(r["event"] == "book" for r in rows)
    print(f"{len(histories)} histories, {switches} changes of lineage, {holes} holes")
    assert switches > 15 and holes > 15
