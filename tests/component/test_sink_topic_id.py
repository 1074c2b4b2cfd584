"""A topic made anew that holds the very same records: only its id tells, which librdkafka knows from 2.3."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from component.sink_bench import LINEAGE, Bench, bench, frame, now_ns

from support import consume
from support.process import wait_until
from support.secured import newer_bin
from support.services import Service

__all__ = ["bench"]


def test_a_topic_is_known_by_its_id(bench: Bench, folder: Path) -> None:
    newer = newer_bin()
    if newer is None or b"rd_kafka_DescribeTopics" not in (newer / "kmd-sink").read_bytes():
        pytest.skip("no programs built against librdkafka 2.3 or newer (scripts/setup.sh build test)")
    at_ns = now_ns()
    records = [
        dataclasses.replace(frame("ticker", {"market_ticker": "KXA"}, n, recv_ns=str(at_ns)), timestamp_ms=at_ns // 1_000_000)
        for n in range(1, 8)
    ]
    one = Service("sink", {**bench.settings, "KMD_SINK_TOPICS": "tickers"}, folder)
    one.process.argv[0] = str(newer / "kmd-sink")
    bench.topic("tickers", 1)
    bench.produce("tickers", records[:5])
    one.start(wait=True)
    bench.wait_done("tickers")
    assert one.stop() == 0

    consume.delete_topic(bench.kafka.bootstrap, bench.prefix + "tickers")
    wait_until("it is gone", lambda: not consume.watermarks(bench.kafka.bootstrap, bench.prefix + "tickers"))
    bench.topic("tickers", 1)
    bench.produce("tickers", records)
    one.start()
    wait_until("it says so", lambda: "partitions" in one.ready()[1].get("missing", []), timeout=60)
    assert "its topic id was" in json.dumps(one.ready()[1])
    assert bench.offsets("tickers")[0]["next_offset"] == 5 and bench.one("SELECT count(*) FROM kalshi.tickers") == 5
    assert bench.one("SELECT count(DISTINCT lineage) = 1 AND max(lineage) = %s FROM kalshi.tickers", LINEAGE)
    assert one.stop() == 0
