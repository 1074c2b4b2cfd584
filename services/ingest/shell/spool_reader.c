#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "spool_int.h"

/* Reading segments forward. What is damaged is passed over up to the next whole record. */

#define CHUNK_BYTES (512 * 1024)
#define SYNC_BYTES 4 /* a record begins with so many known ones */

void spool_reader_init(struct spool_reader *r, int dir)
{
	*r = (struct spool_reader){.dir = dir, .fd = -1};
}

void spool_reader_fini(struct spool_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	kmd_buf_fini(&r->window);
}

static bool open_file(struct spool_reader *r, const struct spool_segment *segment)
{
	char name[INGEST_SPOOL_NAME_MAX];

	if (r->fd >= 0 && r->number == segment->head.number)
		return true;
	if (r->fd >= 0)
		close(r->fd);
	kmd_buf_reset(&r->window);
	ingest_spool_name(segment->head.number, name);
	r->number = segment->head.number;
	r->fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		r->error = errno;
	return r->fd >= 0;
}

/* Makes the window begin at @position: what it has of that stays. */
static void move_to(struct spool_reader *r, int64_t position)
{
	const int64_t end = r->at + (int64_t)r->window.n;

	if (position < r->at || position >= end) {
		kmd_buf_reset(&r->window);
	} else if (position > r->at) {
		memmove(r->window.p, r->window.p + (position - r->at), (size_t)(end - position));
		r->window.n = (size_t)(end - position);
	}
	r->at = position;
	if (r->window.cap > 4 * CHUNK_BYTES && r->window.n == 0)
		kmd_buf_fini(&r->window);
}

/* Bytes from @position, @n of them if there are so many below @limit. */
static struct kmd_str look(
    struct spool_reader *r, const struct spool_segment *segment, int64_t limit, int64_t position, size_t n)
{
	const int64_t end = segment->end < limit ? segment->end : limit;

	if (position < r->at || position + (int64_t)n > r->at + (int64_t)r->window.n)
		move_to(r, position);
	while (r->at + (int64_t)r->window.n < position + (int64_t)n && r->at + (int64_t)r->window.n < end) {
		const int64_t from = r->at + (int64_t)r->window.n;
		const size_t want = end - from < CHUNK_BYTES ? (size_t)(end - from) : CHUNK_BYTES;
		char *to = kmd_buf_reserve(&r->window, want);
		ssize_t got = pread(r->fd, to, want, from - segment->base + INGEST_SPOOL_HEAD_BYTES);

		if (got < 0)
			r->error = errno;
		if (got <= 0)
			break;
		r->window.n += (size_t)got;
	}
	if (r->window.n == 0)
		return KMD_STR("");
	return (struct kmd_str){r->window.p + (position - r->at), (size_t)(r->at + (int64_t)r->window.n - position)};
}

/* The whole record at exactly @position. */
static bool read_one(struct spool_reader *r, const struct spool_segment *segment, int64_t limit, int64_t position,
    struct ingest_spool_record *ret, size_t *ret_size)
{
	size_t need = INGEST_SPOOL_RECORD_HEAD_BYTES;

	for (;;) {
		const struct kmd_str bytes = look(r, segment, limit, position, need);
		const enum ingest_spool_found found = ingest_spool_decode(bytes, segment->head.salt, ret, ret_size);

		if (found != INGEST_SPOOL_SHORT || bytes.n < need)
			return found == INGEST_SPOOL_WHOLE;
		need = *ret_size;
	}
}

/* Where something like a record begins next; false: nowhere. */
static bool seek(
    struct spool_reader *r, const struct spool_segment *segment, int64_t limit, int64_t from, int64_t *ret_position)
{
	for (;;) {
		const struct kmd_str bytes = look(r, segment, limit, from, CHUNK_BYTES);
		const size_t at = ingest_spool_seek(bytes, 0);

		if (at < bytes.n) {
			*ret_position = from + (int64_t)at;
			return true;
		}
		if (bytes.n < CHUNK_BYTES)
			return false;
		from += (int64_t)bytes.n - (SYNC_BYTES - 1);
	}
}

int spool_reader_read(struct spool_reader *r, const struct spool_segment *segment, int64_t limit, int64_t position,
    struct ingest_spool_record *ret, int64_t *ret_start, size_t *ret_size)
{
	bool found = false;

	r->error = 0;
	if (open_file(r, segment)) {
		while (!(found = read_one(r, segment, limit, position, ret, ret_size)) && r->error == 0) {
			if (!seek(r, segment, limit, position + 1, &position))
				break;
		}
	}
	*ret_start = position;
	return found ? 1 : -r->error;
}
