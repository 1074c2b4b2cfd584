"""
kmd-ingest beside programs that only forward: messages per CPU second (user and system, all threads).

Trades of about 330 bytes from one plain WebSocket on loopback, written 64 KiB at a time, into a topic of 12 partitions with
acks=all, idempotent, lz4, linger 5 ms. kmd-ingest stamps, numbers, checks the sequence, routes by ticker, adds eight headers, and knows up
to where all is durable; nobody else here does any of that. `libwebsockets alone` counts messages and does nothing with them.
`blindly` hands the bytes to librdkafka without a key or a header. `with key and headers` gives every message eight headers of
fixed text and a key, which is what the topics' contract asks of librdkafka, and still looks at nothing. The peers are Python
programs on uvloop with confluent-kafka, forwarding blindly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from support.paths import TOP

from bench.figures import _ingest
from bench.rows import Row, Rounds, Sample, interleave, ratios, row_of
from bench.suite import OUT, Bench

_BLIND, _KEYED, _ALONE = "libwebsockets + librdkafka, blindly", "libwebsockets + librdkafka, with key and headers", "libwebsockets alone"
_FIGURE = "messages per CPU second, receipt to acknowledgement"
PEERS = ("picows", "aiohttp", "websockets")


def _peer_python() -> str | None:
    python = OUT / "peers" / "bin" / "python"
    return str(python) if python.exists() else None


def _contestants(bench: Bench, source: _ingest.Exchange, ingest: _ingest.Capture, count: int) -> dict[str, Callable[[], Sample]]:
    topic, kafka = _ingest.topic(bench), bench.kafka.bootstrap

    def limit(mode: str) -> Callable[[], Sample]:
        more = [] if mode == "count" else [kafka, topic]
        return lambda: _ingest.forward(bench, source, [bench.limit("forward"), mode, str(source.port), str(count), *more], count)

    def peer(name: str, python: str) -> Callable[[], Sample]:
        argv = [python, str(TOP / "bench" / "peers" / "forward.py"), name, str(source.port), str(count), kafka, topic]
        return lambda: _ingest.forward(bench, source, argv, count)

    found: dict[str, Callable[[], Sample]] = {
        "kmd-ingest": lambda: ingest.run(count),
        _ALONE: limit("count"),
        _BLIND: limit("blind"),
        _KEYED: limit("headers"),
    }
    python = _peer_python()
    for name in PEERS if python else ():
        found[name] = peer(name, str(python))
    return found


def _rows(found: Rounds) -> list[Row]:
    rows = [row_of(_FIGURE, who, "messages/CPU s", samples) for who, samples in found.items()]
    ours = [s.value for s in found["kmd-ingest"]]

    def beside(who: str, goal: str, note: str = "") -> Row:
        theirs = [s.value for s in found[who]]
        row = row_of(f"{_FIGURE}, kmd-ingest beside", who, "messages/CPU s", found["kmd-ingest"], goal=goal, note=note)
        row.limit, row.limit_name, row.ratio = sorted(theirs)[len(theirs) // 2], who, ratios(ours, theirs)
        return row

    rows.append(beside(_BLIND, ">= 0.9"))
    rows.append(beside(_KEYED, ""))
    if "picows" in found:
        rows.append(beside("picows", ">= 1.0"))
    # What is left of each when the library's reading of the socket, the same in both, is taken away.
    reader = [1 / s.value for s in found[_ALONE]]
    for who in [_BLIND, _KEYED]:
        rest = [(1 / s.value - r) / (1 / o - r) for s, o, r in zip(found[who], ours, reader, strict=True)]
        rows.append(
            Row(f"{_FIGURE}, without the library's reading", f"kmd-ingest beside {who}", rows[0].value, "messages/CPU s",
                ratio=sorted(rest)[len(rest) // 2], limit_name="CPU of the rest, theirs by ours")
        )  # fmt: skip
    return rows


def measure(bench: Bench) -> list[Row]:
    count = bench.scaled(1_000_000, 200_000)
    if not _peer_python():
        print("ingest_throughput: no peers, scripts/bench-peers.sh has not made their environment", file=sys.stderr)
    with _ingest.exchange(bench) as source, _ingest.exchange(bench) as others, _ingest.capture(bench, source) as ingest:
        ingest.run(count)  # warms broker and ingest
        found = interleave(bench.rounds, _contestants(bench, others, ingest, count), bench.tell)
    return _rows(found)
