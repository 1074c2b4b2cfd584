"""
Four connections in one kmd-ingest beside one: messages per CPU second.

Four shards of books in one process, a quarter of the order book deltas on each connection, beside the same number of deltas on
the one connection of one shard.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import _ingest
from bench.rows import Row, Sample, interleave, ratios, row_of
from bench.suite import Bench

_FIGURE = "messages per CPU second by connections"


def measure(bench: Bench) -> list[Row]:
    count = bench.scaled(1_000_000, 200_000)

    def run(connections: int) -> Callable[[], Sample]:
        def once() -> Sample:
            prefix = bench.unique("i") + "."
            _ingest.open_markets(bench, prefix, 400)
            with _ingest.exchange(bench, "delta") as source:
                more = {"channels": "orderbook_delta", "KMD_INGEST_SHARDS": str(connections), "KMD_TOPIC_PREFIX": prefix}
                with _ingest.capture(bench, source, connections, **more) as ingest:
                    ingest.run(count // 10 // connections, connections=connections)
                    return ingest.run(count // connections, connections=connections)

        return once

    found = interleave(bench.rounds, {"1": run(1), "4": run(4)}, bench.tell)
    four, one = found["4"], found["1"]
    rows = [row_of(_FIGURE, "4 connections", "messages/CPU s", four, limit_name="1 connection", goal=">= 0.95")]
    rows.append(row_of(_FIGURE, "1 connection", "messages/CPU s", one))
    rows[0].limit, rows[0].ratio = rows[1].value, ratios([s.value for s in four], [s.value for s in one])
    return rows
