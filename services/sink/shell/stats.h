#ifndef SINK_STATS_H
#define SINK_STATS_H

#include "kmd_metrics.h"
#include "kmd_topic.h"
#include "sink_batch.h"

/* The sink's series, registered before the threads start; any thread may count. */

struct sink_stats {
	struct kmd_counter *rows[SINK_TABLE_COUNT], *duplicates[SINK_TABLE_COUNT]; /* NULL for dead_letters */
	struct kmd_counter *dead[SINK_FAULT_COUNT];                                /* NULL for NONE */
	struct kmd_counter *expired[KMD_TOPIC_COUNT];                              /* NULL for shards */
	struct kmd_gauge *lag[KMD_TOPIC_COUNT];                                    /* NULL for shards */
	struct kmd_counter *retries, *fenced, *slow_trades, *narrowed;
	struct kmd_gauge *held_bytes, *stopped, *partitions_end;
	struct kmd_histogram *batch_seconds, *latency_seconds;
};

void sink_stats_init(struct sink_stats *s, struct kmd_metrics *m);
/** What a committed batch counted. */
void sink_stats_count(struct sink_stats *s, const struct sink_counts *c);

#endif
