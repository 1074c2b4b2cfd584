#ifndef INGEST_REPLY_H
#define INGEST_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

/* An answer to a command: subscribed, unsubscribed, ok, error, in the shapes of all years. Tolerant: absent stays
 * absent. */

#define INGEST_REPLY_SUBS_MAX 16 /* subscriptions that one `subscribed` may name; further ones are passed over */

struct ingest_reply_sub {
	bool has_channel, has_sid;
	enum ingest_channel channel;
	int64_t sid;
};

struct ingest_reply {
	enum ingest_type type;
	bool has_id, has_sid, has_code;
	int64_t id, sid, code;
	struct ingest_reply_sub subs[INGEST_REPLY_SUBS_MAX]; /* of `subscribed`: none in the shape without msg */
	size_t subs_count;
	struct kmd_str text; /* of `error`; borrows from the scanner */
};

/** @f was just scanned by @s and is a reply. */
struct ingest_reply ingest_reply_read(struct ingest_scanner *s, const struct ingest_frame *f);

#endif
