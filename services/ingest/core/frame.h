#ifndef INGEST_FRAME_H
#define INGEST_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_arena.h"
#include "kmd_json.h"
#include "kmd_str.h"
#include "types.h"

/*
 * The envelope of one WebSocket message: what routing, sequence and subscriptions need of it, and nothing more. A
 * message is judged as kmd_json_parse judges it, as a whole: text that is not a JSON object has no type, no sid, no
 * seq, and goes to `other` as it is. Nothing here ever fails. Plain data frames are read without the parser
 * (envelope.h).
 */

struct ingest_frame {
	bool object;              /* a text message that holds one JSON object */
	enum ingest_type type;    /* OTHER too where type_text is unknown or absent */
	struct kmd_str type_text; /* unescaped `type` if it is a string, known or not; else NONE */
	bool has_sid, has_seq, has_id, has_ts;
	int64_t sid, seq, id;         /* integers >= 0 that fit; a sid written as a string is none */
	int64_t ts_ms;                /* exchange time: msg.ts_ms, else msg.ts (s, or RFC 3339), else sending_ts_ms */
	struct kmd_str market_ticker; /* of msg, unescaped; NONE if it is no string */
	struct kmd_str event_ticker;
	struct kmd_str event_type;
};

/* Memory that a scan reuses; zero-initialise it. One thread. */
struct ingest_scanner {
	struct kmd_json doc; /* of a reply, after its scan: ingest_reply_read() goes on in it */
	struct kmd_arena arena;
};

/** Views in the result borrow from @bytes or from @s until the next scan. @binary: the message was not a text message.
 */
struct ingest_frame ingest_frame_scan(struct ingest_scanner *s, struct kmd_str bytes, bool binary);
/** The same by the parser alone: for replies, for what is not plain, and as the oracle of the tests. */
struct ingest_frame ingest_frame_scan_parsed(struct ingest_scanner *s, struct kmd_str bytes);
void ingest_scanner_fini(struct ingest_scanner *s);

#endif
