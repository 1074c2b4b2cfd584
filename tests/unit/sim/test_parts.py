"""Small pure parts: text forms, tape, pages, buckets, replayed frames' numbers, signatures."""

import time
from pathlib import Path

import orjson
import pytest
from kmd_sim import auth, envelope, fmt, query
from kmd_sim.bucket import Bucket
from kmd_sim.model import Trade
from kmd_sim.recorded import Recorded
from kmd_sim.renumber import renumber
from kmd_sim.tape import Tape

from support import keys
from support.wire import Caller


def test_text_forms() -> None:
    assert [fmt.price(p) for p in (0, 70, 4800, 10_000)] == ["0.0000", "0.0070", "0.4800", "1.0000"]
    assert [fmt.count(c) for c in (0, 1, -3368, 1_381_566)] == ["0.00", "0.01", "-33.68", "13815.66"]
    assert fmt.rfc3339(1_781_159_489_957_081) == "2026-06-11T06:31:29.957081Z"
    assert fmt.rfc3339(1_781_159_489_427_840) == "2026-06-11T06:31:29.42784Z"
    assert fmt.rfc3339(1_781_159_489_000_000) == "2026-06-11T06:31:29Z"


def trade(n: int, ticker: str = "A") -> Trade:
    return Trade(f"t{n}", ticker, 5000, 100, "yes", False, n * 10)


def test_tape_pages_newest_first_and_stays_true_while_it_grows() -> None:
    tape = Tape(1000)
    for n in range(10):
        tape.add(trade(n))
    first, before = tape.page(4)
    tape.add(trade(10))
    second, after = tape.page(4, before)
    third, end = tape.page(4, after)
    assert [t.trade_id for t in first + second + third] == [f"t{n}" for n in range(9, -1, -1)]
    assert end is None
    assert [t.trade_id for t in tape.page(9, min_us=30, max_us=50)[0]] == ["t5", "t4", "t3"]


def test_tape_forgets_the_oldest_but_not_its_numbers() -> None:
    tape = Tape(100)
    for n in range(1000):
        tape.add(trade(n, "B" if n == 950 else "A"))
    assert len(tape) == 1000 and len(tape.trades) <= 113
    assert [t.trade_id for t in tape.page(5, ticker="B")[0]] == ["t950"]
    found, before = tape.page(3, before=970)
    assert [t.trade_id for t in found] == ["t969", "t968", "t967"] and before == 967


def test_cursors() -> None:
    assert query.decode_cursor(query.encode_cursor(12)) == 12
    assert query.decode_cursor("garbage-cursor-fixture") is None
    rows, cursor = query.page([5, 4, 3, 2], lambda n: n, None, 2)
    assert (rows, query.page([6, 5, 4, 3, 2], lambda n: n, query.decode_cursor(cursor), 2)) == ([5, 4], ([3, 2], ""))


def test_limit_over_the_maximum_is_the_recorded_text() -> None:
    with pytest.raises(query.BadQuery) as e:
        query.limit({"limit": "1001"}, "GetMarkets", 100, 1000)
    assert str(e.value) == (
        "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' Error:Field validation for 'Limit' "
        "failed on the 'lte' tag"
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"status": "active"},
        {"status": "open", "min_settled_ts": "1"},
        {"min_created_ts": "1", "max_close_ts": "2"},
        {"min_close_ts": "soon"},
        {"mve_filter": "some"},
    ],
)
def test_filters_that_cannot_be(bad: dict[str, str]) -> None:
    with pytest.raises(query.BadQuery):
        query.market_filter(bad)


def test_bucket() -> None:
    bucket = Bucket(10, 0)
    assert [bucket.take(0) for _ in range(21)] == [True] * 20 + [False]
    assert bucket.take(100_000) and not bucket.take(100_001)


@pytest.mark.parametrize("layout", range(4))
def test_envelopes_are_json_with_everything(layout: int) -> None:
    raw = envelope.frame(layout | 16, "trade", 3, 9, '{"a":1}', 77, 5)
    assert raw.endswith(b"}\n")
    assert orjson.loads(raw) == {"type": "trade", "sid": 3, "seq": 9, "msg": {"a": 1}, "sending_ts_ms": 77, "id": 5}


def test_renumber_touches_nothing_else() -> None:
    line = b'{"type":"x \\"sid\\":4","sid": 11, "msg":{"seq":5,"v":0.960,"list":[{"sid":6}]}, "seq":2}'
    assert renumber(line, 3, 40) == line.replace(b'"sid": 11', b'"sid": 3').replace(b'"seq":2', b'"seq":40')
    subscribed = b'{"id":1,"type":"subscribed","msg":{"channel":"trade","sid":3}}'
    assert renumber(subscribed, 9, None) == subscribed.replace(b":3", b":9")


def test_recorded_bodies(tmp_path: Path) -> None:
    (tmp_path / "markets").mkdir()
    (tmp_path / "markets" / "A-T0.1.json").write_bytes(b"verbatim")
    recorded = Recorded(tmp_path, ())
    recorded.add("markets?limit=5", 200, b"page")
    recorded.add("/trade-api/v2/series/X", 404, b"none")
    assert recorded.find("/trade-api/v2/markets/A-T0.1", "") == (200, b"verbatim")
    assert recorded.find("/trade-api/v2/markets", "limit=5") == (200, b"page")
    assert recorded.find("/trade-api/v2/markets", "limit=6") is None
    assert recorded.find("/trade-api/v2/series/X", "a=b") == (404, b"none")
    assert recorded.find("/trade-api/v2/markets/../../etc", "") is None


def test_signatures(tmp_path: Path) -> None:
    rsa, ed = keys.rsa_key(tmp_path, "rsa"), keys.ed25519_key(tmp_path, "ed")
    verifier = auth.Verifier(
        {"r": auth.load_public_key(rsa.public.read_bytes()), "e": auth.load_public_key(ed.public.read_bytes())}
    )
    now = int(time.time() * 1000)
    path = "/trade-api/v2/markets/A"
    r, e = Caller(rsa.private, "r"), Caller(ed.private, "e")

    def check(headers: dict[str, str], asked: str = path) -> auth.Verdict:
        return verifier.check(headers, "GET", asked, now)

    assert check(r.headers(path)) is check(r.headers(path, salt=222)) is check(e.headers(path)) is auth.Verdict.GOOD
    assert check(r.headers(path, skew_s=-5)) is check(r.headers(path, skew_s=5)) is auth.Verdict.GOOD
    assert check(r.headers(path, skew_s=-30)) is check(e.headers(path, skew_s=30)) is auth.Verdict.EXPIRED
    assert check(r.headers(path + "?limit=5")) is check(e.headers("/markets/A")) is auth.Verdict.BAD_SIGNATURE
    assert check(Caller(rsa.private, "other").headers(path)) is auth.Verdict.UNKNOWN_KEY
    assert check({}) is auth.Verdict.UNSIGNED
    assert check({k: v for k, v in r.headers(path).items() if "SIG" not in k}) is auth.Verdict.INCOMPLETE
