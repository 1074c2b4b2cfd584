#include <stdlib.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "owns_int.h"

/* What the group gives and takes: claims through the writers, starts for the consumer, and letting go. */

/* The broker is asked for watermarks so long at once, and the group's question waits so long altogether. */
#define WATERMARKS_MS 1000
#define ASK_BUDGET_NS (2 * KMD_NS_PER_S)
/* Revoked partitions are written out for so long, then dropped: their next owner reads the rest again. */
#define REVOKE_NS (3 * KMD_NS_PER_S)

static void push_one(struct owns *o, const struct own *own, enum queue_kind kind)
{
	const struct queue_item item = {.kind = kind, .part = own->part};

	writer_push(o->writers[own->writer], &item, 1);
}

static size_t least_busy(const struct owns *o)
{
	size_t best = 0;

	for (size_t i = 1; i < o->writers_count; i++)
		if (o->writer_parts[i] < o->writer_parts[best])
			best = i;
	return best;
}

static void claim(struct owns *o, struct own *own, const struct kmd_tp *tp, int64_t low, int64_t high, bool again)
{
	struct part *p = part_new(&o->hub->kafka, tp->topic, tp->partition);

	p->low = low;
	p->high = high;
	keeper_topic_id(o->keeper, tp->topic, p->topic_id);
	p->again = again;
	own->part = p;
	own->writer = least_busy(o);
	own->hinted = -1;
	own->end = 0;
	o->writer_parts[own->writer]++;
	part_ref(p);
	push_one(o, own, QUEUE_CLAIM);
}

void own_claim(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, bool again)
{
	const struct kmd_tp tp = {.topic = t, .partition = partition};
	int64_t low, high;

	if (kmd_consumer_watermarks(o->consumer, &tp, WATERMARKS_MS, &low, &high, NULL) == 0)
		claim(o, own, &tp, low, high, again);
}

/* What the group has just given, all with one question: a round trip for each would be most of the takeover. */
static void claim_new(struct owns *o, const struct kmd_tp *tps, size_t n)
{
	struct kmd_tp *new = kmd_calloc(n + 1, sizeof(*new));
	int64_t *bounds = kmd_calloc(2 * n + 1, sizeof(*bounds)), *low = bounds, *high = bounds + n;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (!own_get(o, tps[i].topic, tps[i].partition)->part)
			new[count++] = tps[i];
	if (count > 0)
		kmd_consumer_bounds(o->consumer, new, count, WATERMARKS_MS, low, high);
	for (size_t i = 0; i < count; i++)
		if (high[i] >= 0)
			claim(o, own_find(o, new[i].topic, new[i].partition), &new[i], low[i], high[i], false);
	free(bounds);
	free(new);
}

static void recheck(struct owns *o, struct own *own)
{
	struct part *p = own->part;
	const struct kmd_tp tp = {.topic = p->topic, .partition = p->partition};

	if (kmd_consumer_watermarks(o->consumer, &tp, WATERMARKS_MS, &p->low, &p->high, NULL) < 0)
		return;
	p->sure = true;
	part_set_state(p, PART_CLAIMING);
	push_one(o, own, QUEUE_CLAIM);
}

void own_let_go(struct owns *o, struct own *own, bool dropped)
{
	if (!own->part)
		return;
	if (dropped)
		atomic_store(&own->part->dropped, true);
	push_one(o, own, QUEUE_RETIRE);
	o->writer_parts[own->writer]--;
	part_unref(own->part);
	own->part = NULL;
}

bool own_has_start(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition)
{
	enum part_state s;

	if (!own->part)
		own_claim(o, own, t, partition, false);
	if (!own->part)
		return false;
	s = part_state(own->part);
	if (s == PART_RECHECK)
		recheck(o, own);
	else if (s == PART_FENCED)
		own_let_go(o, own, true); /* another one had it meanwhile: ask anew */
	return s == PART_CLAIMED || s == PART_STOPPED;
}

static int64_t start_of(const struct own *own)
{
	return part_state(own->part) == PART_STOPPED ? KMD_OFFSET_END : own->part->from;
}

static int on_assigned(void *ctx, struct kmd_tp *tps, size_t n)
{
	struct owns *o = ctx;
	const struct kmd_mono began = kmd_mono_now();
	size_t known = 0;

	if (o->closing)
		return KMD_EAGAIN; /* never asked again: the consumer is not polled any more */
	claim_new(o, tps, n);
	for (size_t i = 0; i < n; i++) {
		struct own *own = own_get(o, tps[i].topic, tps[i].partition);

		own->asked = began;
		if (!own->part || kmd_mono_now().ns - began.ns > ASK_BUDGET_NS)
			continue;
		if (!own_has_start(o, own, tps[i].topic, tps[i].partition))
			continue;
		tps[i].offset = start_of(own);
		known++;
	}
	if (known < n)
		return KMD_EAGAIN;
	for (size_t i = 0; i < n; i++) {
		struct own *own = own_get(o, tps[i].topic, tps[i].partition);

		own->assigned = true;
		own->paused = -1;
		own->halted = own->seek = false;
	}
	kmd_log(KMD_LOG_INFO, "partitions_assigned", "count", "%zu", n, NULL);
	return 0;
}

static bool all_retired(struct part *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!atomic_load(&parts[i]->retired))
			return false;
	return true;
}

static void wait_retired(struct owns *o, struct part *const *parts, size_t n)
{
	const int64_t deadline_ns = kmd_mono_now().ns + REVOKE_NS;

	while (!all_retired(parts, n) && kmd_mono_now().ns < deadline_ns)
		hub_wait(o->hub, 10 * KMD_NS_PER_MS);
	for (size_t i = 0; i < n; i++)
		atomic_store(&parts[i]->dropped, true);
	hub_ring(o->hub);
}

/* One commit for all of them: the group goes on when each is answered. */
static void hint_revoked(struct owns *o, struct part *const *parts, size_t n)
{
	struct kmd_tp *tps = kmd_calloc(n + 1, sizeof(*tps));
	size_t stored = 0;

	for (size_t i = 0; i < n; i++)
		if (part_state(parts[i]) == PART_CLAIMED)
			tps[stored++] =
			    (struct kmd_tp){parts[i]->topic, parts[i]->partition, atomic_load(&parts[i]->stored_next)};
	if (kmd_consumer_commit(o->consumer, tps, stored, false, NULL) < 0)
		kmd_log(KMD_LOG_DEBUG, "hint_not_committed", NULL);
	free(tps);
}

static void on_revoked(void *ctx, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct owns *o = ctx;
	struct part **parts;
	size_t waiting = 0;

	if (o->closing)
		return;
	parts = kmd_calloc(n + 1, sizeof(struct part *));
	for (size_t i = 0; i < n; i++) {
		struct own *own = own_get(o, tps[i].topic, tps[i].partition);

		if (own->part) {
			part_ref(own->part);
			parts[waiting++] = own->part;
		}
		own_let_go(o, own, lost);
		own->assigned = false;
	}
	wait_retired(o, parts, waiting);
	if (!lost)
		hint_revoked(o, parts, waiting);
	for (size_t i = 0; i < waiting; i++)
		part_unref(parts[i]);
	free(parts);
	kmd_log(KMD_LOG_INFO, "partitions_revoked", "count", "%zu", n, "lost", "%s", lost ? "yes" : "no", NULL);
}

/* The broker has nothing at the position: expired, or another topic. Claiming anew finds out which. */
static void on_out_of_range(void *ctx, const struct kmd_tp *tp)
{
	struct owns *o = ctx;
	struct own *own = own_find(o, tp->topic, tp->partition);

	kmd_log(KMD_LOG_WARN, "position_out_of_range", "topic", "%s", kmd_topic_name(tp->topic), "partition", "%d",
	    (int)tp->partition, "offset", "%lld", (long long)tp->offset, NULL);
	if (own && own->assigned) {
		own->halted = true;
		own->retry = (struct kmd_mono){0};
	}
}

const struct kmd_rebalance_ops owns_rebalance = {
    .assigned = on_assigned,
    .revoked = on_revoked,
    .out_of_range = on_out_of_range,
};
