"""What must hold at the end of a run: the exchange's ledger against Kafka, Kafka against Postgres, Postgres against the truth.

    ledger of kmd-sim ──frames_in_kafka──► topics ──rows_of_topics──► tables ──trades, books, ...──► truth of kmd-sim

Every function raises AssertionError with the first differences; what it returns is for the report line of the test.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from support.consume import Record, read_topic, watermarks
from support.topics import COMPACTED_TOPICS, FRAME_TOPICS, TABLES, TOPICS


@dataclass(frozen=True)
class Sent:
    """A frame that the exchange sent."""

    conn: int
    n: int
    type: str
    channel: str
    data: bytes


def ledger_by_connection(lines: Iterable[bytes]) -> dict[int, list[Sent]]:
    frames: dict[int, list[Sent]] = defaultdict(list)
    for line in lines:
        f = json.loads(line)
        frames[f["conn"]].append(Sent(f["conn"], f["n"], f["type"], f["channel"], base64.b64decode(f["data"])))
    return dict(frames)


class Topics:
    """Every topic of one prefix, read whole, once."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.records: dict[str, list[Record]] = {}
        for topic in TOPICS:
            self.records[topic] = read_topic(bootstrap, prefix + topic)

    def frames_by_lineage(self) -> dict[int, list[Record]]:
        """Frames of the WebSocket in order of their number."""
        lineages: dict[int, list[Record]] = defaultdict(list)
        for topic in FRAME_TOPICS:
            for r in self.records[topic]:
                if r.header("source") == "ws":
                    lineages[int(r.header("lineage") or 0)].append(r)
        for frames in lineages.values():
            frames.sort(key=lambda r: int(r.header("n") or 0))
        return dict(sorted(lineages.items()))

    def feed(self, *kinds: str) -> list[dict[str, Any]]:
        """Records of `feed` in order, of the kinds named (none: all)."""
        records = [json.loads(r.value or b"{}") for r in self.records["feed"]]
        return [r for r in records if not kinds or r["kind"] in kinds]

    def lineage_of_connection(self, ledger: Mapping[int, list[Sent]]) -> dict[int, int]:
        """conn -> lineage: both grow with time, and its first and last frame are the connection's at their places."""
        pairs: dict[int, int] = {}
        lineages = self.frames_by_lineage()
        for lineage, frames in lineages.items():
            ends = [(int(r.header("n") or 0), r.value) for r in (frames[0], frames[-1])]
            for conn in sorted(set(ledger) - set(pairs)):
                if all(n <= len(ledger[conn]) and ledger[conn][n - 1].data == value for n, value in ends):
                    pairs[conn] = lineage
                    break
        assert len(pairs) == len(lineages), f"lineages without a connection of the exchange: {len(lineages) - len(pairs)}"
        return pairs


def frames_in_kafka(ledger: Mapping[int, list[Sent]], topics: Topics, whole: bool) -> int:
    """
    Byte-exact, in order, once: what a lineage holds is the beginning of what its connection was sent, without a hole;
    @whole: all of it. A lineage that could not say `closed` was killed: it may lack frames after what its last `alive`
    called durable, and only those.
    """
    lineages = topics.frames_by_lineage()
    closed = {r["lineage"] for r in topics.feed("closed")}
    total = 0
    for conn, lineage in topics.lineage_of_connection(ledger).items():
        got, sent = lineages[lineage], ledger[conn]
        numbers = [int(r.header("n") or 0) for r in got]
        if lineage in closed:
            assert numbers == list(range(1, len(got) + 1)), f"lineage {lineage}: {_first_break(numbers)}"
        else:
            _only_the_end_is_missing(topics, lineage, numbers, sent)
        for r, n in zip(got, numbers, strict=True):
            assert r.value == sent[n - 1].data, f"lineage {lineage} n {n}: {r.value!r} is not {sent[n - 1].data!r}"
        assert not whole or len(got) == len(sent), f"lineage {lineage}: {len(got)} of {len(sent)} frames"
        total += len(got)
    _order_in_partitions(topics)
    for frames in lineages.values():
        _headers_tell_the_envelope(frames)
    return total


def _first_break(numbers: list[int]) -> str:
    for want, n in enumerate(numbers, 1):
        if n != want:
            return f"frame {want} is missing or doubled: next is {n} ({len(numbers)} frames)"
    return "complete"


def _only_the_end_is_missing(topics: Topics, lineage: int, numbers: list[int], sent: list[Sent]) -> None:
    assert len(numbers) == len(set(numbers)), f"lineage {lineage}: frames stand twice"
    alive = [r for r in topics.feed("alive") if r["lineage"] == lineage]
    durable = {s["channel"]: s.get("n", 0) for s in alive[-1]["sids"]} if alive else {}
    missing = set(range(1, max(numbers) + 1)) - set(numbers)
    wrong = [n for n in missing if n <= durable.get(sent[n - 1].channel, 0)]
    assert not wrong, f"lineage {lineage}: frame {min(wrong)} was called durable and is missing"


def _order_in_partitions(topics: Topics) -> None:
    """Within a partition, the frames of one lineage stand in the order of their numbers."""
    for topic in FRAME_TOPICS:
        last: dict[tuple[int, str | None], int] = {}
        for r in topics.records[topic]:
            if r.header("source") != "ws":
                continue
            place, n = (r.partition, r.header("lineage")), int(r.header("n") or 0)
            assert n > last.get(place, 0), f"{topic}-{r.partition} offset {r.offset}: n {n} after {last[place]}"
            last[place] = n


def _headers_tell_the_envelope(frames: list[Record]) -> None:
    for r in frames:
        try:
            frame = json.loads(r.value or b"")
        except ValueError:
            frame = None
        envelope = frame if isinstance(frame, dict) else {}
        for name in ("type", "sid", "seq"):
            want = envelope.get(name)
            assert r.header(name) == (None if want is None else str(want)), f"{name} of {r.value!r}: {r.header(name)}"
        assert int(r.header("recv_ns") or 0) // 1_000_000 == r.timestamp_ms


def rows_of_topics(query: Any, topics: Topics) -> dict[str, Counter[str]]:
    """
    rows + dead letters + duplicates = records, for each partition, by the sink's counts and by counting rows; no offset
    stands twice. Returns the counts by topic.
    """
    counts: dict[str, Counter[str]] = {}
    offsets = _sink_offsets(query, topics.prefix)
    for topic in TOPICS:
        counts[topic] = Counter()
        received = Counter(r.partition for r in topics.records[topic])
        for partition, records in received.items():
            row = offsets.get((topic, partition))
            assert row is not None, f"{topic}-{partition}: {records} records and no line in sink_offsets"
            total = row["rows"] + row["dead_letters"] + row["duplicates"]
            if topic in COMPACTED_TOPICS:
                assert total >= records, f"{topic}-{partition}: {row} for {records} records"
            else:
                assert total == records, f"{topic}-{partition}: {row} for {records} records"
            counts[topic].update({k: row[k] for k in ("rows", "dead_letters", "duplicates")})
        if topic in TABLES:
            _rows_are_there(query, topics.prefix, topic, offsets)
    return counts


def _sink_offsets(query: Any, prefix: str) -> dict[tuple[str, int], dict[str, int]]:
    columns = ("first_offset", "next_offset", "rows", "dead_letters", "duplicates")
    found = query(f"SELECT topic, kafka_partition, {', '.join(columns)} FROM kalshi.sink_offsets")
    return {(t.removeprefix(prefix), p): dict(zip(columns, rest, strict=True)) for t, p, *rest in found}


def _rows_are_there(query: Any, prefix: str, topic: str, offsets: Mapping[tuple[str, int], Mapping[str, int]]) -> None:
    stored: Counter[int] = Counter()
    seen: Counter[tuple[int, int]] = Counter()
    dead = query("SELECT kafka_partition, kafka_offset FROM kalshi.dead_letters WHERE topic = %s", prefix + topic)
    places = list(dead)
    for table in TABLES[topic]:
        rows = query(f"SELECT kafka_partition, kafka_offset FROM kalshi.{table}")
        stored.update(p for p, _ in rows)
        places += rows
    seen.update(places)
    twice = [place for place, n in seen.items() if n > 1]
    assert not twice, f"{topic}: stored twice: {twice[:5]} and {max(0, len(twice) - 5)} more"
    for (name, partition), row in offsets.items():
        if name == topic:
            assert stored[partition] == row["rows"], f"{topic}-{partition}: {stored[partition]} rows, counted {row['rows']}"
    letters = Counter(p for p, _ in dead)
    for (name, partition), row in offsets.items():
        if name == topic:
            assert letters[partition] == row["dead_letters"], f"{topic}-{partition}: dead letters"


def sink_is_level(query: Any, bootstrap: str, prefix: str) -> bool:
    """Has the sink committed everything that stands in the topics now?"""
    offsets = _sink_offsets(query, prefix)
    for topic in TOPICS:
        for partition, (low, high) in watermarks(bootstrap, prefix + topic).items():
            row = offsets.get((topic, partition))
            if high > low and (row is None or row["next_offset"] < high):
                return False
    return True


def trades(query: Any, truth: Iterable[Mapping[str, Any]], since_us: int | None = None, until_us: int | None = None) -> int:
    """Each trade of the exchange (by its creation, Unix us, from @since_us to @until_us) is one row with every column right."""
    rows = {
        row[0]: row
        for row in query(
            "SELECT trade_id, market_ticker, yes_price::text, no_price::text, count::text, taker_side, taker_book_side,"
            " is_block_trade, ts, trade_date FROM kalshi.trades"
        )
    }
    missing, wrong, seen = [], [], 0
    for t in truth:
        created = _micros(t["created_time"])
        if (since_us and created < since_us) or (until_us and created > until_us):
            continue
        seen += 1
        row = rows.get(t["trade_id"])
        if row is None:
            missing.append(t)
            continue
        ts = datetime.fromtimestamp(created // 1000 / 1000, timezone.utc)
        want = (
            t["trade_id"], t["ticker"], t["yes_price_dollars"], t["no_price_dollars"], t["count_fp"],
            t["taker_outcome_side"], t["taker_book_side"], t["is_block_trade"],
        )  # fmt: skip
        if row[:8] != want or abs((row[8] - ts).total_seconds()) > 0.0005 or row[9] != row[8].date():
            wrong.append((row, t))
    assert not missing, f"{len(missing)} of {seen} trades are missing, first: {missing[0]}"
    assert not wrong, f"{len(wrong)} of {seen} trades differ, first: {wrong[0]}"
    return seen


def _micros(text: str) -> int:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


Book = dict[str, dict[Decimal, Decimal]]


def rebuilt_books(query: Any) -> dict[str, Book]:
    """
    Books as a researcher rebuilds them: of each market the newest lineage's last snapshot and the deltas after it; prices
    of the no side in no-leg terms whichever way they were captured. A delta whose number is not above the last of its sid
    came twice and changes nothing.
    """
    books: dict[str, Book] = {}
    starts: dict[str, tuple[int, int]] = {}
    snapshots = query(
        "SELECT DISTINCT ON (market_ticker) market_ticker, lineage, n, yes_levels, no_levels, use_yes_price"
        " FROM kalshi.orderbook_snapshots ORDER BY market_ticker, lineage DESC, n DESC"
    )
    for ticker, lineage, n, yes, no, yes_priced in snapshots:
        starts[ticker] = (lineage, n)
        books[ticker] = {"yes": levels_of(yes, False), "no": levels_of(no, yes_priced)}
    deltas = query(
        "SELECT market_ticker, lineage, n, sid, seq, side, price, delta, use_yes_price FROM kalshi.orderbook_deltas ORDER BY lineage, n"
    )
    last: dict[tuple[int, int], int] = {}
    for ticker, lineage, n, sid, seq, side, price, delta, yes_priced in deltas:
        start = starts.get(ticker)
        if seq is not None:
            if seq <= last.get((lineage, sid), 0):
                continue
            last[lineage, sid] = seq
        if start is None or lineage != start[0] or n < start[1]:
            continue
        price = 1 - price if side == "no" and yes_priced else price
        levels = books[ticker][side]
        levels[price] = levels.get(price, Decimal(0)) + delta
        if levels[price] <= 0:
            del levels[price]
    return books


def levels_of(levels: list[list[str]] | None, yes_priced: bool) -> dict[Decimal, Decimal]:
    pairs = [(Decimal(p), Decimal(c)) for p, c in levels or []]
    return {(1 - p if yes_priced else p): c for p, c in pairs}


def books(query: Any, truth: Mapping[str, Mapping[str, Any]], tickers: Iterable[str]) -> int:
    """The rebuilt book of each of @tickers equals the exchange's."""
    mine = rebuilt_books(query)
    wrong = []
    for ticker in tickers:
        want = {side: levels_of(truth[ticker].get(f"{side}_dollars"), False) for side in ("yes", "no")}
        if mine.get(ticker, {"yes": {}, "no": {}}) != want:
            wrong.append((ticker, mine.get(ticker), want))
    assert not wrong, f"{len(wrong)} books differ, first: {wrong[0]}"
    return len(list(tickers))


def prices_aside(body: Mapping[str, Any]) -> dict[str, Any]:
    """A REST object without what moves all the time."""
    keep = ("settlement_value_dollars", "notional_value_dollars", "settlement_floor_dollars")
    return {
        name: value
        for name, value in body.items()
        if name in keep
        or not (
            name.endswith(("_dollars", "_fp", "updated_time", "last_updated_ts"))
            or name in ("liquidity", "volume", "open_interest")
        )
    }


def hierarchy(query: Any, table: str, truth: Mapping[str, Mapping[str, Any]]) -> int:
    """Each of @truth (ticker -> REST object) is a row of @table whose body equals it, prices aside."""
    rows = dict(query(f"SELECT ticker, body FROM kalshi.{table}"))
    missing = [ticker for ticker in truth if ticker not in rows]
    assert not missing, f"{table}: {len(missing)} of {len(truth)} are missing, first: {missing[0]}"
    wrong = [
        (ticker, prices_aside(rows[ticker]), prices_aside(body))
        for ticker, body in truth.items()
        if prices_aside(rows[ticker]) != prices_aside(body)
    ]
    assert not wrong, f"{table}: {len(wrong)} differ, first: {_difference(*wrong[0])}"
    return len(truth)


def _difference(ticker: str, got: Mapping[str, Any], want: Mapping[str, Any]) -> str:
    names = [n for n in {**got, **want} if got.get(n, "absent") != want.get(n, "absent")]
    return f"{ticker}: " + "; ".join(f"{n}: {got.get(n, 'absent')!r}, truth {want.get(n, 'absent')!r}" for n in names)


def settlements(query: Any, truth: Mapping[str, Mapping[str, Any]]) -> int:
    """@truth: ticker -> REST market object of each market with an outcome."""
    columns = "market_ticker, event_ticker, market_type, status, result, settlement_value::text, expiration_value, settled_at"
    rows = {row[0]: row for row in query(f"SELECT {columns} FROM kalshi.settlements")}
    wrong = []
    for ticker, body in truth.items():
        settled = body.get("settlement_ts")
        want = (
            ticker, body["event_ticker"], body["market_type"], body["status"], body["result"],
            body["settlement_value_dollars"], body["expiration_value"],
        )  # fmt: skip
        row = rows.get(ticker)
        if row is None or row[:7] != want or (row[7] is None) != (settled is None):
            wrong.append((row, want, settled))
        elif settled and abs(_micros(settled) - _micros(row[7].isoformat())) > 0:
            wrong.append((row, want, settled))
    assert not wrong, f"{len(wrong)} of {len(truth)} settlements differ, first: {wrong[0]}"
    return len(truth)


def _proven(topics: Topics) -> dict[int, dict[int, int]]:
    """Of each lineage that ended without a word: the last seq by sid that its last `alive` tells. Behind it stands what happened to be taken."""
    closed = {r["lineage"] for r in topics.feed("closed")}
    last = {r["lineage"]: {} for r in topics.feed("opened") if r["lineage"] not in closed}
    for r in topics.feed("alive"):
        if r["lineage"] in last:
            last[r["lineage"]] = {s["sid"]: s["seq"] for s in r["sids"] if "seq" in s}
    return last


def no_false_gaps(topics: Topics) -> Iterator[dict[str, Any]]:
    """Every `gap` in feed, after checking that seq really jumped there in what was stored of that lineage and sid."""
    sequences: dict[tuple[int, int], list[int]] = defaultdict(list)
    for lineage, frames in topics.frames_by_lineage().items():
        for r in frames:
            if r.header("sid") and r.header("seq"):
                sequences[lineage, int(r.header("sid") or 0)].append(int(r.header("seq") or 0))
    real = Counter()
    proven = _proven(topics)

    def is_proven(lineage: int, sid: int, seq: int) -> bool:
        return lineage not in proven or seq <= proven[lineage].get(sid, 0)

    for (lineage, sid), seqs in sequences.items():
        last = 0
        for seq in seqs:
            if seq > last + 1 and is_proven(lineage, sid, seq):
                real[lineage, sid, last + 1, seq] += 1
            last = max(last, seq)
    told = Counter()
    for gap in topics.feed("gap"):
        if is_proven(gap["lineage"], gap["sid"], gap["got_seq"]):
            told[gap["lineage"], gap["sid"], gap["expected_seq"], gap["got_seq"]] += 1
        yield gap
    assert told == real, f"gaps told and not there: {told - real}; there and not told: {real - told}"
