-- Partitions are made and dropped by these functions alone. They run as the role that owns the tables, so the sink's own
-- role alters nothing. Names are those of pg_partman 5: parent_pYYYYMMDD, first day of the period.

CREATE TABLE kalshi.partitioned (
	parent text PRIMARY KEY,
	key text NOT NULL,
	period text NOT NULL CHECK (period IN ('day', 'month')),
	-- How a bound is written: as a date, as Unix ns or as a time.
	bound text NOT NULL CHECK (bound IN ('date', 'ns', 'time')),
	-- Frame tables are what retention applies to.
	frames boolean NOT NULL
);
INSERT INTO kalshi.partitioned (parent, key, period, bound, frames) VALUES
	('trades', 'trade_date', 'day', 'date', true),
	('orderbook_snapshots', 'recv_ns', 'day', 'ns', true),
	('orderbook_deltas', 'recv_ns', 'day', 'ns', true),
	('tickers', 'recv_ns', 'day', 'ns', true),
	('lifecycle_events', 'recv_ns', 'month', 'ns', true),
	('control_frames', 'recv_ns', 'day', 'ns', true),
	('other_frames', 'recv_ns', 'day', 'ns', true),
	('feed_events', 'recv_ns', 'month', 'ns', true),
	('settlement_revisions', 'known_at', 'month', 'time', false),
	('dead_letters', 'at', 'month', 'time', false);

CREATE FUNCTION kalshi.partition_bound(day date, bound text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT CASE bound
		WHEN 'date' THEN to_char(day, 'YYYY-MM-DD')
		WHEN 'ns' THEN ((day - date '1970-01-01')::bigint * 86400000000000)::text
		ELSE to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00'
	END
$$;

CREATE FUNCTION kalshi.partition_is_attached(parent text, child text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT EXISTS (
		SELECT FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		JOIN pg_class p ON p.oid = i.inhparent
		WHERE p.relnamespace = 'kalshi'::regnamespace AND p.relname = parent
			AND c.relnamespace = 'kalshi'::regnamespace AND c.relname = child AND NOT i.inhdetachpending)
$$;

-- Makes the partition of p_parent that holds p_day, unless it is there; returns its name. ATTACH takes SHARE UPDATE
-- EXCLUSIVE on the parent, which blocks neither readers nor writers. The check spares ATTACH its scan and goes afterwards:
-- the partition's own bound says the same, and a check costs every row.
CREATE FUNCTION kalshi.ensure_partition(p_parent text, p_day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
	t kalshi.partitioned;
	first_day date;
	child text;
	low text;
	high text;
BEGIN
	SELECT * INTO t FROM kalshi.partitioned WHERE parent = p_parent;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'kalshi.% is not a partitioned table', p_parent USING ERRCODE = 'undefined_table';
	END IF;
	first_day := date_trunc(t.period, p_day::timestamp)::date;
	child := p_parent || '_p' || to_char(first_day, 'YYYYMMDD');
	IF kalshi.partition_is_attached(p_parent, child) THEN
		RETURN child;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('kalshi.partitions'), 0);
	IF kalshi.partition_is_attached(p_parent, child) THEN
		RETURN child;
	END IF;
	low := kalshi.partition_bound(first_day, t.bound);
	high := kalshi.partition_bound((first_day + ('1 ' || t.period)::interval)::date, t.bound);
	IF to_regclass(format('kalshi.%I', child)) IS NULL THEN
		EXECUTE format('CREATE TABLE kalshi.%I (LIKE kalshi.%I INCLUDING ALL)', child, p_parent);
	END IF;
	EXECUTE format('ALTER TABLE kalshi.%I ADD CONSTRAINT partition_bound CHECK (%I IS NOT NULL AND %I >= %L AND %I < %L)',
		child, t.key, t.key, low, t.key, high);
	EXECUTE format('ALTER TABLE kalshi.%I ATTACH PARTITION kalshi.%I FOR VALUES FROM (%L) TO (%L)', p_parent, child, low, high);
	EXECUTE format('ALTER TABLE kalshi.%I DROP CONSTRAINT partition_bound', child);
	RETURN child;
END
$$;

-- One step of retention on p_parent: drops a partition that was detached before, else detaches the oldest one that ends
-- on or before p_day. Returns what was done, NULL when there is nothing left. To be called again, each time in a
-- transaction of its own, so that no lock is held from one step to the next. DETACH locks the parent: it gives up after
-- the lock timeout and is tried again later.
CREATE FUNCTION kalshi.expire_partition(p_parent text, p_day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
	t kalshi.partitioned;
	child text;
BEGIN
	SELECT * INTO t FROM kalshi.partitioned WHERE parent = p_parent AND frames;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'kalshi.% is not a partitioned frame table', p_parent USING ERRCODE = 'undefined_table';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('kalshi.partitions'), 0);
	SELECT c.relname INTO child FROM pg_class c
	WHERE c.relnamespace = 'kalshi'::regnamespace AND c.relkind = 'r' AND c.relname ~ ('^' || p_parent || '_p[0-9]{8}$')
		AND (to_date(right(c.relname, 8), 'YYYYMMDD') + ('1 ' || t.period)::interval)::date <= p_day
	ORDER BY kalshi.partition_is_attached(p_parent, c.relname), c.relname LIMIT 1;
	IF child IS NULL THEN
		RETURN NULL;
	END IF;
	IF kalshi.partition_is_attached(p_parent, child) THEN
		EXECUTE format('ALTER TABLE kalshi.%I DETACH PARTITION kalshi.%I', p_parent, child);
		RETURN 'detached ' || child;
	END IF;
	EXECUTE format('DROP TABLE kalshi.%I', child);
	RETURN 'dropped ' || child;
END
$$;
