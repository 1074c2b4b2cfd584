"""
A life of the platform on a real Kubernetes, step by step; a line each with its figures. At its end the exchange's ledger is held
against Postgres: nothing lost, nothing doubled, whatever happened.

    scripts/k8s/cluster.sh run build/venv/bin/python -m k8s.story [STEP...]     (in tests/; scripts/k8s-test.sh does it)

Exit code 1 when something does not hold.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import yaml

from k8s import cluster_checks, network, trouble
from k8s.platform import NAMESPACE, Platform, get, kubectl, kustomized
from support.paths import TOP
from support.process import wait_until
from support.shared import make_folder
from system import checks, truth
from faults.gaps import wait_repaired

DEV = TOP / "tests" / "k8s" / "dev"


class Story:
    def __init__(self, folder: Path) -> None:
        self.folder, self.good, self.began_us = folder, True, 0
        self.rig = Platform()
        self.watch = network.Watch(folder)

    def tell(self, name: str, step: Callable[[], str]) -> None:
        """One line; the rest of the story is tried whatever came of it."""
        began = time.monotonic()
        try:
            text, verdict = step(), "ok"
        except Exception as wrong:  # noqa: BLE001
            text, verdict, self.good = " ".join(str(wrong).split())[:600] or repr(wrong), "FAIL", False
        print(f"k8s {name}: {text}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)

    def rolled_out(self) -> str:
        """Everything but the migration first: no sink is ready before it is done."""
        self.watch.start()
        documents = kustomized(DEV)
        jobs = [d for d in documents if d["kind"] == "Job"]
        began = time.monotonic()
        apply([d for d in documents if d["kind"] != "Job"])
        wait_until("Postgres is ready", lambda: get("statefulset")["items"] and ready_replicas("statefulset", "postgres"), 300, every=1)
        wait_until("the sink names the schema", lambda: "schema" in self.rig.sink.readiness(), 180, every=1)
        assert self.rig.sink.ready() == 0, "a sink is ready without a schema"
        named = time.monotonic()
        apply(jobs)
        (name,) = [d["metadata"]["name"] for d in jobs]
        kubectl("wait", "-n", NAMESPACE, f"job/{name}", "--for=condition=complete", "--timeout=300s", timeout=310)
        done = get("job", name)["status"]["completionTime"]
        for one in self.rig.services:
            one.wait_ready(timeout=300)  # type: ignore[call-arg]
        first = min(ready_since(pod) for pod in get("pods", "-l", "app.kubernetes.io/name=kmd-sink")["items"])
        assert first >= done, f"a sink was ready at {first}, the migration done at {done}"
        self.rig.wait_books()
        self.began_us = self.rig.first_subscribed_us("trade")
        level = get("namespace", NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        return (
            f"overlay dev at Pod Security level {level}: sinks named `schema` until the Job was done, all ready"
            f" {time.monotonic() - named:.0f} s after it was applied, {time.monotonic() - began:.0f} s in all"
        )

    def under_load(self) -> str:
        before = self.rig.ingest.metric("kmd_ingest_frames_total")
        time.sleep(30)
        frames = self.rig.ingest.metric("kmd_ingest_frames_total") - before
        assert frames > 0, "nothing comes"
        return f"{frames / 30:.0f} frames/s from the exchange"

    def ledger(self) -> str:
        """As the system tests end."""
        rig = self.rig
        rig.wait_books()
        ended = rig.sim.stats()["now_us"]
        rig.drain(timeout=300)
        wait_repaired(rig, self.began_us, ended)
        rig.ingest.stop()
        rig.enricher.stop()
        rig.wait_level(timeout=120)
        topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
        counts = checks.rows_of_topics(rig.query, topics)
        twice = spooled_twice(topics)
        frames = checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=False)
        assert not list(checks.no_false_gaps(topics))
        trades, books = truth.trades(rig, self.began_us, ended), truth.books(rig)
        settled, revisions = truth.settlements(rig), truth.no_revision_twice(rig)
        truth.no_bad_signature(rig)
        dead = sum(c["dead_letters"] for c in counts.values())
        return (
            f"{frames} frames of {len(topics.feed('opened'))} lineages byte for byte ({twice} came twice out of a spool and are one row), {sum(c['rows'] for c in counts.values())} rows,"
            f" {dead} dead letters; {trades} trades, {books} books, {settled} settlements ({revisions} revisions) equal the exchange's"
        )

    def policies(self) -> str:
        self.watch.stop()
        rules = get("networkpolicies")["items"]
        http = {"kmd-ingest": 9101, "kmd-enricher": 9102, "kmd-sink": 9103}
        made = self.watch.connections()
        table, refused = network.judge(rules, NAMESPACE, made, http)
        apps = {peer.app for peer in self.watch.peers.values() if peer.namespace == NAMESPACE}
        seen = {(a.app, b.app) for a, b, _ in made}
        for line in table:
            print(f"    {line}")
        strange = self.watch.unknown()
        assert not refused, f"no rule for: {'; '.join(refused)}"
        assert not strange, f"unknown targets: {strange}"
        missing = network.wanted(rules, apps) - seen
        assert not missing, f"rules that nothing used: {missing}"
        scraped = {b.app for a, b, _ in made if a.namespace == "monitoring" and b != network.DNS}
        assert scraped == set(http), f"scraped: {scraped}"
        return f"{len(table)} kinds of connection seen, each allowed by a rule; each rule between pods was used; not enforced here"

    def ends(self) -> str:
        """How the containers of the services ended, by what the kubelet said."""
        codes = Counter(code for name, code, _ in self.watch.ends if name.startswith("kmd-"))
        return f"containers of services ended with {dict(sorted(codes.items()))} (137: killed by this story)"


def spooled_twice(topics: checks.Topics) -> int:
    """
    What a killed ingest had put on its disk is sent by its next life, though some of it was there: such frames are taken out of
    @topics once, and so are the ends that the next life told of the dead, whom the checks shall see as killed. How many frames.
    """
    seen: set[tuple[str | None, str | None]] = set()
    count = 0
    for topic in checks.FRAME_TOPICS:
        kept = []
        for record in topics.records[topic]:
            place = record.header("lineage"), record.header("n")
            if record.header("source") == "ws" and place in seen:
                count += 1
            else:
                kept.append(record)
                seen.add(place)
        topics.records[topic] = kept
    topics.records["feed"] = [r for r in topics.records["feed"] if json.loads(r.value or b"{}").get("reason") != "crashed"]
    return count


def apply(documents: list[dict[str, object]]) -> None:
    # The namespace first, by kind: what lives in it follows.
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(sorted(documents, key=lambda d: d["kind"] != "Namespace")))


def ready_replicas(kind: str, name: str) -> int:
    return int(get(kind, name)["status"].get("readyReplicas", 0))


def ready_since(pod: dict[str, object]) -> str:
    """RFC 3339; far away while it is not."""
    conditions = {c["type"]: c for c in pod["status"].get("conditions", [])}  # type: ignore[index]
    return str(conditions["Ready"]["lastTransitionTime"]) if conditions["Ready"]["status"] == "True" else "9999"


def main(chosen: list[str]) -> int:
    story = Story(make_folder("kmd-k8s-"))
    rig = story.rig
    steps: dict[str, Callable[[], str]] = {
        "admitted": cluster_checks.admitted,
        "schemas": cluster_checks.valid,
        "spread": cluster_checks.spread,
        "rollout": story.rolled_out,
        "load": story.under_load,
        "scrape": trouble.scraped,
        "update": lambda: trouble.updated(rig),
        "freeze": lambda: trouble.frozen(rig),
        "memory": lambda: trouble.out_of_memory(rig),
        "drain": lambda: trouble.drained(rig),
        "scale": lambda: trouble.scaled(rig),
        "sizes": lambda: trouble.sizes(rig),
        "ledger": story.ledger,
        "policies": story.policies,
        "ends": story.ends,
    }
    for name in chosen or steps:
        story.tell(name, steps[name])
    print(f"logs: {story.folder}", file=sys.stderr)
    return 0 if story.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
