#ifndef SINK_TABLE_H
#define SINK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * The tables the sink fills by COPY and their columns: one list for the row builders (enums), the encoder (types) and
 * the COPY statement (names). It says the same as schemas/tables/, which a component test compares. Pure.
 */

enum sink_type {
	SINK_TEXT,
	SINK_JSONB,
	SINK_NUMERIC,
	SINK_TIME, /* timestamptz */
	SINK_DATE,
	SINK_UUID,
	SINK_BYTEA,
	SINK_BOOL,
	SINK_INT4,
	SINK_INT8,
};

/* Columns that every frame table begins with. */
#define SINK_COMMON_COLUMNS(X, T) \
	X(T, lineage, INT8) \
	X(T, n, INT8) \
	X(T, sid, INT4) \
	X(T, seq, INT8) \
	X(T, recv_ns, INT8) \
	X(T, mono_ns, INT8) \
	X(T, sending_ts_ms, INT8) \
	X(T, source, TEXT) \
	X(T, kafka_partition, INT4) \
	X(T, kafka_offset, INT8) \
	X(T, extra, JSONB)

#define SINK_TRADES_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, trade_id, TEXT) \
	X(T, market_ticker, TEXT) \
	X(T, ts, TIME) \
	X(T, trade_date, DATE) \
	X(T, yes_price, NUMERIC) \
	X(T, no_price, NUMERIC) \
	X(T, count, NUMERIC) \
	X(T, taker_side, TEXT) \
	X(T, taker_book_side, TEXT) \
	X(T, is_block_trade, BOOL)

#define SINK_SNAPSHOTS_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, market_ticker, TEXT) \
	X(T, market_id, UUID) \
	X(T, yes_levels, JSONB) \
	X(T, no_levels, JSONB) \
	X(T, use_yes_price, BOOL)

#define SINK_DELTAS_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, market_ticker, TEXT) \
	X(T, market_id, UUID) \
	X(T, side, TEXT) \
	X(T, price, NUMERIC) \
	X(T, delta, NUMERIC) \
	X(T, ts, TIME) \
	X(T, use_yes_price, BOOL)

#define SINK_TICKERS_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, market_ticker, TEXT) \
	X(T, market_id, UUID) \
	X(T, ts, TIME) \
	X(T, price, NUMERIC) \
	X(T, yes_bid, NUMERIC) \
	X(T, yes_ask, NUMERIC) \
	X(T, yes_bid_size, NUMERIC) \
	X(T, yes_ask_size, NUMERIC) \
	X(T, last_trade_size, NUMERIC) \
	X(T, volume, NUMERIC) \
	X(T, open_interest, NUMERIC) \
	X(T, dollar_volume, NUMERIC) \
	X(T, dollar_open_interest, NUMERIC)

#define SINK_LIFECYCLE_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, type, TEXT) \
	X(T, event_type, TEXT) \
	X(T, market_ticker, TEXT) \
	X(T, event_ticker, TEXT) \
	X(T, msg, JSONB)

#define SINK_FRAMES_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, type, TEXT) \
	X(T, frame, BYTEA)

#define SINK_FEED_COLUMNS(X, T) \
	SINK_COMMON_COLUMNS(X, T) \
	X(T, kind, TEXT) \
	X(T, record, JSONB)

/* Columns that every table of the enricher's records begins with. */
#define SINK_RECORD_COLUMNS(X, T) \
	X(T, kafka_partition, INT4) \
	X(T, kafka_offset, INT8) \
	X(T, extra, JSONB) \
	X(T, body, JSONB)

#define SINK_REVISIONS_COLUMNS(X, T) \
	SINK_RECORD_COLUMNS(X, T) \
	X(T, known_at, TIME) \
	X(T, determined_at, TIME) \
	X(T, settled_at, TIME) \
	X(T, revision, INT4) \
	X(T, market_ticker, TEXT) \
	X(T, event_ticker, TEXT) \
	X(T, series_ticker, TEXT) \
	X(T, market_type, TEXT) \
	X(T, status, TEXT) \
	X(T, result, TEXT) \
	X(T, settlement_value, NUMERIC) \
	X(T, expiration_value, TEXT) \
	X(T, trigger, TEXT)

/* ticker, updated_at and fetched_at at the same places in all three, so that one piece of code can keep the newest. */
#define SINK_LISTING_COLUMNS(X, T) \
	SINK_RECORD_COLUMNS(X, T) \
	X(T, ticker, TEXT) \
	X(T, updated_at, TIME) \
	X(T, fetched_at, TIME) \
	X(T, title, TEXT) \
	X(T, status, TEXT)

#define SINK_MARKETS_COLUMNS(X, T) \
	SINK_LISTING_COLUMNS(X, T) \
	X(T, event_ticker, TEXT) \
	X(T, series_ticker, TEXT) \
	X(T, market_type, TEXT) \
	X(T, yes_sub_title, TEXT) \
	X(T, no_sub_title, TEXT) \
	X(T, result, TEXT) \
	X(T, settlement_value, NUMERIC) \
	X(T, expiration_value, TEXT) \
	X(T, strike_type, TEXT) \
	X(T, floor_strike, NUMERIC) \
	X(T, cap_strike, NUMERIC) \
	X(T, functional_strike, TEXT) \
	X(T, created_time, TIME) \
	X(T, open_time, TIME) \
	X(T, close_time, TIME) \
	X(T, expected_expiration_time, TIME) \
	X(T, latest_expiration_time, TIME) \
	X(T, occurrence_datetime, TIME) \
	X(T, settlement_ts, TIME)

#define SINK_EVENTS_COLUMNS(X, T) \
	SINK_LISTING_COLUMNS(X, T) \
	X(T, series_ticker, TEXT) \
	X(T, sub_title, TEXT) \
	X(T, collateral_return_type, TEXT) \
	X(T, mutually_exclusive, BOOL) \
	X(T, strike_date, TIME) \
	X(T, strike_period, TEXT)

#define SINK_SERIES_COLUMNS(X, T) \
	SINK_LISTING_COLUMNS(X, T) \
	X(T, category, TEXT) \
	X(T, frequency, TEXT) \
	X(T, fee_type, TEXT) \
	X(T, fee_multiplier, NUMERIC)

#define SINK_DEAD_COLUMNS(X, T) \
	X(T, at, TIME) \
	X(T, kafka_partition, INT4) \
	X(T, kafka_offset, INT8) \
	X(T, topic, TEXT) \
	X(T, reason, TEXT) \
	X(T, key, BYTEA) \
	X(T, value, BYTEA) \
	X(T, headers, JSONB)

/* X(enum name, table, columns, partition period, is a frame table) */
#define SINK_TABLES(X) \
	X(TRADES, "trades", SINK_TRADES_COLUMNS, SINK_BY_DAY, true) \
	X(SNAPSHOTS, "orderbook_snapshots", SINK_SNAPSHOTS_COLUMNS, SINK_BY_DAY, true) \
	X(DELTAS, "orderbook_deltas", SINK_DELTAS_COLUMNS, SINK_BY_DAY, true) \
	X(TICKERS, "tickers", SINK_TICKERS_COLUMNS, SINK_BY_DAY, true) \
	X(LIFECYCLE, "lifecycle_events", SINK_LIFECYCLE_COLUMNS, SINK_BY_MONTH, true) \
	X(CONTROL, "control_frames", SINK_FRAMES_COLUMNS, SINK_BY_DAY, true) \
	X(OTHER, "other_frames", SINK_FRAMES_COLUMNS, SINK_BY_DAY, true) \
	X(FEED, "feed_events", SINK_FEED_COLUMNS, SINK_BY_MONTH, true) \
	X(REVISIONS, "settlement_revisions", SINK_REVISIONS_COLUMNS, SINK_BY_MONTH, false) \
	X(MARKETS, "markets", SINK_MARKETS_COLUMNS, SINK_BY_NOTHING, false) \
	X(EVENTS, "events", SINK_EVENTS_COLUMNS, SINK_BY_NOTHING, false) \
	X(SERIES, "series", SINK_SERIES_COLUMNS, SINK_BY_NOTHING, false) \
	X(DEAD, "dead_letters", SINK_DEAD_COLUMNS, SINK_BY_MONTH, false)

enum sink_table {
#define SINK_TABLE_ENUM(id, name, columns, period, frames) SINK_T_##id,
	SINK_TABLES(SINK_TABLE_ENUM)
#undef SINK_TABLE_ENUM
	    SINK_TABLE_COUNT,
};

/* Column numbers: SINK_TRADES_trade_id, SINK_COMMON_lineage, ... */
#define SINK_COLUMN_ENUM(T, name, type) SINK_##T##_##name,
enum { SINK_COMMON_COLUMNS(SINK_COLUMN_ENUM, COMMON) SINK_COMMON_COUNT };
enum { SINK_TRADES_COLUMNS(SINK_COLUMN_ENUM, TRADES) SINK_TRADES_COUNT };
enum { SINK_SNAPSHOTS_COLUMNS(SINK_COLUMN_ENUM, SNAPSHOTS) SINK_SNAPSHOTS_COUNT };
enum { SINK_DELTAS_COLUMNS(SINK_COLUMN_ENUM, DELTAS) SINK_DELTAS_COUNT };
enum { SINK_TICKERS_COLUMNS(SINK_COLUMN_ENUM, TICKERS) SINK_TICKERS_COUNT };
enum { SINK_LIFECYCLE_COLUMNS(SINK_COLUMN_ENUM, LIFECYCLE) SINK_LIFECYCLE_COUNT };
enum { SINK_FRAMES_COLUMNS(SINK_COLUMN_ENUM, FRAMES) SINK_FRAMES_COUNT };
enum { SINK_FEED_COLUMNS(SINK_COLUMN_ENUM, FEED) SINK_FEED_COUNT };
enum { SINK_RECORD_COLUMNS(SINK_COLUMN_ENUM, RECORD) SINK_RECORD_COUNT };
enum { SINK_REVISIONS_COLUMNS(SINK_COLUMN_ENUM, REVISIONS) SINK_REVISIONS_COUNT };
enum { SINK_LISTING_COLUMNS(SINK_COLUMN_ENUM, LISTING) SINK_LISTING_COUNT };
enum { SINK_MARKETS_COLUMNS(SINK_COLUMN_ENUM, MARKETS) SINK_MARKETS_COUNT };
enum { SINK_EVENTS_COLUMNS(SINK_COLUMN_ENUM, EVENTS) SINK_EVENTS_COUNT };
enum { SINK_SERIES_COLUMNS(SINK_COLUMN_ENUM, SERIES) SINK_SERIES_COUNT };
enum { SINK_DEAD_COLUMNS(SINK_COLUMN_ENUM, DEAD) SINK_DEAD_COUNT };
#undef SINK_COLUMN_ENUM
#define SINK_COLUMNS_MAX 32

enum sink_period { SINK_BY_NOTHING, SINK_BY_DAY, SINK_BY_MONTH };

struct sink_column {
	const char *name;
	enum sink_type type;
};

struct sink_table_def {
	const char *name; /* without schema */
	const struct sink_column *columns;
	uint8_t columns_count;
	enum sink_period period;
	bool frames; /* a frame table: retention and time limits apply */
};

extern const struct sink_table_def sink_tables[SINK_TABLE_COUNT];

/** Appends the names of the columns of @t, comma between. */
void sink_table_columns(enum sink_table t, struct kmd_buf *out);
/** Appends "COPY <target> (columns) FROM STDIN (FORMAT binary)"; @target NULL: the table itself, schema and all. */
void sink_table_copy_sql(enum sink_table t, const char *target, struct kmd_buf *out);

/** Appends "CREATE TEMPORARY TABLE IF NOT EXISTS <name> (columns) ON COMMIT DELETE ROWS", the columns those of @t. */
void sink_table_temporary_sql(enum sink_table t, const char *name, struct kmd_buf *out);

/** First day of the period of @t that holds @day (days since 1970); @day itself where there is none. */
int32_t sink_table_period_start(enum sink_table t, int32_t day);

#endif
