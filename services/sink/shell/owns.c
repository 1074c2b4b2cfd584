#include "owns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_log.h"
#include "kmd_mem.h"

/* A writer may hold so many batches' bytes before its partitions are paused; below half of it they go on. */
#define HELD_BATCHES 4
/* The broker is asked for watermarks so long at once, and the group's question waits so long altogether. */
#define WATERMARKS_MS 1000
#define ASK_BUDGET_NS (2 * KMD_NS_PER_S)
/* A question for a start that the group does not repeat is off: the partition went away meanwhile. */
#define UNASKED_NS (3 * KMD_NS_PER_S)
/* Revoked partitions are written out for so long, then dropped: their next owner reads the rest again. */
#define REVOKE_NS (3 * KMD_NS_PER_S)
#define FENCED_RETRY_NS (2 * KMD_NS_PER_S)
#define STOPPED_RETRY_NS (5 * KMD_NS_PER_S)

static struct own *find(struct owns *o, enum kmd_topic t, int32_t partition)
{
	return partition >= 0 && partition < o->count[t] ? &o->of[t][partition] : NULL;
}

static struct own *get(struct owns *o, enum kmd_topic t, int32_t partition)
{
	if (partition >= o->count[t]) {
		o->of[t] = kmd_realloc(o->of[t], (size_t)(partition + 1) * sizeof(*o->of[t]));
		memset(o->of[t] + o->count[t], 0, (size_t)(partition + 1 - o->count[t]) * sizeof(*o->of[t]));
		o->count[t] = partition + 1;
	}
	return &o->of[t][partition];
}

static void push_one(struct owns *o, const struct own *own, enum queue_kind kind)
{
	const struct queue_item item = {.kind = kind, .part = own->part};

	writer_push(o->writers[own->writer], &item, 1);
}

/* ---- claiming ---- */

static size_t least_busy(const struct owns *o)
{
	size_t best = 0;

	for (size_t i = 1; i < o->writers_count; i++)
		if (o->writer_parts[i] < o->writer_parts[best])
			best = i;
	return best;
}

/* Watermarks as of now; false: the broker does not say. */
static bool ask_watermarks(struct owns *o, struct part *p)
{
	const struct kmd_tp tp = {.topic = p->topic, .partition = p->partition};

	return kmd_consumer_watermarks(o->consumer, &tp, WATERMARKS_MS, &p->low, &p->high, NULL) == 0;
}

static void start_claim(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, bool again)
{
	struct part *p = part_new(&o->hub->kafka, t, partition);

	if (!ask_watermarks(o, p)) {
		part_unref(p);
		return;
	}
	keeper_topic_id(o->keeper, t, p->topic_id);
	p->again = again;
	own->part = p;
	own->writer = least_busy(o);
	own->hinted = -1;
	o->writer_parts[own->writer]++;
	part_ref(p);
	push_one(o, own, QUEUE_CLAIM);
}

static void recheck(struct owns *o, struct own *own)
{
	struct part *p = own->part;

	if (!ask_watermarks(o, p))
		return;
	p->sure = true;
	part_set_state(p, PART_CLAIMING);
	push_one(o, own, QUEUE_CLAIM);
}

/* The last item of this claim; the writer lets go of it in its own time. */
static void let_go(struct owns *o, struct own *own, bool dropped)
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

/* True once it is known where to read from. */
static bool has_start(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition)
{
	enum part_state s;

	if (!own->part)
		start_claim(o, own, t, partition, false);
	if (!own->part)
		return false;
	s = part_state(own->part);
	if (s == PART_RECHECK)
		recheck(o, own);
	else if (s == PART_FENCED)
		let_go(o, own, true); /* another one had it meanwhile: ask anew */
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

	for (size_t i = 0; i < n; i++) {
		struct own *own = get(o, tps[i].topic, tps[i].partition);

		own->asked = began;
		if (kmd_mono_now().ns - began.ns > ASK_BUDGET_NS)
			continue;
		if (!has_start(o, own, tps[i].topic, tps[i].partition))
			continue;
		tps[i].offset = start_of(own);
		known++;
	}
	if (known < n)
		return KMD_EAGAIN;
	for (size_t i = 0; i < n; i++) {
		struct own *own = get(o, tps[i].topic, tps[i].partition);

		own->assigned = true;
		own->paused = -1;
		own->halted = own->seek = false;
	}
	kmd_log(KMD_LOG_INFO, "partitions_assigned", "count", "%zu", n, NULL);
	return 0;
}

/* ---- giving up ---- */

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

static void on_revoked(void *ctx, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct owns *o = ctx;
	struct part **parts;
	size_t waiting = 0;

	if (o->closing)
		return;
	parts = kmd_calloc(n + 1, sizeof(struct part *));
	for (size_t i = 0; i < n; i++) {
		struct own *own = get(o, tps[i].topic, tps[i].partition);

		if (own->part) {
			part_ref(own->part);
			parts[waiting++] = own->part;
		}
		let_go(o, own, lost);
		own->assigned = false;
	}
	wait_retired(o, parts, waiting);
	for (size_t i = 0; i < waiting; i++) {
		const struct kmd_tp tp = {parts[i]->topic, parts[i]->partition, atomic_load(&parts[i]->stored_next)};

		if (!lost && part_state(parts[i]) == PART_CLAIMED &&
		    kmd_consumer_commit(o->consumer, &tp, 1, false, NULL) < 0)
			lost = true; /* only a hint */
		part_unref(parts[i]);
	}
	free(parts);
	kmd_log(KMD_LOG_INFO, "partitions_revoked", "count", "%zu", n, "lost", "%s", lost ? "yes" : "no", NULL);
}

/* The broker has nothing at the position: expired, or another topic. Claiming anew finds out which. */
static void on_out_of_range(void *ctx, const struct kmd_tp *tp)
{
	struct owns *o = ctx;
	struct own *own = find(o, tp->topic, tp->partition);

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

/* ---- records ---- */

void owns_dispatch(struct owns *o, struct kmd_record **records, int n)
{
	struct queue_item items[256];
	size_t count = 0, writer = 0;

	for (int i = 0; i < n; i++) {
		const struct own *own = find(o, kmd_record_topic(records[i]), kmd_record_partition(records[i]));

		if (!own || !own->part || !own->assigned || own->halted || own->seek) {
			kmd_record_free(records[i]);
			continue;
		}
		if (count > 0 && (own->writer != writer || count == sizeof(items) / sizeof(items[0]))) {
			writer_push(o->writers[writer], items, count);
			count = 0;
		}
		writer = own->writer;
		items[count++] = (struct queue_item){QUEUE_RECORD, own->part, records[i]};
	}
	if (count > 0)
		writer_push(o->writers[writer], items, count);
}

/* ---- turning ---- */

static void look_at_writers(struct owns *o)
{
	const int64_t most = o->hub->set->batch_bytes * HELD_BATCHES;
	int64_t held = 0;

	for (size_t i = 0; i < o->writers_count; i++) {
		const int64_t bytes = writer_held_bytes(o->writers[i]);

		o->writer_full[i] = bytes > (o->writer_full[i] ? most / 2 : most);
		held += bytes;
	}
	kmd_gauge_set(o->hub->stats.held_bytes, (double)held);
}

/* A partition that was fenced or stopped is claimed anew after a while, by a new part. */
static void look_at_claim(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, struct kmd_mono now)
{
	const enum part_state s = own->part ? part_state(own->part) : PART_FENCED;

	if (!own->halted && !own->seek && (s == PART_FENCED || s == PART_STOPPED)) {
		own->halted = true;
		own->retry.ns = now.ns + (s == PART_STOPPED ? STOPPED_RETRY_NS : FENCED_RETRY_NS);
	} else if (own->halted && now.ns >= own->retry.ns) {
		let_go(o, own, true);
		start_claim(o, own, t, partition, true);
		own->halted = own->part == NULL;
		own->seek = !own->halted;
		own->retry.ns = now.ns + FENCED_RETRY_NS;
	}
}

static void look_at_seek(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, struct kmd_mono now)
{
	struct kmd_tp tp = {t, partition, 0};
	struct kmd_err err = {0};

	if (!own->seek || !has_start(o, own, t, partition))
		return;
	if (part_state(own->part) == PART_STOPPED) {
		own->seek = false;
		own->halted = true;
		own->retry.ns = now.ns + STOPPED_RETRY_NS;
		return;
	}
	tp.offset = own->part->from;
	if (kmd_consumer_seek(o->consumer, &tp, &err) < 0) {
		kmd_log(KMD_LOG_WARN, "seek_failed", "topic", "%s", own->part->name, "why", "%s", err.text, NULL);
		return;
	}
	own->seek = false;
	own->paused = -1; /* it may have been begun anew */
}

static void look_at_pause(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition)
{
	const struct kmd_tp tp = {t, partition, 0};
	const bool wanted = own->halted || own->seek || o->writer_full[own->writer];
	int rc;

	if ((int)wanted == own->paused)
		return;
	rc = wanted ? kmd_consumer_pause(o->consumer, &tp, 1) : kmd_consumer_resume(o->consumer, &tp, 1);
	if (rc == 0)
		own->paused = wanted;
}

static void count_stopped(struct owns *o, const struct own *own)
{
	if (!own->part || part_state(own->part) != PART_STOPPED)
		return;
	if (o->stopped++ == 0)
		snprintf(o->stopped_why, sizeof(o->stopped_why), "%.100s [%d] is stopped: %.60s", own->part->name,
		    (int)own->part->partition, own->part->why);
}

static void look_at(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, struct kmd_mono now)
{
	if (own->assigned) {
		look_at_claim(o, own, t, partition, now);
		look_at_seek(o, own, t, partition, now);
		look_at_pause(o, own, t, partition);
	} else if (own->part && now.ns - own->asked.ns > UNASKED_NS) {
		let_go(o, own, true);
	}
	count_stopped(o, own);
}

void owns_turn(struct owns *o, struct kmd_mono now)
{
	look_at_writers(o);
	o->stopped = 0;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < o->count[t]; i++)
			look_at(o, &o->of[t][i], (enum kmd_topic)t, i, now);
	kmd_gauge_set(o->hub->stats.stopped, (double)o->stopped);
}

static int64_t lag_of(struct owns *o, const struct own *own, enum kmd_topic t, int32_t partition)
{
	const struct kmd_tp tp = {t, partition, 0};
	int64_t low, high, next;

	if (!own->assigned || !own->part)
		return 0;
	next = atomic_load(&own->part->stored_next);
	if (kmd_consumer_cached_watermarks(o->consumer, &tp, &low, &high) < 0)
		high = own->part->high;
	return high > next ? high - next : 0;
}

void owns_measure(struct owns *o)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		int64_t lag = 0;

		for (int32_t i = 0; i < o->count[t]; i++)
			lag += lag_of(o, &o->of[t][i], (enum kmd_topic)t, i);
		if (o->hub->stats.lag[t])
			kmd_gauge_set(o->hub->stats.lag[t], (double)lag);
	}
}

void owns_hint(struct owns *o, bool sync)
{
	struct kmd_tp tps[64];
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		for (int32_t i = 0; i < o->count[t]; i++) {
			struct own *own = &o->of[t][i];
			int64_t next;

			if (!own->assigned || !own->part || part_state(own->part) != PART_CLAIMED)
				continue;
			next = atomic_load(&own->part->stored_next);
			if (next == own->hinted || n == sizeof(tps) / sizeof(tps[0]))
				continue;
			tps[n++] = (struct kmd_tp){(enum kmd_topic)t, i, next};
			own->hinted = next;
		}
	}
	if (n > 0 && kmd_consumer_commit(o->consumer, tps, n, sync, NULL) < 0)
		kmd_log(KMD_LOG_DEBUG, "hint_not_committed", NULL);
}

void owns_fini(struct owns *o)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		for (int32_t i = 0; i < o->count[t]; i++)
			part_unref(o->of[t][i].part);
		free(o->of[t]);
	}
	free(o->writers);
	free(o->writer_parts);
	free(o->writer_full);
}
