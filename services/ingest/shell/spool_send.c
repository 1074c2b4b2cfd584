#include <assert.h>
#include <string.h>

#include "kmd_log.h"
#include "spool_int.h"

/* From the spool to the producer, and what is done with what arrived. */

#define CURSOR_EVERY_NS (100 * KMD_NS_PER_MS)

static bool is_in_batch(const struct ingest_spool *s, int64_t position)
{
	const struct spool_job *job = &s->writer.job;

	return position >= job->base && position < job->base + (int64_t)job->bytes.n;
}

static struct kmd_str from(const struct kmd_buf *b, int64_t offset)
{
	return (struct kmd_str){b->p + offset, b->n - (size_t)offset};
}

/* What has not left the memory needs no disk. */
static void read_memory(struct ingest_spool *s, const struct kmd_buf *b, int64_t base, struct ingest_spool_record *ret)
{
	enum ingest_spool_found found = ingest_spool_decode(from(b, s->handed - base), s->salt, ret, &s->shown_size);

	assert(found == INGEST_SPOOL_WHOLE);
	(void)found;
	s->shown_start = s->handed;
}

static const struct spool_segment *segment_at(const struct ingest_spool *s, int64_t position)
{
	for (size_t i = 0; i < s->segments.count; i++) {
		if (position < s->segments.items[i].end)
			return &s->segments.items[i];
	}
	return NULL;
}

static void tell_damage(struct ingest_spool *s, const struct spool_segment *g, int64_t bytes)
{
	s->damaged = true;
	s->lost += (uint64_t)bytes;
	kmd_log(KMD_LOG_ERROR, "spool_damaged", "segment", "%llu", (unsigned long long)g->head.number, "bytes", "%lld",
	    (long long)bytes, NULL);
}

/* The rest of a segment has no whole record: so ends one whose writer was killed. */
static void leave_segment(struct ingest_spool *s, const struct spool_segment *g)
{
	const int64_t bytes = g->end - s->handed;

	if (g->head.life == s->life)
		tell_damage(s, g, bytes);
	else
		kmd_log(KMD_LOG_WARN, "spool_torn_tail", "segment", "%llu", (unsigned long long)g->head.number, "bytes",
		    "%lld", (long long)bytes, NULL);
	s->handed = g->end;
}

/* 1: shown; 0: look again; -1: the disk does not give it. */
static int read_file(struct ingest_spool *s, struct ingest_spool_record *ret)
{
	const struct spool_segment *g = segment_at(s, s->handed);
	int rc = spool_reader_read(
	    &s->reader, g, atomic_load(&s->writer.written), s->handed, ret, &s->shown_start, &s->shown_size);

	s->read_error = rc < 0 ? -rc : 0;
	if (rc == 0)
		leave_segment(s, g);
	if (rc <= 0)
		return rc < 0 ? -1 : 0;
	if (s->shown_start > s->handed) {
		tell_damage(s, g, s->shown_start - s->handed);
		s->handed = s->shown_start;
	}
	return 1;
}

static int show(struct ingest_spool *s, struct ingest_spool_record *ret)
{
	if (s->handed >= s->front_base)
		read_memory(s, &s->front, s->front_base, ret);
	else if (is_in_batch(s, s->handed))
		read_memory(s, &s->writer.job.bytes, s->writer.job.base, ret);
	else
		return read_file(s, ret);
	return 1;
}

bool ingest_spool_next(
    struct ingest_spool *s, struct ingest_spool_record *ret, int64_t *ret_position, uint64_t *ret_lost)
{
	while (s->handed < spool_appended(s)) {
		const int rc = show(s, ret);

		if (rc < 0)
			return false;
		if (rc > 0 && ret->kind != INGEST_SPOOL_MARK) {
			*ret_position = s->shown_start;
			*ret_lost = s->lost;
			return true;
		}
		if (rc > 0)
			s->handed = s->shown_start + (int64_t)s->shown_size;
	}
	return false;
}

void ingest_spool_taken(struct ingest_spool *s)
{
	kmd_offsets_begin(&s->acks, s->shown_start);
	s->lost = 0;
	s->handed = s->shown_start + (int64_t)s->shown_size;
}

void ingest_spool_done(struct ingest_spool *s, int64_t position)
{
	kmd_offsets_done(&s->acks, position);
}

static bool is_being_written(const struct ingest_spool *s, const struct spool_segment *g)
{
	return atomic_load(&s->writer.state) != SPOOL_IDLE && s->writer.job.head.number == g->head.number;
}

static void remove_first(struct ingest_spool *s)
{
	struct spool_segments *list = &s->segments;

	spool_dir_remove(s->dir, list->items[0].head.number, s->damaged);
	s->damaged = false;
	list->count--;
	memmove(&list->items[0], &list->items[1], list->count * sizeof(list->items[0]));
}

/* Segments in front of @position. The last one only goes when nothing at all is left to be appended to it. */
static void remove_done(struct ingest_spool *s, int64_t position)
{
	const bool all = position == spool_appended(s);

	while (s->segments.count > 0) {
		const struct spool_segment *g = &s->segments.items[0];

		if (g->end > position || is_being_written(s, g) || (s->segments.count == 1 && !all))
			return;
		remove_first(s);
	}
}

static void tell_cursor(struct ingest_spool *s, int64_t position, struct kmd_mono now)
{
	const struct spool_segment *g = s->segments.count > 0 ? &s->segments.items[0] : NULL;

	if (!g || position <= s->cursor_told || position < g->base || now.ns < s->cursor_due.ns)
		return;
	s->cursor_due.ns = now.ns + CURSOR_EVERY_NS;
	s->cursor_told = position;
	g = segment_at(s, position) ? segment_at(s, position) : g;
	spool_dir_write_cursor(s->dir, &g->head, position - g->base + INGEST_SPOOL_HEAD_BYTES);
}

/* The thread keeps the file open that it wrote last, removed or not. */
static void let_go(struct ingest_spool *s)
{
	if (s->released || atomic_load(&s->writer.state) != SPOOL_IDLE || s->segments.count > 0 || s->front.n > 0)
		return;
	s->released = true;
	s->writer.job.base = s->front_base;
	spool_writer_give(&s->writer);
}

bool ingest_spool_tidy(struct ingest_spool *s, struct kmd_mono now)
{
	const int64_t position = spool_acked(s);
	const bool dropped = position == spool_appended(s) && s->front.n > 0;

	if (dropped)
		spool_start_front(s, position);
	remove_done(s, position);
	tell_cursor(s, position, now);
	let_go(s);
	return dropped;
}

const char *ingest_spool_trouble(const struct ingest_spool *s)
{
	const int write_error = atomic_load(&s->writer.error);

	if (write_error == 0 && s->read_error == 0)
		return NULL;
	return strerror(write_error ? write_error : s->read_error);
}
