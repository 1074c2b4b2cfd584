"""kmd-sim as a child, and its control API: truth to compare against, the reins, faults and lives on demand."""

from __future__ import annotations

import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

from support import certs, http, keys
from support.paths import PATIENCE, TOP
from support.ports import free_port
from support.process import Failure, Process
from support.services import base_env

KEY_ID = "kmd-test-key"


class Sim:
    """
    One simulated exchange. Options are those of `kmd-sim --help` with underscores: Sim(folder, markets=50, rate=200,
    paused=True, fault=['{...}']). It knows one key, made in @folder; settings() is what a service needs to reach it.
    The port is kept over restarts; the world is not.
    """

    def __init__(self, folder: Path, key: keys.KeyPair | None = None, tls: certs.Authority | None = None, **options: Any) -> None:
        self.folder = folder
        self.key = key or keys.rsa_key(folder, "sim-key")
        self.port = free_port()
        self.tls = tls
        given: dict[str, Any] = {"key_id": KEY_ID, "public_key": self.key.public, **options}
        if tls is not None:
            server = tls.server("sim")
            given |= {"cert": server.cert, "key": server.key}
        argv = [str(TOP / "scripts" / "kmd-sim"), "--listen", f"127.0.0.1:{self.port}", *_options(given)]
        self.process = Process(argv, folder / "sim.log", env=base_env())

    def start(self) -> Sim:
        self.process.start()
        self.process.wait_output(r'^\{"port":', timeout=60)
        return self

    def stop(self) -> int:
        return self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    @property
    def ws_url(self) -> str:
        return f"ws{'s' if self.tls else ''}://127.0.0.1:{self.port}/trade-api/ws/v2"

    @property
    def rest_url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/trade-api/v2"

    def settings(self) -> dict[str, str]:
        """For kmd-ingest and kmd-enricher."""
        found = {
            "KALSHI_WS_URL": self.ws_url,
            "KALSHI_REST_BASE_URL": self.rest_url,
            "KALSHI_API_KEY_ID": KEY_ID,
            "KALSHI_PRIVATE_KEY_FILE": str(self.key.private),
        }
        if self.tls is not None:
            found["KALSHI_CA_FILE"] = str(self.tls.ca)
        return found

    # -- truth --------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        return dict(self.get("stats"))

    def get(self, what: str) -> Any:
        """stats, requests, books, trades, settlements, markets, events, series, connections, lost; with ?query."""
        return json.loads(self._call("GET", what))

    def frames(self, conn: int | None = None) -> list[bytes]:
        """The ledger: one JSON line a frame sent."""
        query = "frames" if conn is None else f"frames?conn={conn}"
        return self._call("GET", query, timeout=120).splitlines()

    # -- reins --------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        self._call("POST", "pause", {})

    def resume(self) -> None:
        self._call("POST", "resume", {})

    def rate(self, per_second: float) -> None:
        self._call("POST", "rate", {"rate": per_second})

    def quiesce(self, timeout: float = 60.0, settle: bool = True) -> dict[str, Any]:
        """Paused, every life under way over (@settle), every socket drained; the stats of then."""
        body = {"timeout_s": timeout * PATIENCE, "settle": settle}
        return dict(json.loads(self._call("POST", "quiesce", body, timeout * PATIENCE + 10)))

    def fault(self, kind: str, **spec: Any) -> None:
        """drop, freeze, thaw, skip, duplicate, error, handshake, rest, clock, pings, deny, listing, clear."""
        self._call("POST", "fault", {"kind": kind, **spec})

    def market(self, action: str, **spec: Any) -> dict[str, Any]:
        """create, close, end, determine, redetermine, settle, deactivate, activate, metadata, fee, close_date, trade."""
        return dict(json.loads(self._call("POST", "market", {"action": action, **spec})))

    def body(self, path: str, body: str, status: int = 200) -> None:
        """From now on REST answers @path with this text."""
        self._call("POST", "body", {"path": path, "body": body, "status": status})

    def _call(self, method: str, what: str, body: Any = None, timeout: float = 30.0) -> bytes:
        url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/sim/{what}"
        if self.tls is not None:
            return self._call_tls(method, url, body, timeout)
        status, answer = http.request(method, url, body, timeout)
        if status != 200:
            raise Failure(f"{method} {url}: {status} {answer.decode('utf-8', 'replace')}")
        return answer

    def _call_tls(self, method: str, url: str, body: Any, timeout: float) -> bytes:
        assert self.tls is not None
        context = ssl.create_default_context(cafile=str(self.tls.ca))
        data = json.dumps(body).encode() if body is not None else None
        call = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(call, timeout=timeout, context=context) as answer:
            return bytes(answer.read())


def _options(given: dict[str, Any]) -> list[str]:
    argv: list[str] = []
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            argv.append(option)
        elif value is False:
            argv.append("--no-" + name.replace("_", "-"))
        else:
            for one in value if isinstance(value, (list, tuple)) else [value]:
                argv += [option, str(one)]
    return argv
