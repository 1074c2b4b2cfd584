"""Least privilege: what the roles of the schema may do, and that no more is needed and nothing else works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
import pytest
from component.sink_bench import Bench, bench, delta, frame, now_ns, record, trade

from support.consume import Outgoing
from support.process import wait_until
from support.services import StartService
from support.shared import unique
from support.topics import TABLES, TOPICS

__all__ = ["bench"]

TODAY = "(now() AT TIME ZONE 'UTC')::date"
FRAMES = sorted({table for topic, tables in TABLES.items() if topic != "settlements" for table in tables})
OTHERS = ("settlements", "settlement_revisions", "markets", "events", "series", "dead_letters", "platform", "partitioned", "schema_version")


def login(bench: Bench, group: str) -> Iterator[str]:
    """A login role that is granted @group and nothing else; its connection string."""
    role = unique("l")
    bench.database.execute(f"CREATE ROLE {role} LOGIN IN ROLE {group}")
    yield bench.database.url.replace("postgres@", f"{role}@")
    bench.database.execute(f"DROP ROLE {role}")


@pytest.fixture
def writer(bench: Bench) -> Iterator[str]:
    yield from login(bench, "kmd_writer")


@pytest.fixture
def reader(bench: Bench) -> Iterator[str]:
    yield from login(bench, "kmd_reader")


def are_refused(url: str, statements: Iterable[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in statements:
            try:
                connection.execute(sql)
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as other:
                pytest.fail(f"refused, but not for want of a privilege: {sql}: {other}")
            pytest.fail(f"not refused: {sql}")


def test_the_sink_runs_whole_with_kmd_writer_only(bench: Bench, writer: str, service: StartService) -> None:
    """Every topic, repeated trades, revisions, a dead letter; partitions made ahead and on demand, old ones dropped."""
    for topic in TOPICS:
        bench.topic(topic, 1)
    old_day = bench.one(f"SELECT kalshi.ensure_partition('tickers', {TODAY} - 20)")
    one = service("sink", {**bench.settings, "DATABASE_URL": writer, "KMD_SINK_RETENTION_DAYS": "3", "KMD_SINK_PARTITION_AHEAD": "4"})
    one.wait_ready()
    bench.produce("trades", [trade("a", 1), trade("b", 2), trade("bad", 3, count_fp="x")])
    bench.produce("orderbook", [frame("orderbook_snapshot", {"market_ticker": "KXA"}, 1), delta(2)])
    two_days_ago = str(now_ns() - 2 * 86_400_000_000_000)
    bench.produce("tickers", [frame("ticker", {"market_ticker": "KXA"}, 1, recv_ns=two_days_ago), frame("ticker", {"market_ticker": "KXA"}, 2)])
    for topic in ("lifecycle", "control", "other"):
        bench.produce(topic, [frame("x", {"market_ticker": "KXA"}, 1)])
    feed = b'{"kind":"opened","lineage":1,"at":"' + bench.one("SELECT to_char(now(), 'YYYY-MM-DD')").encode() + b'T00:00:00Z"}'
    bench.produce("feed", [Outgoing(feed, b"1", (("lineage", b"1"),), 0)])
    bench.produce("dlq", [Outgoing(b"{}", b"KXA", (("__connect.errors.exception.message", b"no such market"),), 0)])
    for topic in ("markets", "events", "series"):
        bench.produce(topic, [record(topic, ticker="KXA", fetched_at=f"2026-11-22T10:00:0{i}Z", body={"title": str(i)}) for i in (0, 1)])
    settled = [record("settlements", market_ticker="KXA", result=r, known_at=f"2026-11-22T10:00:0{i}Z") for i, r in enumerate(("yes", "no"))]
    bench.produce("settlements", settled)
    bench.wait_done(*TOPICS)
    bench.produce("trades", [trade("a", 4), trade("c", 5)])  # a repetition: the way by a temporary table
    bench.wait_done("trades")
    assert bench.one("SELECT count(*) FROM kalshi.trades") == 3
    assert bench.one("SELECT revisions FROM kalshi.settlements") == 2
    ahead = bench.one(f"SELECT 'trades_p' || to_char({TODAY} + 4, 'YYYYMMDD')")
    wait_until("partitions are made ahead", lambda: bench.query("SELECT FROM pg_class WHERE relname = %s", ahead))
    wait_until("retention works for it", lambda: not bench.query("SELECT FROM pg_class WHERE relname = %s", old_day))
    assert one.stop() == 0
    assert not [line for line in one.log_lines() if "permission denied" in str(line)]


def test_the_writer_can_do_no_more(bench: Bench, writer: str) -> None:
    child = bench.one(f"SELECT kalshi.ensure_partition('trades', {TODAY})")
    bench.database.execute("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.secrets (a int)")
    forbidden = [
        *(f"DELETE FROM kalshi.{t}" for t in (*FRAMES, *OTHERS, "sink_offsets")),
        *(f"TRUNCATE kalshi.{t}" for t in (*FRAMES, *OTHERS, "sink_offsets", "sink_lineages")),
        *(f"DROP TABLE kalshi.{t}" for t in (*FRAMES, *OTHERS, child)),
        *(f"UPDATE kalshi.{t} SET kafka_partition = 9" for t in (*FRAMES, "settlement_revisions", "dead_letters")),
        *(f"SELECT * FROM kalshi.{t}" for t in (*FRAMES, "dead_letters")),
        f"ALTER TABLE kalshi.trades DETACH PARTITION kalshi.{child}",
        f"INSERT INTO kalshi.{child} SELECT", f"DELETE FROM kalshi.{child}", f"SELECT * FROM kalshi.{child}",
        "ALTER TABLE kalshi.trades ADD x int", "ALTER TABLE kalshi.trades OWNER TO kmd_writer", "CREATE INDEX ON kalshi.trades (ts)",
        "CREATE TABLE kalshi.x (a int)", "CREATE VIEW kalshi.x AS SELECT 1", "CREATE TRIGGER x BEFORE INSERT ON kalshi.trades EXECUTE FUNCTION now()",
        "CREATE FUNCTION kalshi.x() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION kalshi.ensure_partition(text, date)",
        "CREATE OR REPLACE FUNCTION kalshi.ensure_partition(text, date) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
        "CREATE TABLE public.x (a int)", "CREATE TABLE elsewhere.x (a int)", "SELECT * FROM elsewhere.secrets",
        "CREATE SCHEMA mine", "DROP SCHEMA kalshi CASCADE", "CREATE EXTENSION dblink", "CREATE ROLE x", "SET ROLE postgres",
        "GRANT kmd_reader TO kmd_writer", "ALTER DATABASE postgres SET work_mem = '1MB'",
        "ALTER SYSTEM SET work_mem = '1MB'", "SELECT pg_read_file('/etc/passwd')", "COPY kalshi.sink_offsets TO PROGRAM 'true'",
        "COPY kalshi.sink_offsets TO '/tmp/x'", "SELECT rolpassword FROM pg_authid", "SELECT pg_reload_conf()",
        "INSERT INTO kalshi.schema_version VALUES (99, 'x')", "UPDATE kalshi.partitioned SET frames = true",
        "UPDATE kalshi.platform SET group_id = 'x'", "SELECT * FROM kalshi.complete_until",
        "SELECT kalshi.book_at('KXA', now())",
    ]  # fmt: skip
    are_refused(writer, forbidden)
    # retention is for frames: what the enricher knew and what was set aside stay
    for table in ("settlement_revisions", "dead_letters", "sink_offsets"):
        with psycopg.connect(writer, autocommit=True) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute(f"SELECT kalshi.expire_partition('{table}', {TODAY})")
    with bench.database.server.connect(bench.database.name) as owner:
        are_refused(writer, [f"SELECT pg_terminate_backend({owner.info.backend_pid})"])


def test_the_reader_selects_partitions_to_come_too_and_writes_nothing(bench: Bench, reader: str) -> None:
    child = bench.one(f"SELECT kalshi.ensure_partition('trades', {TODAY})")
    with psycopg.connect(reader, autocommit=True) as connection:
        for table in (*FRAMES, *OTHERS, "sink_offsets", "sink_lineages", "complete_until", child):
            connection.execute(f"SELECT * FROM kalshi.{table}")
        connection.execute("SELECT * FROM kalshi.book('KXA', now() - interval '1 hour', now()), kalshi.book_at('KXA', now())")
    forbidden = [
        *(f"DELETE FROM kalshi.{t}" for t in (*FRAMES, *OTHERS, "sink_offsets", "sink_lineages", child)),
        *(f"TRUNCATE kalshi.{t}" for t in (*FRAMES, *OTHERS, child)),
        *(f"INSERT INTO kalshi.{t} DEFAULT VALUES" for t in (*FRAMES, *OTHERS, "sink_offsets", "sink_lineages", child)),
        *(f"DROP TABLE kalshi.{t}" for t in (*FRAMES, *OTHERS, child)),
        "UPDATE kalshi.sink_offsets SET next_offset = 0", "UPDATE kalshi.settlements SET result = 'no'", "SELECT * FROM kalshi.trades FOR UPDATE",
        "CREATE TABLE kalshi.x (a int)", "CREATE TABLE public.x (a int)", 
        f"SELECT kalshi.ensure_partition('trades', {TODAY} + 9)", f"SELECT kalshi.expire_partition('trades', {TODAY} + 9)",
    ]  # fmt: skip
    are_refused(reader, forbidden)
