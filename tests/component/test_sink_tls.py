"""kmd-sink and a Postgres that is reached by TLS: verified, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from component.sink_bench import Bench, trade

from support.certs import Authority, Certificate
from support.paths import program
from support.postgres import Postgres
from support.process import run, wait_until
from support.services import Service, StartService, base_env
from support.shared import Database, SharedKafka, unique

PASSWORD = "correct-horse-battery"
HBA = """\
local   all all                trust
hostssl all tls_login all      scram-sha-256
host    all postgres  all      trust
"""


def serve(postgres: Postgres, made: Certificate) -> None:
    """The server shows this certificate from now on, and lets tls_login in by TLS and password only."""
    if postgres.process.alive():
        postgres.stop()
    for source, name in ((made.cert, "server.crt"), (made.key, "server.key")):
        place = postgres.data / name
        shutil.copyfile(source, place)
        place.chmod(0o600)
        if postgres.user:
            shutil.chown(place, postgres.user)
    (postgres.data / "pg_hba.conf").write_text(HBA)
    (postgres.data / "postgresql.auto.conf").write_text("ssl = on\npassword_encryption = 'scram-sha-256'\n")
    postgres.start()


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder / "ca")


@pytest.fixture
def tls(shared_kafka: SharedKafka, postgres: Postgres, authority: Authority, service: StartService) -> Bench:
    """A migrated database behind a good certificate, with a login that has kmd_writer."""
    serve(postgres, authority.server())
    postgres.create_database("kmd")
    bench = Bench(shared_kafka, Database(postgres, "kmd"), unique("t") + ".", service)
    bench.migrate()
    postgres.execute(f"CREATE ROLE tls_login LOGIN PASSWORD '{PASSWORD}' IN ROLE kmd_writer")
    return bench


def settings(bench: Bench, ca: Path, host: str = "localhost") -> dict[str, str]:
    """libpq's own variables; Bench's DATABASE_URL is left out."""
    mine = {name: value for name, value in bench.settings.items() if name != "DATABASE_URL"}
    port = str(bench.database.server.port)
    secret = ca.with_name("password")
    secret.write_text(PASSWORD)
    return mine | {
        "PGHOST": host, "PGPORT": port, "PGDATABASE": "kmd", "PGUSER": "tls_login", "PGPASSWORD_FILE": str(secret),
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(ca),
    }  # fmt: skip


def tells_no_secret(one: Service) -> None:
    shown = run([program("kmd-sink"), "--print"], {**base_env(), **one.settings}).stdout
    for text in (one.process.output(whole=True), str(one.ready()), shown):
        assert PASSWORD not in text


def is_refused(one: Service, *why: str) -> None:
    """/readyz says why, the log too, in one line; and it goes on trying."""
    wait_until("/readyz says why", lambda: all(word in str(one.ready()[1]) for word in why), timeout=60)
    status, body = one.ready()
    assert status == 503 and "database" in body["missing"]
    tried = one.metric("kmd_sink_retries_total")
    one.wait_metric("kmd_sink_retries_total", tried + 3)
    assert one.alive() and one.live() == 200
    (line,) = [line["why"] for line in one.log_lines() if line["event"] == "database_trouble"]
    assert all(word in line for word in why)
    tells_no_secret(one)


def test_a_verified_server_is_written_to(tls: Bench, authority: Authority, service: StartService) -> None:
    tls.topic("trades", 1)
    one = service("sink", settings(tls, authority.ca))
    one.wait_ready()
    tls.produce("trades", [trade("a", 1)])
    tls.wait_done("trades")
    sessions = tls.query("SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'tls_login'")
    assert sessions and all(ssl for (ssl,) in sessions)
    tells_no_secret(one)


def test_a_server_of_another_authority_is_refused(tls: Bench, folder: Path, service: StartService) -> None:
    one = service("sink", settings(tls, Authority(folder / "other", "somebody else").ca))
    is_refused(one, "certificate verify failed")
    assert not tls.query("SELECT FROM pg_stat_activity WHERE usename = 'tls_login'")


def test_a_server_of_another_name_is_refused_until_it_shows_the_right_one(
    tls: Bench, authority: Authority, postgres: Postgres, service: StartService
) -> None:
    serve(postgres, authority.server("elsewhere", hosts=("db.example",)))
    one = service("sink", settings(tls, authority.ca))
    is_refused(one, "db.example", "localhost")
    serve(postgres, authority.server())
    one.wait_ready()
    tells_no_secret(one)
