"""Several kmd-ingest in one group before one scripted exchange: who captures which shard, and since when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from component.ingest_bench import EXCHANGE_WIDE, Bench
from component.ingest_exchange import Connection

from support.process import wait_until
from support.services import Service


def shard_of(ticker: str, count: int) -> int:
    """FNV-1a, 64 bit, folded to 32: as ARCHITECTURE.md says, written anew so that the figures are checked."""
    h = 0xCBF29CE484222325
    for byte in ticker.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return ((h >> 32) ^ (h & 0xFFFFFFFF)) % count


class Crew:
    """Instances of one group with @shards shards and some markets in each."""

    def __init__(self, bench: Bench, shards: int, markets: int = 24, folder: Path | None = None) -> None:
        self.bench, self.shards = bench, shards
        self.folder = folder  # of the spools, if there are to be some
        self.instances: list[Service] = []
        self.tickers = {f"KX-{n}" for n in range(markets)}
        for ticker in self.tickers:
            bench.market(ticker)

    def add(self, count: int = 1, **settings: str) -> list[Service]:
        """@count more instances, started at once."""
        made = []
        for _ in range(count):
            if self.folder:
                settings["KMD_INGEST_SPOOL_DIR"] = str(self.folder / f"spool-{len(self.instances)}")
            made.append(self.bench.start(KMD_INGEST_SHARDS=str(self.shards), **settings))
            self.instances.append(made[-1])
        return made

    def books(self, shard: int) -> set[str]:
        return {t for t in self.tickers if shard_of(t, self.shards) == shard}

    def open(self) -> list[Connection]:
        return [c for c in self.bench.exchange.connections if c.open]

    def owners(self, shard: int) -> list[Connection]:
        """The open connections that have everything of the shard."""
        wide = set(EXCHANGE_WIDE) if shard == 0 else set()
        return [c for c in self.open() if c.books == self.books(shard) and wide <= set(c.sids) and (bool(wide) == ("trade" in c.sids))]

    def wait_even(self, timeout: float = 60.0) -> None:
        """Until each shard is captured by one connection, and every instance is ready."""

        def look() -> bool:
            alive = [i for i in self.instances if i.alive()]
            return (
                len(self.open()) == self.shards
                and all(len(self.owners(s)) == 1 for s in range(self.shards))
                and all(i.ready()[0] == 200 for i in alive)
            )

        try:
            wait_until("each shard is captured once", look, timeout)
        except AssertionError:
            state = [(i.label, i.alive(), i.ready()) for i in self.instances]
            raise AssertionError(f"open {[(c.number, sorted(c.books), sorted(c.sids)) for c in self.open()]}, {state}") from None

    def held(self, one: Service) -> set[int]:
        """The shards that an instance captures, by its metrics."""
        return {s for s in range(self.shards) if one.metric("kmd_ingest_shard_held", shard=str(s)) == 1}

    def trade(self, count: int = 1) -> None:
        """The same trades on every connection that is subscribed, as the exchange does."""
        for _ in range(count):
            trade_id = f"t{time.time_ns()}"
            for c in self.open():
                if "trade" in c.sids:
                    c.send(c.numbered("trade", "trade", {"market_ticker": "M-1", "trade_id": trade_id, "ts_ms": time.time_ns() // 1_000_000}))

    def lineages(self) -> dict[int, list[dict[str, Any]]]:
        """Records of `feed` by lineage, in order."""
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for r in self.bench.feed():
            found[r["lineage"]].append(r)
        return dict(found)

    def wait_handover(self, shard: int, count: int = 1) -> None:
        self.bench.wait_feed("handover", count, shard=shard, timeout=60)

    def assert_no_hole(self) -> None:
        told = [r for r in self.bench.feed("subscribed") if "from_recv_ns" in r]
        assert not told, told

    def assert_covered(self, shards: Iterable[int]) -> None:
        """Whoever stops capturing a shard does so while another lineage has all of it, as that said by `handover`."""
        feed, wanted = self.bench.feed(), set(shards)
        newest = {r["shard"]: r["lineage"] for r in feed if r["kind"] == "opened"}
        whole: set[tuple[int, int]] = set()  # shard, lineage
        for r in feed:
            if r["kind"] == "handover":
                whole.add((r["shard"], r["lineage"]))
            if r["kind"] != "closed" or r["shard"] not in wanted:
                continue
            whole.discard((r["shard"], r["lineage"]))
            others = [lineage for shard, lineage in whole if shard == r["shard"]]
            assert others or r["lineage"] == newest[r["shard"]], f"shard {r['shard']}: lineage {r['lineage']} closed ({r['reason']}) before anybody took over"
