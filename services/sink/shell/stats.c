#include "stats.h"

#include <stdio.h>

static struct kmd_counter *counter(
    struct kmd_metrics *m, const char *name, const char *label, const char *value, const char *help)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
	return kmd_metrics_counter(m, name, labels, help);
}

static void init_tables(struct sink_stats *s, struct kmd_metrics *m)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		if (t != SINK_T_DEAD)
			s->rows[t] = counter(m, "kmd_sink_rows_total", "table", sink_tables[t].name,
			    "Records stored as a row, as sink_offsets counts them.");
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		if (t != SINK_T_DEAD)
			s->duplicates[t] = counter(m, "kmd_sink_duplicates_total", "table", sink_tables[t].name,
			    "Records that said nothing new.");
	for (int f = SINK_FAULT_NONE + 1; f < SINK_FAULT_COUNT; f++)
		s->dead[f] = counter(m, "kmd_sink_dead_letters_total", "reason", sink_fault_name((enum sink_fault)f),
		    "Records stored as a dead letter.");
}

static void init_topics(struct sink_stats *s, struct kmd_metrics *m)
{
	char labels[64];

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (t != KMD_TOPIC_SHARDS)
			s->expired[t] =
			    counter(m, "kmd_sink_expired_records_total", "topic", kmd_topic_name((enum kmd_topic)t),
				"Offsets that the broker deleted before they were read.");
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		if (t == KMD_TOPIC_SHARDS)
			continue;
		snprintf(labels, sizeof(labels), "topic=\"%s\"", kmd_topic_name((enum kmd_topic)t));
		s->lag[t] = kmd_metrics_gauge(m, "kmd_sink_lag_messages", labels,
		    "Records in assigned partitions that are not committed to Postgres yet.");
	}
}

void sink_stats_init(struct sink_stats *s, struct kmd_metrics *m)
{
	init_tables(s, m);
	init_topics(s, m);
	s->retries = kmd_metrics_counter(
	    m, "kmd_sink_retries_total", NULL, "Transactions tried again after trouble with Postgres.");
	s->fenced = kmd_metrics_counter(m, "kmd_sink_fenced_total", NULL, "Claims lost to another instance.");
	s->slow_trades = kmd_metrics_counter(m, "kmd_sink_deduplicated_batches_total", NULL,
	    "Batches whose trades took the way that drops repetitions.");
	s->narrowed =
	    kmd_metrics_counter(m, "kmd_sink_narrowed_total", NULL, "Batches split because Postgres refused a row.");
	s->held_bytes =
	    kmd_metrics_gauge(m, "kmd_sink_held_bytes", NULL, "Records handed to the writers and not committed.");
	s->stopped =
	    kmd_metrics_gauge(m, "kmd_sink_stopped_partitions", NULL, "Partitions that wait for --accept-topic.");
	s->partitions_end = kmd_metrics_gauge(m, "kmd_sink_partitions_end_timestamp_seconds", NULL,
	    "Up to when every table has its partitions, Unix time; 0: not known yet.");
	s->batch_seconds = kmd_metrics_histogram(m, "kmd_sink_batch_seconds", NULL, "Time to write one batch.",
	    kmd_latency_bounds, kmd_latency_bounds_count);
	s->latency_seconds = kmd_metrics_histogram(m, "kmd_sink_latency_seconds", NULL,
	    "Receipt of a frame to its commit.", kmd_latency_bounds, kmd_latency_bounds_count);
}

void sink_stats_count(struct sink_stats *s, const struct sink_counts *c)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++) {
		if (s->rows[t] && c->rows[t])
			kmd_counter_add(s->rows[t], c->rows[t]);
		if (s->duplicates[t] && c->duplicates[t])
			kmd_counter_add(s->duplicates[t], c->duplicates[t]);
	}
	for (int f = 0; f < SINK_FAULT_COUNT; f++)
		if (s->dead[f] && c->dead[f])
			kmd_counter_add(s->dead[f], c->dead[f]);
}
