"""What happens to pods on an ordinary day and on a bad one. Each function does it, waits until all is well, and tells its figures."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from k8s.platform import KINDS, NAMESPACE, PORTS, Platform, Pod, Pods, get, kubectl, pods
from support import http, metrics
from support.process import Failure, run, wait_until

LAG_WANTED = 4  # sinks, of test overlay's maxReplicaCount


def sinks() -> int:
    """Replicas that the scaler wants."""
    return int(get("deployment", "kmd-sink")["spec"]["replicas"])


def scraped() -> str:
    """As Prometheus would: from a pod in namespace monitoring."""
    urls = [f"http://kmd-{name}.{NAMESPACE}.svc:{port}/metrics" for name, port in PORTS.items()]
    code = f"import urllib.request as u; [print(len(u.urlopen(x, timeout=20).read())) for x in {urls!r}]"
    kubectl(
        "run", "prometheus", "-n", "monitoring", "--image=localhost/kmd-sim:0.1.0", "--image-pull-policy=Never", "--restart=Never",
        "--labels=app.kubernetes.io/name=prometheus", "--command", "--", "python3", "-c", code,
    )  # fmt: skip
    wait_until("the scrape has ended", lambda: get("pod", "prometheus", namespace="monitoring")["status"]["phase"] == "Succeeded", 60, every=1)
    sizes = kubectl("logs", "-n", "monitoring", "prometheus").stdout.split()
    assert len(sizes) == len(PORTS) and all(int(n) > 1000 for n in sizes), sizes
    return f"/metrics of the three by their Services' names: {', '.join(sizes)} bytes"


def updated(rig: Platform) -> str:
    """All three at once, as a new version would."""
    began, low = time.monotonic(), {"enricher": 99, "sink": 99}
    before = {p.name + p.made for one in rig.services for p in one.pods()}  # type: ignore[attr-defined]
    kubectl("rollout", "restart", "-n", NAMESPACE, *KINDS.values())
    ends: dict[str, float] = {}

    def over() -> bool:
        for name in low:
            low[name] = min(low[name], sum(p.ready and not p.going for p in pods(f"kmd-{name}")))
        for name, kind in KINDS.items():
            done = kubectl("rollout", "status", "-n", NAMESPACE, kind, "--watch=false").stdout
            if name not in ends and ("successfully rolled out" in done or "update complete" in done):
                ends[name] = time.monotonic() - began
        return len(ends) == len(KINDS)

    wait_until("the rollouts are over", over, 300, every=1)
    rig.wait_books()
    after = {p.name + p.made for one in rig.services for p in one.pods()}  # type: ignore[attr-defined]
    assert not before & after, "a pod is still the old one"
    assert min(low.values()) >= 2, f"fewer than two were ready: {low}"
    return f"all three at once: {', '.join(f'{n} after {s:.0f} s' for n, s in ends.items())}; never fewer ready than {low}"


def scaled(rig: Platform) -> str:
    """The database is away while the exchange speaks on: what waits in Kafka is the lag that KEDA sees."""
    assert sinks() == 2
    rig.sim.rate(600)
    kubectl("scale", "-n", NAMESPACE, "statefulset/postgres", "--replicas=0")
    wait_until("KEDA wants more sinks", lambda: sinks() == LAG_WANTED, 180, every=1)
    asked = re.search(r"keda-operator.*", run(["ss", "-Htnp", "dport", "=", ":9092"]).stdout)
    lag = rig.sink.metric("kmd_sink_lag_messages")
    rig.sim.rate(200)
    kubectl("scale", "-n", NAMESPACE, "statefulset/postgres", "--replicas=1")
    began = time.monotonic()
    rig.sink.wait_ready(LAG_WANTED, timeout=180)
    level = time.monotonic() - began
    wait_until("KEDA wants two again", lambda: sinks() == 2, 300, every=1)
    rig.sink.wait_ready(2)
    rig.wait_books()
    assert asked, "KEDA has no connection to Kafka"
    return (
        f"lag of {lag:.0f} records while Postgres was away: 2 -> {LAG_WANTED} sinks; back and all ready after {level:.0f} s;"
        f" {LAG_WANTED} -> 2 after {time.monotonic() - began:.0f} s"
    )


def drained(rig: Platform) -> str:
    """The only node: what is evicted finds no place, so the second of each is held by its budget until the node is open again."""
    services = "app.kubernetes.io/name in (kmd-ingest, kmd-enricher, kmd-sink)"
    argv = ["kubectl", "drain", "node0", "--pod-selector", services, "--delete-emptydir-data", "--force", "--timeout=300s"]
    before = {p.name + p.made for one in rig.services for p in one.pods()}  # type: ignore[attr-defined]
    began = time.monotonic()
    drain = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(drain.stdout or ()))
    reader.start()
    try:
        refusal = "violate the pod's disruption budget"
        wait_until("one of each waits for a place", lambda: all(waiting(n) == 1 for n in PORTS), 120, every=0.5)
        wait_until("the budgets refuse the others", lambda: len({n for n in PORTS for line in lines if refusal in line and n in line}) == 3, 60)
        left = {n: sum(not p.going and p.ready for p in pods(f"kmd-{n}")) for n in PORTS}
        held = time.monotonic() - began
        time.sleep(5)
        assert left == {n: sum(not p.going and p.ready for p in pods(f"kmd-{n}")) for n in PORTS} == dict.fromkeys(PORTS, 1), left
    finally:
        kubectl("uncordon", "node0")
    code = drain.wait(300)
    reader.join()
    assert code == 0, "".join(lines[-5:])
    rig.wait_books()
    rig.sink.wait_ready(2)
    after = {p.name + p.made for one in rig.services for p in one.pods()}  # type: ignore[attr-defined]
    assert not before & after, "a pod was not evicted"
    refused = sum(refusal in line for line in lines)
    return f"one of each evicted, the other held by its budget ({refused} refusals, still ready after {held + 5:.0f} s) until there was a place; all six moved"


def waiting(name: str) -> int:
    """Pods without a node."""
    found = get("pods", "-l", f"app.kubernetes.io/name=kmd-{name}")["items"]
    return sum("nodeName" not in p["spec"] for p in found)


def owner(rig: Platform) -> Pod:
    """The ingest that has the shard."""
    for pod in rig.ingest.pods():  # type: ignore[attr-defined]
        text = http.get(f"http://{pod.ip}:9101/metrics")[1].decode()
        if metrics.parse(text).total("kmd_ingest_shard_held", shard="0") == 1:
            return pod
    raise Failure("nobody has the shard")


def victims(rig: Platform) -> dict[str, Pod]:
    return {"ingest": owner(rig), "enricher": rig.enricher.pods()[0], "sink": rig.sink.pods()[0]}  # type: ignore[attr-defined]


def frozen(rig: Platform) -> str:
    """SIGSTOP: the port answers no more, the process does not end by itself."""
    chosen = victims(rig)
    began = time.monotonic()
    for pod in chosen.values():
        os.kill(pod.pid, signal.SIGSTOP)
    took = restarted(chosen, began, 180)
    rig.wait_books()
    rig.sink.wait_ready(2)
    return f"SIGSTOP of one of each: replaced by their liveness probes after {took}"


def restarted(chosen: dict[str, Pod], began: float, timeout: float) -> str:
    took: dict[str, float] = {}

    def all_back() -> bool:
        for name, old in chosen.items():
            now = next((p for p in pods(f"kmd-{name}") if p.name == old.name), None)
            if name not in took and now and now.restarts > old.restarts:
                took[name] = time.monotonic() - began
        return len(took) == len(chosen)

    wait_until("their containers were started again", all_back, timeout, every=0.5)
    return ", ".join(f"{name} {s:.0f} s" for name, s in took.items())


def group(pod: Pod) -> Path:
    """Its memory cgroup."""
    line = next(x for x in Path(f"/proc/{pod.pid}/cgroup").read_text().splitlines() if ":memory:" in x)
    return Path("/sys/fs/cgroup/memory") / line.rpartition(":")[2].lstrip("/")


def resident(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]


def out_of_memory(rig: Platform) -> str:
    """Others in the container take what is left below its limit; the kernel ends the largest, which is the service."""
    chosen = victims(rig)
    began = time.monotonic()
    for pod in chosen.values():
        size, limit = resident(pod.pid), group(pod) / "memory.limit_in_bytes"
        used = int((group(pod) / "memory.usage_in_bytes").read_text())
        limit.write_text(str(used + size))  # of this container alone, until it is made anew
        piece = size // 2
        hog = f"for i in 1 2 3 4 5 6; do head -c {piece} /dev/zero | tail -c {piece} | sleep 3 & done; wait"
        kubectl("exec", "-n", NAMESPACE, pod.name, "--", "sh", "-c", hog, check=False)
    took = restarted(chosen, began, 120)
    why = {name: next(p.ended for p in pods(f"kmd-{name}") if p.name == old.name) for name, old in chosen.items()}
    assert set(why.values()) == {"OOMKilled"}, why
    rig.wait_books()
    rig.sink.wait_ready(2)
    return f"one of each OOMKilled, back after {took}"


def sizes(rig: Platform) -> str:
    """What they hold, for the resource requests."""
    told = []
    for one in rig.services:
        pods_of: Pods = one  # type: ignore[assignment]
        found = pods_of.pods()
        peak = max(int((group(p) / "memory.max_usage_in_bytes").read_text()) for p in found)
        told.append(f"{one.name} {max(resident(p.pid) for p in found) >> 20} MiB resident, {peak >> 20} MiB peak of its container")
    return "; ".join(told)


