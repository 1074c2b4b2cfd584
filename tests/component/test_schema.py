"""The schema: --migrate, partitions; and that the sink's own list of columns says the same as the SQL."""

from __future__ import annotations

import re
import subprocess
import threading

import psycopg
import pytest
from component.sink_bench import Bench, bench

from support.paths import TOP, program
from support.ports import free_port
from support.process import run, wait_until
from support.services import base_env
from support.shared import Database, unique

__all__ = ["bench"]

EX_UNAVAILABLE = 69
TODAY = "(now() AT TIME ZONE 'UTC')::date"


def migrate(url: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    env = {**base_env(), "DATABASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    return run([program("kmd-sink"), "--migrate"], env, check=check)


def test_migrate_twice_changes_nothing(database: Database) -> None:
    migrate(database.url)
    first = database.query("SELECT version, name, applied_at FROM kalshi.schema_version ORDER BY 1")
    migrate(database.url)
    assert database.query("SELECT version, name, applied_at FROM kalshi.schema_version ORDER BY 1") == first
    files = sorted(p.stem for p in (TOP / "schemas" / "tables").glob("*.sql"))
    assert [name for _, name, _ in first] == files


def test_migrate_from_many_places_at_once(database: Database, folder: object) -> None:
    env = {**base_env(), "DATABASE_URL": database.url}
    many = [subprocess.Popen([program("kmd-sink"), "--migrate"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(6)]
    for one in many:
        _, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
    versions = [r[0] for r in database.query("SELECT version FROM kalshi.schema_version ORDER BY 1")]
    assert versions == list(range(1, len(versions) + 1))


def test_migrate_without_a_server_is_69() -> None:
    done = migrate(f"postgresql://postgres@127.0.0.1:{free_port()}/x", check=False)
    assert done.returncode == EX_UNAVAILABLE
    assert len([line for line in done.stderr.splitlines() if not line.startswith("{")]) == 1


def test_migrate_does_not_touch_a_newer_schema(database: Database) -> None:
    migrate(database.url)
    database.execute("INSERT INTO kalshi.schema_version (version, name) VALUES (9999, 'tomorrow')")
    done = migrate(database.url, check=False)
    assert done.returncode == EX_UNAVAILABLE and "9999" in done.stderr


def test_columns_of_the_sink_are_those_of_the_tables(database: Database) -> None:
    """services/sink/core/sink_table.h against the database."""
    text = (TOP / "services" / "sink" / "core" / "sink_table.h").read_text()
    macros = {
        name: body for name, body in re.findall(r"#define (SINK_\w+_COLUMNS)\(X, T\)((?:.*\\\n)+.*\n)", text)
    }  # fmt: skip
    types = {
        "TEXT": "text", "JSONB": "jsonb", "NUMERIC": "numeric", "TIME": "timestamp with time zone", "DATE": "date", "UUID": "uuid",
        "BYTEA": "bytea", "BOOL": "boolean", "INT4": "integer", "INT8": "bigint",
    }  # fmt: skip

    def columns(macro: str) -> dict[str, str]:
        found = {}
        for nested, name, type_ in re.findall(r"(SINK_\w+_COLUMNS)\(X, T\)|X\(T, (\w+), (\w+)\)", macros[macro]):
            found |= columns(nested) if nested else {name: types[type_]}
        return found

    migrate(database.url)
    tables = re.findall(r"X\(\w+, \"(\w+)\", (SINK_\w+_COLUMNS)", text)
    assert len(tables) == 13
    for table, macro in tables:
        there = dict(
            database.query("SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'kalshi' AND table_name = %s", table)
        )
        assert columns(macro) == there, table


def test_partitions_are_named_and_bounded(bench: Bench) -> None:
    made = [
        bench.one("SELECT kalshi.ensure_partition(%s, '2026-11-22')", t)
        for t in ("trades", "tickers", "lifecycle_events", "settlement_revisions", "dead_letters")
    ]
    assert made == [
        "trades_p20261122", "tickers_p20261122", "lifecycle_events_p20261101", "settlement_revisions_p20261101", "dead_letters_p20261101",
    ]  # fmt: skip
    bounds = dict(bench.query("SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.relname = ANY (%s)", made))
    assert bounds["trades_p20261122"] == "FOR VALUES FROM ('2026-11-22') TO ('2026-11-23')"
    assert bounds["tickers_p20261122"] == "FOR VALUES FROM ('1795305600000000000') TO ('1795392000000000000')"
    assert bounds["lifecycle_events_p20261101"] == "FOR VALUES FROM ('1793491200000000000') TO ('1796083200000000000')"
    with pytest.raises(psycopg.errors.UndefinedTable):
        bench.query("SELECT kalshi.ensure_partition('sink_offsets', '2026-11-22')")


def test_partitions_made_by_many_at_once_while_a_reader_and_a_writer_hold_the_table(bench: Bench) -> None:
    bench.query(f"SELECT kalshi.ensure_partition('other_frames', {TODAY})")
    with bench.database.server.connect(bench.database.name) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM kalshi.other_frames")
        holder.execute(
            "INSERT INTO kalshi.other_frames (recv_ns, kafka_offset, kafka_partition)"
            " VALUES (extract(epoch FROM now())::bigint * 1000000000, 0, 0)"
        )
        made: list[str] = []
        many = [
            threading.Thread(target=lambda: made.append(bench.one(f"SELECT kalshi.ensure_partition('other_frames', {TODAY} + 1)")))
            for _ in range(5)
        ]
        for one in many:
            one.start()
        for one in many:
            one.join(30)
        assert len(set(made)) == 1 and len(made) == 5, "nobody waited for the open transaction"
        with pytest.raises(psycopg.errors.LockNotAvailable):  # retention gives up instead of queueing everybody behind it
            bench.query(f"SELECT kalshi.expire_partition('other_frames', {TODAY} + 9)")
        holder.execute("ROLLBACK")
    assert bench.one(f"SELECT kalshi.expire_partition('other_frames', {TODAY} + 9)").startswith("detached ")


def test_partitions_are_made_ahead(bench: Bench) -> None:
    bench.start(KMD_SINK_PARTITION_AHEAD="4")

    def ahead(table: str) -> int:
        return int(bench.one("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", f"kalshi.{table}"))

    for table in ("trades", "orderbook_snapshots", "orderbook_deltas", "tickers", "control_frames", "other_frames"):
        wait_until(f"{table} has 5 days", lambda table=table: ahead(table) == 5)  # type: ignore[misc]
    for table in ("lifecycle_events", "feed_events", "settlement_revisions", "dead_letters"):
        wait_until(f"{table} has its months", lambda table=table: ahead(table) in (1, 2))  # type: ignore[misc]


def test_a_role_that_may_not_create_roles_is_told_which_are_missing(database: Database) -> None:
    """Where the roles exist it needs no more than a database of its own."""
    role = unique("m")
    database.execute(f"CREATE ROLE {role} LOGIN")
    database.execute(f'ALTER DATABASE "{database.name}" OWNER TO {role}')
    done = migrate(database.url.replace("postgres@", f"{role}@"), check=False)
    if done.returncode != 0:  # no other test had made the roles yet
        assert done.returncode == EX_UNAVAILABLE and "kmd_writer" in done.stderr
        migrate(database.url)
    assert database.query("SELECT max(version) FROM kalshi.schema_version") != [(None,)]
    database.execute(f'ALTER DATABASE "{database.name}" OWNER TO postgres')
    database.execute(f"REASSIGN OWNED BY {role} TO postgres")
    database.execute(f"DROP OWNED BY {role}")
    database.execute(f"DROP ROLE {role}")
