#ifndef INGEST_SPOOL_DEAD_H
#define INGEST_SPOOL_DEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_arena.h"
#include "kmd_feed.h"
#include "spool_record.h"
#include "types.h"

/*
 * The lineages of former lives, as a spool that was left behind tells: what each had of every sid. Records go in in
 * their order. A lineage that could not say `closed` itself gets that record from here. Pure.
 */

struct ingest_dead_sid {
	enum ingest_channel channel; /* INGEST_CHANNEL_COUNT: not known */
	int64_t subscribed_ns;       /* 0: not known */
	struct ingest_durable_mark mark;
};

struct ingest_dead_lineage {
	int64_t lineage, last_n;
	int64_t at_ns;    /* the last that it did; 0: not known */
	int64_t heard_ns; /* it wrote something then: it may have been behind with what it received */
	bool closed;
	struct kmd_buf group, instance;
	struct kmd_feed_num shard;
	struct ingest_dead_sid sids[INGEST_DURABLE_SIDS_MAX];
	size_t sids_count;
};

/* Zero-initialise it. */
struct ingest_dead {
	struct ingest_dead_lineage **lineages; /* in the order of their numbers */
	size_t count;
	bool damaged; /* something between the records is lost: what follows is no proof of what was before */
};
void ingest_dead_fini(struct ingest_dead *d);

/** A record of kind FRAME. */
void ingest_dead_frame(struct ingest_dead *d, const struct ingest_spool_record *r);
/** What stands in a FEED or MARK record. */
void ingest_dead_feed(struct ingest_dead *d, const struct kmd_feed_record *r, bool is_mark);
/** Records are lost here. */
void ingest_dead_damage(struct ingest_dead *d);
/** The `closed` that it did not live to write. Views borrow from @l; sids lie in @arena. */
struct kmd_feed_record ingest_dead_closed(const struct ingest_dead_lineage *l, struct kmd_arena *arena);

#endif
