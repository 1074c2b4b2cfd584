"""
kmd-enricher: signed calls per CPU second, beside signing alone and loopback HTTP alone; its memory; what it takes to be idle.

A frame `determined` for each of many markets; each makes one signed GET (RSA-2048, PSS) whose answer becomes a settlement and a market record,
acknowledged by the broker before the frame is committed. The limit is what the CPU seconds of one signature by OpenSSL and of one GET by
libcurl over a kept connection, each measured alone, allow together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support import consume, keys
from support.consume import Outgoing
from support.ports import answers, free_port
from support.process import Process, wait_until
from support.services import Service

from bench import procs
from bench.rows import Row, Sample, interleave, medians, ratios, row_of
from bench.suite import Bench

_FIGURE = "calls per CPU second"
_IN_FLIGHT = 32
_PATIENCE_S = 1800.0


@contextmanager
def _rest(bench: Bench) -> Iterator[int]:
    """limits/rest.c on a port."""
    port = free_port()
    server = Process([bench.limit("rest"), str(port)], bench.folder / "rest.log")
    server.start()
    wait_until("it listens", lambda: answers(port))
    try:
        yield port
    finally:
        server.kill()


def _determined(bench: Bench, prefix: str, first: int, count: int) -> None:
    def frame(n: int) -> Outgoing:
        ticker = f"KXBENCH-1-{n}"
        msg = {"market_ticker": ticker, "event_type": "determined", "result": "yes", "settlement_value": "1.0000", "determination_ts": int(time.time())}
        value = json.dumps({"type": "market_lifecycle_v2", "sid": 3, "seq": n + 1, "msg": msg}).encode()
        headers = (("type", b"market_lifecycle_v2"), ("source", b"ws"), ("recv_ns", str(time.time_ns()).encode()))
        return Outgoing(value, ticker.encode(), headers)

    consume.produce(bench.kafka.bootstrap, f"{prefix}lifecycle", map(frame, range(first, first + count)))


def measure(bench: Bench) -> list[Row]:
    count = bench.scaled(20_000, 3_000)
    key = keys.rsa_key(bench.folder, bench.unique("key")).private
    prefix = bench.unique("e") + "."
    done = 0
    with _rest(bench) as port:
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": bench.kafka.bootstrap,
            "KMD_TOPIC_PREFIX": prefix,
            "KALSHI_REST_BASE_URL": f"http://127.0.0.1:{port}/trade-api/v2",
            "KALSHI_API_KEY_ID": "bench",
            "KALSHI_PRIVATE_KEY_FILE": str(key),
            "KMD_ENRICHER_GROUP": f"{prefix}enricher",
            "KMD_ENRICHER_RATE": "100000",
            "KMD_ENRICHER_MAX_IN_FLIGHT": str(_IN_FLIGHT),
        }
        enricher = Service("enricher", settings, bench.folder)
        enricher.start(wait=True)
        pid = enricher.process.pid
        idle_s = bench.scaled(60, 20)
        before = procs.cpu_s(pid)
        time.sleep(idle_s)
        idle = (procs.cpu_s(pid) - before) / idle_s * 100

        def ours() -> Sample:
            nonlocal done
            began, wall = procs.cpu_s(pid), time.monotonic()
            _determined(bench, prefix, done, count)
            done += count
            enricher.wait_metric("kmd_enricher_records_total", done, _PATIENCE_S, topic="settlements")
            cpu = procs.cpu_s(pid) - began
            return Sample(count / cpu, {"kmd-enricher": cpu}, {"kmd-enricher": procs.peak_rss_mib(pid)}, {"wall_s": time.monotonic() - wall})

        def sign() -> Sample:
            ended = procs.run_to_end([bench.limit("sign"), str(key), str(count)])
            return Sample(count / ended.cpu_s, {"sign": ended.cpu_s})

        def http() -> Sample:
            url = f"http://127.0.0.1:{port}/trade-api/v2/markets/KXBENCH-1-1"
            ended = procs.run_to_end([bench.limit("calls"), url, str(count), str(_IN_FLIGHT)])
            return Sample(count / ended.cpu_s, {"calls": ended.cpu_s})

        try:
            found = interleave(bench.rounds, {"kmd-enricher": ours, "sign": sign, "http": http}, bench.tell)
            resident = procs.rss_mib(pid)
        finally:
            enricher.stop()
    allowed = [1 / (1 / s.value + 1 / h.value) for s, h in zip(found["sign"], found["http"], strict=True)]
    first = row_of(_FIGURE, "kmd-enricher", "calls/CPU s", found["kmd-enricher"], limit_name="signing and HTTP together", goal=">= 0.85")
    first.limit, first.ratio = sorted(allowed)[len(allowed) // 2], ratios([s.value for s in found["kmd-enricher"]], allowed)
    rss = medians([s.rss_mib for s in found["kmd-enricher"]])
    return [
        first,
        row_of(_FIGURE, "signing alone", "calls/CPU s", found["sign"]),
        row_of(_FIGURE, "loopback HTTP alone", "calls/CPU s", found["http"]),
        Row("resident memory of kmd-enricher", "after the load", resident, "MiB", [resident], goal="<= 64", rss_mib=rss),
        Row("idle kmd-enricher", "kmd-enricher", idle, "% of a core", [idle], goal="<= 0.5"),
    ]
