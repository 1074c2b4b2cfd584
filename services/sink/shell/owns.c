#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "owns_int.h"

/* A writer may hold so many batches' bytes before its partitions are paused; below half of it they go on. */
#define HELD_BATCHES 2
/* A question for a start that the group does not repeat is off: the partition went away meanwhile. */
#define UNASKED_NS (3 * KMD_NS_PER_S)
#define FENCED_RETRY_NS (2 * KMD_NS_PER_S)
#define STOPPED_RETRY_NS (5 * KMD_NS_PER_S)
/* Where paused partitions end is asked so often, for so many, and waited for so long. */
#define ENDS_EVERY_NS (5 * KMD_NS_PER_S)
#define ENDS_MAX 1024
#define ENDS_MS 500

struct own *own_find(struct owns *o, enum kmd_topic t, int32_t partition)
{
	return partition >= 0 && partition < o->count[t] ? &o->of[t][partition] : NULL;
}

struct own *own_get(struct owns *o, enum kmd_topic t, int32_t partition)
{
	if (partition >= o->count[t]) {
		o->of[t] = kmd_realloc(o->of[t], (size_t)(partition + 1) * sizeof(*o->of[t]));
		memset(o->of[t] + o->count[t], 0, (size_t)(partition + 1 - o->count[t]) * sizeof(*o->of[t]));
		o->count[t] = partition + 1;
	}
	return &o->of[t][partition];
}

/* Rows of frequent frames are made here, while the writers wait for Postgres. */
static struct queue_item record_item(
    struct owns *o, struct part *part, struct kmd_record *r, const struct sink_clock *clock)
{
	const struct sink_record view = view_of(r, &o->headers);

	return (struct queue_item){QUEUE_RECORD, part, r, sink_quick_new(&view, clock, &o->scratch)};
}

void owns_dispatch(struct owns *o, struct kmd_record **records, int n)
{
	const struct sink_clock clock = hub_clock(o->hub);
	struct queue_item items[256];
	size_t count = 0, writer = 0;

	for (int i = 0; i < n; i++) {
		const struct own *own = own_find(o, kmd_record_topic(records[i]), kmd_record_partition(records[i]));

		if (!own || !own->part || !own->assigned || own->halted || own->seek) {
			kmd_record_free(records[i]);
			continue;
		}
		if (count > 0 && (own->writer != writer || count == sizeof(items) / sizeof(items[0]))) {
			writer_push(o->writers[writer], items, count);
			count = 0;
		}
		writer = own->writer;
		items[count++] = record_item(o, own->part, records[i], &clock);
	}
	if (count > 0)
		writer_push(o->writers[writer], items, count);
}

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

static bool any_full(struct owns *o)
{
	look_at_writers(o);
	for (size_t i = 0; i < o->writers_count; i++)
		if (o->writer_full[i])
			return true;
	return false;
}

bool owns_wait(struct owns *o, struct kmd_mono now, int64_t patience_ns)
{
	if (!any_full(o))
		o->full_since.ns = 0;
	else if (o->full_since.ns == 0)
		o->full_since = now;
	return o->full_since.ns != 0 && now.ns - o->full_since.ns < patience_ns;
}

/* A partition that was fenced or stopped is claimed anew after a while, by a new part. */
static void look_at_claim(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, struct kmd_mono now)
{
	const enum part_state s = own->part ? part_state(own->part) : PART_FENCED;

	if (!own->halted && !own->seek && (s == PART_FENCED || s == PART_STOPPED)) {
		own->halted = true;
		own->retry.ns = now.ns + (s == PART_STOPPED ? STOPPED_RETRY_NS : FENCED_RETRY_NS);
	} else if (own->halted && now.ns >= own->retry.ns) {
		own_let_go(o, own, true);
		own_claim(o, own, t, partition, true);
		own->halted = own->part == NULL;
		own->seek = !own->halted;
		own->retry.ns = now.ns + FENCED_RETRY_NS;
	}
}

static void look_at_seek(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, struct kmd_mono now)
{
	struct kmd_tp tp = {t, partition, 0};
	struct kmd_err err = {0};

	if (!own->seek || !own_has_start(o, own, t, partition))
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
		own_let_go(o, own, true);
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
	if (own->end > high)
		high = own->end;
	return high > next ? high - next : 0;
}

/* Ends come with what is fetched, and of a paused partition nothing is: while Postgres is away its lag grows unseen. */
static void ask_ends(struct owns *o)
{
	struct kmd_tp tps[ENDS_MAX];
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < o->count[t] && n < ENDS_MAX; i++)
			if (o->of[t][i].assigned && o->of[t][i].paused == 1)
				tps[n++] = (struct kmd_tp){.topic = (enum kmd_topic)t, .partition = i};
	if (n == 0 || !kmd_consumer_ends(o->consumer, tps, n, ENDS_MS))
		return;
	for (size_t i = 0; i < n; i++)
		own_find(o, tps[i].topic, tps[i].partition)->end = tps[i].offset;
}

void owns_measure(struct owns *o, struct kmd_mono now)
{
	if (now.ns >= o->ends.ns && kmd_consumer_connected(o->consumer, NULL)) {
		o->ends.ns = now.ns + ENDS_EVERY_NS;
		ask_ends(o);
	}
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		int64_t lag = 0;

		for (int32_t i = 0; i < o->count[t]; i++)
			lag += lag_of(o, &o->of[t][i], (enum kmd_topic)t, i);
		if (o->hub->stats.lag[t])
			kmd_gauge_set(o->hub->stats.lag[t], (double)lag);
	}
}

void owns_hint(struct owns *o)
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
		}
	}
	if (kmd_consumer_commit(o->consumer, tps, n, false, NULL) < 0)
		return; /* next time */
	for (size_t i = 0; i < n; i++)
		own_find(o, tps[i].topic, tps[i].partition)->hinted = tps[i].offset;
}

void owns_fini(struct owns *o)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		for (int32_t i = 0; i < o->count[t]; i++)
			part_unref(o->of[t][i].part);
		free(o->of[t]);
	}
	view_fini(&o->headers);
	kmd_buf_fini(&o->scratch);
	free(o->writers);
	free(o->writer_parts);
	free(o->writer_full);
}
