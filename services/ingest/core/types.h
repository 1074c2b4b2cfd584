#ifndef INGEST_TYPES_H
#define INGEST_TYPES_H

#include <stdbool.h>

#include "kmd_str.h"
#include "kmd_topic.h"

/*
 * What the exchange sends, as two tables: the channels that can be subscribed, and the frame types that are known, each
 * with its topic and what its key is (interfaces 3). Everything else asks these tables.
 */

#define INGEST_CHANNEL_TABLE(X) \
	X(TRADE, "trade") \
	X(TICKER, "ticker") \
	X(LIFECYCLE, "market_lifecycle_v2") \
	X(MULTIVARIATE, "multivariate_market_lifecycle") \
	X(BOOK, "orderbook_delta")

enum ingest_channel {
#define INGEST_CHANNEL_ENUM(name, text) INGEST_CHANNEL_##name,
	INGEST_CHANNEL_TABLE(INGEST_CHANNEL_ENUM)
#undef INGEST_CHANNEL_ENUM
	    INGEST_CHANNEL_COUNT,
};

enum ingest_key {
	INGEST_KEY_LINEAGE, /* the number of the connection */
	INGEST_KEY_MARKET,  /* msg.market_ticker */
	INGEST_KEY_EITHER,  /* msg.market_ticker, else msg.event_ticker */
	INGEST_KEY_EVENT,   /* msg.event_ticker, else msg.market_ticker */
};

#define INGEST_TYPE_TABLE(X) \
	X(TRADE, "trade", TRADES, MARKET) \
	X(SNAPSHOT, "orderbook_snapshot", ORDERBOOK, MARKET) \
	X(DELTA, "orderbook_delta", ORDERBOOK, MARKET) \
	X(TICKER, "ticker", TICKERS, MARKET) \
	X(LIFECYCLE, "market_lifecycle_v2", LIFECYCLE, EITHER) \
	X(MULTIVARIATE, "multivariate_market_lifecycle", LIFECYCLE, EITHER) \
	X(EVENT_LIFECYCLE, "event_lifecycle", LIFECYCLE, EVENT) \
	X(EVENT_FEE, "event_fee_update", LIFECYCLE, EVENT) \
	X(SUBSCRIBED, "subscribed", CONTROL, LINEAGE) \
	X(UNSUBSCRIBED, "unsubscribed", CONTROL, LINEAGE) \
	X(OK, "ok", CONTROL, LINEAGE) \
	X(ERROR, "error", CONTROL, LINEAGE) \
	X(OTHER, "other", OTHER, LINEAGE)

enum ingest_type {
#define INGEST_TYPE_ENUM(name, text, topic, key) INGEST_TYPE_##name,
	INGEST_TYPE_TABLE(INGEST_TYPE_ENUM)
#undef INGEST_TYPE_ENUM
	    INGEST_TYPE_COUNT,
};

const char *ingest_channel_name(enum ingest_channel channel);
/** False if @name is no channel that can be captured. */
bool ingest_channel_find(struct kmd_str name, enum ingest_channel *ret);

/** The text of the envelope's `type`; "other" for INGEST_TYPE_OTHER, which no envelope has to say. */
const char *ingest_type_name(enum ingest_type type);
/** INGEST_TYPE_OTHER for a name that is not in the table. */
enum ingest_type ingest_type_find(struct kmd_str name);
enum kmd_topic ingest_type_topic(enum ingest_type type);
enum ingest_key ingest_type_key(enum ingest_type type);
/** subscribed, unsubscribed, ok, error: an answer to a command, not data. */
bool ingest_type_is_reply(enum ingest_type type);
bool ingest_type_is_book(enum ingest_type type);
/** The channel a data frame comes from. False for replies, unknown types and those that two channels carry. */
bool ingest_type_channel(enum ingest_type type, enum ingest_channel *ret);

#endif
