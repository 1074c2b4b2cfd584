#include <stdlib.h>

#include "enricher_int.h"
#include "kmd_mem.h"

/* Records on their way to Kafka, and the causes that wait for their acknowledgement. */

struct enrich_batch *enrich_batch_open(struct enricher *e)
{
	struct enrich_batch *b = kmd_calloc(1, sizeof(*b)), *head = &e->batches;

	b->open = true;
	b->prev = head->prev;
	b->next = head;
	head->prev->next = b;
	head->prev = b;
	return b;
}

static void free_batch(struct enrich_batch *b)
{
	b->prev->next = b->next;
	b->next->prev = b->prev;
	enrich_causes_fini(&b->causes);
	free(b);
}

/* The causes of a failed batch stay held for ever: nothing is committed past them. */
static void finish(struct enricher *e, struct enrich_batch *b)
{
	if (b->open || b->outstanding > 0)
		return;
	if (!b->failed)
		enrich_causes_drop(&e->book, &b->causes);
	free_batch(b);
}

void enrich_batch_close(struct enricher *e, struct enrich_batch *b)
{
	b->open = false;
	finish(e, b);
}

void enrich_batch_abandon(struct enricher *e, struct enrich_batch *b)
{
	b->causes.count = 0;
	enrich_batch_close(e, b);
}

static void refuse(struct enricher *e, enum kmd_topic topic, const char *reason, struct kmd_str value)
{
	uint64_t suppressed;

	kmd_counter_add(e->stats.refused[topic], 1);
	if (kmd_burst_pass(&e->burst_refused[topic], e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_ERROR, "record_refused", "topic", "%s", kmd_topic_name(topic), "reason", "%s", reason,
		    "bytes", "%zu", value.n, "suppressed", "%llu", (unsigned long long)suppressed, NULL);
}

/* 0, KMD_ETOOBIG (the batch has failed), else: not now. */
static int queue(struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_str key,
    struct kmd_str value, const struct kmd_header *headers, size_t headers_count, int64_t wall_ns)
{
	int rc = kmd_producer_send(
	    e->producer, topic, key, value, headers, headers_count, wall_ns / KMD_NS_PER_MS, (uint64_t)(uintptr_t)b);

	if (rc == KMD_ETOOBIG) {
		refuse(e, topic, kmd_rc_text(rc), value);
		b->failed = true;
	}
	if (rc < 0)
		return rc;
	b->outstanding++;
	e->unreported[topic]++;
	return 0;
}

bool enrich_send(struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_str key,
    struct kmd_str value, const struct kmd_header *headers, size_t headers_count, int64_t wall_ns)
{
	int rc = queue(e, b, topic, key, value, headers, headers_count, wall_ns);

	return rc == 0 || rc == KMD_ETOOBIG;
}

bool enrich_send_own(struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_str key,
    uint64_t mark, int64_t wall_ns)
{
	const struct kmd_header headers[] = {
	    {"type", kmd_str_z(kmd_topic_name(topic))},
	    {"content-type", KMD_STR("application/json")},
	};
	int rc = queue(e, b, topic, key, kmd_buf_str(&e->out), headers, 2, wall_ns);

	if (rc == 0 && mark)
		enrich_published_note_sent(&e->published, topic, key, mark);
	return rc == 0 || rc == KMD_ETOOBIG;
}

static bool is_own(enum kmd_topic topic)
{
	return topic >= KMD_TOPIC_SETTLEMENTS && topic <= KMD_TOPIC_SERIES;
}

void enrich_on_delivery(void *ctx, const struct kmd_delivery *d)
{
	struct enrich_batch *b = (struct enrich_batch *)(uintptr_t)d->ref;
	struct enricher *e = ctx;

	e->unreported[d->topic]--;
	b->outstanding--;
	if (d->rc != 0) {
		refuse(e, d->topic, d->reason ? d->reason : kmd_rc_text(d->rc), d->value);
		b->failed = true;
		if (d->value.p && is_own(d->topic))
			enrich_published_refused(&e->published, d->topic, d->value);
	} else {
		kmd_counter_add(e->stats.records[d->topic], 1);
		if (d->value.p && is_own(d->topic))
			enrich_published_apply(&e->published, d->topic, KMD_STR_NONE, d->value);
	}
	finish(e, b);
}

void enrich_batches_purge(struct enricher *e, uint32_t slot)
{
	for (struct enrich_batch *b = e->batches.next; b != &e->batches; b = b->next)
		enrich_causes_purge(&e->book, &b->causes, slot, 0);
}

void enrich_batches_fini(struct enricher *e)
{
	while (e->batches.next != &e->batches)
		free_batch(e->batches.next);
}
