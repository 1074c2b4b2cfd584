"""
Where a program of this folder lives: a folder, servers and services of its own, gone at its end, and the line it prints.

    with place("5 gaps") as at:
        at.start_servers()
        ...
        at.tell("1000 gaps told")                   5 gaps: 1000 gaps told: ok
    return at.code
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from component.sink_bench import Bench

from support.kafka import Kafka
from support.postgres import Postgres
from support.rig import Rig
from support.services import Service
from support.shared import Database, make_folder
from support.sim import Sim

_began = time.monotonic()


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"[{time.monotonic() - _began:5.0f} s] {text}", file=sys.stderr, flush=True)


class Place:
    """What is made here is killed at the end."""

    def __init__(self, title: str, folder: Path, ends: contextlib.ExitStack) -> None:
        self.title, self.folder, self.ends = title, folder, ends
        self.kafka, self.postgres = Kafka(folder / "kafka", heap="768m"), Postgres(folder / "postgres")
        self.services: list[Service] = []
        self.code = 1
        ends.callback(self.postgres.kill)
        ends.callback(self.kafka.process.kill)

    def start_servers(self) -> None:
        self.kafka.start()
        self.postgres.start()

    def database(self, name: str = "kmd") -> Database:
        self.postgres.create_database(name)
        return Database(self.postgres, name)

    def bench(self, name: str = "kmd") -> Bench:
        """A database and a topic prefix of that name, migrated."""
        made = Bench(self.kafka, self.database(name), f"{name}.", self.start)
        made.migrate()
        return made

    def start(self, name: str, settings: dict[str, str], label: str | None = None) -> Service:
        one = Service(name, settings, self.folder, label or f"{name}{len(self.services) or ''}")
        self.services.append(one)
        self.ends.callback(one.kill)
        return one.start()

    @property
    def ledger(self) -> Path:
        """What the exchange of rig() sent."""
        return self.folder / "ledger.jsonl"

    def rig(self, world: Mapping[str, Any], **settings: Mapping[str, str]) -> Rig:
        """The three services and an exchange of that @world, which keeps a ledger; none of them started."""
        sim = Sim(self.folder, ledger=self.ledger, **world)
        made = Rig(self.folder, self.kafka, self.postgres, "kmd", "f.", sim, **settings)
        self.ends.callback(sim.kill)
        for one in made.services:
            self.ends.callback(one.kill)
        return made

    def tell(self, text: str, good: bool = True) -> None:
        """The program's line, its last word included."""
        print(f"{self.title}: {text}: {'ok' if good else 'FAIL'}", flush=True)
        self.code = 0 if good else 1


@contextlib.contextmanager
def place(title: str) -> Iterator[Place]:
    """What does not hold is told as the line of @title; then the logs are kept, and named."""
    folder = make_folder("kmd-f-")
    with contextlib.ExitStack() as ends:
        at = Place(title, folder, ends)
        try:
            yield at
        except AssertionError as wrong:
            at.tell(" ".join(str(wrong).split())[:500] or "something did not hold", good=False)
    if at.code:
        print(f"logs: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
