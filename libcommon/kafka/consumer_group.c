#include <stdlib.h>
#include <string.h>

#include "consumer_int.h"
#include "kmd_mem.h"

/* The broker is asked for committed offsets, and the shell for starts, so long and so often. */
#define COMMITTED_MS 5000
#define PENDING_RETRY_NS (200 * KMD_NS_PER_MS)

/* Partitions of librdkafka's list that are topics of ours; given. */
static struct kmd_tp *tps_of(struct kmd_consumer *c, const rd_kafka_topic_partition_list_t *list, size_t *ret_n)
{
	struct kmd_tp *tps = kmd_calloc((size_t)list->cnt + 1, sizeof(*tps));
	size_t n = 0;

	for (int i = 0; i < list->cnt; i++) {
		tps[n].partition = list->elems[i].partition;
		tps[n].offset = RD_KAFKA_OFFSET_INVALID;
		if (kafka_topic_find(c->k.prefix, list->elems[i].topic, &tps[n].topic))
			n++;
	}
	*ret_n = n;
	return tps;
}

static void pend(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	c->pending = kmd_realloc(c->pending, (c->pending_count + n + 1) * sizeof(*c->pending));
	memcpy(c->pending + c->pending_count, tps, n * sizeof(*tps));
	c->pending_count += n;
	c->pending_retry_ns = 0;
}

static void unpend(struct kmd_consumer *c, const struct kmd_tp *tp)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->pending_count; i++)
		if (c->pending[i].topic != tp->topic || c->pending[i].partition != tp->partition)
			c->pending[kept++] = c->pending[i];
	c->pending_count = kept;
}

static bool fill_committed(struct kmd_consumer *c)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, c->pending, c->pending_count);
	bool good = rd_kafka_committed(c->rk, list, COMMITTED_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int i = 0; i < list->cnt; i++) {
		good = good && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
		c->pending[i].offset = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return good;
}

/* True when all that was pending is being read. */
static bool settle_pending(struct kmd_consumer *c)
{
	if (!fill_committed(c) || c->ops->assigned(c->ctx, c->pending, c->pending_count) != 0)
		return false;
	if (!consumer_assign(c, c->pending, c->pending_count))
		return false;
	c->pending_count = 0;
	return true;
}

static void tell_settled(struct kmd_consumer *c)
{
	if (c->pending_count == 0 && c->ops->settled)
		c->ops->settled(c->ctx);
}

void group_serve_pending(struct kmd_consumer *c, struct kmd_mono now)
{
	if (c->pending_count == 0 || now.ns < c->pending_retry_ns)
		return;
	if (!settle_pending(c))
		c->pending_retry_ns = kmd_mono_now().ns + PENDING_RETRY_NS;
	tell_settled(c);
}

/*
 * The group waits for the answer to its assignment, so it gets one at once: partitions whose start is not known are
 * left out of it and added later, outside of any rebalance.
 */
static void on_assigned(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	pend(c, tps, n);
	if (c->pending_count == 0 || !settle_pending(c)) {
		consumer_assign(c, NULL, 0);
		c->pending_retry_ns = kmd_mono_now().ns + PENDING_RETRY_NS;
	}
	c->answered = true;
	tell_settled(c);
}

static void on_revoked(struct kmd_consumer *c, struct kmd_tp *tps, size_t n)
{
	const bool lost = rd_kafka_assignment_lost(c->rk);
	size_t live = 0;

	for (size_t i = 0; i < n; i++) {
		unpend(c, &tps[i]);
		if (consumer_part(c, tps[i].topic, tps[i].partition)->assigned)
			tps[live++] = tps[i];
	}
	if (live > 0)
		c->ops->revoked(c->ctx, tps, live, lost);
	consumer_unassign(c, tps, live);
}

void group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	const struct consumer_handle *h = opaque;
	struct kmd_consumer *c = h->c;
	size_t n;
	struct kmd_tp *tps = tps_of(c, list, &n);

	(void)rk;
	if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		on_assigned(c, tps, n);
	else
		on_revoked(c, tps, n);
	free(tps);
}
