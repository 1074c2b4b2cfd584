-- What the sink knows of itself, in the same transaction as the rows.

-- A record that has no row: which one, byte for byte, and why not.
CREATE TABLE kalshi.dead_letters (
	at timestamptz NOT NULL,
	kafka_offset bigint NOT NULL,
	kafka_partition int NOT NULL,
	topic text NOT NULL,
	reason text NOT NULL,
	key bytea,
	value bytea,
	headers jsonb NOT NULL
) PARTITION BY RANGE (at);

-- Progress of each topic-partition: rows + dead_letters + duplicates = records received from first_offset to below
-- next_offset, less what had expired in Kafka before it could be read (expired counts offsets).
CREATE TABLE kalshi.sink_offsets (
	topic text NOT NULL,
	kafka_partition int NOT NULL,
	first_offset bigint NOT NULL,
	next_offset bigint NOT NULL,
	rows bigint NOT NULL DEFAULT 0,
	dead_letters bigint NOT NULL DEFAULT 0,
	duplicates bigint NOT NULL DEFAULT 0,
	expired bigint NOT NULL DEFAULT 0,
	-- Fencing: only the owner of the latest epoch may move next_offset, and only from where it believes it to be.
	epoch bigint NOT NULL DEFAULT 1,
	owner_pid int,
	owner_start timestamptz,
	-- The record at next_offset - 1 and the topic's id, by which a topic that was made anew is known.
	last_timestamp_ms bigint,
	last_hash bigint,
	last_recv_ns bigint,
	topic_id text,
	-- Why the partition is stopped; accepted: start anew at the low watermark (kmd-sink --accept-topic).
	stopped text,
	accepted boolean NOT NULL DEFAULT false,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, kafka_partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The last frame number stored of each lineage: what is not above it is a repetition.
CREATE TABLE kalshi.sink_lineages (
	topic text NOT NULL,
	kafka_partition int NOT NULL,
	lineage bigint NOT NULL,
	last_n bigint NOT NULL,
	seen_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, kafka_partition, lineage)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Up to when everything received is in: of each topic-partition the latest receipt below next_offset, as ns and as time.
CREATE VIEW kalshi.complete_until AS
SELECT topic, kafka_partition, last_recv_ns AS recv_ns,
	to_timestamp(last_recv_ns / 1000000000) + (last_recv_ns % 1000000000) / 1000 * interval '1 microsecond' AS at
FROM kalshi.sink_offsets;
