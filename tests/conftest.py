"""Fixtures of every test: servers shared by all, private ones to break, a folder for logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.kafka import Kafka
from support.paths import BIN
from support.postgres import Postgres
from support.shared import Keeper, SharedKafka, SharedPostgres, ask, make_folder, unique

_keeper = pytest.StashKey[Keeper]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_keeper] = Keeper()


def pytest_unconfigure(config: pytest.Config) -> None:
    keeper = config.stash.get(_keeper, None)
    if keeper is not None:
        keeper.close()


def pytest_report_header() -> str:
    return f"programs: {BIN}  load: {os.environ.get('KMD_LOAD', '1')}  patience: {os.environ.get('PATIENCE', '1')}"


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Tells the folder fixture whether the test failed, so that it keeps the logs of one that did."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        item.stash[_failed] = True


_failed = pytest.StashKey[bool]()


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for logs and servers of this test. Kept, and named, when the test fails."""
    made = make_folder("kmd-t-")
    yield made
    if request.node.stash.get(_failed, False):
        print(f"logs of the failed test: {made}")
    else:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_kafka() -> SharedKafka:
    """One broker for the whole run. Use `topic_prefix` to keep apart from others; never stop it."""
    return SharedKafka(ask("kafka"))


@pytest.fixture(scope="session")
def shared_postgres() -> SharedPostgres:
    """One cluster for the whole run. Use `database` to keep apart from others; never stop it."""
    return SharedPostgres(ask("postgres"))


@pytest.fixture
def topic_prefix() -> str:
    """For KMD_TOPIC_PREFIX: no other test has it."""
    return unique("t") + "."


@dataclass(frozen=True)
class Database:
    """One empty database on the shared cluster."""

    server: SharedPostgres
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def env(self) -> dict[str, str]:
        return self.server.env(self.name)

    def query(self, sql: str, *args: object) -> list[tuple[object, ...]]:
        return self.server.query(sql, *args, database=self.name)

    def execute(self, sql: str) -> None:
        self.server.execute(sql, self.name)


@pytest.fixture
def database(shared_postgres: SharedPostgres) -> Iterator[Database]:
    """An empty database, dropped after the test."""
    name = unique("t")
    shared_postgres.create_database(name)
    yield Database(shared_postgres, name)
    shared_postgres.drop_database(name)


@pytest.fixture
def kafka(folder: Path) -> Iterator[Kafka]:
    """A running broker of this test alone, to be stopped, killed and started at will."""
    broker = Kafka(folder / "kafka")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def postgres(folder: Path) -> Iterator[Postgres]:
    """A running cluster of this test alone, to be stopped, killed and started at will."""
    server = Postgres(folder / "postgres")
    server.start()
    yield server
    server.kill()
