"""
One Kafka and one Postgres for a whole run of pytest, started when the first test asks and by nobody if none does.

With xdist the controller is the keeper, because it outlives every worker; a worker asks by a file and waits for the
answer. Without xdist the one process is both. Tests keep apart by topic prefix and by database.

    worker: touch kafka.wanted ─► keeper's thread starts the broker ─► writes kafka.json ─► worker reads it
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from support.kafka import Kafka
from support.postgres import Postgres
from support.process import Failure, wait_until

_ENV = "KMD_TEST_SERVERS"


def make_folder(prefix: str) -> Path:
    """A fresh folder that other users may pass through, as Postgres under root needs; its name is short, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o711)
    return folder


class Keeper:
    """Lives in the controller from configure to unconfigure. Its thread is the parent of the servers."""

    def __init__(self) -> None:
        self.folder = make_folder("kmd-test-")
        os.environ[_ENV] = str(self.folder)
        self._kafka: Kafka | None = None
        self._postgres: Postgres | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        os.environ.pop(_ENV, None)
        rmtree(self.folder, ignore_errors=True)

    def _serve(self) -> None:
        while not self._over.wait(0.05):
            self._look()
        if self._postgres:
            self._postgres.stop()
        if self._kafka:
            self._kafka.kill()  # nobody reads its data again

    def _look(self) -> None:
        if self._kafka is None and self._wanted("kafka"):
            self._kafka = Kafka(self.folder / "kafka", heap="512m")
            self._answer("kafka", self._kafka, self._kafka.port)
        if self._postgres is None and self._wanted("postgres"):
            self._postgres = Postgres(self.folder / "postgres")
            self._answer("postgres", self._postgres, self._postgres.port)

    def _wanted(self, name: str) -> bool:
        return (self.folder / f"{name}.wanted").exists()

    def _answer(self, name: str, server: Kafka | Postgres, port: int) -> None:
        answer: dict[str, object] = {"port": port}
        try:
            server.start()
        except Exception:
            answer = {"error": traceback.format_exc()}
        draft = self.folder / f"{name}.draft"
        draft.write_text(json.dumps(answer), encoding="utf-8")
        draft.replace(self.folder / f"{name}.json")


def ask(name: str) -> int:
    """Port of the shared server `kafka` or `postgres`; it is started if this is the first to ask."""
    folder = Path(os.environ[_ENV])
    (folder / f"{name}.wanted").touch()
    path = folder / f"{name}.json"
    wait_until(f"the shared {name} is up", path.exists, timeout=120)
    answer = json.loads(path.read_text(encoding="utf-8"))
    if "error" in answer:
        raise Failure(f"the shared {name} did not start: {answer['error']}")
    return int(answer["port"])


@dataclass(frozen=True)
class SharedKafka:
    """Somebody else's broker: used, never stopped."""

    port: int

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"


class SharedPostgres(Postgres):
    """The keeper's cluster seen from a test: databases and queries, never start or stop."""

    def __init__(self, port: int) -> None:
        super().__init__(Path(os.environ[_ENV]) / "postgres", port=port)

    def start(self, wait: bool = True) -> None:
        raise Failure("the shared Postgres is not a test's to start; use a private one")

    stop = kill = restart = start


@dataclass(frozen=True)
class Database:
    """One database, empty at first."""

    server: Postgres
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def env(self) -> dict[str, str]:
        return self.server.env(self.name)

    def query(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        return self.server.query(sql, *args, database=self.name)

    def execute(self, sql: str) -> None:
        self.server.execute(sql, self.name)


def unique(stem: str) -> str:
    """A name that no other test of this or another run has: short, lower case, good for topics and databases."""
    return f"{stem}{os.getpid():x}{time.monotonic_ns() // 1000 & 0xFFFFFFF:x}"
