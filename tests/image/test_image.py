"""The images, as scripts/image-test.sh has built them: small, without privileges, in order at SIGTERM, and the main job from inside.
KMD_BIN is a folder of programs that run the images: no capability, no writable root, the user that the image names."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from component.test_manifests import VERSION, environments
from component.test_settings import PROGRAMS, good
from system import checks, truth

from support import http, keys
from support.paths import BIN, BUILD, program
from support.ports import free_port
from support.postgres import Postgres
from support.process import Process, run, wait_until
from support.rig import Rig
from support.secured import Secured
from support.services import StartService, base_env
from support.shared import unique
from support.sim import Sim

TARGETS = (*PROGRAMS, "migrate", "sim")
SIZE_MAX = 120 * 1000 * 1000
FRAMES_MIN = 2000


def readable(path: Path) -> Path:
    """For the images' user."""
    path.chmod(0o644)
    return path


@pytest.fixture
def key(folder: Path) -> Path:
    return readable(keys.rsa_key(folder, "key").private)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_small(target: str) -> None:
    """As a gzip archive; the script has saved it."""
    archive = BUILD / "image" / f"kmd-{target}.tar.gz"
    size = archive.stat().st_size
    print(f"kmd-{target}: {size / 1e6:.1f} MB as a gzip archive")
    with gzip.open(archive) as whole:
        assert whole.read(262)[257:] == b"ustar"
    assert size <= SIZE_MAX


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is(target: str) -> None:
    (told,) = json.loads(run([program("podman"), "image", "inspect", f"localhost/kmd-{target}:{VERSION}"], base_env()).stdout)
    assert told["User"] == "10001:10001"
    assert told["Config"]["StopSignal"] in ("SIGTERM", "15") and "Healthcheck" not in told["Config"]
    assert told["Config"]["Entrypoint"][0].startswith("/")  # a program, no shell in front of it
    labels = told["Labels"]
    assert labels["org.opencontainers.image.title"] == f"kmd-{target}"
    assert labels["org.opencontainers.image.version"] == VERSION
    assert {"revision", "licenses", "description"} <= {name.rpartition(".")[2] for name in labels}


@pytest.mark.parametrize("target", TARGETS)
def test_a_container_is_nobody_and_writes_nowhere(target: str) -> None:
    look = "id -u; grep -cE '^([^ ]+ ){4}/ ro' /proc/self/mountinfo; grep ^CapEff /proc/self/status; test -w / || echo refused"
    image = f"localhost/kmd-{target}:{VERSION}"
    shell = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=all", "--entrypoint=/bin/sh"]
    told = run([program("podman"), *shell, image, "-c", look], base_env()).stdout
    assert told.split() == ["10001", "1", "CapEff:", "0" * 16, "refused"]


@pytest.mark.parametrize("target", (*PROGRAMS, "sim"))
def test_the_version_is_that_of_the_tree(target: str) -> None:
    done = run([program(f"kmd-{target}"), "--version"], base_env())
    assert re.fullmatch(rf"kmd-{target} {re.escape(VERSION)}\S*\n" if target != "sim" else r"kmd-sim \S+\n", done.stdout)


def test_scram_is_taken_where_manifests_ask_for_it(folder: Path, key: Path) -> None:
    """--check of what overlay prod sets for each service; files are the test's."""
    for name in ("password", "api-key-id"):
        (folder / name).write_text("x")
        readable(folder / name)
    for where, name, settings in environments():
        if where != "prod" or name == "migrate":
            continue
        given = {n: str(folder / Path(v).name) if v.startswith("/etc/kmd/") else v for n, v in settings.items()}
        given |= {n: str(key) for n in given if n == "KALSHI_PRIVATE_KEY_FILE"}
        given = {n: v for n, v in given.items() if n not in ("KAFKA_SSL_CA_LOCATION", "PGSSLROOTCERT", "KMD_INGEST_SPOOL_DIR")}
        done = run([program(f"kmd-{name}"), "--check"], {**base_env(), **given}, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_service_that_has_no_server_is_alive_and_ends_in_order(name: str, key: Path, service: StartService) -> None:
    """The fixture sends SIGTERM to process 1 of the container and wants exit code 0."""
    one = service(name, good(name, key))
    wait_until("/livez answers", lambda: one.live() == 200, timeout=60)
    assert one.ready()[0] == 503


def test_the_simulated_exchange_runs(folder: Path, key: Path) -> None:
    port = free_port()
    sim = Process(
        [program("kmd-sim"), "--listen", f"127.0.0.1:{port}", "--key-id", "k", "--public-key", str(key)], folder / "sim.log", base_env()
    )
    sim.start()
    try:
        sim.wait_output(r'^\{"port":', timeout=120)
        assert http.get(f"http://127.0.0.1:{port}/sim/stats")[0] == 200
        assert sim.stop() == 0
    finally:
        sim.kill()


@pytest.fixture
def secured(folder: Path) -> Iterator[Secured]:
    made = Secured(folder)
    try:
        yield made.start()
    finally:
        made.kafka.kill()


def test_the_main_job_by_scram_over_tls(folder: Path, secured: Secured, postgres: Postgres) -> None:
    """Services from the images, the migration too; a spool on a volume; everything that the exchange sent is stored."""
    postgres.create_database("kmd")
    spool = folder / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    readable(secured.authority.ca)
    sim = Sim(folder, rate=200, markets=30, determinations_per_minute=30, churn=30, time_scale=20, ledger=folder / "ledger.jsonl")
    readable(sim.key.private)
    rig = Rig(
        folder, secured.kafka, postgres, "kmd", unique("t") + ".", sim, settings=secured.sasl("SCRAM-SHA-512"),
        ingest={"KMD_INGEST_SPOOL_DIR": str(spool)}, enricher={"KMD_ENRICHER_SETTLEMENT_RETRY": "2s"},
    )  # fmt: skip
    try:
        rig.start()
        rig.ingest.wait_metric("kmd_ingest_frames_total", FRAMES_MIN, timeout=120)
        rig.drain()
        assert rig.ingest.stop() == 0 and rig.enricher.stop() == 0
        topics = checks.Topics(rig.kafka.bootstrap, rig.prefix)
        frames = checks.frames_in_kafka(checks.ledger_by_connection(rig.sim.frames()), topics, whole=True)
        assert frames >= FRAMES_MIN
        rig.wait_level()
        counts = checks.rows_of_topics(rig.query, topics)
        assert not sum(c["dead_letters"] for c in counts.values())
        assert truth.books(rig) > 0
        truth.no_bad_signature(rig)
        print(f"{frames} frames, {sum(c['rows'] for c in counts.values())} rows from inside the images")
    finally:
        rig.stop()


def test_programs_under_test_are_images() -> None:
    """Else everything above would say nothing."""
    assert "podman" in (BIN / "kmd-sink").read_text()
    done = subprocess.run([program("podman"), "ps", "-a", "-q"], capture_output=True, text=True, check=True)
    assert not done.stdout, "containers were left behind"
