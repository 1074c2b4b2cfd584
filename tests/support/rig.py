"""
The whole, for one test: an exchange, the three services, a topic prefix and a database of their own.

    kmd-sim ──ws──► kmd-ingest ──► Kafka ──► kmd-sink ──► Postgres
       ▲                             ▲ │
       └────────rest──── kmd-enricher ─┘
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from support import consume
from support.postgres import Postgres
from support.process import Failure, run, wait_until
from support.services import Service, base_env, stop_all
from support.sim import Sim
from support.topics import TOPICS


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


NAMES = ("ingest", "enricher", "sink")


class Rig:
    """
    start() brings everything up in an order that works; each part may be stopped, killed and started by itself.
    @settings: for all three services; @ingest, @enricher, @sink: for one, over that.
    """

    def __init__(
        self,
        folder: Path,
        kafka: Broker,
        postgres: Postgres,
        database: str,
        prefix: str,
        sim: Sim,
        settings: Mapping[str, str] | None = None,
        ingest: Mapping[str, str] | None = None,
        enricher: Mapping[str, str] | None = None,
        sink: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.kafka, self.postgres, self.database, self.prefix, self.sim = (
            folder, kafka, postgres, database, prefix, sim,
        )  # fmt: skip
        self._common = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "KMD_TOPIC_PREFIX": prefix,
            "KMD_TOPIC_PARTITIONS": "4",
            **(settings or {}),
        }
        exchange = sim.settings()
        self.ingest = Service("ingest", {"KMD_INGEST_GROUP": f"{prefix}ingest", **self._common, **exchange, **(ingest or {})}, folder)
        self.enricher = Service("enricher", {**self._common, **exchange, **(enricher or {})}, folder)
        self.sink = Service("sink", {**self._common, **postgres.env(database), **(sink or {})}, folder)

    @property
    def services(self) -> list[Service]:
        return [self.sink, self.enricher, self.ingest]

    def start(self, services: Iterable[str] = NAMES, ready: bool = True) -> Rig:
        """The exchange (unless it runs), the schema, then the services named; @ready: until each says so."""
        wanted = [s for s in self.services if s.name in set(services)]
        if not self.sim.process.alive():
            self.sim.start()
        if self.sink in wanted:
            self.migrate()
        for one in wanted:
            one.start()
        for one in wanted if ready else []:
            one.wait_ready()
        return self

    def migrate(self) -> None:
        run([self.sink.process.argv[0], "--migrate"], {**base_env(), **self.sink.settings})

    def stop(self) -> None:
        """SIGTERM to what runs; Failure when a service did not end with 0 or a sanitizer spoke."""
        try:
            stop_all(self.services)
        finally:
            self.sim.kill()

    def topic(self, name: str) -> str:
        return self.prefix + name

    def read(self, name: str) -> list[consume.Record]:
        """Every record of the topic, by partition and offset."""
        return consume.read_topic(self.kafka.bootstrap, self.topic(name))

    def query(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        return self.postgres.query(sql, *args, database=self.database)

    def drain(self, timeout: float = 120.0) -> None:
        """
        The exchange falls silent, the enricher has nothing left to ask, and every record is in Postgres.
        Seen twice in a row, because each hands work to the other.
        """
        self.sim.quiesce(timeout)
        seen: list[dict[str, int]] = []
        left = ""

        def look() -> bool:
            nonlocal left
            for one in self.services:
                if not one.alive():
                    raise Failure(f"{one.name} ended with {one.process.exit_code}\n{one.process.tail()}")
            busy = self.enricher.metric("kmd_enricher_pending") + self.enricher.metric("kmd_enricher_in_flight")
            ends = self._ends()
            stored = self._stored(ends)
            seen.append(ends)
            quiet = len(seen) > 5 and all(earlier == ends for earlier in seen[-6:])
            missing = {topic: ends[topic] - stored[topic] for topic in ends if ends[topic] != stored[topic]}
            left = f"fetches {busy:.0f}, still growing {not quiet}, records not stored {missing}"
            return not busy and quiet and not missing

        try:
            wait_until("everything that was sent is stored", look, timeout, every=0.3)
        except Failure as late:
            tails = "\n".join(one.process.tail(8) for one in self.services)
            raise Failure(f"{late}; {left}\n{tails}") from None

    def wait_level(self, timeout: float = 60.0) -> None:
        """Until the sink has committed everything that stands in any topic; only once nobody writes any more."""

        def level() -> bool:
            ends = consume.ends(self.kafka.bootstrap, self._topics())
            return ends == self._stored(ends)

        wait_until("the sink is level with the topics", level, timeout, every=0.3)

    def wait_stored(self, *names: str, timeout: float = 60.0) -> None:
        """Until the sink has committed what stands in the topics named, seen twice."""
        levels: list[bool] = []

        def level() -> bool:
            ends = consume.ends(self.kafka.bootstrap, [self.topic(name) for name in names])
            levels.append(ends == self._stored(ends))
            return len(levels) > 1 and all(levels[-2:])

        wait_until(f"{', '.join(names)} are stored", level, timeout, every=0.5)

    def _topics(self) -> list[str]:
        return [self.topic(name) for name in TOPICS]

    def first_subscribed_us(self, channel: str) -> int:
        """Unix us of the first `subscribed` to @channel that ingest told of; waits for it."""

        def told() -> str | None:
            for record in self.read("feed"):
                note = json.loads(record.value or b"{}")
                if note.get("kind") == "subscribed" and note.get("channel") == channel:
                    return str(note["at"])
            return None

        at = wait_until(f"feed tells of a subscription to {channel}", told, timeout=20)
        return int(datetime.fromisoformat(at[:26] + "+00:00").timestamp() * 1_000_000)

    def _ends(self) -> dict[str, int]:
        """Offset after the last record, summed per topic; `feed` left out, because ingest writes to it for ever."""
        return consume.ends(self.kafka.bootstrap, [t for t in self._topics() if t != self.topic("feed")])

    def _stored(self, ends: Mapping[str, int]) -> dict[str, int]:
        rows = self.query("SELECT topic, sum(next_offset)::bigint FROM kalshi.sink_offsets GROUP BY topic")
        stored = dict(rows)
        return {topic: int(stored.get(topic, 0)) for topic in ends}
