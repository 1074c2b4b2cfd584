"""kmd-ingest, kmd-enricher and kmd-sink as children: settings in, metrics, readiness and log lines out."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from support import http, metrics
from support.paths import program
from support.ports import free_port
from support.process import Failure, Process, wait_until


def base_env() -> dict[str, str]:
    """What a program needs of our environment, and nothing that could be one of its settings."""
    keep = ("PATH", "HOME", "TMPDIR", "LANG", "TZ", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS")
    return {name: os.environ[name] for name in keep if name in os.environ}


class Service:
    """One of the programs. Its HTTP port is kept over restarts; `settings` may be changed between two lives."""

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path, label: str | None = None) -> None:
        """@name: ingest, enricher or sink. @label tells instances of one program apart in file names."""
        self.name = name
        self.label = label or name
        self.settings = dict(settings)
        listen = self.settings.setdefault("KMD_HTTP_LISTEN", f"127.0.0.1:{free_port()}")
        self.port = int(listen.rpartition(":")[2])
        self.process = Process([program(f"kmd-{name}")], folder / f"{self.label}.log")

    def start(self, wait: bool = False) -> Service:
        self.process.env = {**base_env(), **self.settings}
        self.process.start()
        if wait:
            self.wait_ready()
        return self

    def stop(self, timeout: float = 40.0) -> int:
        """SIGTERM; its exit code."""
        return self.process.stop(timeout=timeout)

    def kill(self) -> None:
        self.process.kill()

    def restart(self, kill: bool = False) -> None:
        if kill:
            self.kill()
        else:
            code = self.stop()
            if code != 0:
                raise Failure(f"{self.label} ended with {code} at SIGTERM\n{self.process.tail()}")
        self.start()

    def alive(self) -> bool:
        return self.process.alive()

    def url(self, path: str) -> str:
        return f"http://{self.settings['KMD_HTTP_LISTEN']}{path}"

    def metrics(self) -> metrics.Metrics:
        """One reading; OSError while it does not answer."""
        status, body = http.get(self.url("/metrics"))
        if status != 200:
            raise OSError(f"{self.label}: /metrics answered {status}")
        return metrics.parse(body.decode())

    def metric(self, name: str, **labels: str) -> float:
        """Sum over what matches; 0 for none, and while nobody answers."""
        try:
            return self.metrics().total(name, **labels)
        except OSError:
            return 0.0

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz; (0, {}) while nobody answers."""
        try:
            status, body = http.get(self.url("/readyz"))
        except OSError:
            return 0, {}
        try:
            return status, json.loads(body)
        except ValueError:
            return status, {"text": body.decode("utf-8", "replace")}

    def live(self) -> int:
        """Status of /livez; 0 while nobody answers."""
        try:
            return http.get(self.url("/livez"))[0]
        except OSError:
            return 0

    def wait_ready(self, timeout: float = 60.0) -> None:
        def look() -> bool:
            if not self.alive():
                raise Failure(f"{self.label} ended with {self.process.exit_code}\n{self.process.tail()}")
            return self.ready()[0] == 200

        try:
            wait_until(f"{self.label} is ready", look, timeout)
        except Failure as late:
            raise Failure(f"{late}; /readyz: {self.ready()}\n{self.process.tail()}") from None

    def wait_metric(self, name: str, at_least: float, timeout: float = 60.0, **labels: str) -> float:
        """Waits until the sum reaches @at_least; the sum."""

        def look() -> float | None:
            value = self.metric(name, **labels)
            return value if value >= at_least else None

        value = wait_until(f"{self.label}: {name}{labels or ''} >= {at_least}", look, timeout)
        assert value is not None
        return value

    def log_lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its log, all lives of it; other lines are left out."""
        lines = []
        for line in self.process.output(whole=True).splitlines():
            if line.startswith("{"):
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    continue
        return lines


class StartService(Protocol):
    """Makes and starts one of the programs; see support.services.Service."""

    def __call__(self, name: str, settings: dict[str, str], label: str | None = None) -> Service: ...


def stop_all(services: Iterable[Service]) -> None:
    """The end of a test: SIGTERM to what runs. Failure when one ends with anything but 0, hangs, or has a finding."""
    services = list(services)
    running = [s for s in services if s.alive()]
    for one in running:
        one.process.thaw()
        one.process.send(signal.SIGTERM)
    faults = []
    for one in running:
        try:
            code = one.process.wait(timeout=40)  # asked already: a second SIGTERM would mean at once
        except Failure as hung:
            one.process.kill()
            faults.append(str(hung))
            continue
        if code != 0:
            faults.append(f"{one.label} ended with {code} at SIGTERM\n{one.process.tail()}")
    for one in services:
        try:
            one.process.check_clean()
        except Failure as found:
            faults.append(str(found))
    if faults:
        raise Failure("\n".join(faults))
