#ifndef ENRICH_RECORD_H
#define ENRICH_RECORD_H

#include "kmd_str.h"
#include "kmd_topic.h"

/*
 * Market, event and series records (topics `markets`, `events`, `series`): the ticker, its parents' tickers, fetched_at
 * and the REST object verbatim. Pure.
 */

struct enrich_record {
	struct kmd_str ticker;
	struct kmd_str event_ticker, series_ticker; /* NONE: not known */
	int64_t fetched_ns;
	struct kmd_str body; /* raw JSON of the object */
};

/** Appends the record. @topic MARKETS, EVENTS or SERIES: chooses the parents that are told. */
void enrich_record_encode(enum kmd_topic topic, const struct enrich_record *r, struct kmd_buf *out);

#endif
