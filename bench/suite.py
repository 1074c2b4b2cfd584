"""What every figure runs in: folders, a broker and a database that start when the first figure asks, and the scale."""

from __future__ import annotations

import os
import shutil
import sys
import time
from functools import cached_property
from pathlib import Path

from support.kafka import Kafka
from support.paths import BUILD, TOP
from support.postgres import Postgres
from support.shared import make_folder

from bench import procs

OUT = BUILD / "bench"
LIMITS = OUT / "limits"  # the programs of bench/limits
REPORT = TOP / "bench" / "report"
PROFILES = REPORT / "profiles"  # text, committed with the report

# What the database is given beyond its defaults: memory and a write-ahead log that fit the load, on both sides of each
# comparison. Commits are as durable as Postgres makes them.
_POSTGRES = """\
shared_buffers = 1GB
max_wal_size = 4GB
checkpoint_timeout = 30min
autovacuum_naptime = 10min
track_commit_timestamp = on
"""


class Bench:
    """@quick: smaller amounts and fewer rounds, for minutes instead of an hour or more."""

    def __init__(self, quick: bool, rounds: int | None = None) -> None:
        self.quick = quick
        self.rounds = rounds or (1 if quick else 3)
        self._topics = 0

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    @cached_property
    def folder(self) -> Path:
        """For servers and logs; gone at the end."""
        return make_folder("kmd-bench-")

    @cached_property
    def kafka(self) -> Kafka:
        """One broker for the whole run, on the core that is not the database's."""
        broker = Kafka(self.folder / "kafka", heap="1g")
        procs.pin(broker.process, procs.OTHER_CORE)
        broker.start()
        return broker

    @cached_property
    def postgres(self) -> Postgres:
        """One cluster for the whole run, alone on its core."""
        server = Postgres(self.folder / "postgres", throwaway=False)
        procs.pin(server.process, procs.DATABASE_CORE)
        server._lay_out()
        with open(server.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(_POSTGRES)
        server.start()
        return server

    def limit(self, name: str) -> str:
        """Path of a program of bench/limits."""
        return str(LIMITS / name)

    def unique(self, stem: str) -> str:
        """For topics, groups and databases."""
        self._topics += 1
        return f"{stem}{self._topics}x{time.time_ns() // 1_000_000 % 10**8}"

    def close(self) -> None:
        if "postgres" in self.__dict__:
            self.postgres.stop()
        if "kafka" in self.__dict__:
            self.kafka.kill()
        if "folder" in self.__dict__:
            shutil.rmtree(self.folder, ignore_errors=True)


def machine() -> dict[str, object]:
    """What the figures were measured on, as far as it matters; nothing that names the machine."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {"cpu": cpu, "cores": len(procs.CORES), "memory_gib": round(kib / 2**20), "kernel": ".".join(os.uname().release.split(".")[:2])}
