"""
Everything that ingest and enricher write is what schemas/ says: each record's key, headers and value, on an ordinary day
and when the connection, the exchange and the broker misbehave.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from support import consume, schemas
from support.consume import Outgoing
from support.paths import LOAD, PATIENCE
from support.process import wait_until
from support.rig import Rig
from system import checks

BOOK = "orderbook_delta"
APART = {"deadLetter", "marketTombstone"}  # each has a test of its own below
SMALL = 10_000  # bytes that topic `other` takes here, so that something is refused


def test_every_record_is_what_the_contract_says(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(
        sim={"rate": 200 * LOAD, "markets": 30, "mve": 4, "determinations_per_minute": 60, "churn": 60, "time_scale": 20, "rest_rate": 200},
        ingest={"KMD_INGEST_STALE_AFTER": "2s"},
        enricher={"KMD_ENRICHER_RATE": "100", "KMD_ENRICHER_SETTLEMENT_RETRY": "1s", "KMD_ENRICHER_LIST_EVERY": "10s"},
    )
    consume.create_topic(rig.kafka.bootstrap, rig.topic("other"), 1, {"max.message.bytes": str(SMALL)})
    rig.start(("ingest", "enricher"))
    wait_books(rig)

    odd_messages(rig)
    wait_feed(rig, "refused")
    for channel in ("trade", "market_lifecycle_v2", BOOK):
        rig.sim.fault("skip", channel=channel, count=2)
    wait_feed(rig, "gap", channel="trade")
    wait_feed(rig, "gap", channel="market_lifecycle_v2")
    wait_feed(rig, "gap", channel=BOOK)
    wait_feed(rig, "resynced")
    rig.sim.fault("error", channel="trade", code=25)
    wait_feed(rig, "subscribed", 2, channel="trade")
    rig.sim.fault("freeze", for_s=60)
    wait_feed(rig, "stale")
    wait_books(rig)
    rig.sim.fault("drop")
    wait_feed(rig, "closed", 2)
    wait_books(rig)
    wait_until("a trade fetched by REST", lambda: [r for r in rig.read("trades") if r.header("source") == "rest"], 90, every=1)
    wait_until("each trigger of a settlement", lambda: triggers(rig) >= {"determined", "settled"}, 60, every=1)
    assert rig.ingest.stop() == 0

    topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
    seen = schemas.check(topics.records)
    assert sum(seen.values()) == sum(len(records) for records in topics.records.values())
    missing = set(schemas.contract().messages) - APART - set(seen)
    assert not missing, f"no record of these came up: {missing}; seen: {seen}"
    topics_are_made_so(rig)


def odd_messages(rig: Rig) -> None:
    """What the exchange rarely or never sends."""
    for message in (
        "not JSON",
        "[1, 2]",
        '"trade"',
        '{"type":"trade","sid":1,"seq":1,"msg":{"trade_id":"without a ticker"}}',
        '{"type":"Börse","sid":2,"msg":{}}',
        '{"type":"unsubscribed","sid":9999,"seq":1}',
        '{"type":"ok","id":0,"msg":[{"channel":"trade","sid":9999}]}',
        '{"type":"event_lifecycle","sid":9999,"msg":{"event_ticker":"KXMVE-E","title":"“Ω”","series_ticker":""}}',
        '{"type":"orderbook_delta","sid":9999,"seq":7,"msg":{"market_ticker":"KXOTHER","price":48,"delta":-5,"side":"yes"}}',
    ):
        rig.sim.fault("send", text=message)
    rig.sim.fault("send", base64=base64.b64encode(b"\x00\xff binary").decode(), binary=True)
    rig.sim.fault("send", text=os.urandom(12 * SMALL).hex())  # nothing that compresses away
    rig.sim.market("create", mve=True)
    rig.sim.market("create")
    rig.sim.market("fee", ticker=next(m["body"]["ticker"] for m in rig.sim.get("markets") if m["truth"] == "active" and not m["mve"]))


def wait_books(rig: Rig) -> None:
    def level() -> bool:
        expected = rig.ingest.metric("kmd_ingest_markets_expected")
        return bool(expected) and expected == rig.ingest.metric("kmd_ingest_markets_subscribed")

    wait_until("expected and subscribed markets are equal", level, timeout=60)


def wait_feed(rig: Rig, kind: str, count: int = 1, **having: Any) -> None:
    def look() -> bool:
        told = [json.loads(r.value or b"") for r in rig.read("feed")]
        return sum(r["kind"] == kind and having.items() <= r.items() for r in told) >= count

    wait_until(f"{count} {kind} in feed {having or ''}", look, timeout=60, every=0.3)


def triggers(rig: Rig) -> set[str]:
    return {json.loads(r.value or b"")["trigger"] for r in rig.read("settlements")}


def topics_are_made_so(rig: Rig) -> None:
    """Names, partitions and configuration of the topics in the broker are the document's."""
    admin = AdminClient({"bootstrap.servers": rig.kafka.bootstrap})
    topics = admin.list_topics(timeout=30 * PATIENCE).topics
    found = {name.removeprefix(rig.prefix): t for name, t in topics.items() if name.startswith(rig.prefix)}
    channels = schemas.contract().document["channels"]
    assert set(found) == set(channels)
    for topic, channel in channels.items():
        kafka = channel["bindings"]["kafka"]
        if topic == "other":
            continue  # made by this test
        if kafka["partitions"] == 1:
            assert len(found[topic].partitions) == 1, topic
        resource = ConfigResource(ConfigResource.Type.TOPIC, rig.topic(topic))
        config = admin.describe_configs([resource])[resource].result(30 * PATIENCE)
        for name, want in kafka["topicConfiguration"].items():
            text = ",".join(want) if isinstance(want, list) else str(want)
            assert config[name].value == text, f"{topic}: {name} is {config[name].value}, the document says {text}"


def test_a_tombstone_is_what_the_contract_says(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(sim={"rate": 0, "markets": 1, "determinations": 0, "churn": 0})
    settled_at = (datetime.now(timezone.utc) - timedelta(days=7, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"ticker": "KX-1", "event_ticker": "KX", "status": "finalized", "settlement_ts": settled_at}
    record = {"ticker": "KX-1", "event_ticker": "KX", "series_ticker": "K", "fetched_at": settled_at[:-1] + ".000000000Z", "body": body}
    headers = (("type", b"markets"), ("content-type", b"application/json"))
    consume.create_topic(rig.kafka.bootstrap, rig.topic("markets"), 4, {"cleanup.policy": "compact"})
    consume.produce(rig.kafka.bootstrap, rig.topic("markets"), [Outgoing(json.dumps(record).encode(), b"KX-1", headers)])
    rig.start(("enricher",))
    wait_until("a tombstone", lambda: any(r.value is None for r in rig.read("markets")), 90, every=0.5)
    seen = schemas.check({"markets": rig.read("markets")})
    assert seen["marketTombstone"] == 1


@pytest.mark.parametrize("value", [b"\xff not JSON", b'{"type":"market_lifecycle_v2","msg":7}'])
def test_a_dead_letter_is_what_the_contract_says(make_rig: Callable[..., Rig], value: bytes) -> None:
    rig = make_rig(sim={"rate": 0, "markets": 1, "determinations": 0, "churn": 0}).start(("enricher",))
    headers = (("lineage", b"17"), ("n", b"1"), ("type", b"market_lifecycle_v2"))
    consume.produce(rig.kafka.bootstrap, rig.topic("lifecycle"), [Outgoing(value, b"KX-1", headers)])
    letters = wait_until("a dead letter", lambda: rig.read("dlq"))
    assert schemas.check({"dlq": letters}) == {"deadLetter": 1}
    assert (letters[0].key, letters[0].value) == (b"KX-1", value)
    assert letters[0].headers[: len(headers)] == headers
    assert letters[0].header("__connect.errors.topic") == rig.topic("lifecycle")
