#ifndef KMD_FEED_H
#define KMD_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_json.h"
#include "kmd_str.h"

/*
 * Feed records: what ingest knows about its own stream (topic `feed`, interfaces 3), written by ingest, read by ingest
 * (its predecessor's end), enricher (trade windows) and sink. Pure.
 *
 * Members on the wire are named like the fields; one that does not apply is left out. `at` is RFC 3339 with ns.
 */

#define KMD_FEED_KINDS(X) X(opened) X(subscribed) X(alive) X(gap) X(resynced) X(stale) X(handover) X(refused) X(closed)

enum kmd_feed_kind {
#define KMD_FEED_ENUM(name) KMD_FEED_##name,
	KMD_FEED_KINDS(KMD_FEED_ENUM)
#undef KMD_FEED_ENUM
	KMD_FEED_KIND_COUNT,
};

/* A number that may be absent. */
struct kmd_feed_num {
	bool has;
	int64_t v;
};

/* In `alive` and `closed`, array "sids": up to where everything of one sid is durable (acknowledged or synced to the spool). */
struct kmd_feed_sid {
	int64_t sid;
	struct kmd_str channel;
	struct kmd_feed_num seq, n, recv_ns, ts_ms; /* of the last durable frame of the sid; ts_ms = exchange time; absent: none yet */
	struct kmd_feed_num subscribed_ns;          /* when its `subscribed` came */
};

struct kmd_feed_record {
	enum kmd_feed_kind kind;
	int64_t lineage;
	int64_t at_ns;
	struct kmd_feed_num sid, expected_seq, got_seq, from_recv_ns, to_recv_ns, last_n, markets, shard;
	struct kmd_feed_num from_ts_ms, to_ts_ms; /* gap: exchange time of the last frame before it, of the frame after it */
	struct kmd_feed_num n, size;              /* refused */
	int use_yes_price;                        /* subscribed, book channel: 1, 0; -1 absent */
	struct kmd_str channel, group, instance, reason, topic;
	struct kmd_feed_sid *sids;
	uint32_t sids_count;
};

/** A record with nothing in it but kind, lineage and time. */
struct kmd_feed_record kmd_feed_make(enum kmd_feed_kind kind, int64_t lineage, int64_t at_ns);
const char *kmd_feed_kind_name(enum kmd_feed_kind kind);
/** False: no kind of that name. */
bool kmd_feed_find_kind(struct kmd_str name, enum kmd_feed_kind *ret);
void kmd_feed_encode(const struct kmd_feed_record *r, struct kmd_buf *out);
/** Tolerant: unknown members are skipped. 0; KMD_EPARSE: no object, unknown kind, no lineage or time. Views borrow from the document or @arena; sids lie in @arena. */
int kmd_feed_decode(struct kmd_json_val v, struct kmd_arena *arena, struct kmd_feed_record *ret) KMD_MUST_CHECK;

#endif
