"""The main job in a cluster, with what support.rig.Rig has, so that the checks of the system tests say something of it too.

Runs inside the cluster's network (scripts/k8s/cluster.sh run): names and addresses of pods are those that pods see.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from support import http, metrics
from support.paths import PATIENCE, TOP
from support.process import Failure, run, wait_until
from support.rig import Rig
from support.sim import Sim

NAMESPACE = "kmd-dev"
PORTS = {"ingest": 9101, "enricher": 9102, "sink": 9103}
KINDS = {"ingest": "statefulset/kmd-ingest", "enricher": "deployment/kmd-enricher", "sink": "deployment/kmd-sink"}
STATE = TOP / "build" / "k8s-cluster"


def kubectl(*args: str, given: str | None = None, check: bool = True, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["kubectl", *args], input=given, capture_output=True, text=True, timeout=timeout * PATIENCE, check=False)
    if check and done.returncode != 0:
        raise Failure(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done


def get(what: str, *args: str, namespace: str = NAMESPACE) -> Any:
    return json.loads(kubectl("get", what, "-n", namespace, "-o", "json", *args).stdout)


@dataclass(frozen=True)
class Pod:
    name: str
    ip: str
    ready: bool
    going: bool  # told to end
    restarts: int
    ended: str  # why its container ended the last time
    container: str  # its id
    made: str

    @property
    def pid(self) -> int:
        """Of its program, as the node counts."""
        told = run(["ctr", "-a", str(STATE / "containerd.sock"), "-n", "k8s.io", "tasks", "ls"]).stdout
        return next(int(line.split()[1]) for line in told.splitlines() if line.startswith(self.container))


def pods(service: str, namespace: str = NAMESPACE) -> list[Pod]:
    found = []
    for item in get("pods", "-l", f"app.kubernetes.io/name={service}", namespace=namespace)["items"]:
        status = item["status"]
        one = (status.get("containerStatuses") or [{}])[0]
        found.append(
            Pod(
                item["metadata"]["name"], status.get("podIP", ""), bool(one.get("ready")), "deletionTimestamp" in item["metadata"],
                one.get("restartCount", 0), one.get("lastState", {}).get("terminated", {}).get("reason", ""),
                one.get("containerID", "").rpartition("/")[2], item["metadata"]["creationTimestamp"],
            )
        )  # fmt: skip
    return found


class Pods:
    """One of the services: what support.services.Service tells of one process, of all its pods."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = self  # its log, where Rig wants one

    def pods(self) -> list[Pod]:
        return [p for p in pods(f"kmd-{self.name}") if not p.going]

    def alive(self) -> bool:
        return bool(self.pods())

    def ready(self) -> int:
        return sum(p.ready for p in self.pods())

    def wait_ready(self, count: int = 2, timeout: float = 180.0) -> None:
        wait_until(f"{count} of {self.name} are ready", lambda: self.ready() == len(self.pods()) == count, timeout, every=1)

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the pods that answer."""
        total = 0.0
        for pod in self.pods():
            with contextlib.suppress(OSError):
                total += metrics.parse(http.get(f"http://{pod.ip}:{PORTS[self.name]}/metrics")[1].decode()).total(name, **labels)
        return total

    def readiness(self) -> str:
        """Bodies of /readyz, of the pods that answer."""
        told = ""
        for pod in self.pods():
            with contextlib.suppress(OSError):
                told += http.get(f"http://{pod.ip}:{PORTS[self.name]}/readyz")[1].decode()
        return told

    def stop(self) -> int:
        """Scaled to nothing; 0 when all have gone within their grace, which a pod that was killed outlasts."""
        kubectl("scale", "-n", NAMESPACE, KINDS[self.name], "--replicas=0")
        wait_until(f"{self.name} is gone", lambda: not pods(f"kmd-{self.name}"), 60, every=0.5)
        return 0

    def tail(self, lines: int = 20) -> str:
        return kubectl("logs", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name=kmd-{self.name}", f"--tail={lines}", "--prefix", check=False).stdout

    @property
    def exit_code(self) -> None:
        return None


class Exchange(Sim):
    """kmd-sim in its pod."""

    def __init__(self) -> None:
        self.tls = None

    def _call(self, method: str, what: str, body: Any = None, timeout: float = 30.0) -> bytes:
        status, answer = http.request(method, f"http://exchange.{NAMESPACE}.svc:8080/sim/{what}", body, timeout * PATIENCE)
        if status != 200:
            raise Failure(f"{method} {what}: {status} {answer.decode('utf-8', 'replace')}")
        return answer


class Database:
    """Postgres in its pod, as the owner of the database."""

    def __init__(self) -> None:
        self.password = (TOP / "k8s/overlays/dev/secrets/owner-password").read_text()

    def query(self, sql: str, *args: object, database: str = "kalshi") -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host=f"postgres.{NAMESPACE}.svc", user="owner", password=self.password, dbname=database, autocommit=True, connect_timeout=10
        ) as db:  # fmt: skip
            return list(db.execute(sql, args or None).fetchall())


class Broker:
    bootstrap = f"kafka.{NAMESPACE}.svc:9092"


class Platform(Rig):
    """Made by `kubectl apply`, not by us."""

    def __init__(self) -> None:
        self.sim, self.kafka, self.postgres, self.database, self.prefix = Exchange(), Broker(), Database(), "kalshi", "kalshi."  # type: ignore[assignment]
        self.ingest, self.enricher, self.sink = Pods("ingest"), Pods("enricher"), Pods("sink")  # type: ignore[assignment]

    def _ends(self) -> dict[str, int]:
        """Books aside: one is asked for again every 5 s, and a look takes longer than that through kubectl. wait_level has them later."""
        return {topic: end for topic, end in super()._ends().items() if topic != self.topic("orderbook")}

    def wait_books(self) -> None:
        """Every book that should be subscribed is, and each service has two that are ready."""
        for one in (self.ingest, self.enricher):
            one.wait_ready()

        def level() -> bool:
            expected = self.ingest.metric("kmd_ingest_markets_expected")
            return expected > 0 and expected == self.ingest.metric("kmd_ingest_markets_subscribed")

        wait_until("expected and subscribed markets are equal", level, timeout=120, every=1)


def kustomized(folder: Path) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all(kubectl("kustomize", str(folder)).stdout) if d]

