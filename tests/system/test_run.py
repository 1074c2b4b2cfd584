"""`make run` as a newcomer uses it: tables fill, Ctrl-C leaves nothing, and no end of the runner leaves a process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from support.paths import TOP
from support.process import Failure, Process, descendants, run, running, wait_until
from support.services import base_env

TABLES = (
    "trades orderbook_snapshots orderbook_deltas tickers lifecycle_events control_frames feed_events "
    "settlements settlement_revisions markets events series sink_offsets"
).split()
PROGRAMS = {"kmd-ingest", "kmd-enricher", "kmd-sink", "java", "postgres", "python"}


class Runner(Process):
    """scripts/run.py with a folder for temporary files of its own, so that it sweeps up nobody else's."""

    def __init__(self, folder: Path) -> None:
        env = {**base_env(), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        if "KMD_BIN" in os.environ:
            env["KMD_BIN"] = os.environ["KMD_BIN"]
        argv = [str(TOP / "build/venv/bin/python"), str(TOP / "scripts/run.py")]
        super().__init__([*argv, "--rate", "200", "--markets", "50", "--every", "1"], folder / "run.log", env)

    def wait_up(self) -> None:
        self.wait_output(r"^\d\d:\d\d:\d\d  frames/s", timeout=60)

    def places(self) -> list[Path]:
        """Folders of runs that are there."""
        return list(self.log.parent.glob("kmd-run-*"))

    def empty_tables(self) -> list[str]:
        port = re.search(r"psql -h 127\.0\.0\.1 -p (\d+)", self.output())
        assert port is not None
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port[1]}/kalshi", autocommit=True) as db:
            return [t for t in TABLES if db.execute(f"SELECT 1 FROM kalshi.{t} LIMIT 1").fetchone() is None]


@pytest.fixture
def runner(folder: Path) -> Iterator[Runner]:
    made = Runner(folder)
    yield made
    made.kill()


def names(pids: set[int]) -> dict[int, str]:
    found = {}
    for pid in pids:
        try:
            found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
    return found


def wait_gone(pids: set[int]) -> None:
    left = set(pids)

    def look() -> bool:
        left.intersection_update({pid for pid in left if running(pid)})
        return not left

    try:
        wait_until("every process of the run is gone", look)
    except Failure:
        raise Failure(f"still there: {names(left)}") from None


def test_tables_fill_and_ctrl_c_leaves_nothing(runner: Runner) -> None:
    runner.start()
    runner.wait_up()
    pids = descendants(runner.pid)
    assert PROGRAMS <= set(names(pids).values())
    assert len(runner.places()) == 1

    def filled() -> bool:
        if not runner.alive():
            raise Failure(f"the runner ended with {runner.exit_code}\n{runner.tail(40)}")
        return not runner.empty_tables()

    try:
        wait_until("every table has rows", filled, timeout=120, every=1)
    except Failure as late:
        raise Failure(f"{late}; empty: {runner.empty_tables()}\n{runner.tail(40)}") from None
    pids |= descendants(runner.pid)
    assert runner.stop(signal.SIGINT, timeout=60) == 0, runner.tail(40)
    wait_gone(pids)
    assert runner.places() == []


def test_killed_runner_leaves_no_process_and_the_next_run_cleans_up(runner: Runner) -> None:
    runner.start()
    runner.wait_up()
    pids = descendants(runner.pid)
    assert PROGRAMS <= set(names(pids).values())
    runner.kill()
    wait_gone(pids)
    left = runner.places()
    assert len(left) == 1

    runner.start()
    runner.wait_up()
    assert not left[0].exists()
    pids = descendants(runner.pid)
    assert runner.stop(signal.SIGHUP, timeout=60) == 0, runner.tail(40)
    wait_gone(pids)
    assert runner.places() == []


def test_a_service_that_dies_is_named_with_its_last_lines(runner: Runner) -> None:
    runner.start()
    runner.wait_up()
    pids = descendants(runner.pid)
    victim = next(pid for pid, name in names(pids).items() if name == "kmd-enricher")
    wait_until("it has said something", lambda: (runner.places()[0] / "enricher.log").stat().st_size > 0)
    os.kill(victim, signal.SIGKILL)
    assert runner.wait(60) == 1
    assert "enricher was ended by SIGKILL" in runner.output()
    assert re.search(r"kmd-enricher\| \{", runner.output())
    wait_gone(pids)
    assert runner.places() == []


@pytest.mark.parametrize("exchange,key", [("prod", {}), ("demo", {"KALSHI_API_KEY_ID": "id"})])
def test_the_real_exchange_needs_a_key(exchange: str, key: dict[str, str], folder: Path) -> None:
    env = {**base_env(), **key, "TMPDIR": str(folder), "EXCHANGE": exchange}
    done = run([str(TOP / "build/venv/bin/python"), str(TOP / "scripts/run.py")], env, check=False)
    assert done.returncode == 64
    assert re.fullmatch(rf"run: EXCHANGE={exchange} needs KALSHI_\w+\n", done.stderr)
    assert list(folder.glob("kmd-run-*")) == []
