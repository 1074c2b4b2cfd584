#include "durable.h"

#include <assert.h>
#include <stdlib.h>

#include "kmd_mem.h"

#define FIRST_CAP 1024

static struct ingest_durable_entry *at(const struct ingest_durable *d, int64_t n)
{
	return &d->ring[(uint64_t)n & (d->cap - 1)];
}

static struct ingest_durable_mark *find(const struct ingest_durable *d, int64_t sid)
{
	for (size_t i = 0; i < d->marks_count; i++) {
		if (d->marks[i].sid == sid)
			return (struct ingest_durable_mark *)&d->marks[i];
	}
	return NULL;
}

static struct ingest_durable_mark *find_or_add(struct ingest_durable *d, int64_t sid)
{
	struct ingest_durable_mark *m = find(d, sid);

	if (m || d->marks_count == INGEST_DURABLE_SIDS_MAX)
		return m;
	m = &d->marks[d->marks_count++];
	*m = (struct ingest_durable_mark){.sid = sid};
	return m;
}

static void grow(struct ingest_durable *d)
{
	struct ingest_durable old = *d;

	d->cap = old.cap * 2;
	d->ring = kmd_calloc(d->cap, sizeof(*d->ring));
	for (int64_t n = old.head_n; n < old.tail_n; n++)
		*at(d, n) = *at(&old, n);
	free(old.ring);
}

void ingest_durable_init(struct ingest_durable *d)
{
	*d = (struct ingest_durable){.cap = FIRST_CAP, .head_n = 1, .tail_n = 1};
	d->ring = kmd_calloc(d->cap, sizeof(*d->ring));
}

void ingest_durable_fini(struct ingest_durable *d)
{
	free(d->ring);
	d->ring = NULL;
}

static void link_to_sid(struct ingest_durable *d, struct ingest_durable_mark *m, int64_t n)
{
	if (m->newest_n)
		at(d, m->newest_n)->next_n = n;
	else
		m->oldest_n = n;
	m->newest_n = n;
}

void ingest_durable_begin(struct ingest_durable *d, const struct ingest_durable_frame *frame)
{
	struct ingest_durable_mark *m;

	assert(frame->n == d->tail_n);
	if ((size_t)(d->tail_n - d->head_n) == d->cap)
		grow(d);
	*at(d, frame->n) = (struct ingest_durable_entry){.frame = *frame};
	d->tail_n++;
	m = frame->has_sid ? find_or_add(d, frame->sid) : NULL;
	if (m)
		link_to_sid(d, m, frame->n);
}

void ingest_durable_mark_pass(struct ingest_durable_mark *m, const struct ingest_durable_frame *frame)
{
	m->any = true;
	m->n = frame->n;
	m->recv_ns = frame->recv_ns;
	if (frame->has_seq) {
		m->has_seq = true;
		m->seq = frame->seq;
	}
	if (frame->has_ts) {
		m->has_ts = true;
		m->ts_ms = frame->ts_ms;
	}
}

static void advance_sid(struct ingest_durable *d, struct ingest_durable_mark *m)
{
	while (m->oldest_n && at(d, m->oldest_n)->done) {
		const struct ingest_durable_entry *e = at(d, m->oldest_n);

		ingest_durable_mark_pass(m, &e->frame);
		m->oldest_n = e->next_n;
	}
	if (!m->oldest_n)
		m->newest_n = 0;
}

void ingest_durable_end(struct ingest_durable *d, int64_t n)
{
	struct ingest_durable_entry *e;
	struct ingest_durable_mark *m;

	if (n < d->head_n || n >= d->tail_n || at(d, n)->done)
		return;
	e = at(d, n);
	e->done = true;
	m = e->frame.has_sid ? find(d, e->frame.sid) : NULL;
	if (m && m->oldest_n == n)
		advance_sid(d, m);
	while (d->head_n < d->tail_n && at(d, d->head_n)->done)
		d->head_n++;
}

void ingest_durable_end_until(struct ingest_durable *d, int64_t n)
{
	while (d->head_n < d->tail_n && d->head_n <= n)
		ingest_durable_end(d, d->head_n);
}

const struct ingest_durable_frame *ingest_durable_frame(const struct ingest_durable *d, int64_t n)
{
	return n >= d->head_n && n < d->tail_n ? &at(d, n)->frame : NULL;
}

int64_t ingest_durable_below(const struct ingest_durable *d)
{
	return d->head_n;
}

const struct ingest_durable_mark *ingest_durable_sid(const struct ingest_durable *d, int64_t sid)
{
	return find(d, sid);
}
