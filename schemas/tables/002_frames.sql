-- Frame tables: one row a frame of the exchange (or a record of topic feed). Fixed-width columns come first so that a row
-- carries no padding. What a frame did not have is NULL. Partitions are made by kalshi.ensure_partition.

CREATE TABLE kalshi.trades (
	ts timestamptz NOT NULL,
	lineage bigint,
	n bigint,
	seq bigint,
	recv_ns bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	trade_date date NOT NULL,
	is_block_trade boolean,
	trade_id text NOT NULL,
	market_ticker text NOT NULL,
	yes_price numeric,
	no_price numeric,
	count numeric,
	taker_side text,
	taker_book_side text,
	source text,
	extra jsonb,
	PRIMARY KEY (trade_id, trade_date)
) PARTITION BY RANGE (trade_date);
CREATE INDEX trades_market_ts ON kalshi.trades (market_ticker, ts);

CREATE TABLE kalshi.orderbook_snapshots (
	recv_ns bigint NOT NULL,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	market_id uuid,
	use_yes_price boolean,
	market_ticker text NOT NULL,
	source text,
	yes_levels jsonb,
	no_levels jsonb,
	extra jsonb
) PARTITION BY RANGE (recv_ns);
CREATE INDEX orderbook_snapshots_market_recv ON kalshi.orderbook_snapshots (market_ticker, recv_ns);

CREATE TABLE kalshi.orderbook_deltas (
	recv_ns bigint NOT NULL,
	ts timestamptz,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	market_id uuid,
	use_yes_price boolean,
	market_ticker text NOT NULL,
	side text,
	price numeric,
	delta numeric,
	source text,
	extra jsonb
) PARTITION BY RANGE (recv_ns);
CREATE INDEX orderbook_deltas_market_recv ON kalshi.orderbook_deltas (market_ticker, recv_ns);

CREATE TABLE kalshi.tickers (
	recv_ns bigint NOT NULL,
	ts timestamptz,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	market_id uuid,
	market_ticker text NOT NULL,
	price numeric,
	yes_bid numeric,
	yes_ask numeric,
	yes_bid_size numeric,
	yes_ask_size numeric,
	last_trade_size numeric,
	volume numeric,
	open_interest numeric,
	dollar_volume numeric,
	dollar_open_interest numeric,
	source text,
	extra jsonb
) PARTITION BY RANGE (recv_ns);
CREATE INDEX tickers_market_recv ON kalshi.tickers (market_ticker, recv_ns);

CREATE TABLE kalshi.lifecycle_events (
	recv_ns bigint NOT NULL,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	type text,
	event_type text,
	market_ticker text,
	event_ticker text,
	msg jsonb NOT NULL,
	source text,
	extra jsonb
) PARTITION BY RANGE (recv_ns);
CREATE INDEX lifecycle_events_market_recv ON kalshi.lifecycle_events (market_ticker, recv_ns);

CREATE TABLE kalshi.control_frames (
	recv_ns bigint NOT NULL,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	type text,
	frame bytea,
	source text,
	extra jsonb
) PARTITION BY RANGE (recv_ns);

CREATE TABLE kalshi.other_frames (LIKE kalshi.control_frames) PARTITION BY RANGE (recv_ns);

CREATE TABLE kalshi.feed_events (
	recv_ns bigint NOT NULL,
	lineage bigint,
	n bigint,
	seq bigint,
	mono_ns bigint,
	sending_ts_ms bigint,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	sid int,
	kind text,
	record jsonb NOT NULL,
	source text,
	extra jsonb
) PARTITION BY RANGE (recv_ns);
