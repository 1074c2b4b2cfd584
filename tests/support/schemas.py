"""
The published contract, schemas/topics/asyncapi.yaml, put to use: is a record what the document says of its topic?

    check(topics.records)      every record of a run: key, headers, value; what messages were seen

Stricter than the published schemas in one way: a member or header of ours that they do not name is a fault.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from support.consume import Record
from support.paths import TOP

FOLDER = TOP / "schemas" / "topics"
DOCUMENT = FOLDER / "asyncapi.yaml"
SHOWN = 10


class Message:
    """One message of the document: the schemas of its key, headers and payload, and where key and timestamp are taken from."""

    def __init__(self, name: str, told: Mapping[str, Any]) -> None:
        def validator(pointer: str) -> Draft202012Validator:
            return schema(DOCUMENT, f"/components/messages/{name}/{pointer}")

        self.name = name
        self.headers = validator("headers")
        self.key = validator("bindings/kafka/key")
        self.payload = validator("payload") if "payload" in told else None
        self.timestamp_location: str = told.get("x-timestamp-location", "")
        self.key_location: list[str] = told.get("x-key-location", [])

    def faults(self, record: Record, headers: Mapping[str, str]) -> Iterator[str]:
        yield from told("header", self.headers.iter_errors(headers))
        key = None if record.key is None else record.key.decode(errors="surrogateescape")
        yield from told("key", self.key.iter_errors(key))
        value = None
        if self.payload is not None:
            try:
                value = None if record.value is None else json.loads(record.value)
            except ValueError as error:
                yield f"value: not JSON: {error}"
                return
            yield from told("value", self.payload.iter_errors(value))
        at_ns = _look(self.timestamp_location, headers, value)
        if at_ns and at_ns.isdecimal() and int(at_ns) // 1_000_000 != record.timestamp_ms:
            yield f"timestamp: {record.timestamp_ms} ms is not {at_ns} ns, which stands at {self.timestamp_location}"
        if self.key_location:
            want = next((found for place in self.key_location if (found := _look(place, headers, value))), None)
            if key != want:
                yield f"key: {key!r} is not {want!r}, which stands at {self.key_location}"


def told(part: str, errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        yield f"{part}: {error.json_path}: {error.message[:300]}"


def _look(place: str, headers: Mapping[str, str], value: Any) -> str | None:
    """The text at `$message.header#/name` or `$message.payload#/a/b`; None where there is none."""
    part, _, pointer = place.removeprefix("$message.").partition("#/")
    found: Any = headers if part == "header" else value
    for name in pointer.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


class Contract:
    """The document with all that it refers to. `topics`: name without prefix -> the messages that may stand there."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
        messages = self.document["components"]["messages"]
        self.messages = {name: Message(name, one) for name, one in messages.items()}
        self.topics = {
            topic: [self.messages[ref["$ref"].rpartition("/")[2]] for ref in channel["messages"].values()]
            for topic, channel in self.document["channels"].items()
        }

    def match(self, topic: str, record: Record) -> tuple[str, list[str]]:
        """The message that the record is, or is nearest to, and what is wrong with it."""
        headers: dict[str, str] = {}
        faults = []
        for name, value in record.headers:
            if name in headers:
                faults.append(f"header: {name} stands twice")
            try:
                headers[name] = (value or b"").decode()
            except UnicodeDecodeError:
                faults.append(f"header: {name} is not UTF-8: {value!r}")
        nearest: tuple[str, list[str]] = ("none", [f"{topic} has no messages"])
        for message in self.topics[topic]:
            found = list(message.faults(record, headers))
            if not found:
                return message.name, faults
            if nearest[0] == "none" or len(found) < len(nearest[1]):
                nearest = message.name, found
        return nearest[0], faults + nearest[1]


@cache
def contract() -> Contract:
    return Contract()


def check(topics: Mapping[str, Iterable[Record]], most: int | None = None) -> Counter[str]:
    """
    @topics: name without prefix -> its records. AssertionError with the first faults; else how many of each message of
    the document were seen. @most: of a topic with more records only so many are looked at, spread evenly.
    """
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for topic, records in topics.items():
        for record in _spread(list(records), most):
            name, faults = contract().match(topic, record)
            seen[name] += 1
            if faults:
                wrong.append(f"{topic}-{record.partition} offset {record.offset}, as {name}: {faults[:3]}\n    {record}")
    assert not wrong, f"{len(wrong)} records are not what {DOCUMENT.name} says:\n" + "\n".join(wrong[:SHOWN])
    return seen


def _spread(records: list[Record], most: int | None) -> list[Record]:
    if most is None or len(records) <= most:
        return records
    return [records[i * len(records) // most] for i in range(most)]


def files() -> list[Path]:
    """Every JSON Schema of the contract."""
    return sorted(FOLDER.rglob("*.json"))


def schema(path: Path, pointer: str = "") -> Draft202012Validator:
    """What is at @pointer in a file of the contract."""
    return Draft202012Validator({"$ref": f"{path.as_uri()}#{pointer}"}, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    """Every file of the contract by its address, ready to be referred to."""
    told = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in files()]
    told.append((DOCUMENT, yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))))
    resources = [(path.as_uri(), Resource(_closed(one), specification=DRAFT202012)) for path, one in told]
    return Registry().with_resources(resources).crawl()


def _closed(node: Any) -> Any:
    """Objects whose schema names their members and does not speak of others have no others."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    closed = {name: one if name in ("examples", "const", "enum") else _closed(one) for name, one in node.items()}
    if node.get("type") == "object" and isinstance(node.get("properties"), dict) and "allOf" not in node:
        closed.setdefault("additionalProperties", False)
    return closed
