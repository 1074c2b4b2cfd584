"""
The whole on this machine: a private Kafka and Postgres, an exchange, the three services, and a live screen.

Everything is a child of this process and lies in one folder; at the end both are gone, whatever the end was: Ctrl-C,
SIGTERM, SIGHUP, a service that died. After SIGKILL the kernel ends the children; the next run removes the folder.

Settings by the environment (`make run RATE=2000`): RATE, MARKETS, SEED of the simulator; EXCHANGE=prod|demo with
KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_FILE for the real one. Settings of the services (KMD_...) are passed on.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import screen  # noqa: E402
from support.kafka import Kafka  # noqa: E402
from support.metrics import Metrics  # noqa: E402
from support.paths import program  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.process import Failure, Process, run  # noqa: E402
from support.services import Service, base_env  # noqa: E402
from support.shared import make_folder  # noqa: E402
from support.sim import Sim  # noqa: E402

DATABASE = "kalshi"
SERVICES = ("ingest", "enricher", "sink")
WRITER = "kmd"  # the login that the sink runs as: what role kmd_writer may, and no more
FOLDER_PREFIX = "kmd-run-"
# Test settings of our own scripts that begin like a service's.
NOT_FOR_SERVICES = {"KMD_BIN", "KMD_LOAD"}
EXCHANGES = {
    "prod": ("wss://external-api-ws.kalshi.com/trade-api/ws/v2", "https://external-api.kalshi.com/trade-api/v2"),
    "demo": ("wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2", "https://external-api.demo.kalshi.co/trade-api/v2"),
}


class Stop(BaseException):
    """Somebody asked for the end. Not an Exception, so that no handler on the way takes it for a failure."""


class BadUsage(Exception):
    """One line for the user; exit code 64."""


def main() -> int:
    options = parse()
    on_signals(raise_stop)
    sweep()
    folder = make_folder(FOLDER_PREFIX)
    lock = hold(folder)
    platform = Platform(folder, options)
    code = 0
    try:
        platform.start()
        show(platform, options)
    except Stop:
        pass
    except BadUsage as bad:
        print(f"run: {bad}", file=sys.stderr)
        code = 64
    except Failure as failure:
        print(f"\nrun: {failure}", file=sys.stderr)
        code = 1
    finally:
        on_signals(lambda *_: platform.kill())  # impatience: a second Ctrl-C
        platform.stop()
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return code


def parse() -> argparse.Namespace:
    env = os.environ
    parser = argparse.ArgumentParser(prog="make run", description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("--rate", type=float, default=float(env.get("RATE") or 500), help="frames a second (simulator)")
    parser.add_argument("--markets", type=int, default=int(env.get("MARKETS") or 500), help="markets (simulator)")
    parser.add_argument("--seed", type=int, default=int(env.get("SEED") or 1), help="of the simulator's world")
    parser.add_argument("--exchange", choices=["sim", *EXCHANGES], default=env.get("EXCHANGE") or "sim")
    parser.add_argument("--every", type=float, help="seconds between redraws (1), or lines off a terminal (5)")
    return parser.parse_args()


def raise_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stop


def on_signals(handler: Callable[[int, FrameType | None], Any]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def hold(folder: Path) -> int:
    """The lock that says this folder's run is alive."""
    fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def sweep() -> None:
    """Removes folders of runs that were killed: ours by owner, dead by their lock."""
    for folder in Path(tempfile.gettempdir()).glob(FOLDER_PREFIX + "*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            fd = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(fd)


class Platform:
    """Every process of the run, in the order in which they start."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.kafka = Kafka(folder / "kafka", heap="512m")
        self.postgres = Postgres(folder / "postgres", throwaway=False)
        self.sim: Sim | None = None
        self.services: dict[str, Service] = {}

    def start(self) -> None:
        settings = self._exchange()
        self.kafka.start(wait=False)
        self.postgres.start()
        self._database()
        self.kafka.wait_ready()
        common = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "KMD_LOG_FORMAT": "json", "KMD_TOPIC_PARTITIONS": "4"}
        passed = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("KMD_", "KALSHI_", "KAFKA_")) and name not in NOT_FOR_SERVICES
        }
        for name in ("sink", "ingest", "enricher"):
            own = self.postgres.env(DATABASE, WRITER) if name == "sink" else {}
            self.services[name] = Service(name, {**common, **settings, **own, **passed}, self.folder)
            self.services[name].start()

    def _exchange(self) -> dict[str, str]:
        if self.options.exchange == "sim":
            return self._simulator()
        for name in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_FILE"):
            if not os.environ.get(name):
                raise BadUsage(f"EXCHANGE={self.options.exchange} needs {name}")
        ws, rest = EXCHANGES[self.options.exchange]
        return {"KALSHI_WS_URL": ws, "KALSHI_REST_BASE_URL": rest}

    def _simulator(self) -> dict[str, str]:
        """A world that shows itself: something ends every few seconds."""
        options = self.options
        self.sim = Sim(
            self.folder,
            rate=options.rate,
            markets=options.markets,
            seed=options.seed,
            determinations_per_minute=12,
            churn=12,
            keep_frames=0,
        )
        self.sim.start()
        return self.sim.settings()

    def _database(self) -> None:
        self.postgres.create_database(DATABASE)
        run([program("kmd-sink"), "--migrate"], {**base_env(), **self.postgres.env(DATABASE)})
        self.postgres.execute(f"CREATE ROLE {WRITER} LOGIN IN ROLE kmd_writer", DATABASE)

    def processes(self) -> dict[str, Process]:
        """By the name that the screen shows."""
        found = {"kafka": self.kafka.process, "postgres": self.postgres.process}
        if self.sim is not None:
            found = {"exchange": self.sim.process, **found}
        return {**found, **{name: self.services[name].process for name in SERVICES if name in self.services}}

    def kill(self) -> None:
        for process in self.processes().values():
            if process.alive():
                os.kill(process.pid, signal.SIGQUIT if process is self.postgres.process else signal.SIGKILL)

    def stop(self) -> None:
        """Services first, so that they flush to servers that are still there."""
        stops: dict[str, Callable[[], int | None]] = {name: one.stop for name, one in self.services.items()}
        if self.sim is not None:
            stops["exchange"] = self.sim.stop
        stops |= {"postgres": self.postgres.stop, "kafka": self.kafka.stop}
        running = self.processes()
        for name in ("ingest", "enricher", "sink", "exchange", "postgres", "kafka"):
            if name in running and running[name].alive():
                self._end(name, stops[name])

    def _end(self, name: str, stop: Callable[[], int | None]) -> None:
        try:
            code = stop()
        except (Failure, AssertionError) as failure:
            print(f"run: {name}: {failure}", file=sys.stderr)
            return
        if code:
            print(f"run: {name} ended with {code}", file=sys.stderr)

    def states(self) -> list[screen.State]:
        return [
            service_state(self.services[name])
            if name in self.services
            else screen.State(name, process.alive(), ended(process))
            for name, process in self.processes().items()
        ]

    def reading(self, pool: ThreadPoolExecutor) -> screen.Reading:
        parts = list(pool.map(lambda name: scrape(self.services[name]), SERVICES))
        return screen.Reading(time.monotonic(), *parts)

    def check_alive(self) -> None:
        for name, process in self.processes().items():
            if not process.alive():
                raise Failure(f"{name} {ended(process)}; its last lines:\n{process.tail(15)}")


def ended(process: Process) -> str:
    code = process.exit_code
    if code is None:
        return ""
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def scrape(service: Service) -> Metrics:
    try:
        return service.metrics()
    except OSError:
        return Metrics()


def service_state(service: Service) -> screen.State:
    if not service.alive():
        return screen.State(service.name, False, ended(service.process))
    status, body = service.ready()
    if status == 200:
        return screen.State(service.name, True)
    return screen.State(service.name, True, "starting" if status == 0 else f"not ready: {compact(body)}")


def compact(body: dict[str, Any]) -> str:
    """What /readyz names, in a line."""
    conditions = body.get("conditions")
    if not isinstance(conditions, dict):
        return json.dumps(body, ensure_ascii=False)
    return "; ".join(f"{name}: {c.get('why') or 'not ok'}" for name, c in conditions.items() if not c.get("ok"))


class Warnings:
    """The last lines of level warn and error of the services' logs, read as they grow."""

    def __init__(self, services: dict[str, Service]) -> None:
        self._services = services
        self._read: dict[str, int] = {}
        self.lines: list[str] = []

    def look(self) -> list[str]:
        for name, service in self._services.items():
            log = service.process.log
            with open(log, "rb") as file:
                file.seek(self._read.get(name, 0))
                text = file.read()
            whole = text.rfind(b"\n") + 1
            self._read[name] = self._read.get(name, 0) + whole
            self.lines += filter(None, (as_warning(name, line) for line in text[:whole].splitlines()))
        self.lines = self.lines[-20:]
        return self.lines


def as_warning(name: str, line: bytes) -> str | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return f"{name}: {line.decode('utf-8', 'replace')}"
    if fields.pop("level", "info") not in ("warn", "warning", "error"):
        return None
    fields.pop("service", None)
    when = str(fields.pop("time", ""))[11:19]
    event = fields.pop("event", "")
    return f"{when} {name}: {event} " + " ".join(f"{k}={v}" for k, v in fields.items())


def show(platform: Platform, options: argparse.Namespace) -> None:
    """Redraws until Stop, or a Failure when a process ended."""
    live = sys.stdout.isatty()
    every = options.every or (1 if live else 5)
    history, warnings, begun = screen.History(), Warnings(platform.services), time.monotonic()
    if not live:
        print("\n".join(head(platform, 0)), flush=True)
    with ThreadPoolExecutor(3) as pool, Terminal(live):
        while True:
            platform.check_alive()
            history.add(platform.reading(pool))
            up = int(time.monotonic() - begun)
            if live:
                size = shutil.get_terminal_size()
                paint(screen.draw(history, platform.states(), head(platform, up), warnings.look(), *size))
            else:
                print(f"{clock(up)}  {screen.one_line(history, platform.states())}", flush=True)
            time.sleep(every)


class Terminal:
    """Hides the cursor while the screen is live."""

    def __init__(self, live: bool) -> None:
        self._live = live

    def __enter__(self) -> None:
        if self._live:
            sys.stdout.write("\x1b[?25l\x1b[2J")

    def __exit__(self, *_: object) -> None:
        if self._live:
            sys.stdout.write("\x1b[?25h\n")
            sys.stdout.flush()


def paint(lines: list[str]) -> None:
    sys.stdout.write("\x1b[H" + "".join(f"{line}{screen.OFF}\x1b[K\n" for line in lines) + "\x1b[J")
    sys.stdout.flush()


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def head(platform: Platform, up: int) -> list[str]:
    options = platform.options
    if options.exchange == "sim":
        source = f"simulator: {options.markets} markets, {options.rate:.0f} frames/s"
    else:
        source = f"the {options.exchange} exchange"
    return [
        f"{screen.BOLD}Kalshi market data{screen.OFF}  {clock(up)}  {source}  Ctrl-C ends it all",
        f"  {screen.DIM}rows{screen.OFF}    psql -h 127.0.0.1 -p {platform.postgres.port} -U postgres {DATABASE}",
        f"  {screen.DIM}topics{screen.OFF}  kcat -b {platform.kafka.bootstrap} -C -t kalshi.trades",
        f"  {screen.DIM}logs{screen.OFF}    {platform.folder}/*.log",
    ]


if __name__ == "__main__":
    sys.exit(main())
