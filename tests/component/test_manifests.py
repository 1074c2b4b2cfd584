"""k8s/, compose.yaml and docker/ as text: what can be seen without a cluster, an engine or Kustomize. KMD_RENDERED names a folder of
what Kustomize made of the overlays (scripts/k8s-check.sh): then the same is asked of that."""

from __future__ import annotations

import importlib.util
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from component.test_settings import PROGRAMS, call

from support import keys
from support.certs import Authority
from support.paths import TOP
from support.postgres import Postgres
from support.process import run
from support.services import base_env

K8S = TOP / "k8s"
OVERLAYS = ("dev", "prod")
RENDERED = os.environ.get("KMD_RENDERED")
VERSION = re.search(r"project\(kmd VERSION ([0-9.]+)", (TOP / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
MAX_CONNECTIONS = 100  # Postgres's default
SPARE_CONNECTIONS = 10  # the migration, people, reserved ones
Document = dict[str, Any]


def load(path: Path) -> list[Document]:
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


@cache
def documents() -> list[Document]:
    paths = sorted(Path(RENDERED).glob("*.yaml")) if RENDERED else [p for p in sorted(K8S.rglob("*.yaml")) if "secrets" not in p.parts]
    return [d for path in paths for d in load(path)]


def of_kind(*kinds: str) -> list[Document]:
    return [d for d in documents() if d["kind"] in kinds]


def pods() -> Iterator[tuple[str, Document]]:
    """Whole ones; patches of overlays have no image."""
    for d in of_kind("Deployment", "StatefulSet", "Job"):
        pod = d["spec"]["template"]["spec"]
        if all("image" in c for c in pod["containers"]):
            yield d["metadata"]["name"], pod


def services() -> Iterator[tuple[str, Document]]:
    for name, pod in pods():
        program = name.removeprefix("kmd-")
        if program in PROGRAMS:
            yield program, pod


def generated(*kustomizations: Path) -> dict[str, dict[str, str]]:
    """ConfigMaps by name: later literals win, as `behavior: merge` has it."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in kustomizations:
        for one in yaml.safe_load(path.read_text()).get("configMapGenerator", []):
            found[one["name"]] |= dict(literal.split("=", 1) for literal in one.get("literals", []))
    return found


def overlay(name: str) -> dict[str, dict[str, str]]:
    return generated(K8S / "base" / "kustomization.yaml", K8S / "overlays" / name / "kustomization.yaml")


def compose() -> Document:
    return dict(yaml.safe_load((TOP / "compose.yaml").read_text()))


def settings_of(name: str, program: str) -> dict[str, str]:
    """What `envFrom` of its pod adds up to in that overlay."""
    maps = overlay(name)
    return maps[f"kmd-{program}"] if program == "migrate" else maps["kmd"] | maps[f"kmd-{program}"]


def environments() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Where, program, settings."""
    for name in OVERLAYS:
        for program in (*PROGRAMS, "migrate"):
            yield name, program, settings_of(name, program)
    for program in (*PROGRAMS, "migrate"):
        yield "compose", program, compose()["services"][program]["environment"]


def environments_of(wanted: str) -> Iterator[tuple[str, dict[str, str]]]:
    return ((where, settings) for where, program, settings in environments() if program == wanted)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands for /etc/kmd and /keys: what the Secrets hold, by its folder and file."""
    top = tmp_path_factory.mktemp("etc")
    key = keys.ed25519_key(top / "made").private.read_bytes()
    ca = Authority(top / "ca").ca.read_bytes()
    for place, text in {
        "exchange/private-key.pem": key, "private-key.pem": key, "exchange/api-key-id": b"id", "kafka/password": b"p",
        "kafka-ca/ca.crt": ca, "postgres/password": b"p", "postgres-ca/ca.crt": ca,
    }.items():  # fmt: skip
        (top / place).parent.mkdir(exist_ok=True)
        (top / place).write_bytes(text)
    return top


def test_the_programs_take_the_settings_of_every_place(mounted: Path, tmp_path: Path) -> None:
    for where, program, settings in environments():
        given = {n: v.replace("/etc/kmd", str(mounted)).replace("/keys", str(mounted)) for n, v in settings.items()}
        given = {n: v.replace("/var/lib/kmd/spool", str(tmp_path)) for n, v in given.items()}
        if given.get("KAFKA_SASL_MECHANISM") == "SCRAM-SHA-512":
            given["KAFKA_SASL_MECHANISM"] = "PLAIN"  # Debian 12's library is refused SCRAM; the images' is not
        done = call("sink" if program == "migrate" else program, "--check", **given)
        assert done.returncode == 0, f"{where}, {program}: {done.stderr}"


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)`", (TOP / "docs" / "settings.md").read_text(), re.MULTILINE))
    for where, program, settings in environments():
        ours = {n for n in settings if n.startswith(("KMD_", "KALSHI_"))}
        unknown = {n for n in ours if n not in documented and n.removesuffix("_FILE") not in documented}
        assert not unknown, f"{where}, {program}"


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_file_that_a_setting_names_is_mounted(name: str) -> None:
    for program in (*PROGRAMS, "migrate"):
        (patch,) = load(K8S / "overlays" / name / f"{program}.yaml")
        pod = patch["spec"]["template"]["spec"]
        mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
        assert set(mounts.values()) == {v["name"] for v in pod["volumes"]}
        assert {str(Path(v).parent) for v in settings_of(name, program).values() if v.startswith("/etc/kmd/")} == set(mounts)


def test_pods_meet_the_restricted_level_and_more() -> None:
    assert len(list(pods())) >= 4
    for name, pod in pods():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, name
        assert all(v.keys() & {"secret", "configMap", "emptyDir", "persistentVolumeClaim"} for v in pod.get("volumes", [])), name
        for container in pod["containers"] + pod.get("initContainers", []):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() >= {"cpu", "memory"}, name
            assert not any("hostPort" in p for p in container.get("ports", [])), name
    for namespace in of_kind("Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_drain_fits_into_the_time_that_is_given() -> None:
    drain = int(overlay("prod")["kmd"]["KMD_SHUTDOWN_TIMEOUT"].removesuffix("s"))
    for name, pod in services():
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= pause + drain + 5, name
        # One that its liveness probe ends has nothing left to do in that time.
        assert pause < pod["containers"][0]["livenessProbe"]["terminationGracePeriodSeconds"] < drain, name
    for name in PROGRAMS:
        assert int(compose()["services"][name]["stop_grace_period"].removesuffix("s")) >= drain + 5


def test_ports_and_probes_are_those_of_the_programs() -> None:
    exposed = dict(re.findall(r"EXPOSE (\d+)\nENTRYPOINT \[\"/usr/local/bin/kmd-(\w+)\"\]", (TOP / "docker" / "Dockerfile").read_text()))
    ports = {program: int(port) for port, program in exposed.items()}
    assert set(ports) == set(PROGRAMS)
    heads = {d["metadata"]["name"]: d["spec"]["ports"] for d in of_kind("Service")}
    for program, pod in services():
        (container,) = pod["containers"]
        assert [re.sub("-[a-z0-9]{10}$", "", e["configMapRef"]["name"]) for e in container["envFrom"]] == ["kmd", f"kmd-{program}"]
        assert container["ports"] == [{"name": "http", "containerPort": ports[program]}] or RENDERED
        assert container["startupProbe"]["httpGet"] == container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        assert heads[f"kmd-{program}"][0]["port"] == ports[program]
    jobs = {j["job_name"]: j["static_configs"][0]["targets"] for j in load(TOP / "docker/compose/prometheus.yaml")[0]["scrape_configs"]}
    for where, program, settings in environments():
        if program in PROGRAMS:
            assert settings["KMD_HTTP_LISTEN"] == f"0.0.0.0:{ports[program]}", where
            assert jobs[f"kmd-{program}"] == [f"{program}:{ports[program]}"]


def test_images_are_those_of_this_version() -> None:
    for name, pod in pods():
        for container in pod["containers"]:
            image, _, tag = container["image"].rpartition(":")
            assert image and re.fullmatch(r"\d+(\.\d+)+", tag), name
            assert "kmd-" not in image or tag == VERSION, name
    for name, one in compose()["services"].items():
        assert re.search(r":v?\d+(\.\d+)+$", one["image"]), name
        assert "kmd-" not in one["image"] or one["image"].endswith(":" + VERSION), name
    for path in K8S.rglob("kustomization.yaml"):
        for image in yaml.safe_load(path.read_text()).get("images", []):
            assert "kmd-" not in image["name"] or image.get("newTag", VERSION) == VERSION, path
    suffix = yaml.safe_load((K8S / "base/migrate/kustomization.yaml").read_text())["nameSuffix"]
    assert suffix == "-" + VERSION.replace(".", "-")


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_spool_fits_onto_its_volume(name: str) -> None:
    def gib(text: str) -> float:
        return float(re.sub(r"\D", "", text)) / (1024 if text.startswith(tuple("0123456789")) and "M" in text else 1)

    patched = load(K8S / "overlays" / name / "ingest.yaml")[0]["spec"]
    whole = load(K8S / "base" / "ingest.yaml")[0]["spec"]
    (claim,) = patched.get("volumeClaimTemplates") or whole["volumeClaimTemplates"]
    assert gib(claim["spec"]["resources"]["requests"]["storage"]) > 1.1 * gib(overlay(name)["kmd-ingest"]["KMD_INGEST_SPOOL_MAX"])
    mounts = whole["template"]["spec"]["containers"][0]["volumeMounts"]
    assert overlay(name)["kmd-ingest"]["KMD_INGEST_SPOOL_DIR"] in [m["mountPath"] for m in mounts if m["name"] == "spool"]


def test_sinks_scale_within_partitions_and_connections() -> None:
    for scaled in of_kind("ScaledObject"):
        spec = scaled["spec"]
        maps = overlay("prod")
        assert spec["scaleTargetRef"]["name"] == "kmd-sink"  # ingest, never
        assert spec["maxReplicaCount"] == int(maps["kmd"]["KMD_TOPIC_PARTITIONS"])
        connections = spec["maxReplicaCount"] * (int(maps["kmd-sink"]["KMD_SINK_WRITERS"]) + 1)
        assert connections <= MAX_CONNECTIONS - SPARE_CONNECTIONS
        assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["offsetResetPolicy"] == "earliest"
            assert not RENDERED or trigger["metadata"]["bootstrapServers"] == maps["kmd"]["KAFKA_BOOTSTRAP_SERVERS"]


def test_kafka_of_dev_calls_itself_what_its_clients_call_it() -> None:
    (pod,) = [pod for name, pod in pods() if name == "kafka"]
    told = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}["KAFKA_ADVERTISED_LISTENERS"]
    assert told == "PLAINTEXT://" + overlay("dev")["kmd"]["KAFKA_BOOTSTRAP_SERVERS"]
    (scaled,) = load(K8S / "components/keda/scaledobject.yaml")
    assert told.endswith(scaled["spec"]["triggers"][0]["metadata"]["bootstrapServers"])


def test_the_operators_rules_are_those_of_monitoring() -> None:
    folder = K8S / "components" / "prometheus-operator"
    spec = importlib.util.spec_from_file_location("make_rules", folder / "make_rules.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (folder / "rules.yaml").read_text() == module.text()
    (rule,) = load(folder / "rules.yaml")
    assert rule["spec"] == yaml.safe_load((TOP / "monitoring/prometheus/kmd.rules.yaml").read_text())


def test_strimzi_has_every_topic_and_a_user_for_each_service() -> None:
    table = re.findall(r'X\(\w+, "(\w+)", KMD_KEEP_(\w+)\)', (TOP / "libcommon/record/kmd_topic.h").read_text())
    made = {d["metadata"]["name"]: d["spec"] for d in load(K8S / "components/strimzi/topics.yaml")}
    assert set(made) == {"kalshi." + name for name, _ in table}
    for name, keep in table:
        spec = made["kalshi." + name]
        assert spec["partitions"] == (1 if name in ("feed", "dlq", "shards") else 12)
        assert spec["config"]["max.message.bytes"] == 65 * 1024 * 1024
        assert (spec["config"].get("cleanup.policy") == "compact") == (keep == "COMPACT")
        assert (spec["config"].get("retention.ms") == -1) == (keep == "FOREVER")
    users = {d["metadata"]["name"] for d in load(K8S / "components/strimzi/users.yaml")}
    # Strimzi 1.0 knows no v1beta2 any more.
    assert {d["apiVersion"] for name in ("topics", "users") for d in load(K8S / f"components/strimzi/{name}.yaml")} == {"kafka.strimzi.io/v1"}
    assert users == {overlay("prod")[f"kmd-{program}"]["KAFKA_SASL_USERNAME"] for program in PROGRAMS}


def test_policies_deny_by_default_and_name_pods_that_are_there() -> None:
    policies = of_kind("NetworkPolicy")
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in [p["spec"] for p in policies]
    there = {d["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for d in of_kind("Deployment", "StatefulSet", "Job") if "metadata" in d["spec"]["template"]}  # fmt: skip

    def named(selector: Document) -> set[str]:
        values = {v for e in selector.get("matchExpressions", []) for v in e["values"]}
        return values | {v for k, v in selector.get("matchLabels", {}).items() if k == "app.kubernetes.io/name"}

    for policy in policies:
        assert named(policy["spec"]["podSelector"]) <= there, policy["metadata"]["name"]
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule["ports"] and rule.get("from", rule.get("to")), "a rule for everybody or every port"
            for peer in rule.get("from", rule.get("to")):
                if "namespaceSelector" not in peer:
                    assert named(peer.get("podSelector", {})) <= there, policy["metadata"]["name"]


@pytest.mark.parametrize("where", ["dev", "compose"])
def test_a_new_database_lets_the_sink_in_as_a_writer(where: str, postgres: Postgres, tmp_path: Path) -> None:
    """What the image of Postgres runs when the database is new, then the migration."""
    postgres.create_database("kalshi")
    given = {**base_env(), **postgres.env("kalshi")}
    if where == "dev":
        (tmp_path / "password").write_text("it's")
        script = (K8S / "overlays/dev/roles.sh").read_text().replace("/etc/kmd/postgres-sink", str(tmp_path))
        run(["sh", "-ec", script], {**given, "POSTGRES_USER": "postgres", "POSTGRES_DB": "kalshi"})
    else:
        postgres.execute((TOP / "docker/compose/roles.sql").read_text(), "kalshi")
    done = call("sink", "--migrate", **postgres.env("kalshi"))
    assert done.returncode == 0, done.stderr
    login = dict(environments_of("sink"))[where]["PGUSER"]
    with psycopg.connect(host="127.0.0.1", port=postgres.port, user=login, password="it's", dbname="kalshi") as db:
        assert db.execute("SELECT max(version) > 0 FROM kalshi.schema_version").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("DROP TABLE kalshi.trades")


def test_nothing_secret_stands_in_the_tree() -> None:
    made = [d for path in K8S.rglob("*.yaml") if "secrets" not in path.parts for d in load(path) if d["kind"] == "Secret"]
    assert not made
    for path in K8S.rglob("kustomization.yaml"):
        for secret in yaml.safe_load(path.read_text()).get("secretGenerator", []):
            assert "literals" not in secret and all("=secrets/" in f for f in secret["files"])
