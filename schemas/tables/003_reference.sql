-- What the enricher knows of settlements, markets, events and series.

-- Every revision of every settlement, never updated. Numbered per market from 1 in the order of the topic.
CREATE TABLE kalshi.settlement_revisions (
	known_at timestamptz NOT NULL,
	determined_at timestamptz,
	settled_at timestamptz,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	revision int NOT NULL,
	market_ticker text NOT NULL,
	event_ticker text,
	series_ticker text,
	market_type text,
	status text,
	result text,
	settlement_value numeric,
	expiration_value text,
	trigger text,
	body jsonb,
	extra jsonb,
	PRIMARY KEY (market_ticker, revision, known_at)
) PARTITION BY RANGE (known_at);

-- The revision with the greatest known_at of each market. revisions is the highest number given so far.
CREATE TABLE kalshi.settlements (
	known_at timestamptz NOT NULL,
	determined_at timestamptz,
	settled_at timestamptz,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	revision int NOT NULL,
	revisions int NOT NULL,
	market_ticker text PRIMARY KEY,
	event_ticker text,
	series_ticker text,
	market_type text,
	status text,
	result text,
	settlement_value numeric,
	expiration_value text,
	trigger text,
	body jsonb,
	extra jsonb
);

-- updated_at is the body's own update time (updated_time, last_updated_ts).
CREATE TABLE kalshi.markets (
	ticker text PRIMARY KEY,
	event_ticker text,
	series_ticker text,
	title text,
	status text,
	market_type text,
	yes_sub_title text,
	no_sub_title text,
	result text,
	settlement_value numeric,
	expiration_value text,
	strike_type text,
	floor_strike numeric,
	cap_strike numeric,
	functional_strike text,
	created_time timestamptz,
	open_time timestamptz,
	close_time timestamptz,
	expected_expiration_time timestamptz,
	latest_expiration_time timestamptz,
	occurrence_datetime timestamptz,
	settlement_ts timestamptz,
	updated_at timestamptz,
	fetched_at timestamptz,
	kafka_partition int NOT NULL,
	kafka_offset bigint NOT NULL,
	body jsonb,
	extra jsonb
);
CREATE INDEX markets_event ON kalshi.markets (event_ticker);

CREATE TABLE kalshi.events (
	ticker text PRIMARY KEY,
	series_ticker text,
	title text,
	sub_title text,
	status text,
	collateral_return_type text,
	mutually_exclusive boolean,
	strike_date timestamptz,
	strike_period text,
	updated_at timestamptz,
	fetched_at timestamptz,
	kafka_partition int NOT NULL,
	kafka_offset bigint NOT NULL,
	body jsonb,
	extra jsonb
);
CREATE INDEX events_series ON kalshi.events (series_ticker);

CREATE TABLE kalshi.series (
	ticker text PRIMARY KEY,
	title text,
	status text,
	category text,
	frequency text,
	fee_type text,
	fee_multiplier numeric,
	updated_at timestamptz,
	fetched_at timestamptz,
	kafka_partition int NOT NULL,
	kafka_offset bigint NOT NULL,
	body jsonb,
	extra jsonb
);
