"""
Toxiproxy as a child: a proxy between two programs that are well, and what can be wrong with the way between them.

    ingest ──► 127.0.0.1:proxy.port ──toxics──► the exchange

scripts/setup.sh puts the program into build/toxiproxy; without it `available()` is False and its tests are skipped.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import http
from support.kafka import Kafka
from support.paths import BUILD
from support.ports import answers, free_port
from support.process import Failure, Process, wait_until
from support.services import base_env

PROGRAM = BUILD / "toxiproxy" / "toxiproxy-server"
BOTH_WAYS = ("upstream", "downstream")

# name -> type and attributes of toxiproxy, laid on both directions
TOXICS: dict[str, tuple[str, dict[str, int]]] = {
    "latency": ("latency", {"latency": 100, "jitter": 50}),  # ms
    "bandwidth": ("bandwidth", {"rate": 100}),  # KB/s
    "bytewise": ("slicer", {"average_size": 1, "size_variation": 0, "delay": 0}),
    "reset": ("reset_peer", {"timeout": 0}),  # those that stand and each new one
    "half-open": ("timeout", {"timeout": 0}),  # connections stand, are made, and nothing flows
}


def available() -> bool:
    return PROGRAM.exists()


class Proxy:
    """One port of ours in front of one of theirs."""

    def __init__(self, api: str, name: str, port: int) -> None:
        self.api, self.name, self.port = api, name, port

    @contextlib.contextmanager
    def toxic(self, name: str) -> Iterator[None]:
        """One of TOXICS while the block runs."""
        kind, attributes = TOXICS[name]
        for stream in BOTH_WAYS:
            body = {"name": stream, "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes}
            _call("POST", f"{self.api}/proxies/{self.name}/toxics", body)
        try:
            yield
        finally:
            for stream in BOTH_WAYS:
                _call("DELETE", f"{self.api}/proxies/{self.name}/toxics/{stream}")


class Toxiproxy:
    """The server of all proxies of one test."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        argv = [str(PROGRAM), "-host", "127.0.0.1", "-port", str(self.port)]
        self.process = Process(argv, folder / "toxiproxy.log", env=base_env())

    def start(self) -> Toxiproxy:
        self.process.start()
        wait_until("toxiproxy answers", lambda: answers(self.port))
        return self

    def kill(self) -> None:
        self.process.kill()

    def proxy(self, upstream: int, port: int | None = None) -> Proxy:
        """To @upstream, from @port (a free one); both on loopback."""
        api, port = f"http://127.0.0.1:{self.port}", port or free_port()
        name = f"p{port}"
        _call("POST", f"{api}/proxies", {"name": name, "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{upstream}"})
        return Proxy(api, name, port)


@dataclass(frozen=True)
class _Behind:
    """A listener of a broker (as support.kafka.Listener) that sends its clients to the proxy in front of it."""

    port: int
    advertised: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def protocol(self) -> str:
        return "PLAINTEXT"

    def properties(self, name: str) -> list[str]:
        return [f"advertised.listeners={self.advertised}"]  # the last word on a property counts


class ProxiedKafka(Kafka):
    """A broker with one more listener, behind a proxy: whoever asks there is sent to the proxy's port for everything."""

    def __init__(self, folder: Path, toxiproxy: Toxiproxy) -> None:
        super().__init__(folder)
        port = free_port()
        self.proxy = toxiproxy.proxy(port)
        advertised = f"PLAINTEXT://{self.bootstrap},PROXIED://127.0.0.1:{self.proxy.port}"
        self.listeners["PROXIED"] = _Behind(port, advertised)  # type: ignore[assignment]

    def settings(self) -> dict[str, str]:
        """For a service that is to come through the proxy."""
        return {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.proxy.port}"}


def _call(method: str, url: str, body: Any = None) -> Any:
    status, answer = http.request(method, url, body)
    if status >= 300:
        raise Failure(f"{method} {url}: {status} {answer.decode('utf-8', 'replace')}")
    return json.loads(answer or b"null")
