"""What a real API server and scheduler say of the manifests."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from k8s import schemas
from k8s.platform import get, kubectl
from support.paths import TOP
from support.process import Failure, wait_until

HERE = TOP / "tests" / "k8s"
FOLDERS = ("dev", "prod", "strimzi")
CRDS = Path(os.environ.get("KMD_K8S", str(Path.home() / ".cache/kmd-k8s"))) / "crds"


def folders() -> list[str]:
    """Strimzi's kinds only where its CRDs could be had."""
    return [f for f in FOLDERS if f != "strimzi" or list(CRDS.glob("*strimzi*"))]


def admitted() -> str:
    """Server-side dry runs into the real namespaces, which refuse what is not at the restricted level."""
    for overlay in ("dev", "prod"):
        kubectl("apply", "-f", str(TOP / "k8s/overlays" / overlay / "namespace.yaml"))
    told = []
    for folder in folders():
        done = kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", str(HERE / folder))
        objects = done.stdout.splitlines()
        assert objects and all(line.endswith("serverside-applied (server dry run)") for line in objects), done.stdout
        assert "PodSecurity" not in done.stderr, done.stderr
        own = {line.split("/")[0] for line in objects if line.split("/")[0].count(".") >= 2 and "k8s.io" not in line}
        told.append(f"{folder} {len(objects)} objects ({', '.join(sorted(own)) or 'built-in kinds'})")
    bad = kubectl("run", "bad", "-n", "kmd", "--image=localhost/pause:1", "--dry-run=server", check=False)
    assert "violates PodSecurity \"restricted" in bad.stderr, bad.stderr
    return f"{'; '.join(told)} admitted by the API server; a pod without a securityContext is not"


def valid() -> str:
    with tempfile.TemporaryDirectory() as folder:
        count = schemas.write(json.loads(kubectl("get", "--raw", "/openapi/v2").stdout), Path(folder))
        given = "\n---\n".join(kubectl("kustomize", str(HERE / one)).stdout for one in folders())
        argv = ["kubeconform", "-strict", "-summary", "-schema-location", f"{folder}/{schemas.TEMPLATE}", "-"]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stdout + done.stderr)
        wrong = subprocess.run(argv, input=given.replace("replicas:", "replica:"), capture_output=True, text=True, check=False)
        assert wrong.returncode != 0, "a misspelt name passes"
    return f"kubeconform -strict with {count} schemas of this server: {done.stdout.strip().splitlines()[-1]}; a misspelt name does not"


def spread() -> str:
    """Overlay prod on six nodes in three zones that are objects alone: what the scheduler makes of it."""
    kubectl("apply", "-f", str(HERE / "fake-nodes.yaml"))
    status = {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}}
    nodes = json.loads(kubectl("get", "nodes", "-l", "kmd-test=fake", "-o", "json").stdout)["items"]
    zones = {n["metadata"]["name"]: n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes}
    for name in zones:
        kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    try:
        where = placed(zones)
    finally:
        kubectl("delete", "namespace", "kmd", "--wait=false")
        kubectl("delete", "pods", "--all", "-n", "kmd", "--force", "--grace-period=0", check=False)
        kubectl("delete", "-f", str(HERE / "fake-nodes.yaml"), "--wait=false")
    for app, by_zone in where.items():
        assert len(by_zone) == 3 and max(by_zone.values()) - min(by_zone.values()) <= 1, f"{app}: {dict(by_zone)}"
    return "prod: " + "; ".join(f"{app} {sum(z.values())} over 3 zones: {sorted(z.values())}" for app, z in where.items())


def placed(zones: dict[str, str]) -> dict[str, Counter[str]]:
    """Pods by zone, of each service."""
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(HERE / "prod"))
    kubectl("delete", "-n", "kmd", "scaledobject", "kmd-sink")  # there is no Kafka to ask
    wanted = {"deployment/kmd-sink": 6, "deployment/kmd-enricher": 3, "statefulset/kmd-ingest": 3}
    for what, count in wanted.items():
        kubectl("scale", "-n", "kmd", what, f"--replicas={count}")
    found: dict[str, Counter[str]] = {}

    def all_have_a_node() -> bool:
        found.clear()
        for pod in get("pods", namespace="kmd")["items"]:
            app, node = pod["metadata"]["labels"]["app.kubernetes.io/name"], pod["spec"].get("nodeName")
            if app != "kmd-migrate" and node in zones:
                found.setdefault(app, Counter())[zones[node]] += 1
        return {app: sum(z.values()) for app, z in found.items()} == {what.partition("/")[2]: n for what, n in wanted.items()}

    wait_until("every pod of prod has a node", all_have_a_node, 120, every=1)
    return found
