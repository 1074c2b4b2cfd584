#ifndef INGEST_ENVELOPE_H
#define INGEST_ENVELOPE_H

#include <stdbool.h>

#include "kmd_str.h"

/*
 * The members of a message that ingest looks at, found in one pass over its text, without a tape. It says nothing of a
 * text that it does not find plain (a name or one of these values with an escape in it, no JSON at all): that is for
 * the parser to judge. What it accepts, kmd_json_parse accepts too, and reads the same in it.
 */

/* Values as they stand, strings with their quotes; NONE where there are none. Of members that come twice, the last. */
struct ingest_envelope {
	struct kmd_str type, sid, seq, id, sending_ts_ms;
	struct ingest_envelope_msg {
		struct kmd_str market_ticker, event_ticker, event_type, ts_ms, ts;
	} msg; /* NONE all, where it is no object */
};

/** True: @text is one JSON object, *ret says what it holds; borrowed. False: nothing is known. */
bool ingest_envelope_read(struct kmd_str text, struct ingest_envelope *ret);

#endif
