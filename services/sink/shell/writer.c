#include "writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "writer_int.h"

/* How many items are taken from the queue at once, and how long an idle writer sleeps. */
#define TAKE_MAX 512
#define IDLE_NS (200 * KMD_NS_PER_MS)
/* A repeated attempt waits at most so long. */
#define BACKOFF_BASE_NS (100 * KMD_NS_PER_MS)
#define BACKOFF_CAP_NS (5 * KMD_NS_PER_S)

/* The record at next - 1 is read again to see that it is still the one that was stored. */
static void check_last(struct writer *w, struct part *p, const struct kmd_record *r)
{
	p->check.wanted = false;
	if (kmd_record_offset(r) != p->check.offset)
		return; /* it is gone, which proves nothing */
	if (kmd_record_timestamp_ms(r) == p->check.timestamp_ms &&
	    sink_record_hash(kmd_record_key(r), kmd_record_value(r)) == p->check.hash)
		return;
	snprintf(
	    p->why, sizeof(p->why), "the record at %lld is not the one that was stored", (long long)p->check.offset);
	claim_mark_stopped(w, p);
	part_set_state(p, PART_STOPPED);
	kmd_log(KMD_LOG_ERROR, "partition_stopped", "topic", "%s", p->name, "partition", "%d", (int)p->partition, "why",
	    "%s", p->why, "cure", "%s", "kmd-sink --accept-topic", NULL);
}

static void on_record(struct writer *w, struct part *p, struct kmd_record *r, const struct sink_quick *quick)
{
	if (writer_is_ours(p) && p->check.wanted)
		check_last(w, p, r);
	if (!writer_is_ours(p) || !sink_progress_wants(&p->progress, kmd_record_offset(r))) {
		writer_release(w, r);
		return;
	}
	writer_add(w, &p->progress, r, quick, SINK_FAULT_NONE);
	if (sink_batch_due(&w->batch, &w->limits, w->now))
		writer_flush(w);
}

static size_t find(const struct writer *w, const struct part *p)
{
	size_t i = 0;

	while (i < w->parts_count && w->parts[i] != p)
		i++;
	return i;
}

/* Asked again after a recheck, it is among them already. */
static void own(struct writer *w, struct part *p)
{
	if (find(w, p) < w->parts_count)
		return;
	if (w->parts_count == w->parts_cap) {
		w->parts_cap = w->parts_cap ? w->parts_cap * 2 : 16;
		w->parts = kmd_realloc(w->parts, w->parts_cap * sizeof(struct part *));
	}
	w->parts[w->parts_count++] = p;
}

static void on_claim(struct writer *w, struct part *p)
{
	struct kmd_err err = {0};

	own(w, p);
	while (!atomic_load(&w->hub->abandon) && !atomic_load(&p->dropped)) {
		if (claim_part(w, p, &err) == 0) {
			kmd_backoff_reset(&w->backoff);
			hub_database(w->hub, w->index, true, NULL);
			break;
		}
		writer_pause(w, &err);
	}
}

static void on_retire(struct writer *w, struct part *p)
{
	size_t i;

	if (sink_progress_pending(&p->progress))
		writer_flush(w);
	/* Left over only when the drain was abandoned. */
	if (sink_progress_pending(&p->progress)) {
		atomic_store(&p->dropped, true);
		writer_undo(w);
		writer_refill(w);
	}
	i = find(w, p);
	if (i < w->parts_count)
		w->parts[i] = w->parts[--w->parts_count];
	atomic_store(&p->retired, true);
	hub_ring(w->hub);
	part_unref(p);
}

static void on_item(struct writer *w, const struct queue_item *item)
{
	switch (item->kind) {
	case QUEUE_RECORD:
		on_record(w, item->part, item->record, item->quick);
		free(item->quick);
		break;
	case QUEUE_CLAIM:
		on_claim(w, item->part);
		break;
	case QUEUE_RETIRE:
		on_retire(w, item->part);
		break;
	}
}

static int64_t wait_ns(const struct writer *w)
{
	int64_t left;

	if (w->batch.count == 0)
		return IDLE_NS;
	left = w->limits.age_ns - (kmd_mono_now().ns - w->batch.opened.ns);
	/* Looks up now and then: a drain asks for the batch before its time. */
	return left > IDLE_NS ? IDLE_NS : left > 0 ? left : 0;
}

/* Opens the connection before there is anything to write, so that /readyz tells. */
static void greet(struct writer *w)
{
	struct kmd_err err = {0};

	while (!atomic_load(&w->hub->abandon) && db_open(&w->db, &err) < 0)
		writer_pause(w, &err);
	if (w->db.pg)
		hub_database(w->hub, w->index, true, NULL);
	kmd_backoff_reset(&w->backoff);
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct queue_item items[TAKE_MAX];

	greet(w);
	while (!atomic_load(&w->hub->abandon)) {
		const size_t n = queue_pop(&w->queue, items, TAKE_MAX, wait_ns(w));

		w->now = kmd_mono_now();
		for (size_t i = 0; i < n; i++)
			on_item(w, &items[i]);
		if (sink_batch_due(&w->batch, &w->limits, kmd_mono_now()) ||
		    (w->batch.count > 0 && atomic_load(&w->hub->flush)))
			writer_flush(w);
	}
	db_close(&w->db);
	atomic_store(&w->ended, true);
	return NULL;
}

struct writer *writer_start(struct hub *hub, size_t index)
{
	struct writer *w = kmd_calloc(1, sizeof(*w));
	const struct sink_settings *set = hub->set;

	w->hub = hub;
	w->index = index;
	w->db.url = set->database_url;
	w->db.answer_ms = (int)(set->database_timeout_ns / KMD_NS_PER_MS);
	w->backoff = (struct kmd_backoff){BACKOFF_BASE_NS, BACKOFF_CAP_NS, 0};
	w->rng = (uint64_t)kmd_wall_now().ns ^ (index << 56);
	w->limits = (struct sink_limits){(size_t)set->batch_rows, set->batch_bytes, set->batch_age_ns};
	queue_init(&w->queue);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		abort(); /* no thread is like no memory */
	return w;
}

void writer_push(struct writer *w, const struct queue_item *items, size_t n)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		if (items[i].kind == QUEUE_RECORD)
			bytes += sink_batch_weight(kmd_record_key(items[i].record), kmd_record_value(items[i].record));
	atomic_fetch_add(&w->held, bytes);
	queue_push(&w->queue, items, n);
}

int64_t writer_held_bytes(const struct writer *w)
{
	return atomic_load(&w->held);
}

static void count_and_free(struct kmd_record *r, uint64_t unwritten[KMD_TOPIC_COUNT])
{
	unwritten[kmd_record_topic(r)]++;
	kmd_record_free(r);
}

static void free_held(struct writer *w, uint64_t unwritten[KMD_TOPIC_COUNT])
{
	struct queue_item item;

	for (size_t i = 0; i < w->batch.count; i++)
		count_and_free(w->batch.entries[i].handle, unwritten);
	for (size_t i = w->later.at; i < w->later.count; i++)
		count_and_free(w->later.entries[i].handle, unwritten);
	while (queue_pop(&w->queue, &item, 1, 0) == 1) {
		free(item.quick);
		if (item.kind == QUEUE_RECORD)
			count_and_free(item.record, unwritten);
		else if (item.kind == QUEUE_CLAIM && find(w, item.part) == w->parts_count)
			part_unref(item.part); /* its RETIRE will not be seen */
	}
}

static bool join(struct writer *w, int timeout_ms)
{
	const int64_t at = kmd_wall_now().ns + timeout_ms * KMD_NS_PER_MS;
	const struct timespec deadline = {.tv_sec = at / KMD_NS_PER_S, .tv_nsec = at % KMD_NS_PER_S};

	return pthread_timedjoin_np(w->thread, NULL, &deadline) == 0;
}

bool writer_stop(struct writer *w, int timeout_ms, uint64_t unwritten[KMD_TOPIC_COUNT])
{
	queue_wake(&w->queue);
	hub_ring(w->hub);
	if (!join(w, timeout_ms))
		return false;
	free_held(w, unwritten);
	for (size_t i = 0; i < w->parts_count; i++)
		part_unref(w->parts[i]);
	sink_batch_fini(&w->batch);
	queue_fini(&w->queue);
	for (size_t i = 0; i < sizeof(w->array) / sizeof(w->array[0]); i++)
		kmd_buf_fini(&w->array[i]);
	kmd_buf_fini(&w->sql);
	free(w->later.entries);
	free(w->moves);
	free(w->known);
	view_fini(&w->headers);
	free(w->parts);
	free(w);
	return true;
}
