"""A private Postgres cluster: all of it in one folder, a socket there and a loopback port of its own.

Postgres refuses to run as root, so under root it runs as the user `postgres` of the packages.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.paths import postgres_bin
from support.ports import free_port
from support.process import Failure, Process, run, running, wait_until

_SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 128MB
max_wal_size = 1GB
timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""
# For clusters that live as long as a test: a crash of the machine may lose them, a crash of Postgres does not.
_THROWAWAY = """\
fsync = off
full_page_writes = off
autovacuum_naptime = 10min
"""


class Postgres:
    """start, stop, kill and start again: same port, same data. Everybody on loopback is trusted; superuser postgres."""

    def __init__(self, folder: Path, throwaway: bool = True, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.data = folder / "data"
        self.throwaway = throwaway
        self.user = "postgres" if os.getuid() == 0 else None
        self.process = Process(
            [str(postgres_bin() / "postgres"), "-D", str(self.data)],
            folder / "postgres.log",
            user=self.user,
            death_signal="QUIT",  # "immediate": the postmaster ends its children and its shared memory with itself
            cwd=Path("/"),
        )

    def start(self, wait: bool = True) -> None:
        if not self.data.exists():
            self._lay_out()
        self.process.start()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        def ready() -> bool:
            if not self.process.alive():
                raise Failure(f"postgres ended with {self.process.exit_code}\n{self.process.tail()}")
            probe = [str(postgres_bin() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            return run(probe, check=False).returncode == 0

        wait_until("postgres accepts connections", ready, timeout=60, every=0.05)

    def stop(self) -> None:
        """"Fast": open sessions are cut, what was committed is on disk."""
        self.process.stop(signal.SIGINT, timeout=60)

    def kill(self) -> None:
        """SIGKILL of the postmaster and of every session, as a power cut would; nothing if it was never started."""
        children = self._children() if self.process.alive() else []
        self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until("the sessions are gone", lambda: not any(map(running, children)))

    def restart(self) -> None:
        self.stop()
        self.start()

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def env(self, database: str = "postgres", user: str = "postgres") -> dict[str, str]:
        """libpq's variables."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGDATABASE": database, "PGUSER": user}

    def create_database(self, name: str) -> None:
        self.execute(f'CREATE DATABASE "{name}"')

    def drop_database(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, sql: str, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(sql)

    @contextlib.contextmanager
    def connect(self, database: str = "postgres", user: str = "postgres") -> Iterator[Any]:
        """An autocommit connection of psycopg."""
        import psycopg  # not needed to prepare servers, so not needed to import this module

        with psycopg.connect(self.url(database, user), autocommit=True, connect_timeout=10) as connection:
            yield connection

    def query(self, sql: str, *args: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        """All rows; %s in @sql takes @args."""
        with self.connect(database) as connection:
            return list(connection.execute(sql, args or None).fetchall())

    def _children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def _lay_out(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(self.folder, self.user, pwd.getpwnam(self.user).pw_gid)
        as_user = ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups"] if self.user else []
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        run([*as_user, str(postgres_bin() / "initdb"), "-D", str(self.data), *options])
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(_SETTINGS.format(port=self.port, folder=self.folder))
            if self.throwaway:
                conf.write(_THROWAWAY)
