#ifndef ENRICH_EVENT_H
#define ENRICH_EVENT_H

#include "kmd_arena.h"
#include "kmd_json.h"
#include "kmd_str.h"
#include "settle.h"

/*
 * What a frame of topic `lifecycle` asks for. Tolerant per field: a member that cannot be read counts as absent. Pure.
 */

struct enrich_want {
	unsigned what;                                             /* enum enrich_want_bits; 0: nothing to do */
	struct kmd_str market_ticker, event_ticker, series_ticker; /* NONE where the frame does not tell */
	int64_t determined_ns;                                     /* Unix ns of determination_ts; 0: none */
	struct enrich_outcome told;                                /* by a `determined` frame */
};

/**
 * @frame the whole message. @mve whether KXMVE frames start calls. Text borrows from the document or @arena.
 * 0, or KMD_EPARSE with @ret_reason (static) naming what is missing.
 */
int enrich_event_read(struct kmd_json_val frame, bool mve, struct kmd_arena *arena, struct enrich_want *ret,
    const char **ret_reason) KMD_MUST_CHECK;

/** Is it the ticker of a multivariate market or event? */
bool enrich_is_mve(struct kmd_str ticker);

#endif
