"""A broker, a database and sinks for a program of this folder: all of its own, gone at its end."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from component.sink_bench import Bench

from support.kafka import Kafka
from support.postgres import Postgres
from support.services import Service
from support.shared import make_folder

_began = time.monotonic()


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"[{time.monotonic() - _began:5.0f} s] {text}", file=sys.stderr, flush=True)


class Own:
    """The one database of a cluster of our own, as Bench wants it."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.server, self.name = server, name
        server.create_database(name)

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def query(self, sql: str, *args: object) -> list[tuple[object, ...]]:
        return self.server.query(sql, *args, database=self.name)

    def execute(self, sql: str) -> None:
        self.server.execute(sql, self.name)


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka, self.postgres = Kafka(folder / "kafka", heap="768m"), Postgres(folder / "postgres")
        self.sinks: list[Service] = []
        self.keep = False  # the logs, because a bound was missed

    def bench(self, name: str) -> Bench:
        """A database and a topic prefix of that name, migrated."""
        made = Bench(self.kafka, Own(self.postgres, name), f"{name}.", self._start)
        made.migrate()
        return made

    def _start(self, name: str, settings: dict[str, str], label: str | None = None) -> Service:
        one = Service(name, settings, self.folder, label or f"{name}{len(self.sinks) or ''}")
        self.sinks.append(one)
        one.start()
        return one


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Servers that run; they and the sinks are killed at the end. Logs are kept, and named, when something did not hold."""
    at = Place(make_folder("kmd-f-"))
    try:
        at.kafka.start()
        at.postgres.start()
        yield at
    except BaseException:
        at.keep = True
        raise
    finally:
        for process in [s.process for s in at.sinks] + [at.kafka.process]:
            process.kill()
        at.postgres.kill()
        if at.keep:
            print(f"logs: {at.folder}", file=sys.stderr)
        else:
            shutil.rmtree(at.folder, ignore_errors=True)
