#ifndef INGEST_SHARDS_H
#define INGEST_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_time.h"

/*
 * Which shards this instance captures. The group says who owns a shard; capture follows it make-before-break:
 *
 *           nobody captures it, share not known yet
 *   IDLE ----------------------------------------> CLAIMED
 *    ^  \---- assigned ----> OWNED <---- assigned ---/ |
 *    |                        |  ^                     | the share is known, without it
 *    |              revoked   v  | assigned            |
 *    +---- successor ------ LEAVING <------------------+
 *          is synced, or too long
 *
 * Losing the broker changes nothing: a lost membership leaves OWNED as it is until the group has spoken again. Pure.
 */

#define INGEST_HANDOVER_NS (15 * KMD_NS_PER_S) /* how long a former owner waits for its successor */

enum ingest_shard_state { INGEST_SHARD_IDLE, INGEST_SHARD_CLAIMED, INGEST_SHARD_OWNED, INGEST_SHARD_LEAVING };

struct ingest_shard {
	enum ingest_shard_state state;
	bool lost;             /* OWNED, membership lost since */
	bool was_owned;        /* LEAVING: from OWNED; else others may have had it before us */
	struct kmd_mono until; /* LEAVING */
};

struct ingest_shards {
	struct ingest_shard *all;
	size_t count;
	bool settled; /* the group has said what our share is */
	bool leaving; /* for good */
};

/** All IDLE. */
void ingest_shards_init(struct ingest_shards *s, size_t count);
void ingest_shards_fini(struct ingest_shards *s);
/** Nobody captures it as far as is known: it is captured until the share is known. */
void ingest_shards_claim(struct ingest_shards *s, size_t shard);
void ingest_shards_assigned(struct ingest_shards *s, size_t shard);
/** @lost: not handed to somebody, as far as is known. */
void ingest_shards_revoked(struct ingest_shards *s, size_t shard, bool lost, struct kmd_mono now);
/** The share is what was assigned and not revoked. */
void ingest_shards_settled(struct ingest_shards *s, struct kmd_mono now);
/** We left the group for good; @others: somebody is there to take over, and may take until @limit. */
void ingest_shards_left(struct ingest_shards *s, bool others, struct kmd_mono now, struct kmd_mono limit);
/** The successor of a LEAVING shard holds everything. */
void ingest_shards_handed_over(struct ingest_shards *s, size_t shard);
/** Gives up LEAVING shards whose time is over. */
void ingest_shards_tick(struct ingest_shards *s, struct kmd_mono now);
bool ingest_shards_captures(const struct ingest_shards *s, size_t shard);
/** Is every captured shard ours by the word of the group, and is our share known? */
bool ingest_shards_is_even(const struct ingest_shards *s);

#endif
