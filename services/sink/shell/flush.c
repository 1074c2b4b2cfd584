#include <stdlib.h>
#include <string.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "writer_int.h"

/*
 * The batch in hand: filled, written until it is in Postgres, built anew when a partition is lost or a row refused.
 * What does not fit while it is narrowed waits in `later`, in order.
 */

void writer_release(struct writer *w, struct kmd_record *r)
{
	atomic_fetch_sub(&w->held, sink_batch_weight(kmd_record_key(r), kmd_record_value(r)));
	kmd_record_free(r);
}

bool writer_is_ours(const struct part *p)
{
	return part_state(p) == PART_CLAIMED && !atomic_load(&p->dropped);
}

void writer_add(struct writer *w, struct sink_progress *p, struct kmd_record *r, const struct sink_quick *quick,
    enum sink_fault refused)
{
	struct sink_record view = quick ? view_bare(r) : view_of(r, &w->headers);
	const struct sink_clock clock = hub_clock(w->hub);

	view.quick = quick;
	sink_batch_add(&w->batch, p, r, &view, part_of(p)->name, refused, &clock, w->now);
}

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
void writer_undo(struct writer *w)
{
	size_t n;
	struct sink_entry *entries = sink_batch_take_entries(&w->batch, &n);

	rollback_all(w);
	put_back(w, entries, n);
	free(entries);
}

/* Takes from what waits as much as a batch may have now; what is not ours any more is let go. */
void writer_refill(struct writer *w)
{
	struct writer_later *l = &w->later;

	while (l->at < l->count && w->batch.count < sink_narrow_limit(&w->narrow)) {
		struct sink_entry *e = &l->entries[l->at++];

		if (writer_is_ours(part_of(e->progress)))
			writer_add(w, e->progress, e->handle, NULL, (enum sink_fault)e->refused);
		else
			writer_release(w, e->handle);
	}
	if (l->at == l->count)
		l->at = l->count = 0;
}

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
		writer_release(w, w->batch.entries[i].handle);
	sink_narrow_written(&w->narrow, w->batch.count);
	sink_batch_clear(&w->batch);
	kmd_backoff_reset(&w->backoff);
	if (hub_database(w->hub, w->index, true, NULL))
		kmd_log(KMD_LOG_INFO, "database_ok", "writer", "%zu", w->index, NULL);
}

/* Less of the batch, until it is one record: that one is the dead letter. */
static void narrow(struct writer *w, const char *state, const struct kmd_err *err)
{
	const size_t n = w->batch.count;
	struct sink_entry *e = &w->batch.entries[0];

	kmd_counter_add(w->hub->stats.narrowed, 1);
	sink_narrow_refused(&w->narrow, n, w->told);
	if (n == 1) {
		struct part *p = part_of(e->progress);

		e->refused = (uint8_t)sink_fault_of_sqlstate(state);
		kmd_log(KMD_LOG_WARN, "record_rejected", "topic", "%s", p->name, "partition", "%d", (int)p->partition,
		    "offset", "%lld", (long long)kmd_record_offset(e->handle), "sqlstate", "%s", state, "why", "%s",
		    err->text, NULL);
	}
	writer_undo(w);
}

static void report(struct writer *w, const struct kmd_err *err)
{
	kmd_counter_add(w->hub->stats.retries, 1);
	if (hub_database(w->hub, w->index, false, err->text))
		kmd_log(KMD_LOG_WARN, "database_trouble", "writer", "%zu", w->index, "why", "%s", err->text, NULL);
}

/* Waits before the next attempt; the bell may end it early, which costs an attempt at most. */
void writer_pause(struct writer *w, const struct kmd_err *err)
{
	report(w, err);
	hub_wait(w->hub, kmd_backoff_next(&w->backoff, &w->rng));
}

static bool holds_foreign(const struct writer *w)
{
	for (size_t i = 0; i < w->parts_count; i++)
		if (sink_progress_pending(&w->parts[i]->progress) && !writer_is_ours(w->parts[i]))
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
		writer_pause(w, &err);
		break;
	}
}

/* Until all that is held is written or is not ours any more; for ever while Postgres is away. */
void writer_flush(struct writer *w)
{
	while (!atomic_load(&w->hub->abandon)) {
		/* An uncertain commit is settled with the batch as it was sent. */
		if (!w->uncertain && holds_foreign(w))
			writer_undo(w);
		writer_refill(w);
		if (w->batch.count == 0)
			break;
		attempt(w);
	}
	w->narrow = (struct sink_narrow){0};
	w->now = kmd_mono_now();
}
