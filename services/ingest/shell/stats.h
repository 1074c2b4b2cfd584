#ifndef INGEST_STATS_H
#define INGEST_STATS_H

#include "kmd_metrics.h"
#include "types.h"

/* The metrics of kmd-ingest (interfaces 5), registered once; every series exists from the start. */

enum ingest_refusal { INGEST_REFUSAL_TOO_LARGE, INGEST_REFUSAL_REFUSED, INGEST_REFUSAL_COUNT };

struct ingest_stats {
	struct kmd_counter *frames[INGEST_TYPE_COUNT];
	struct kmd_counter *delivered[KMD_TOPIC_FEED + 1]; /* trades .. feed: what ingest writes */
	struct kmd_counter *refused[INGEST_REFUSAL_COUNT];
	struct kmd_counter *gaps[INGEST_CHANNEL_COUNT];
	struct kmd_counter *connections, *stale, *not_new, *unknown_sid, *spooled;
	struct kmd_gauge *expected, *subscribed, *queue_bytes, *spool_bytes, *spool_max_bytes, *suspect, *silence,
	    *shards_owned, *shards_claimed, *shards_leaving;
	struct kmd_histogram *age;
};

void ingest_stats_init(struct ingest_stats *s, struct kmd_metrics *m);
/** 1 while the shard is captured here. */
struct kmd_gauge *ingest_stats_shard(struct kmd_metrics *m, size_t shard);

#endif
