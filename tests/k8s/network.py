"""Network policies beside the connections that are really made: who may talk to whom, and who does.

Policies are not enforced by the cluster's plain bridge. So every first packet of a connection is seen (tcpdump on all interfaces of the
cluster's network), given names by the addresses that pods have had, and held against the rules.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.process import Process

NODE = "10.99.0.1"
OPENED = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn or udp dst port 53"
PACKET = re.compile(r" IP (\d+\.\d+\.\d+\.\d+)\.\d+ > (\d+\.\d+\.\d+\.\d+)\.(\d+):")
EVENTS = "{.metadata.namespace} {.metadata.name} {.metadata.labels.app\\.kubernetes\\.io/name} {.status.podIP}"
ENDS = " {.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[0].state.terminated.finishedAt}"


@dataclass(frozen=True)
class Peer:
    namespace: str
    app: str  # its label app.kubernetes.io/name


DNS = Peer("kube-system", "kube-dns")  # beside the cluster here, at the node's address


@dataclass
class Watch:
    """From start() on: every pod that has been, how each container ended, every connection that was opened."""

    folder: Path
    peers: dict[str, Peer] = field(default_factory=dict)
    ends: set[tuple[str, str, str]] = field(default_factory=set)  # pod, exit code, when

    def start(self) -> Watch:
        watch = ["kubectl", "get", "pods", "-A", "-w", "-o", "jsonpath=" + EVENTS + ENDS + '{"\\n"}']
        self.events = Process(watch, self.folder / "pods.log")
        self.packets = Process(["tcpdump", "-i", "any", "-nn", "-l", OPENED], self.folder / "packets.log")
        self.events.start()
        self.packets.start()
        return self

    def stop(self) -> Watch:
        self.packets.stop(signal.SIGINT)
        self.events.kill()
        for line in self.events.output().splitlines():
            words = line.split(" ")
            if len(words) == 6:
                namespace, name, app, address, code, when = words
                if address:
                    self.peers[address] = Peer(namespace, app)
                if code:
                    self.ends.add((name, code, when))
        return self

    def connections(self) -> set[tuple[Peer, Peer, int]]:
        """Between pods; what the node begins (probes, KEDA, this test) needs no rule and is left out."""
        found = set()
        for source, target, port in PACKET.findall(self.packets.output()):
            to = DNS if (target, port) == (NODE, "53") else self.peers.get(target)
            if source in self.peers and to:
                found.add((self.peers[source], to, int(port)))
        return found

    def unknown(self) -> set[tuple[str, str, str]]:
        """From pods to what is neither a pod, nor DNS, nor the address of a Service (which is seen again behind it)."""
        return {
            (self.peers[source].app, target, port)
            for source, target, port in PACKET.findall(self.packets.output())
            if source in self.peers and target not in self.peers and (target, port) != (NODE, "53") and not target.startswith("10.96.")
        }


def selects(selector: dict[str, Any], app: str) -> bool:
    """For the two forms that the manifests use."""
    labels = {"app.kubernetes.io/name": app, "k8s-app": app}
    return all(labels[k] == v for k, v in selector.get("matchLabels", {}).items()) and all(
        labels[e["key"]] in e["values"] for e in selector.get("matchExpressions", [])
    )


def matches(peer: dict[str, Any], other: Peer, home: str) -> bool:
    if "namespaceSelector" in peer:
        here = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == other.namespace
    else:
        here = other.namespace == home
    return here and selects(peer.get("podSelector", {}), other.app)


def allows(policies: list[dict[str, Any]], home: str, own: str, direction: str, other: Peer, port: int, names: dict[str, int]) -> str | None:
    """The policy of @home by which a pod of app @own may talk with @other; None: there is none."""
    side = {"Egress": ("egress", "to"), "Ingress": ("ingress", "from")}[direction]
    for policy in policies:
        spec = policy["spec"]
        if not selects(spec["podSelector"], own):
            continue
        for rule in spec.get(side[0], []):
            ports = {names.get(p["port"], p["port"]) for p in rule["ports"]}
            if port in ports and any(matches(p, other, home) for p in rule[side[1]]):
                return str(policy["metadata"]["name"])
    return None


def judge(policies: list[dict[str, Any]], home: str, made: set[tuple[Peer, Peer, int]], http: dict[str, int]) -> tuple[list[str], list[str]]:
    """Lines of the table (from, to, port, by which policies), and connections that no rule allows. @http: what port `http` is, by app."""
    table, refused = [], []
    for source, target, port in sorted(made, key=str):
        ways = []
        if source.namespace == home:
            ways.append(allows(policies, home, source.app, "Egress", target, port, {}))
        if target.namespace == home:
            ways.append(allows(policies, home, target.app, "Ingress", source, port, {"http": http.get(target.app, 0)}))
        if not ways:
            continue
        line = f"{source.app} -> {target.app}:{port} by {', '.join(str(w) for w in ways)}"
        (refused if None in ways else table).append(line)
    return table, refused


def wanted(policies: list[dict[str, Any]], apps: set[str]) -> set[tuple[str, str]]:
    """(client, server) that the rules between pods of one namespace speak of: each should be seen."""
    found = set()
    for policy in policies:
        spec = policy["spec"]
        own = {app for app in apps if selects(spec["podSelector"], app)}
        for side, way in (("egress", "to"), ("ingress", "from")):
            for peer in [p for rule in spec.get(side, []) for p in rule[way] if "namespaceSelector" not in p and "podSelector" in p]:
                others = {app for app in apps if selects(peer["podSelector"], app)}
                found |= {(a, b) if side == "egress" else (b, a) for a in own for b in others}
    return found
