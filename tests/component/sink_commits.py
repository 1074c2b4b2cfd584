"""
Who committed what: triggers in the database note each claim, each movement of a partition and each row's writer, with
instance, transaction and time. A former owner that came after its successor stands there, whatever became of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.sink_bench import Bench

from support.topics import TABLES

# `id` grows in the order of commits of one partition: it is given out under the lock of the partition's row.
_SQL = """
CREATE TABLE public.commits (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    instance text NOT NULL DEFAULT coalesce(current_setting('kmd.instance', true), ''),
    topic text, part int, epoch bigint, claim boolean, first bigint, next bigint
);
CREATE FUNCTION public.note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was bigint := NEW.next_offset; claim boolean := true;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        was := OLD.next_offset; claim := NEW.epoch <> OLD.epoch;
    END IF;
    IF claim OR was <> NEW.next_offset THEN
        INSERT INTO public.commits (topic, part, epoch, claim, first, next)
        VALUES (NEW.topic, NEW.kafka_partition, NEW.epoch, claim, was, NEW.next_offset);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_commit AFTER INSERT OR UPDATE ON kalshi.sink_offsets FOR EACH ROW EXECUTE FUNCTION public.note_commit();
CREATE TABLE public.written (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(), instance text NOT NULL DEFAULT coalesce(current_setting('kmd.instance', true), ''),
    topic text, part int, low bigint, high bigint, count bigint
);
CREATE FUNCTION public.note_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.written (topic, part, low, high, count)
    SELECT TG_ARGV[0], kafka_partition, min(kafka_offset), max(kafka_offset), count(*) FROM fresh GROUP BY kafka_partition;
    RETURN NULL;
END $$;
"""
_ON_TABLE = """
CREATE TRIGGER note_rows AFTER INSERT ON kalshi.{} REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('{}');
"""
# Each movement with the claim that it had to be under.
_OWNED = """
WITH led AS (
    SELECT *, max(id) FILTER (WHERE claim) OVER (PARTITION BY topic, part ORDER BY id) AS claim_id FROM public.commits
), owned AS (
    SELECT led.*, c.instance AS owner, c.epoch AS owner_epoch FROM led JOIN public.commits c ON c.id = led.claim_id WHERE NOT led.claim
)
"""


def instance(name: str, bench: Bench) -> dict[str, str]:
    """Settings of a sink whose commits stand under @name."""
    return {"DATABASE_URL": f"{bench.database.url}?options=-c%20kmd.instance%3D{name}"}


@dataclass(frozen=True)
class Pause:
    seconds: float
    place: str


class Commits:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.database.execute(_SQL)
        for topic, tables in TABLES.items():
            for table in tables:
                bench.database.execute(_ON_TABLE.format(table, bench.prefix + topic))

    def last_id(self) -> int:
        return int(self.bench.one("SELECT coalesce(max(id), 0) FROM public.commits"))

    def owners(self) -> dict[tuple[str, int], str]:
        """topic and partition -> the instance that claimed it last"""
        found = self.bench.query("SELECT DISTINCT ON (topic, part) topic, part, instance FROM public.commits WHERE claim ORDER BY 1, 2, id DESC")
        return {(topic, part): name for topic, part, name in found}

    def claims(self, name: str, since: int) -> int:
        return int(self.bench.one("SELECT count(*) FROM public.commits WHERE claim AND instance = %s AND id > %s", name, since))

    def moved(self, name: str, since: int) -> int:
        """Records that the instance committed after @since, an id."""
        return int(
            self.bench.one(
                "SELECT coalesce(sum(next - first), 0) FROM public.commits WHERE NOT claim AND instance = %s AND id > %s", name, since
            )
        )

    def late(self) -> int:
        """Records committed by an instance that was not, or no more, the owner of their partition."""
        return int(
            self.bench.one(_OWNED + "SELECT coalesce(sum(next - first), 0) FROM owned WHERE instance <> owner OR epoch <> owner_epoch")
        )

    def strays(self) -> tuple[int, int]:
        """Rows, and how many of them another transaction wrote than the one in which their owner moved the offset past them."""
        found = self.bench.query(
            _OWNED + "SELECT coalesce(sum(w.count), 0)::bigint, coalesce(sum(w.count) FILTER (WHERE o.id IS NULL), 0)::bigint"
            " FROM public.written w LEFT JOIN owned o ON o.xid = w.xid AND o.topic = w.topic AND o.part = w.part"
            " AND o.instance = w.instance AND o.instance = o.owner AND o.epoch = o.owner_epoch AND w.low >= o.first AND w.high < o.next"
        )
        return found[0][0], found[0][1]

    def seconds(self) -> float:
        """From the first claim to the last commit."""
        return float(self.bench.one("SELECT extract(epoch FROM max(at) - min(at)) FROM public.commits WHERE claim OR next > first"))

    def longest_pause(self, since: int, until: int, *topics: str) -> Pause:
        """Between two commits of one partition, in @topics all of whose partitions have records to come at any time."""
        ((seconds, place),) = self.bench.query(
            "SELECT extract(epoch FROM at - before)::float, format('%%s [%%s] at %%s', topic, part, at) FROM"
            " (SELECT topic, part, at, lag(at) OVER (PARTITION BY topic, part ORDER BY id) AS before FROM public.commits"
            "  WHERE NOT claim AND id > %s AND id <= %s AND topic = ANY(%s)) AS led WHERE before IS NOT NULL ORDER BY 1 DESC LIMIT 1",
            since, until, [self.bench.prefix + topic for topic in topics],
        )  # fmt: skip
        return Pause(seconds, place)
