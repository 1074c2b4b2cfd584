#include "writer.h"

#include <stdlib.h>
#include <string.h>
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

struct sink_clock writer_clock(const struct writer *w)
{
	const int64_t now_ns = kmd_wall_now().ns;
	const int64_t days = w->hub->set->retention_days;

	return (struct sink_clock){now_ns, days > 0 ? kmd_time_day(now_ns) - (int32_t)days : INT32_MIN};
}

struct sink_record writer_view(struct writer *w, const struct kmd_record *r)
{
	struct sink_record view = {
	    .topic = kmd_record_topic(r),
	    .partition = kmd_record_partition(r),
	    .offset = kmd_record_offset(r),
	    .timestamp_ms = kmd_record_timestamp_ms(r),
	    .key = kmd_record_key(r),
	    .value = kmd_record_value(r),
	};
	struct sink_header h;

	while (kmd_record_header_at(r, view.headers_count, &h.name, &h.value)) {
		if (view.headers_count == w->headers_cap) {
			w->headers_cap = w->headers_cap ? w->headers_cap * 2 : 16;
			w->headers = kmd_realloc(w->headers, w->headers_cap * sizeof(*w->headers));
		}
		w->headers[view.headers_count++] = h;
	}
	view.headers = w->headers;
	return view;
}

static void release(struct writer *w, struct kmd_record *r)
{
	atomic_fetch_sub(&w->held, sink_batch_weight(kmd_record_key(r), kmd_record_value(r)));
	kmd_record_free(r);
}

static bool is_ours(const struct part *p)
{
	return part_state(p) == PART_CLAIMED && !atomic_load(&p->dropped);
}

static void add(struct writer *w, struct sink_progress *p, struct kmd_record *r, enum sink_fault refused)
{
	const struct sink_record view = writer_view(w, r);
	const struct sink_clock clock = writer_clock(w);

	sink_batch_add(&w->batch, p, r, &view, part_of(p)->name, refused, &clock, kmd_mono_now());
}

/* ---- a batch built anew ---- */

/* Puts entries back in front of what waits. */
static void put_back(struct writer *w, const struct sink_entry *entries, size_t n)
{
	struct writer_later *l = &w->later;
	const size_t waiting = l->count - l->at;
	struct sink_entry *all;

	if (n == 0)
		return;
	all = kmd_calloc(n + waiting, sizeof(*all));
	memcpy(all, entries, n * sizeof(*all));
	if (waiting > 0)
		memcpy(all + n, l->entries + l->at, waiting * sizeof(*all));
	free(l->entries);
	*l = (struct writer_later){.entries = all, .count = n + waiting, .cap = n + waiting};
}

static void rollback_all(struct writer *w)
{
	for (size_t i = 0; i < w->parts_count; i++)
		sink_progress_rollback(&w->parts[i]->progress);
}

/* Empties the batch into what waits; then refill builds it anew. */
static void undo(struct writer *w)
{
	size_t n;
	struct sink_entry *entries = sink_batch_take_entries(&w->batch, &n);

	rollback_all(w);
	put_back(w, entries, n);
	free(entries);
}

/* Takes from what waits as much as a batch may have now; what is not ours any more is let go. */
static void refill(struct writer *w)
{
	struct writer_later *l = &w->later;

	while (l->at < l->count && w->batch.count < w->narrow) {
		struct sink_entry *e = &l->entries[l->at++];

		if (is_ours(part_of(e->progress)))
			add(w, e->progress, e->handle, (enum sink_fault)e->refused);
		else
			release(w, e->handle);
	}
	if (l->at == l->count)
		l->at = l->count = 0;
}

/* ---- writing ---- */

static void observe_latency(struct writer *w)
{
	const int64_t now_ns = kmd_wall_now().ns;

	for (size_t i = 0; i < w->batch.count; i++) {
		const int64_t recv_ns = w->batch.entries[i].recv_ns;

		if (recv_ns != INT64_MIN)
			kmd_histogram_observe(w->hub->stats.latency_seconds, (double)(now_ns - recv_ns) / 1e9);
	}
}

static void count_moves(struct writer *w)
{
	for (size_t i = 0; i < w->moves_count; i++) {
		const struct writer_move *m = &w->moves[i];

		w->batch.counts.rows[m->table] -= (uint64_t)m->rows;
		w->batch.counts.duplicates[m->table] += (uint64_t)m->rows;
	}
	w->moves_count = 0;
}

/* The batch is in Postgres. */
static void done(struct writer *w)
{
	observe_latency(w);
	count_moves(w);
	sink_stats_count(&w->hub->stats, &w->batch.counts);
	for (size_t i = 0; i < w->parts_count; i++) {
		struct part *p = w->parts[i];

		if (!sink_progress_pending(&p->progress))
			continue;
		sink_progress_commit(&p->progress);
		atomic_store(&p->stored_next, p->progress.stored_next);
	}
	for (size_t i = 0; i < w->batch.count; i++)
		release(w, w->batch.entries[i].handle);
	sink_batch_clear(&w->batch);
	if (w->narrow < SIZE_MAX / 2)
		w->narrow *= 2;
	kmd_backoff_reset(&w->backoff);
	if (hub_database(w->hub, w->index, true, NULL))
		kmd_log(KMD_LOG_INFO, "database_ok", "writer", "%zu", w->index, NULL);
}

/* Half of the batch, until it is one record: that one is the dead letter. */
static void narrow(struct writer *w, const char *state, const struct kmd_err *err)
{
	const size_t n = w->batch.count;
	struct sink_entry *e = &w->batch.entries[0];

	kmd_counter_add(w->hub->stats.narrowed, 1);
	if (n > 1) {
		w->narrow = n / 2;
	} else {
		struct part *p = part_of(e->progress);

		e->refused = (uint8_t)sink_fault_of_sqlstate(state);
		kmd_log(KMD_LOG_WARN, "record_rejected", "topic", "%s", p->name, "partition", "%d", (int)p->partition,
		    "offset", "%lld", (long long)kmd_record_offset(e->handle), "sqlstate", "%s", state, "why", "%s",
		    err->text, NULL);
	}
	undo(w);
}

static void report(struct writer *w, const struct kmd_err *err)
{
	kmd_counter_add(w->hub->stats.retries, 1);
	if (hub_database(w->hub, w->index, false, err->text))
		kmd_log(KMD_LOG_WARN, "database_trouble", "writer", "%zu", w->index, "why", "%s", err->text, NULL);
}

/* Waits before the next attempt; the bell may end it early, which costs an attempt at most. */
static void pause_before_retry(struct writer *w, const struct kmd_err *err)
{
	report(w, err);
	hub_wait(w->hub, kmd_backoff_next(&w->backoff, &w->rng));
}

static bool holds_foreign(const struct writer *w)
{
	for (size_t i = 0; i < w->parts_count; i++)
		if (sink_progress_pending(&w->parts[i]->progress) && !is_ours(w->parts[i]))
			return true;
	return false;
}

static void attempt(struct writer *w)
{
	const struct kmd_mono began = kmd_mono_now();
	struct kmd_err err = {0};
	char state[8] = "";

	switch (write_batch(w, state, &err)) {
	case WRITE_DONE:
		kmd_histogram_observe(w->hub->stats.batch_seconds, (double)(kmd_mono_now().ns - began.ns) / 1e9);
		done(w);
		break;
	case WRITE_FENCED:
		break; /* shed before the next attempt */
	case WRITE_REJECTED:
		narrow(w, state, &err);
		break;
	case WRITE_RETRY:
		pause_before_retry(w, &err);
		break;
	}
}

/* Until all that is held is written or is not ours any more; for ever while Postgres is away. */
static void flush(struct writer *w)
{
	while (!atomic_load(&w->hub->abandon)) {
		/* An uncertain commit is settled with the batch as it was sent. */
		if (!w->uncertain && holds_foreign(w))
			undo(w);
		refill(w);
		if (w->batch.count == 0)
			break;
		attempt(w);
	}
	w->narrow = SIZE_MAX;
}

/* ---- items ---- */

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

static void on_record(struct writer *w, struct part *p, struct kmd_record *r)
{
	if (is_ours(p) && p->check.wanted)
		check_last(w, p, r);
	if (!is_ours(p) || !sink_progress_wants(&p->progress, kmd_record_offset(r))) {
		release(w, r);
		return;
	}
	add(w, &p->progress, r, SINK_FAULT_NONE);
	if (sink_batch_due(&w->batch, &w->limits, kmd_mono_now()))
		flush(w);
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
		pause_before_retry(w, &err);
	}
}

static void on_retire(struct writer *w, struct part *p)
{
	size_t i;

	if (sink_progress_pending(&p->progress))
		flush(w);
	/* Left over only when the drain was abandoned. */
	if (sink_progress_pending(&p->progress)) {
		atomic_store(&p->dropped, true);
		undo(w);
		refill(w);
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
		on_record(w, item->part, item->record);
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
		pause_before_retry(w, &err);
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

		for (size_t i = 0; i < n; i++)
			on_item(w, &items[i]);
		if (sink_batch_due(&w->batch, &w->limits, kmd_mono_now()) ||
		    (w->batch.count > 0 && atomic_load(&w->hub->flush)))
			flush(w);
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
	w->backoff = (struct kmd_backoff){BACKOFF_BASE_NS, BACKOFF_CAP_NS, 0};
	w->rng = (uint64_t)kmd_wall_now().ns ^ (index << 56);
	w->limits = (struct sink_limits){(size_t)set->batch_rows, set->batch_bytes, set->batch_age_ns};
	w->narrow = SIZE_MAX;
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
	free(w->headers);
	free(w->parts);
	free(w);
	return true;
}
