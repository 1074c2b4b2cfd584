-- One book per market out of every connection that captured it. A line is what one connection (lineage) received of a
-- market under one subscription (sid): a snapshot and the changes after it. Lines are never mixed: deltas carry no id, so
-- two connections can only be joined where the book of the next one is known.

-- What feed says of a lineage, and whether a record of a market was set aside. Made while the sink waits for this version.
CREATE INDEX feed_events_lineage ON kalshi.feed_events (lineage, kind, recv_ns);
CREATE INDEX dead_letters_key ON kalshi.dead_letters (sha256(key));

-- Of frame last_n; NULL in lineages that were stored before this version. Not every writer's frames come in one order.
ALTER TABLE kalshi.sink_lineages ADD COLUMN last_recv_ns bigint;

-- NULL where the text is no bigint of digits alone. Without SET, so that it is no call.
CREATE FUNCTION kalshi.number_of(t text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT CASE WHEN t OPERATOR(pg_catalog.~) '^[0-9]{1,18}$' THEN t::bigint
		WHEN t OPERATOR(pg_catalog.~) '^[0-9]{19}$' AND t COLLATE "C" OPERATOR(pg_catalog.<=) '9223372036854775807' THEN t::bigint END
$$;

CREATE FUNCTION kalshi.to_ns(at timestamptz) RETURNS bigint
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT (extract(epoch FROM at) * 1000000000)::bigint
$$;

CREATE FUNCTION kalshi.from_ns(ns bigint) RETURNS timestamptz
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT to_timestamp(ns / 1000000000) + (ns % 1000000000) / 1000 * interval '1 microsecond'
$$;

-- A stretch in which the book of one line is known: from its snapshot up to the last moment that is proven, both included.
CREATE TYPE kalshi.book_span AS (
	lineage bigint,
	sid int,
	ingest_group text,
	shard int,
	use_yes_price boolean,
	from_ns bigint,
	from_n bigint,
	until_ns bigint,
	until_seq bigint,
	-- Why it ends: gap, closed, refused, spool_damaged, dead_letter, unreadable, settled; alive and stored: not known further yet.
	ended text
);

-- Every span of a market that begins at or before p_to. Deltas are looked at (unreadable) from p_from on.
--
-- A seq counts the frames of all markets of a sid, so a gap ends the spans of all of them, at the last frame before it. A
-- lineage ends with what `closed` calls durable of the sid, else with what its last `alive` does. What the broker refused
-- and what became a dead letter is missing among the rows although the sequence has no gap. What lies beyond
-- the last frame stored of the lineage (or of one that its instance opened later) in the market's partition may not be
-- stored yet.
CREATE FUNCTION kalshi.book_spans(p_market text, p_from timestamptz, p_to timestamptz) RETURNS SETOF kalshi.book_span
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	v_from bigint := kalshi.to_ns(p_from);
	v_to bigint := kalshi.to_ns(p_to);
	v_topic text := (SELECT topic_prefix || 'orderbook' FROM kalshi.platform);
	v_settled bigint := coalesce(
		(SELECT min(recv_ns) FROM kalshi.lifecycle_events WHERE market_ticker = p_market AND event_type = 'settled'),
		(SELECT kalshi.to_ns(settled_at) FROM kalshi.settlements WHERE market_ticker = p_market));
BEGIN
	RETURN QUERY
	WITH snapshots AS MATERIALIZED (
		SELECT lineage, sid, n, seq, recv_ns, kafka_partition,
			lead(recv_ns) OVER (PARTITION BY lineage, sid ORDER BY n) AS next_ns
		FROM kalshi.orderbook_snapshots
		WHERE market_ticker = p_market AND recv_ns <= v_to
			AND lineage IS NOT NULL AND n IS NOT NULL AND sid IS NOT NULL AND seq IS NOT NULL
	), lines AS MATERIALIZED (
		SELECT l.lineage, l.sid, l.kafka_partition, f.record->>'group' AS ingest_group, f.record->>'instance' AS instance,
			CASE WHEN f.record->>'shard' ~ '^[0-9]{1,9}$' THEN (f.record->>'shard')::int END AS shard,
			CASE f.record->>'use_yes_price' WHEN 'true' THEN true WHEN 'false' THEN false END AS use_yes_price, coalesce(c.seq, a.seq) AS end_seq,
			coalesce(c.recv_ns, a.recv_ns, 0) AS end_ns, CASE WHEN c.recv_ns IS NULL THEN 'alive' ELSE 'closed' END AS ended
		FROM (SELECT lineage, sid, min(kafka_partition) AS kafka_partition FROM snapshots GROUP BY lineage, sid) l
		CROSS JOIN LATERAL (
			SELECT record FROM kalshi.feed_events
			WHERE lineage = l.lineage AND kind = 'subscribed' AND kalshi.number_of(record->>'sid') = l.sid
			ORDER BY recv_ns DESC LIMIT 1
		) f
		LEFT JOIN LATERAL (
			SELECT kalshi.number_of(e->>'seq') AS seq, kalshi.number_of(e->>'recv_ns') AS recv_ns
			FROM kalshi.feed_events f
			CROSS JOIN jsonb_array_elements(CASE jsonb_typeof(f.record->'sids') WHEN 'array' THEN f.record->'sids' END) e
			WHERE f.lineage = l.lineage AND f.kind = 'closed' AND kalshi.number_of(e->>'sid') = l.sid
			ORDER BY f.recv_ns DESC LIMIT 1
		) c ON true
		LEFT JOIN LATERAL (
			SELECT kalshi.number_of(e->>'seq') AS seq, kalshi.number_of(e->>'recv_ns') AS recv_ns
			FROM kalshi.feed_events f
			CROSS JOIN jsonb_array_elements(CASE jsonb_typeof(f.record->'sids') WHEN 'array' THEN f.record->'sids' END) e
			WHERE f.lineage = l.lineage AND f.kind = 'alive' AND kalshi.number_of(e->>'sid') = l.sid AND c.recv_ns IS NULL
			ORDER BY f.recv_ns DESC LIMIT 1
		) a ON true
	), lost AS MATERIALIZED ( -- frames that are no rows, or no use, by their number in the lineage; 0: which ones is not known
		SELECT lineage, coalesce(kalshi.number_of(record->>'n'), 0) AS n,
			CASE WHEN record->>'reason' = 'spool_damaged' THEN 'spool_damaged' ELSE 'refused' END AS why
		FROM kalshi.feed_events
		WHERE lineage IN (SELECT lineage FROM lines) AND kind = 'refused' AND coalesce(record->>'topic', 'orderbook') = 'orderbook'
		UNION ALL
		SELECT lineage, n, 'dead_letter'
		FROM kalshi.dead_letters d,
			LATERAL (
				SELECT max(kalshi.number_of(h->>1)) FILTER (WHERE h->>0 = 'lineage') AS lineage,
					max(kalshi.number_of(h->>1)) FILTER (WHERE h->>0 = 'n') AS n
				FROM jsonb_array_elements(d.headers) h
			) place
		WHERE sha256(d.key) = sha256(convert_to(p_market, 'UTF8')) AND d.topic = coalesce(v_topic, d.topic) AND n IS NOT NULL
		UNION ALL
		SELECT s.lineage, d.n, 'unreadable'
		FROM snapshots s JOIN lines l USING (lineage, sid) CROSS JOIN LATERAL (
			SELECT min(n) AS n FROM kalshi.orderbook_deltas
			WHERE market_ticker = p_market AND recv_ns BETWEEN s.recv_ns AND least(s.next_ns, l.end_ns, v_to) AND lineage = s.lineage
				AND (price IS NULL OR delta IS NULL OR side IS NULL OR side NOT IN ('yes', 'no'))
		) d
		WHERE least(s.next_ns, l.end_ns) >= v_from AND d.n IS NOT NULL
	), breaks AS (
		SELECT lineage, kalshi.number_of(record->>'sid') AS sid, kalshi.number_of(record->>'expected_seq') - 1 AS until_seq,
			NULL::bigint AS before_n,
			coalesce(kalshi.number_of(record->>'from_recv_ns'), kalshi.number_of(record->>'to_recv_ns')) AS until_ns, 'gap' AS ended
		FROM kalshi.feed_events WHERE lineage IN (SELECT lineage FROM lines) AND kind = 'gap'
		UNION ALL
		SELECT lineage, sid, end_seq, NULL, end_ns, ended FROM lines
		UNION ALL
		SELECT l.lineage, l.sid, NULL, x.n, NULL, x.why FROM lines l JOIN lost x ON x.lineage = l.lineage
		UNION ALL
		SELECT l.lineage, l.sid, NULL, NULL, v_settled, 'settled' FROM lines l WHERE v_settled IS NOT NULL
		UNION ALL
		SELECT l.lineage, l.sid, NULL, NULL, s.recv_ns, 'stored'
		FROM lines l JOIN kalshi.sink_offsets o ON o.topic = v_topic AND o.kafka_partition = l.kafka_partition
		CROSS JOIN LATERAL (
			SELECT max(coalesce(last_recv_ns, o.last_recv_ns)) AS recv_ns FROM (
				SELECT last_recv_ns FROM kalshi.sink_lineages
				WHERE topic = v_topic AND kafka_partition = l.kafka_partition AND lineage = l.lineage
				UNION ALL
				( -- what an instance receives leaves it in one order, whichever its lineage is
					SELECT last_recv_ns FROM kalshi.sink_lineages i
					WHERE topic = v_topic AND kafka_partition = l.kafka_partition AND lineage > l.lineage AND EXISTS (
						SELECT FROM kalshi.feed_events f
						WHERE f.lineage = i.lineage AND f.kind = 'subscribed' AND f.record->>'group' = l.ingest_group
							AND f.record->>'instance' = l.instance)
					ORDER BY lineage DESC LIMIT 1
				)
			) progress
		) s
		WHERE s.recv_ns IS NOT NULL
	), known AS (
		SELECT s.lineage, s.sid, s.recv_ns, s.n, b.until_ns, b.until_seq, b.ended
		FROM snapshots s CROSS JOIN LATERAL (
			SELECT coalesce(b.until_ns, r.recv_ns, 0) AS until_ns, coalesce(b.until_seq, r.seq, 9223372036854775807) AS until_seq, b.ended
			FROM breaks b LEFT JOIN LATERAL ( -- the last row before the lost one
				SELECT recv_ns, seq FROM (
					SELECT recv_ns, seq, n FROM kalshi.orderbook_deltas
					WHERE b.before_n IS NOT NULL -- decided before anything is read
						AND market_ticker = p_market AND recv_ns >= s.recv_ns AND lineage = s.lineage AND sid = s.sid AND n < b.before_n
					UNION ALL
					SELECT recv_ns, seq, n FROM snapshots WHERE lineage = s.lineage AND sid = s.sid AND n < b.before_n
				) rows ORDER BY n DESC LIMIT 1
			) r ON true
			WHERE b.lineage = s.lineage AND b.sid = s.sid AND (b.ended <> 'gap' OR b.until_seq >= s.seq)
				AND (b.before_n IS NULL OR b.before_n = 0 OR b.before_n > s.n)
			ORDER BY until_ns, b.ended LIMIT 1
		) b
	)
	SELECT k.lineage, k.sid, l.ingest_group, l.shard, l.use_yes_price, min(k.recv_ns), min(k.n), k.until_ns, k.until_seq, k.ended
	FROM known k JOIN lines l USING (lineage, sid)
	WHERE k.until_ns >= k.recv_ns
	GROUP BY k.lineage, k.sid, l.ingest_group, l.shard, l.use_yes_price, k.until_ns, k.until_seq, k.ended
	ORDER BY 6, 1;
END
$$;

-- The book of one line at p_at: its last snapshot in the span and the changes after it. A level that reaches nothing is
-- removed. A number that came before changes nothing. Sides without a level are NULL, as in a snapshot.
CREATE FUNCTION kalshi.rebuilt_book(p_market text, p_span kalshi.book_span, p_at bigint,
	OUT seq bigint, OUT n bigint, OUT recv_ns bigint, OUT yes_levels jsonb, OUT no_levels jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	base kalshi.orderbook_snapshots;
BEGIN
	SELECT * INTO base FROM kalshi.orderbook_snapshots
	WHERE market_ticker = p_market AND recv_ns BETWEEN p_span.from_ns AND p_at AND lineage = p_span.lineage AND sid = p_span.sid
		AND n >= p_span.from_n AND seq <= p_span.until_seq
	ORDER BY n DESC LIMIT 1;
	WITH changes AS (
		SELECT side, price, delta AS size, n, seq, recv_ns,
			max(seq) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
		FROM kalshi.orderbook_deltas
		WHERE market_ticker = p_market AND recv_ns BETWEEN base.recv_ns AND p_at AND lineage = base.lineage AND sid = base.sid
			AND n > base.n AND seq > base.seq AND seq <= p_span.until_seq
	), moves AS (
		SELECT 'yes' AS side, (l->>0)::numeric AS price, (l->>1)::numeric AS size, base.n AS n, base.seq AS seq, base.recv_ns AS recv_ns
		FROM jsonb_array_elements(base.yes_levels) l
		UNION ALL
		SELECT 'no', (l->>0)::numeric, (l->>1)::numeric, base.n, base.seq, base.recv_ns FROM jsonb_array_elements(base.no_levels) l
		UNION ALL
		SELECT side, price, size, n, seq, recv_ns FROM changes WHERE before IS NULL OR seq > before
	), sums AS (
		SELECT side, price, n, size, sum(size) OVER (PARTITION BY side, price ORDER BY n) AS total FROM moves
	), levels AS ( -- removed at nothing: what the total fell below zero is taken back
		SELECT side, min(price) AS price, sum(size) - least(0, min(total)) AS size FROM sums GROUP BY side, sums.price
	)
	SELECT coalesce((SELECT max(seq) FROM moves), base.seq), coalesce((SELECT max(n) FROM moves), base.n),
		coalesce((SELECT max(recv_ns) FROM moves), base.recv_ns),
		(SELECT jsonb_agg(jsonb_build_array(price::text, size::text) ORDER BY price) FROM levels WHERE side = 'yes' AND size > 0),
		(SELECT jsonb_agg(jsonb_build_array(price::text, size::text) ORDER BY price) FROM levels WHERE side = 'no' AND size > 0)
	INTO seq, n, recv_ns, yes_levels, no_levels;
END
$$;

-- The book of a market as one consistent line from p_from (included) to p_to (not included), in the order of receipt:
--
--   book      the whole book at this moment, rebuilt: at the beginning, and where the line goes over to another lineage
--   snapshot  the whole book as received
--   delta     a change of one level of it
--   hole      from here on no lineage has a known book; `reason` is why the last one ended. Until the next snapshot.
--
-- It stays with a lineage as long as its book is known, then goes over to the one that is known longest from there.
CREATE FUNCTION kalshi.book(p_market text, p_from timestamptz, p_to timestamptz) RETURNS TABLE (
	at timestamptz, recv_ns bigint, event text, lineage bigint, sid int, seq bigint, n bigint, ts timestamptz, side text,
	price numeric, delta numeric, yes_levels jsonb, no_levels jsonb, use_yes_price boolean, reason text
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	v_to bigint := kalshi.to_ns(p_to);
	v_at bigint := kalshi.to_ns(p_from);
	v_spans kalshi.book_span[] := array(SELECT s FROM kalshi.book_spans(p_market, p_from, p_to) s);
	v_span kalshi.book_span;
	v_book record;
	v_after bigint; -- frames of the line that are in what was given out: up to this n, and this seq
	v_seq bigint;
BEGIN
	WHILE v_at < v_to LOOP
		SELECT s.* INTO v_span FROM unnest(v_spans) s WHERE s.from_ns <= v_at AND s.until_ns > v_at
		ORDER BY s.until_ns DESC, s.lineage LIMIT 1;
		IF FOUND THEN
			v_book := kalshi.rebuilt_book(p_market, v_span, v_at);
			v_after := v_book.n;
			v_seq := v_book.seq;
			RETURN QUERY SELECT kalshi.from_ns(v_at), v_at, 'book', v_span.lineage, v_span.sid, v_book.seq, v_book.n, NULL::timestamptz,
				NULL, NULL::numeric, NULL::numeric, v_book.yes_levels, v_book.no_levels, v_span.use_yes_price, NULL;
		ELSE
			RETURN QUERY SELECT kalshi.from_ns(v_at), v_at, 'hole', NULL::bigint, NULL::int, NULL::bigint, NULL::bigint, NULL::timestamptz,
				NULL, NULL::numeric, NULL::numeric, NULL::jsonb, NULL::jsonb, NULL::boolean, kalshi.book_ended(v_spans, v_at);
			SELECT s.* INTO v_span FROM unnest(v_spans) s WHERE s.from_ns > v_at
			ORDER BY s.from_ns, s.until_ns DESC, s.lineage LIMIT 1;
			EXIT WHEN NOT FOUND;
			v_after := v_span.from_n - 1;
			v_seq := 0;
		END IF;
		RETURN QUERY
		WITH frames AS (
			SELECT recv_ns, 'snapshot' AS event, seq, n, NULL::timestamptz AS ts, NULL AS side, NULL::numeric AS price, NULL::numeric AS delta,
				yes_levels, no_levels
			FROM kalshi.orderbook_snapshots
			WHERE market_ticker = p_market AND recv_ns BETWEEN v_span.from_ns AND v_span.until_ns AND recv_ns < v_to
				AND lineage = v_span.lineage AND sid = v_span.sid AND n > v_after AND seq <= v_span.until_seq
			UNION ALL
			SELECT recv_ns, 'delta', seq, n, ts, side, price, delta, NULL, NULL
			FROM kalshi.orderbook_deltas
			WHERE market_ticker = p_market AND recv_ns BETWEEN v_span.from_ns AND v_span.until_ns AND recv_ns < v_to
				AND lineage = v_span.lineage AND sid = v_span.sid AND n > v_after AND seq <= v_span.until_seq
		), ordered AS (
			SELECT *, max(seq) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM frames
		)
		SELECT kalshi.from_ns(recv_ns), recv_ns, event, v_span.lineage, v_span.sid, seq, n, ts, side, price, delta, yes_levels, no_levels,
			v_span.use_yes_price, NULL::text
		FROM ordered WHERE seq > greatest(before, v_seq) ORDER BY n;
		v_at := v_span.until_ns;
	END LOOP;
END
$$;

-- Why no book is known at p_at: what ended the last span before it.
CREATE FUNCTION kalshi.book_ended(p_spans kalshi.book_span[], p_at bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce((SELECT s.ended FROM unnest(p_spans) s WHERE s.until_ns <= p_at ORDER BY s.until_ns DESC LIMIT 1), 'no_snapshot')
$$;

-- The levels of a market's book at p_at, as received in p_at's lineage: prices of the no side are in yes-leg terms where
-- use_yes_price is true. Always one row at least. `known` false: there is a hole, and `reason` says why; known true
-- without a side: the book was empty. recv_ns is the last frame of the market that is in it.
CREATE FUNCTION kalshi.book_at(p_market text, p_at timestamptz) RETURNS TABLE (
	known boolean, side text, price numeric, count numeric, lineage bigint, sid int, seq bigint, n bigint, recv_ns bigint,
	use_yes_price boolean, reason text
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	v_at bigint := kalshi.to_ns(p_at);
	v_spans kalshi.book_span[] := array(SELECT s FROM kalshi.book_spans(p_market, p_at, p_at) s);
	v_span kalshi.book_span;
	v_book record;
BEGIN
	SELECT s.* INTO v_span FROM unnest(v_spans) s WHERE s.from_ns <= v_at AND s.until_ns >= v_at
	ORDER BY s.until_ns DESC, s.lineage LIMIT 1;
	IF NOT FOUND THEN
		RETURN QUERY SELECT false, NULL, NULL::numeric, NULL::numeric, NULL::bigint, NULL::int, NULL::bigint, NULL::bigint, NULL::bigint,
			NULL::boolean, kalshi.book_ended(v_spans, v_at);
		RETURN;
	END IF;
	v_book := kalshi.rebuilt_book(p_market, v_span, v_at);
	RETURN QUERY
	SELECT true, l.side, (l.pair->>0)::numeric, (l.pair->>1)::numeric, v_span.lineage, v_span.sid, v_book.seq, v_book.n, v_book.recv_ns,
		v_span.use_yes_price, NULL::text
	FROM (SELECT 1) one LEFT JOIN (
		SELECT 'yes' AS side, pair FROM jsonb_array_elements(v_book.yes_levels) pair
		UNION ALL
		SELECT 'no', pair FROM jsonb_array_elements(v_book.no_levels) pair
	) l ON true
	ORDER BY l.side DESC, 3 DESC;
END
$$;

-- They run as who calls them, so they tell what kmd_reader may select anyhow. A market's whole history is what a
-- researcher asks for; the running sink has no use for them.
REVOKE ALL ON FUNCTION kalshi.to_ns(timestamptz), kalshi.from_ns(bigint), kalshi.number_of(text), kalshi.book_spans(text, timestamptz, timestamptz),
	kalshi.rebuilt_book(text, kalshi.book_span, bigint), kalshi.book(text, timestamptz, timestamptz),
	kalshi.book_ended(kalshi.book_span[], bigint), kalshi.book_at(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION kalshi.to_ns(timestamptz), kalshi.from_ns(bigint), kalshi.number_of(text), kalshi.book_spans(text, timestamptz, timestamptz),
	kalshi.rebuilt_book(text, kalshi.book_span, bigint), kalshi.book(text, timestamptz, timestamptz),
	kalshi.book_ended(kalshi.book_span[], bigint), kalshi.book_at(text, timestamptz) TO kmd_reader;
