#include "spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "spool_int.h"

/* Appending, and what is on its way to the disk. */

#define BUFFER_KEEP_BYTES (2 * INGEST_SPOOL_FLUSH_BYTES) /* a larger one was for a burst */

static int64_t batch_end(const struct ingest_spool *s)
{
	return s->writer.job.base + (int64_t)s->writer.job.bytes.n;
}

static bool is_writing(const struct ingest_spool *s)
{
	return atomic_load(&s->writer.state) != SPOOL_IDLE;
}

int64_t spool_appended(const struct ingest_spool *s)
{
	return s->front_base + (int64_t)s->front.n;
}

int64_t spool_acked(const struct ingest_spool *s)
{
	return kmd_offsets_open(&s->acks) == 0 ? s->handed : kmd_offsets_next(&s->acks);
}

/* What the cursor says is done is done: earlier segments were about to be removed. */
static void skip_done(struct ingest_spool *s)
{
	struct ingest_spool_head head;
	int64_t offset;

	if (!spool_dir_read_cursor(s->dir, &head, &offset))
		return;
	for (size_t i = 0; i < s->segments.count; i++) {
		const struct spool_segment *g = &s->segments.items[i];
		const int64_t position = g->base + offset - INGEST_SPOOL_HEAD_BYTES;

		if (g->head.number == head.number && g->head.salt == head.salt && g->head.life == head.life &&
		    position >= g->base && position <= g->end)
			s->handed = position;
	}
}

static void tell_left(const struct ingest_spool *s)
{
	if (s->segments.count > 0)
		kmd_log(KMD_LOG_WARN, "spool_found", "segments", "%zu", s->segments.count, "bytes_to_send", "%lld",
		    (long long)ingest_spool_unsent_bytes(s), NULL);
}

int ingest_spool_open(struct ingest_spool **ret, const struct ingest_spool_conf *conf, struct kmd_err *err)
{
	struct ingest_spool *s = kmd_calloc(1, sizeof(*s));
	int rc;

	s->max_bytes = conf->max_bytes;
	s->segment_bytes = ingest_spool_segment_bytes(conf->max_bytes);
	s->life = conf->now.ns;
	s->released = true;
	s->salt = (uint32_t)(conf->seed ^ conf->seed >> 32);
	rc = spool_dir_open(conf->dir, &s->dir, &s->lock, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	rc = spool_dir_list(s->dir, conf->dir, &s->segments, err);
	if (rc == 0)
		rc = spool_writer_start(&s->writer, s->dir, err);
	if (rc < 0) {
		free(s->segments.items);
		close(s->lock);
		close(s->dir);
		free(s);
		return rc;
	}
	if (s->segments.count > 0) {
		const struct spool_segment *last = &s->segments.items[s->segments.count - 1];

		s->front_base = last->end;
		s->next_number = last->head.number;
	}
	s->next_number++;
	atomic_store(&s->writer.written, s->front_base);
	skip_done(s);
	s->cursor_told = s->handed;
	spool_reader_init(&s->reader, s->dir);
	kmd_offsets_init(&s->acks, 0);
	tell_left(s);
	*ret = s;
	return 0;
}

static void free_files(struct spool_file *f)
{
	while (f) {
		struct spool_file *next = f->next;

		free(f);
		f = next;
	}
}

void ingest_spool_close(struct ingest_spool *s)
{
	if (!s)
		return;
	spool_writer_stop(&s->writer);
	spool_reader_fini(&s->reader);
	kmd_offsets_fini(&s->acks);
	kmd_buf_fini(&s->front);
	kmd_buf_fini(&s->writer.job.bytes);
	free_files(s->files);
	free_files(s->writer.job.files);
	free(s->segments.items);
	close(s->lock);
	close(s->dir);
	free(s);
}

static void scan_segment(struct ingest_spool *s, const struct spool_segment *g, ingest_spool_scan_fn fn, void *ctx)
{
	int64_t position = g->base, start;
	struct ingest_spool_record r;
	size_t size;

	while (position < g->end && spool_reader_read(&s->reader, g, g->end, position, &r, &start, &size) > 0) {
		if (start > position)
			fn(ctx, NULL);
		fn(ctx, &r);
		position = start + (int64_t)size;
	}
}

/* Each segment begins with a mark of every lineage there is, so of each life the first one (which tells what became of
 * the lives before it) and the last one say all. */
void ingest_spool_scan(struct ingest_spool *s, ingest_spool_scan_fn fn, void *ctx)
{
	const struct spool_segment *items = s->segments.items;

	for (size_t i = 0; i < s->segments.count; i++) {
		if (i == 0 || i + 1 == s->segments.count || items[i - 1].head.life != items[i].head.life ||
		    items[i + 1].head.life != items[i].head.life)
			scan_segment(s, &items[i], fn, ctx);
	}
}

bool ingest_spool_accepts(struct ingest_spool *s, enum ingest_spool_kind kind)
{
	s->full = ingest_spool_full(ingest_spool_bytes(s), s->max_bytes, s->full, s->stopping);
	return (int64_t)s->front.n < ingest_spool_pending_bytes(s->max_bytes) &&
	       (!s->full || kind != INGEST_SPOOL_FRAME);
}

void ingest_spool_stop(struct ingest_spool *s)
{
	s->stopping = true;
}

/* The last segment, if it is ours and not too large. */
static bool takes_more(const struct ingest_spool *s)
{
	const struct spool_segment *last = s->segments.count > 0 ? &s->segments.items[s->segments.count - 1] : NULL;

	return last && !s->sealed && last->head.life == s->life && last->end - last->base < s->segment_bytes;
}

bool ingest_spool_starts_segment(const struct ingest_spool *s)
{
	return s->front.n == 0 && !takes_more(s);
}

bool ingest_spool_starts_batch(const struct ingest_spool *s)
{
	return s->front.n == 0;
}

static void hand(struct ingest_spool *s, enum ingest_spool_kind kind, int64_t start, size_t size)
{
	if (kind != INGEST_SPOOL_MARK)
		kmd_offsets_begin(&s->acks, start);
	s->handed = start + (int64_t)size;
}

int64_t ingest_spool_append(struct ingest_spool *s, const struct ingest_spool_record *r, bool sent, struct kmd_mono now)
{
	const int64_t position = spool_appended(s);
	size_t size;

	if (s->front.n == 0)
		s->front_since = now;
	size = ingest_spool_encode(r, s->salt, &s->front);
	assert(!sent || s->handed == position);
	if (sent || (r->kind == INGEST_SPOOL_MARK && s->handed == position))
		hand(s, r->kind, position, size);
	return position;
}

/* The segment that the next batch goes to. */
static struct spool_segment *segment_for_batch(struct ingest_spool *s)
{
	const struct spool_segment fresh = {
	    .head = {s->salt, s->next_number, s->life}, .base = s->front_base, .end = s->front_base};

	if (takes_more(s))
		return &s->segments.items[s->segments.count - 1];
	s->sealed = false;
	spool_segments_add(&s->segments, &fresh);
	s->next_number++;
	return &s->segments.items[s->segments.count - 1];
}

void spool_start_front(struct ingest_spool *s, int64_t base)
{
	if (s->front.cap > BUFFER_KEEP_BYTES)
		kmd_buf_fini(&s->front);
	kmd_buf_reset(&s->front);
	s->front_base = base;
}

static void give(struct ingest_spool *s)
{
	struct spool_job *job = &s->writer.job;
	const struct kmd_buf spare = job->bytes;
	int64_t end = spool_appended(s);

	if (s->front.n > 0) {
		struct spool_segment *g = segment_for_batch(s);

		s->released = false;
		job->head = g->head;
		job->offset = INGEST_SPOOL_HEAD_BYTES + s->front_base - g->base;
		g->end = end;
	}
	job->base = s->front_base;
	job->bytes = s->front;
	job->files = s->files;
	s->files = NULL;
	s->front = spare;
	spool_start_front(s, end);
	spool_writer_give(&s->writer);
}

bool ingest_spool_flush(struct ingest_spool *s, struct kmd_mono now)
{
	const bool due = s->stopping || s->front.n >= INGEST_SPOOL_FLUSH_BYTES ||
			 now.ns - s->front_since.ns >= INGEST_SPOOL_FLUSH_NS;

	if (is_writing(s) || !(s->files || (s->front.n > 0 && due)))
		return false;
	give(s);
	return true;
}

bool ingest_spool_collect(struct ingest_spool *s)
{
	struct spool_job *job = &s->writer.job;

	if (atomic_load(&s->writer.state) == SPOOL_BUSY && job->bytes.n > 0 && spool_acked(s) >= batch_end(s))
		spool_writer_cancel(&s->writer);
	if (atomic_load(&s->writer.state) != SPOOL_DONE)
		return false;
	/* Given up because it is acknowledged: nobody knows what of it stands in the file. */
	if (atomic_load(&s->writer.error) != 0)
		s->sealed = true;
	kmd_buf_reset(&job->bytes);
	atomic_store(&s->writer.state, SPOOL_IDLE);
	return true;
}

void ingest_spool_keep(struct ingest_spool *s, const char *name, struct kmd_str bytes)
{
	struct spool_file *f = kmd_alloc(sizeof(*f) + bytes.n), **last = &s->files;

	*f = (struct spool_file){.size = bytes.n};
	snprintf(f->name, sizeof(f->name), "%s", name);
	memcpy(f->bytes, bytes.p, bytes.n);
	while (*last)
		last = &(*last)->next;
	*last = f;
}

bool ingest_spool_is_level(const struct ingest_spool *s)
{
	return s->handed == spool_appended(s);
}

bool ingest_spool_is_settled(const struct ingest_spool *s)
{
	return !is_writing(s) && !s->files && (s->front.n == 0 || spool_acked(s) == spool_appended(s));
}

bool ingest_spool_is_empty(const struct ingest_spool *s)
{
	return spool_acked(s) == spool_appended(s) && !is_writing(s) && s->segments.count == 0;
}

int64_t ingest_spool_bytes(const struct ingest_spool *s)
{
	const struct spool_segments *list = &s->segments;
	int64_t bytes = (int64_t)s->front.n;

	if (list->count > 0)
		bytes += list->items[list->count - 1].end - list->items[0].base +
			 (int64_t)list->count * INGEST_SPOOL_HEAD_BYTES;
	return bytes;
}

int64_t ingest_spool_unsent_bytes(const struct ingest_spool *s)
{
	return spool_appended(s) - s->handed;
}

bool ingest_spool_is_full(const struct ingest_spool *s)
{
	return s->full;
}
