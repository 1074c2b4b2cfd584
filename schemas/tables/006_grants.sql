-- kmd_writer: what the running sink needs. kmd_reader: select, partitions to come included.

REVOKE ALL ON FUNCTION kalshi.ensure_partition(text, date), kalshi.expire_partition(text, date),
	kalshi.partition_bound(date, text), kalshi.partition_is_attached(text, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA kalshi TO kmd_writer, kmd_reader;
GRANT EXECUTE ON FUNCTION kalshi.ensure_partition(text, date), kalshi.expire_partition(text, date) TO kmd_writer;
-- Repeated trades and listings go through temporary tables.
DO $$
BEGIN
	EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO kmd_writer', current_database());
END
$$;

GRANT INSERT ON kalshi.trades, kalshi.orderbook_snapshots, kalshi.orderbook_deltas, kalshi.tickers, kalshi.lifecycle_events,
	kalshi.control_frames, kalshi.other_frames, kalshi.feed_events, kalshi.dead_letters, kalshi.settlement_revisions TO kmd_writer;
GRANT SELECT (trade_id, trade_date, kafka_partition) ON kalshi.trades TO kmd_writer;
GRANT SELECT, INSERT, UPDATE ON kalshi.settlements, kalshi.markets, kalshi.events, kalshi.series, kalshi.sink_offsets
	TO kmd_writer;
GRANT SELECT, INSERT ON kalshi.platform TO kmd_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON kalshi.sink_lineages TO kmd_writer;
GRANT SELECT ON kalshi.schema_version, kalshi.partitioned TO kmd_writer;

GRANT SELECT ON ALL TABLES IN SCHEMA kalshi TO kmd_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA kalshi GRANT SELECT ON TABLES TO kmd_reader;
