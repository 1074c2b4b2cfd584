"""Fixtures of every test: servers shared by all, private ones to break, a folder for logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kafka import Kafka
from support.paths import BIN
from support.postgres import Postgres
from support.services import Service, StartService, stop_all
from support.shared import Database, Keeper, SharedKafka, SharedPostgres, ask, make_folder, unique

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


@pytest.fixture
def database(shared_postgres: SharedPostgres) -> Iterator[Database]:
    """An empty database, dropped after the test."""
    name = unique("t")
    shared_postgres.create_database(name)
    yield Database(shared_postgres, name)
    shared_postgres.drop_database(name)


@pytest.fixture
def service(folder: Path) -> Iterator[StartService]:
    """
    `service("sink", {...})` starts kmd-sink. At the end whatever still runs gets SIGTERM and must end with 0, and
    none may have left the words of a sanitizer.
    """
    made: list[Service] = []

    def start(name: str, settings: dict[str, str], label: str | None = None) -> Service:
        one = Service(name, settings, folder, label or f"{name}{len(made) or ''}")
        made.append(one)
        one.start()
        return one

    yield start
    stop_all(made)


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
