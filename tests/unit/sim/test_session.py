"""Commands and replies of one connection: sids, numbers, errors."""

from typing import Any

import orjson
import pytest
from kmd_sim.session import Limits, Out, Session

NOW = 1_790_000_000_000


class World:
    tickers = ("A-1", "B-2.5", "C-3")

    def known(self, ticker: str) -> bool:
        return ticker in self.tickers

    def ticker_of_id(self, market_id: str) -> str | None:
        return {"id-a": "A-1"}.get(market_id)

    def snapshot(self, ticker: str, use_yes_price: bool) -> str:
        return orjson.dumps({"market_ticker": ticker, "yes_price": use_yes_price}).decode()

    def ticker_message(self, ticker: str) -> str:
        return orjson.dumps({"market_ticker": ticker}).decode()


@pytest.fixture
def session() -> Session:
    return Session(1, World())


def say(session: Session, cmd: str | None, id_: int = 7, now: int = NOW, **params: Any) -> list[dict[str, Any]]:
    command: dict[str, Any] = {"id": id_, "params": params}
    if cmd is not None:
        command["cmd"] = cmd
    return parsed(session.handle(orjson.dumps(command), now))


def parsed(outs: list[Out]) -> list[dict[str, Any]]:
    frames = [orjson.loads(o.data) for o in outs]
    for frame, out in zip(frames, outs, strict=True):
        assert (frame["type"], frame.get("seq")) == (out.type, out.seq)
        assert frame.pop("sending_ts_ms") == NOW
    return frames


def code(frames: list[dict[str, Any]]) -> int:
    assert [f["type"] for f in frames] == ["error"]
    found: int = frames[0]["msg"]["code"]
    return found


def test_one_sid_per_channel_from_1_without_seq(session: Session) -> None:
    frames = say(session, "subscribe", channels=["trade", "ticker", "market_lifecycle_v2"])
    assert [f["msg"] for f in frames] == [
        {"channel": "trade", "sid": 1},
        {"channel": "ticker", "sid": 2},
        {"channel": "market_lifecycle_v2", "sid": 3},
    ]
    assert all(f["type"] == "subscribed" and f["id"] == 7 and "seq" not in f and "sid" not in f for f in frames)


def test_snapshots_follow_subscribed_and_number_from_1(session: Session) -> None:
    frames = say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["A-1", "C-3"], use_yes_price=True)
    assert [f["type"] for f in frames] == ["subscribed", "orderbook_snapshot", "orderbook_snapshot"]
    assert [(f["sid"], f["seq"]) for f in frames[1:]] == [(1, 1), (1, 2)]
    assert frames[1]["msg"] == {"market_ticker": "A-1", "yes_price": True}
    assert "id" not in frames[1]


def test_replies_take_a_number(session: Session) -> None:
    say(session, "subscribe", channels=["orderbook_delta"], market_ticker="A-1")
    ok, snapshot = say(session, "update_subscription", id_=8, sid=1, action="add_markets", market_tickers=["B-2.5"])
    assert ok == {"id": 8, "type": "ok", "sid": 1, "seq": 2, "msg": {"market_tickers": ["A-1", "B-2.5"]}}
    assert (snapshot["seq"], snapshot["msg"]["market_ticker"]) == (3, "B-2.5")
    again = say(session, "update_subscription", id_=9, sids=[1], action="get_snapshot", market_tickers=["A-1"])
    assert [(f["type"], f["id"], f["seq"]) for f in again] == [("orderbook_snapshot", 9, 4)]
    bad = say(session, "update_subscription", id_=10, sid=1, action="dance")
    assert (code(bad), bad[0]["sid"], bad[0]["seq"]) == (13, 1, 5)
    gone = say(session, "unsubscribe", id_=11, sids=[1])
    assert gone == [{"id": 11, "type": "unsubscribed", "sid": 1, "seq": 6}]
    assert say(session, "subscribe", channels=["orderbook_delta"], market_ticker="A-1")[0]["msg"]["sid"] == 2


def test_subscribing_again_adds_to_the_sid(session: Session) -> None:
    say(session, "subscribe", channels=["orderbook_delta"], market_ticker="A-1")
    frames = say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["A-1", "C-3"])
    assert [(f["type"], f["seq"]) for f in frames] == [("ok", 2), ("orderbook_snapshot", 3)]
    assert [f["type"] for f in say(session, "subscribe", channels=["orderbook_delta"], market_ticker="C-3")] == ["ok"]


def test_delete_markets_and_empty_get_snapshot(session: Session) -> None:
    say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["A-1", "C-3"])
    (ok,) = say(session, "update_subscription", sid=1, action="delete_markets", market_tickers=["A-1"])
    assert ok["msg"] == {"market_tickers": ["C-3"]}
    assert session.wants("orderbook_delta", "A-1") is None
    assert session.wants("orderbook_delta", "C-3") is not None
    assert say(session, "update_subscription", sid=1, action="get_snapshot", market_tickers=[]) == []


def test_ticker_has_no_seq_not_even_on_its_replies(session: Session) -> None:
    say(session, "subscribe", channels=["ticker"], market_ids=["id-a"], send_initial_snapshot=True)
    (ok,) = say(session, "update_subscription", sid=1, action="add_markets", market_ticker="C-3")
    assert ok["msg"] == {"market_tickers": ["A-1", "C-3"]}
    assert "seq" not in ok
    assert "seq" not in say(session, "update_subscription", sid=1, action="get_snapshot", market_ticker="A-1")[0]


def test_skip_ticker_ack_leaves_the_list_out(session: Session) -> None:
    say(session, "subscribe", channels=["orderbook_delta"], market_ticker="A-1", skip_ticker_ack=True)
    ok = say(session, "update_subscription", sid=1, action="add_markets", market_ticker="C-3")[0]
    assert "market_tickers" not in ok.get("msg", {})


def test_unknown_tickers_are_passed_over(session: Session) -> None:
    frames = say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["NOPE", "A-1"])
    assert [f["type"] for f in frames] == ["subscribed", "orderbook_snapshot"]


def test_list_subscriptions_is_an_array(session: Session) -> None:
    say(session, "subscribe", channels=["trade", "ticker"])
    (listed,) = say(session, "list_subscriptions", id_=3)
    assert listed["type"] == "ok"
    assert listed["msg"] == [{"channel": "trade", "sid": 1}, {"channel": "ticker", "sid": 2}]


def test_id_0_is_no_id(session: Session) -> None:
    assert "id" not in say(session, "subscribe", id_=0, channels=["trade"])[0]


@pytest.mark.parametrize(
    ("cmd", "params", "expected"),
    [
        (None, {}, 5),
        ("dance", {}, 5),
        ("subscribe", {}, 3),
        ("subscribe", {"channels": []}, 3),
        ("subscribe", {"channels": ["ticker_v2"]}, 8),
        ("subscribe", {"channels": ["orderbook_delta"]}, 14),
        ("subscribe", {"channels": ["trade"], "market_ticker": "A-1", "market_tickers": ["A-1"]}, 11),
        ("subscribe", {"channels": ["trade"], "market_tickers": "A-1"}, 11),
        ("subscribe", {"channels": ["orderbook_delta"], "market_ticker": "A-1", "use_yes_price": "yes"}, 11),
        ("subscribe", {"channels": ["cfbenchmarks_value"]}, 24),
        ("unsubscribe", {}, 4),
        ("unsubscribe", {"sids": [99]}, 7),
        ("update_subscription", {"action": "add_markets"}, 12),
        ("update_subscription", {"sid": 1, "sids": [1], "action": "add_markets"}, 12),
        ("update_subscription", {"sids": [1, 2], "action": "add_markets"}, 12),
        ("update_subscription", {"sid": 99, "action": "add_markets"}, 7),
        ("update_subscription", {"sid": 1}, 15),
        ("update_subscription", {"sid": 1, "action": "add_markets"}, 14),
        ("update_subscription", {"sid": 1, "action": "get_snapshot", "market_ticker": "A-1"}, 13),
        ("update_subscription", {"sid": 2, "action": "add_markets", "market_ticker": "A-1"}, 13),
    ],
)
def test_error_codes(session: Session, cmd: str | None, params: dict[str, Any], expected: int) -> None:
    say(session, "subscribe", channels=["trade", "market_lifecycle_v2"])
    assert code(say(session, cmd, **params)) == expected


def test_no_params_is_2_and_no_json_is_1(session: Session) -> None:
    assert code(parsed(session.handle(b'{"id":1,"cmd":"subscribe"}', NOW))) == 2
    assert code(parsed(session.handle(b"{not json", NOW))) == 1
    assert code(parsed(session.handle(b"[]", NOW))) == 1


def test_limits() -> None:
    session = Session(1, World(), Limits(markets_per_sub=2, commands_per_s=3))
    full = say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["A-1", "B-2.5", "C-3"])
    assert code(full) == 26
    say(session, "subscribe", channels=["orderbook_delta"], market_tickers=["A-1", "B-2.5"])
    more = say(session, "update_subscription", sid=1, action="add_markets", market_ticker="C-3")
    assert (code(more), more[0]["sid"]) == (26, 1)
    ask = {"sid": 1, "action": "get_snapshot", "market_ticker": "A-1"}
    assert [say(session, "update_subscription", **ask)[0]["type"] for _ in range(2)] == ["orderbook_snapshot"] * 2
    assert code(say(session, "update_subscription", **ask)) == 27


def test_terminal_error_ends_the_subscription(session: Session) -> None:
    say(session, "subscribe", channels=["trade"])
    (frame,) = parsed(session.terminate("trade", 25, NOW))
    assert (frame["msg"]["code"], frame["sid"], frame["seq"]) == (25, 1, 1)
    assert session.wants("trade", "A-1") is None
    assert session.terminate("trade", 25, NOW) == []
