"""schemas/topics by itself: the files are sound, name everything that the sources name, and a record that breaks them is found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support import schemas
from support.consume import Record
from support.paths import FIXTURES, TOP


def examples(node: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """(place of the schema, example) of every example in a file."""
    if isinstance(node, dict):
        yield from ((pointer, one) for one in node.get("examples", ()))
        for name, one in node.items():
            if name not in ("examples", "const", "enum"):
                yield from examples(one, f"{pointer}/{name}")


@pytest.mark.parametrize("path", schemas.files(), ids=lambda p: p.relative_to(schemas.FOLDER).as_posix())
def test_a_schema_is_sound_and_its_examples_conform(path: Path) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(told)
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema" and told["title"]
    shown = list(examples(told))
    assert shown or path.parent.name not in ("records", "headers")
    for pointer, example in shown:
        faults = list(schemas.schema(path, pointer).iter_errors(example))
        assert not faults, f"{pointer}: {faults[0].message}"


def source(path: str) -> str:
    return (TOP / path).read_text(encoding="utf-8")


def test_the_document_names_every_topic() -> None:
    table = re.findall(r'X\(\w+, "(\w+)", KMD_KEEP_(\w+)\)', source("libcommon/record/kmd_topic.h"))
    document = schemas.contract().document
    kept = {}
    for topic, channel in document["channels"].items():
        assert channel["address"] == "{prefix}" + topic
        config = channel["bindings"]["kafka"]["topicConfiguration"]
        by_time = "FOREVER" if config.get("retention.ms") == -1 else "RETENTION"
        kept[topic] = "COMPACT" if config["cleanup.policy"] == ["compact"] else by_time
    assert kept == dict(table)
    assert [o["channel"]["$ref"] for o in document["operations"].values()] == [f"#/channels/{t}" for t in kept if t != "shards"]


def test_the_document_names_every_kind_of_feed_record() -> None:
    kinds = re.findall(r"X\((\w+)\)", re.search(r"#define KMD_FEED_KINDS\(X\)(.*)", source("libcommon/record/kmd_feed.h"))[1])  # type: ignore[index]
    told = json.loads(source("schemas/topics/records/feed.json"))
    assert [one["$ref"] for one in told["oneOf"]] == [f"#/$defs/{kind}" for kind in kinds]
    assert [m.name for m in schemas.contract().topics["feed"]] == [f"feed{kind.capitalize()}" for kind in kinds]


def test_the_document_names_every_type_of_frame() -> None:
    table = re.findall(r'X\(\w+, "(\w+)", (\w+), \w+\)', source("services/ingest/core/types.h"))
    known = {(name, topic.lower()) for name, topic in table if topic != "OTHER"}
    told = set()
    for topic in {topic for _, topic in known}:
        channel = schemas.contract().document["channels"][topic]
        for ref in channel["messages"].values():
            message = schemas.contract().document["components"]["messages"][ref["$ref"].rpartition("/")[2]]
            told.add((Path(message["payload"]["$ref"]).stem, topic))
    assert told == known


def test_the_readme_names_every_topic_and_table() -> None:
    readme = source("schemas/README.md")
    sql = "".join(path.read_text(encoding="utf-8") for path in sorted((TOP / "schemas" / "tables").glob("*.sql")))
    topics, tables = readme.split("\n## Tables\n")
    tables = tables.partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \| ", topics, re.M)[: len(schemas.contract().topics)] == list(schemas.contract().topics)
    made = set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?kalshi\.(\w+)", sql))
    assert set(re.findall(r"^\| `(\w+)` \| ", tables, re.M)) == made
    for path in re.findall(r"\]\((topics[^)]*|tables)\)", readme):
        assert (TOP / "schemas" / path).exists(), path


@pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no recordings at {FIXTURES}")
def test_what_the_exchange_was_seen_to_send_fits_its_schema() -> None:
    """Old shapes too, back to 2025."""
    frames = {path.stem: schemas.schema(path) for path in schemas.files() if path.parent.name == "frames"}
    wrong, fits = [], 0
    for path in sorted((FIXTURES / "frames").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            frame = json.loads(line) if line.strip() else {}
            if frame.get("type") in frames:
                fits += 1
                wrong += [f"{path.stem}: {fault.json_path} {fault.message}" for fault in frames[frame["type"]].iter_errors(frame)]
    assert fits and not wrong, wrong[:10]


TRADE = Record(
    "t.trades", 0, 7, 1795219204990, b"KX-1", b'{"type":"trade","sid":1,"seq":2,"msg":{"market_ticker":"KX-1","new":1}}',
    (("lineage", b"17"), ("n", b"3"), ("recv_ns", b"1795219204990000000"), ("mono_ns", b"5"), ("type", b"trade"),
     ("sid", b"1"), ("seq", b"2"), ("source", b"ws")),
)  # fmt: skip
RECORD_HEADERS = (("type", b"markets"), ("content-type", b"application/json"))
MARKET = Record(
    "t.markets", 0, 1, 1795219204990, b"KX-1",
    b'{"ticker":"KX-1","event_ticker":"KX","series_ticker":null,"fetched_at":"2026-11-22T10:00:01.000000000Z","body":{"ticker":"KX-1","new":1}}',
    RECORD_HEADERS,
)  # fmt: skip


def test_good_records_pass() -> None:
    tombstone = replace(MARKET, value=None, headers=(("type", b"markets"),))
    odd = replace(TRADE, key=b"17", value=b"\xff\xfe", headers=(*TRADE.headers[:4], ("source", b"ws")))
    rest = replace(TRADE, headers=(("type", b"trade"), ("source", b"rest"), TRADE.headers[2], ("repairs", b"17")))
    seen = schemas.check({"trades": [TRADE, rest], "markets": [MARKET, tombstone], "other": [odd]})
    assert seen == {"trade": 1, "tradeRepaired": 1, "market": 1, "marketTombstone": 1, "other": 1}


@pytest.mark.parametrize(
    ("topic", "record", "why"),
    [
        ("trades", replace(TRADE, key=b"KX-2"), "is not 'KX-1'"),
        ("trades", replace(TRADE, key=None), "None"),
        ("trades", replace(TRADE, timestamp_ms=1), "timestamp"),
        ("trades", replace(TRADE, headers=TRADE.headers[1:]), "lineage"),
        ("trades", replace(TRADE, headers=(*TRADE.headers, ("n", b"3"))), "twice"),
        ("trades", replace(TRADE, headers=(*TRADE.headers, ("unheard", b"3"))), "unheard"),
        ("trades", replace(TRADE, headers=(*TRADE.headers, ("use_yes_price", b"true"))), "type"),
        ("trades", replace(TRADE, headers=(("lineage", b"\xff"), *TRADE.headers[1:])), "UTF-8"),
        ("trades", replace(TRADE, value=b"{"), "not JSON"),
        ("trades", replace(TRADE, value=b'{"type":"ticker","msg":{"market_ticker":"KX-1"}}'), "trade"),
        ("tickers", TRADE, "ticker"),
        ("markets", replace(MARKET, headers=RECORD_HEADERS[:1]), "content-type"),
        ("markets", replace(MARKET, value=(MARKET.value or b"").replace(b'"event_ticker":"KX",', b"")), "event_ticker"),
        ("markets", replace(MARKET, value=(MARKET.value or b"").replace(b'{"ticker"', b'{"extra":1,"ticker"', 1)), "extra"),
        ("markets", replace(MARKET, value=(MARKET.value or b"").replace(b".000000000Z", b"Z")), "fetched_at"),
        ("shards", MARKET, "no messages"),
    ],
)  # fmt: skip
def test_a_record_that_breaks_the_contract_is_found(topic: str, record: Record, why: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(why)):
        schemas.check({topic: [record]})
