"""Settings common to the three programs: what is refused and how, what is shown, and servers that are not there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import keys
from support.paths import PATIENCE, program
from support.ports import free_port
from support.postgres import Postgres
from support.process import Failure, run, wait_until
from support.services import Service, StartService, base_env
from support.shared import SharedKafka

PROGRAMS = ("ingest", "enricher", "sink")
SIGNERS = ("ingest", "enricher")
USAGE, UNAVAILABLE, CONFIG = 64, 69, 78


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keys.rsa_key(tmp_path_factory.mktemp("keys")).private


def good(name: str, key: Path) -> dict[str, str]:
    """The least that the program accepts. Nobody listens where it points."""
    kafka = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "KMD_HTTP_LISTEN": f"127.0.0.1:{free_port()}"}
    signer = {"KALSHI_API_KEY_ID": "k-1", "KALSHI_PRIVATE_KEY_FILE": str(key)}
    return {
        "ingest": {**kafka, **signer, "KALSHI_WS_URL": f"ws://127.0.0.1:{free_port()}/trade-api/ws/v2"},
        "enricher": {**kafka, **signer, "KALSHI_REST_BASE_URL": f"http://127.0.0.1:{free_port()}/trade-api/v2"},
        "sink": {**kafka, "PGHOST": "127.0.0.1", "PGPORT": str(free_port()), "PGUSER": "postgres"},
    }[name]


def call(name: str, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run([program(f"kmd-{name}"), *options], {**base_env(), **settings}, timeout=20, check=False)


def check(name: str, key: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return call(name, "--check", **{**good(name, key), **settings})


def refused(done: subprocess.CompletedProcess[str], code: int, *names: str) -> None:
    """The right code, and one line on stderr that names what is wrong: the setting, or the file it gives."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for name in names:
        assert name in lines[0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_good_settings_pass_the_check_and_no_server_is_asked(name: str, key: Path) -> None:
    done = check(name, key)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_names_every_setting_the_program_reads(name: str) -> None:
    own = {
        "ingest": "KALSHI_WS_URL KALSHI_API_KEY_ID KALSHI_PRIVATE_KEY_FILE KALSHI_CA_FILE KMD_INGEST_CHANNELS "
        "KMD_INGEST_MARKETS KMD_INGEST_GROUP KMD_INGEST_SHARDS KMD_INGEST_STALE_AFTER KMD_INGEST_SPOOL_DIR "
        "KMD_INGEST_SPOOL_MAX",
        "enricher": "KALSHI_REST_BASE_URL KALSHI_API_KEY_ID KALSHI_PRIVATE_KEY_FILE KALSHI_CA_FILE KMD_ENRICHER_GROUP "
        "KMD_ENRICHER_MAX_IN_FLIGHT KMD_ENRICHER_RATE KMD_ENRICHER_SETTLEMENT_RETRY KMD_ENRICHER_LIST_EVERY KMD_ENRICHER_MVE",
        "sink": "DATABASE_URL KMD_SINK_TOPICS KMD_SINK_GROUP KMD_SINK_WRITERS KMD_SINK_BATCH_ROWS KMD_SINK_BATCH_BYTES "
        "KMD_SINK_BATCH_AGE KMD_SINK_DATABASE_TIMEOUT KMD_SINK_PARTITION_AHEAD KMD_SINK_RETENTION_DAYS",
    }[name]
    common = (
        "KAFKA_ KMD_TOPIC_PREFIX KMD_TOPIC_CREATE KMD_TOPIC_PARTITIONS KMD_TOPIC_REPLICATION KMD_TOPIC_RETENTION "
        "KMD_HTTP_LISTEN KMD_LOG_LEVEL KMD_LOG_FORMAT KMD_SHUTDOWN_TIMEOUT"
    )
    done = call(name, "--help")
    assert done.returncode == 0
    missing = [setting for setting in f"{own} {common}".split() if setting not in done.stdout]
    assert not missing


@pytest.mark.parametrize("name", PROGRAMS)
def test_version_is_one_line(name: str) -> None:
    done = call(name, "--version")
    assert done.returncode == 0
    assert re.fullmatch(rf"kmd-{name} \d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version_need_no_good_settings(name: str) -> None:
    for option in ("--help", "--version"):
        assert call(name, option, KMD_NO_SUCH="1").returncode == 0


@pytest.mark.parametrize("options", [("--no-such",), ("stray",), ("--config",), ("--check=1",)])
@pytest.mark.parametrize("name", PROGRAMS)
def test_bad_usage(name: str, options: tuple[str, ...], key: Path) -> None:
    refused(call(name, *options, **good(name, key)), USAGE)


@pytest.mark.parametrize("setting", ["KMD_NO_SUCH", "KALSHI_NO_SUCH", "KAFKA_NO_SUCH_PROPERTY", "KMD_INGEST_MARKET"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_unknown_variable(name: str, setting: str, key: Path) -> None:
    refused(check(name, key, **{setting: "1"}), CONFIG, setting)


@pytest.mark.parametrize(
    "name,setting,value",
    [
        (name, setting, value)
        for names, setting, values in [
            (PROGRAMS, "KMD_SHUTDOWN_TIMEOUT", ("5", "fast", "-5s", "5 s")),
            (PROGRAMS, "KMD_TOPIC_PARTITIONS", ("0", "-1", "many", "1.5", "99999999999999999999")),
            (PROGRAMS, "KMD_TOPIC_REPLICATION", ("0", "x")),
            (PROGRAMS, "KMD_TOPIC_RETENTION", ("7", "1y")),
            (PROGRAMS, "KMD_TOPIC_CREATE", ("maybe",)),
            (PROGRAMS, "KMD_LOG_LEVEL", ("loud",)),
            (PROGRAMS, "KMD_LOG_FORMAT", ("xml",)),
            (PROGRAMS, "KMD_HTTP_LISTEN", ("nowhere", "127.0.0.1:99999", "127.0.0.1")),
            (PROGRAMS, "KMD_TOPIC_PREFIX", ("with space", "slash/")),
            (("ingest",), "KALSHI_WS_URL", ("ftp://127.0.0.1/", "wss://", "nonsense")),
            (("ingest",), "KMD_INGEST_SHARDS", ("0", "two")),
            (("ingest",), "KMD_INGEST_STALE_AFTER", ("10", "never")),
            (("ingest",), "KMD_INGEST_CHANNELS", ("trade,no_such_channel",)),
            (("ingest",), "KMD_INGEST_SPOOL_MAX", ("10 GiB", "lots", "-1")),
            (("enricher",), "KALSHI_REST_BASE_URL", ("ftp://127.0.0.1/", "https://", "nonsense")),
            (("enricher",), "KMD_ENRICHER_RATE", ("0", "-1", "fast")),
            (("enricher",), "KMD_ENRICHER_MAX_IN_FLIGHT", ("0", "x")),
            (("enricher",), "KMD_ENRICHER_MVE", ("perhaps",)),
            (("sink",), "KMD_SINK_TOPICS", ("trades,no_such_topic",)),
            (("sink",), "KMD_SINK_WRITERS", ("0", "x")),
            (("sink",), "KMD_SINK_BATCH_BYTES", ("8MB?", "-8MiB")),
            (("sink",), "KMD_SINK_BATCH_AGE", ("250",)),
            (("sink",), "KMD_SINK_DATABASE_TIMEOUT", ("60", "4s")),
        ]
        for name in names
        for value in values
    ],
)
def test_bad_value(name: str, setting: str, value: str, key: Path) -> None:
    refused(check(name, key, **{setting: value}), CONFIG, setting)


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_of_the_other_programs_are_fine(name: str, key: Path) -> None:
    done = check(name, key, KMD_SINK_WRITERS="3", KMD_INGEST_SHARDS="2", KMD_ENRICHER_RATE="5", KMD_INGEST_GROUP="g")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_that_service_links_inject_are_ignored(name: str, key: Path) -> None:
    links: dict[str, str] = {}
    for service in ("KMD_SINK", "KMD_INGEST_0", "KAFKA", "KALSHI_PROXY"):
        links |= {
            f"{service}_SERVICE_HOST": "10.0.0.1",
            f"{service}_SERVICE_PORT": "9103",
            f"{service}_SERVICE_PORT_HTTP": "9103",
            f"{service}_PORT": "tcp://10.0.0.1:9103",
            f"{service}_PORT_9103_TCP": "tcp://10.0.0.1:9103",
            f"{service}_PORT_9103_TCP_PROTO": "tcp",
            f"{service}_PORT_9103_TCP_ADDR": "10.0.0.1",
        }
    done = check(name, key, **links)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "setting,other",
    [
        ("KAFKA_ACKS", "1"),
        ("KAFKA_REQUEST_REQUIRED_ACKS", "1"),
        ("KAFKA_ENABLE_IDEMPOTENCE", "false"),
        ("KAFKA_MESSAGE_TIMEOUT_MS", "300000"),
        ("KAFKA_DELIVERY_TIMEOUT_MS", "300000"),
        ("KAFKA_PARTITIONER", "random"),
        ("KAFKA_TRANSACTIONAL_ID", "t"),
        ("KAFKA_ENABLE_AUTO_COMMIT", "true"),
        ("KAFKA_AUTO_OFFSET_RESET", "latest"),
        ("KAFKA_GROUP_ID", "mine"),
        ("KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "range"),
    ],
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_kafka_properties_that_the_guarantee_rests_on(name: str, setting: str, other: str, key: Path) -> None:
    refused(check(name, key, **{setting: other}), CONFIG, setting)


@pytest.mark.parametrize("name", PROGRAMS)
def test_kafka_properties(name: str, key: Path) -> None:
    fine = check(name, key, KAFKA_ACKS="all", KAFKA_LINGER_MS="20", KAFKA_SOCKET_KEEPALIVE_ENABLE="true")
    assert fine.returncode == 0, fine.stderr
    refused(check(name, key, KAFKA_LINGER_MS="soon"), CONFIG, "KAFKA_LINGER_MS")


@pytest.mark.parametrize("name", PROGRAMS)
def test_config_file_below_the_environment(name: str, key: Path, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("# comment\n\nKMD_TOPIC_PREFIX=from-file.\nKMD_LOG_LEVEL=debug\n")
    settings = {**good(name, key), "KMD_LOG_LEVEL": "error"}
    done = call(name, "--config", str(file), "--print", **settings)
    assert done.returncode == 0, done.stderr
    assert "KMD_TOPIC_PREFIX=from-file." in done.stdout.splitlines()
    assert "KMD_LOG_LEVEL=error" in done.stdout.splitlines()
    file.write_text("KMD_NO_SUCH=1\n")
    refused(call(name, "--config", str(file), "--check", **settings), CONFIG, "KMD_NO_SUCH")
    refused(call(name, "--config", str(tmp_path / "absent"), "--check", **settings), CONFIG, str(tmp_path / "absent"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_setting_from_a_mounted_file(name: str, key: Path, tmp_path: Path) -> None:
    file = tmp_path / "prefix"
    file.write_text("mounted.\n")
    done = call(name, "--print", **good(name, key), KMD_TOPIC_PREFIX_FILE=str(file))
    assert "KMD_TOPIC_PREFIX=mounted." in done.stdout.splitlines(), done.stderr
    refused(check(name, key, KMD_TOPIC_PREFIX_FILE=str(tmp_path / "absent")), CONFIG, "KMD_TOPIC_PREFIX")


@pytest.mark.parametrize("name", PROGRAMS)
def test_print_masks_secrets(name: str, key: Path) -> None:
    secret = "hunter2-do-not-show"
    settings = {**good(name, key), "KAFKA_SASL_PASSWORD": secret, "KAFKA_SSL_KEY_PASSWORD": secret}
    if name == "sink":
        settings |= {"PGPASSWORD": secret, "DATABASE_URL": f"postgresql://me:{secret}@127.0.0.1:1/x"}
    done = call(name, "--print", **settings)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    assert "KMD_SHUTDOWN_TIMEOUT=20s" in done.stdout.splitlines()
    assert "KAFKA_SASL_PASSWORD=" in done.stdout


@pytest.mark.parametrize("name,setting", [("ingest", "KALSHI_WS_URL"), ("enricher", "KALSHI_REST_BASE_URL")])
def test_plaintext_only_to_loopback(name: str, setting: str, key: Path) -> None:
    url = {"KALSHI_WS_URL": "ws://exchange.test/ws", "KALSHI_REST_BASE_URL": "http://exchange.test/v2"}[setting]
    refused(check(name, key, **{setting: url}), CONFIG, setting)
    assert check(name, key, **{setting: url}, KMD_ALLOW_PLAINTEXT="true").returncode == 0
    for host in ("localhost", "127.0.0.1", "[::1]"):
        loopback = url.replace("exchange.test", f"{host}:8080")
        assert check(name, key, **{setting: loopback}).returncode == 0, loopback


def bad_keys(folder: Path) -> dict[str, Path]:
    (folder / "garbage").write_text("not a key\n")
    (folder / "empty").write_text("")
    pair = keys.rsa_key(folder, "pair")
    return {"absent": folder / "absent", "garbage": folder / "garbage", "empty": folder / "empty", "public": pair.public}


@pytest.mark.parametrize("kind", ["absent", "garbage", "empty", "public", "folder"])
@pytest.mark.parametrize("name", SIGNERS)
def test_wrong_key(name: str, kind: str, key: Path, tmp_path: Path) -> None:
    path = {**bad_keys(tmp_path), "folder": tmp_path}[kind]
    refused(check(name, key, KALSHI_PRIVATE_KEY_FILE=str(path)), CONFIG, str(path))


@pytest.mark.parametrize("setting", ["KALSHI_PRIVATE_KEY_FILE", "KALSHI_API_KEY_ID"])
@pytest.mark.parametrize("name", SIGNERS)
def test_missing_key(name: str, setting: str, key: Path) -> None:
    settings = good(name, key)
    del settings[setting]
    refused(call(name, "--check", **settings), CONFIG, setting)
    refused(call(name, **settings), CONFIG, setting)


@pytest.mark.parametrize("make", [keys.rsa_key, keys.ed25519_key, lambda folder: keys.rsa_key(folder, pkcs1=True)])
@pytest.mark.parametrize("name", SIGNERS)
def test_kinds_of_keys(name: str, make: Callable[[Path], keys.KeyPair], key: Path, tmp_path: Path) -> None:
    done = check(name, key, KALSHI_PRIVATE_KEY_FILE=str(make(tmp_path).private))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SIGNERS)
def test_wrong_ca_file(name: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("not a certificate\n")
    for path in (tmp_path / "ca", tmp_path / "absent"):
        refused(check(name, key, KALSHI_CA_FILE=str(path)), CONFIG, str(path))


@pytest.mark.parametrize("name", PROGRAMS)
def test_http_port_that_is_taken(name: str, key: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(call(name, **{**good(name, key), "KMD_HTTP_LISTEN": listen}), CONFIG, "KMD_HTTP_LISTEN", listen)


def test_one_shot_commands_whose_server_is_absent(key: Path) -> None:
    refused(call("sink", "--migrate", **good("sink", key)), UNAVAILABLE)
    refused(call("sink", "--accept-topic", "trades", **good("sink", key)), UNAVAILABLE)
    refused(call("sink", "--accept-topic", "no_such_topic", **good("sink", key)), USAGE)


def test_migrate_whose_server_refuses(key: Path, shared_postgres: Postgres) -> None:
    there = {**good("sink", key), **shared_postgres.env("no_such_database")}
    refused(call("sink", "--migrate", **there), UNAVAILABLE, "no_such_database")


def patient(one: Service, *names: str) -> dict[str, Any]:
    """Alive, live, not ready, and /readyz names what is missing."""

    def look() -> dict[str, Any] | None:
        if not one.alive():
            raise Failure(f"{one.label} ended with {one.process.exit_code}\n{one.process.tail()}")
        status, body = one.ready()
        return body if status == 503 and all(name in str(body) for name in names) else None

    body = wait_until(f"/readyz of {one.label} names {names}", look)
    assert one.live() == 200
    assert body is not None
    return body


@pytest.mark.parametrize("name", PROGRAMS)
def test_sigterm_before_the_service_stands_is_a_clean_stop(name: str, key: Path, tmp_path: Path) -> None:
    """While it reads its settings, which come through a pipe, and at random moments from then on."""
    settings = good(name, key)
    for attempt in range(6):
        pipe = tmp_path / f"{attempt}.env"
        os.mkfifo(pipe)
        env = {**base_env(), **settings, "KMD_SHUTDOWN_TIMEOUT": "1s"}
        child = subprocess.Popen([program(f"kmd-{name}"), "--config", str(pipe)], env=env, stderr=subprocess.PIPE)
        with open(pipe, "w"):  # it has opened the other end
            if attempt % 2:
                child.send_signal(signal.SIGTERM)
        time.sleep(attempt / 300)
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=30 * PATIENCE)
        assert child.returncode == 0, said.decode()


@pytest.mark.parametrize("name", PROGRAMS)
def test_absent_broker_is_waited_for(name: str, key: Path, service: StartService) -> None:
    one = service(name, good(name, key))
    patient(one, "kafka")
    assert one.stop() == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_secret_in_the_log(name: str, key: Path, service: StartService) -> None:
    secret = "hunter2-do-not-show"
    settings = {**good(name, key), "KMD_LOG_LEVEL": "debug", "KAFKA_SASL_PASSWORD": secret}
    if name == "sink":
        settings |= {"PGPASSWORD": secret}
    else:
        settings |= {"KALSHI_API_KEY_ID": "id-" + secret}
    one = service(name, settings)
    patient(one, "kafka")
    assert one.stop() == 0
    assert secret not in one.process.output()


def test_absent_database_is_waited_for(
    key: Path, shared_kafka: SharedKafka, topic_prefix: str, folder: Path, service: StartService
) -> None:
    server = Postgres(folder / "late")
    there = {**good("sink", key), **server.env(), "KAFKA_BOOTSTRAP_SERVERS": shared_kafka.bootstrap}
    one = service("sink", {**there, "KMD_TOPIC_PREFIX": topic_prefix, "KMD_TOPIC_PARTITIONS": "2"})
    patient(one, "database")
    server.start()
    try:
        patient(one, "database")  # it is there, and has no schema yet
        assert call("sink", "--migrate", **there).returncode == 0
        one.wait_ready()
        assert one.stop() == 0
    finally:
        server.kill()


def test_refusing_database_is_waited_for(
    key: Path, shared_kafka: SharedKafka, shared_postgres: Postgres, topic_prefix: str, service: StartService
) -> None:
    there = {**good("sink", key), **shared_postgres.env(), "KAFKA_BOOTSTRAP_SERVERS": shared_kafka.bootstrap}
    settings = {**there, "KMD_TOPIC_PREFIX": topic_prefix, "KMD_TOPIC_PARTITIONS": "2", "PGUSER": "nobody_we_know"}
    patient(service("sink", settings), "database")


@pytest.mark.parametrize("name", PROGRAMS)
def test_counters_stand_at_zero_from_the_start(name: str, key: Path, service: StartService) -> None:
    one = service(name, good(name, key))
    patient(one, "kafka")
    expected = {
        "ingest": "kmd_ingest_frames_total kmd_ingest_delivered_total kmd_ingest_refused_total kmd_ingest_gaps_total "
        "kmd_ingest_connections_total kmd_ingest_stale_total kmd_ingest_markets_expected kmd_ingest_markets_subscribed "
        "kmd_ingest_queue_bytes kmd_ingest_spool_bytes kmd_ingest_exchange_age_seconds_count",
        "enricher": "kmd_enricher_requests_total kmd_enricher_in_flight kmd_enricher_pending kmd_enricher_records_total "
        "kmd_enricher_clock_offset_seconds",
        "sink": "kmd_sink_rows_total kmd_sink_duplicates_total kmd_sink_dead_letters_total kmd_sink_batch_seconds_count "
        "kmd_sink_latency_seconds_count kmd_sink_lag_messages",
    }[name]
    found = {sample.name for sample in one.metrics().samples}
    clients = {"ingest": {"producer"}, "enricher": {"producer", "consumer"}, "sink": {"consumer"}}[name]
    assert set(expected.split()) | {"kmd_build_info"} <= found
    assert set(one.metrics().by("kmd_kafka_brokers_up", "client")) == clients
    assert one.metrics().get("kmd_ready", condition="kafka") == 0
