#ifndef INGEST_ENDS_H
#define INGEST_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_feed.h"
#include "types.h"

/*
 * Where the former lineages of one group ended, channel by channel, as topic `feed` tells: by their `closed`, else
 * their last `alive`, else their `subscribed`. Those times only grow along a lineage, so the latest of all is the end.
 * A channel on which nothing moves ends early by that measure, so the time of `alive` itself is kept beside it, or of
 * `handover`, which speaks for every channel: a successor that subscribes before it has an overlap, no hole.
 */

struct ingest_ends {
	int64_t recv_ns[INGEST_CHANNEL_COUNT];    /* 0: nothing is known */
	int64_t covered_ns[INGEST_CHANNEL_COUNT]; /* until then a lineage of another connection is known to have been
						     subscribed */
	int64_t newest_lineage;                   /* of any group */
	int64_t *own;                             /* lineages of the group, in the order they were met */
	size_t own_count, own_cap;
};

/** Zero-initialise struct ingest_ends. */
void ingest_ends_fini(struct ingest_ends *e);
/** A record of `feed`; those of another group only raise newest_lineage. */
void ingest_ends_learn(struct ingest_ends *e, const struct kmd_feed_record *r, struct kmd_str group);
/** A connection of this process had everything of @channel up to @recv_ns. */
void ingest_ends_reach(struct ingest_ends *e, enum ingest_channel channel, int64_t recv_ns);
/** Where the hole in front of a subscription at @to_ns begins; 0: there is none. */
int64_t ingest_ends_hole(const struct ingest_ends *e, enum ingest_channel channel, int64_t to_ns);

#endif
