#include "stats.h"

#include <stdio.h>

static const char *const refusals[INGEST_REFUSAL_COUNT] = {"too_large", "refused"};

static struct kmd_counter *labelled(
    struct kmd_metrics *m, const char *name, const char *label, const char *value, const char *help)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
	return kmd_metrics_counter(m, name, labels, help);
}

static void init_counters(struct ingest_stats *s, struct kmd_metrics *m)
{
	for (int i = 0; i < INGEST_TYPE_COUNT; i++)
		s->frames[i] = labelled(
		    m, "kmd_ingest_frames_total", "type", ingest_type_name((enum ingest_type)i), "Messages received.");
	for (int i = 0; i <= KMD_TOPIC_FEED; i++)
		s->delivered[i] = labelled(m, "kmd_ingest_delivered_total", "topic", kmd_topic_name((enum kmd_topic)i),
		    "Records acknowledged by the broker.");
	for (int i = 0; i < INGEST_REFUSAL_COUNT; i++)
		s->refused[i] = labelled(
		    m, "kmd_ingest_refused_total", "reason", refusals[i], "Records the broker refused for good.");
	for (int i = 0; i < INGEST_CHANNEL_COUNT; i++)
		s->gaps[i] = labelled(m, "kmd_ingest_gaps_total", "channel",
		    ingest_channel_name((enum ingest_channel)i), "Jumps of a subscription's sequence.");
	s->connections =
	    kmd_metrics_counter(m, "kmd_ingest_connections_total", NULL, "Connections opened to the exchange.");
	s->stale =
	    kmd_metrics_counter(m, "kmd_ingest_stale_total", NULL, "Connections replaced because they fell silent.");
	s->not_new = kmd_metrics_counter(
	    m, "kmd_ingest_repeated_seq_total", NULL, "Frames whose seq was not above the last of their sid.");
	s->unknown_sid = kmd_metrics_counter(
	    m, "kmd_ingest_unknown_sid_total", NULL, "Data frames of a sid that was not subscribed when they came.");
}

static struct kmd_gauge *shards(struct kmd_metrics *m, const char *labels)
{
	return kmd_metrics_gauge(
	    m, "kmd_ingest_shards", labels, "Shards captured here, by what the group says of them.");
}

struct kmd_gauge *ingest_stats_shard(struct kmd_metrics *m, size_t shard)
{
	char labels[32];

	snprintf(labels, sizeof(labels), "shard=\"%zu\"", shard);
	return kmd_metrics_gauge(m, "kmd_ingest_shard_held", labels, "Whether the shard is captured here, 1 or 0.");
}

void ingest_stats_init(struct ingest_stats *s, struct kmd_metrics *m)
{
	init_counters(s, m);
	s->expected =
	    kmd_metrics_gauge(m, "kmd_ingest_markets_expected", NULL, "Markets whose books should be subscribed.");
	s->subscribed =
	    kmd_metrics_gauge(m, "kmd_ingest_markets_subscribed", NULL, "Markets whose books the exchange confirmed.");
	s->queue_bytes = kmd_metrics_gauge(
	    m, "kmd_ingest_queue_bytes", NULL, "Bytes received and not yet acknowledged by the broker.");
	s->spooled = kmd_metrics_counter(m, "kmd_ingest_spooled_total", NULL, "Records that went to the disk spool.");
	s->spool_bytes = kmd_metrics_gauge(m, "kmd_ingest_spool_bytes", NULL, "Bytes in the disk spool.");
	s->spool_max_bytes = kmd_metrics_gauge(
	    m, "kmd_ingest_spool_max_bytes", NULL, "Bytes that the disk spool may take; 0: there is none.");
	s->suspect = kmd_metrics_gauge(
	    m, "kmd_ingest_books_suspect", NULL, "Books whose snapshot after a sequence gap has not come yet.");
	s->silence = kmd_metrics_gauge(
	    m, "kmd_ingest_silence_seconds", NULL, "Age of the last data on the connection that is silent longest; 0 while received messages wait.");
	s->shards_owned = shards(m, "state=\"owned\"");
	s->shards_claimed = shards(m, "state=\"claimed\"");
	s->shards_leaving = shards(m, "state=\"leaving\"");
	s->age = kmd_metrics_histogram(m, "kmd_ingest_exchange_age_seconds", NULL, "Exchange time to receipt.",
	    kmd_latency_bounds, kmd_latency_bounds_count);
}
