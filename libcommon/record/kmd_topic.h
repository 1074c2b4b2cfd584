#ifndef KMD_TOPIC_H
#define KMD_TOPIC_H

#include <stdbool.h>

#include "kmd_str.h"

/*
 * The topics of the platform: one table for all programs (interfaces 3; documented in schemas/). Names here are
 * without KMD_TOPIC_PREFIX.
 */

#define KMD_TOPIC_TABLE(X)                           \
	X(TRADES, "trades", KMD_KEEP_RETENTION)      \
	X(ORDERBOOK, "orderbook", KMD_KEEP_RETENTION) \
	X(TICKERS, "tickers", KMD_KEEP_RETENTION)    \
	X(LIFECYCLE, "lifecycle", KMD_KEEP_FOREVER)  \
	X(CONTROL, "control", KMD_KEEP_RETENTION)    \
	X(OTHER, "other", KMD_KEEP_RETENTION)        \
	X(FEED, "feed", KMD_KEEP_FOREVER)            \
	X(SETTLEMENTS, "settlements", KMD_KEEP_FOREVER) \
	X(MARKETS, "markets", KMD_KEEP_COMPACT)      \
	X(EVENTS, "events", KMD_KEEP_COMPACT)        \
	X(SERIES, "series", KMD_KEEP_COMPACT)        \
	X(DLQ, "dlq", KMD_KEEP_FOREVER)              \
	X(SHARDS, "shards", KMD_KEEP_RETENTION)

enum kmd_topic {
#define KMD_TOPIC_ENUM(name, text, keep) KMD_TOPIC_##name,
	KMD_TOPIC_TABLE(KMD_TOPIC_ENUM)
#undef KMD_TOPIC_ENUM
	KMD_TOPIC_COUNT,
};

enum kmd_topic_keep { KMD_KEEP_RETENTION, KMD_KEEP_FOREVER, KMD_KEEP_COMPACT };

const char *kmd_topic_name(enum kmd_topic t);
enum kmd_topic_keep kmd_topic_keep(enum kmd_topic t);
/** False if @name (without prefix) is no topic of ours. */
bool kmd_topic_find(struct kmd_str name, enum kmd_topic *ret);

#endif
