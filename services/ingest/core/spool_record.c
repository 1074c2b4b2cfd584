#include "spool_record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "crc32c.h"

#define FIXED_BYTES (4 + 7 * 8 + 4) /* of a body, before the texts */
#define NAME_DIGITS 16
#define NAME_SUFFIX ".spool"

static const char head_magic[8] = {'K', 'M', 'D', 'S', 'P', 'O', 'O', 'L'};
static const char record_magic[4] = {'K', 'M', 'D', 'r'};

enum {
	FLAG_SID = 1,
	FLAG_SEQ = 2,
	FLAG_TS = 4,
	FLAG_LATE_END = 8,
};

static void put(struct kmd_buf *b, uint64_t v, size_t bytes)
{
	char *p = kmd_buf_reserve(b, bytes);

	for (size_t i = 0; i < bytes; i++)
		p[i] = (char)(v >> 8 * i & 0xff);
	b->n += bytes;
}

static uint64_t get(const char *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)(uint8_t)p[i] << 8 * i;
	return v;
}

static void set_u32(char *p, uint32_t v)
{
	for (size_t i = 0; i < 4; i++)
		p[i] = (char)(v >> 8 * i & 0xff);
}

void ingest_spool_head_encode(const struct ingest_spool_head *h, struct kmd_buf *out)
{
	const size_t start = out->n;

	kmd_buf_add(out, head_magic, sizeof(head_magic));
	put(out, INGEST_SPOOL_VERSION, 4);
	put(out, h->salt, 4);
	put(out, h->number, 8);
	put(out, (uint64_t)h->life, 8);
	put(out, ingest_crc32c(0, out->p + start, out->n - start), 4);
}

int ingest_spool_head_decode(struct kmd_str bytes, struct ingest_spool_head *ret)
{
	const char *p = bytes.p;

	if (bytes.n < INGEST_SPOOL_HEAD_BYTES || memcmp(p, head_magic, sizeof(head_magic)) != 0)
		return KMD_EPARSE;
	if (get(p + 8, 4) != INGEST_SPOOL_VERSION)
		return KMD_ERANGE;
	if (get(p + 32, 4) != ingest_crc32c(0, p, 32))
		return KMD_EPARSE;
	*ret = (struct ingest_spool_head){(uint32_t)get(p + 12, 4), get(p + 16, 8), (int64_t)get(p + 24, 8)};
	return 0;
}

void ingest_spool_name(uint64_t number, char ret[INGEST_SPOOL_NAME_MAX])
{
	snprintf(ret, INGEST_SPOOL_NAME_MAX, "%016llu" NAME_SUFFIX, (unsigned long long)(number % 10000000000000000));
}

bool ingest_spool_name_parse(const char *name, uint64_t *ret_number)
{
	if (strlen(name) != NAME_DIGITS + sizeof(NAME_SUFFIX) - 1 || strcmp(name + NAME_DIGITS, NAME_SUFFIX) != 0)
		return false;
	return kmd_str_u64((struct kmd_str){name, NAME_DIGITS}, ret_number) == 0;
}

static void put_fixed(struct kmd_buf *b, const struct ingest_spool_record *r, struct kmd_str topic)
{
	const struct ingest_durable_frame *f = &r->frame;
	const int64_t numbers[] = {r->lineage, f->n, f->recv_ns, r->timestamp_ms, f->sid, f->seq, f->ts_ms};

	put(b, (uint64_t)r->kind, 1);
	put(b,
	    (f->has_sid ? FLAG_SID : 0u) | (f->has_seq ? FLAG_SEQ : 0u) | (f->has_ts ? FLAG_TS : 0u) |
		(r->late_end ? FLAG_LATE_END : 0u),
	    1);
	put(b, r->headers_count, 1);
	put(b, topic.n, 1);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		put(b, (uint64_t)numbers[i], 8);
	put(b, r->key.n, 4);
}

size_t ingest_spool_encode(const struct ingest_spool_record *r, uint32_t salt, struct kmd_buf *out)
{
	const struct kmd_str topic = kmd_str_z(kmd_topic_name(r->topic));
	const size_t start = out->n;
	size_t body;

	kmd_buf_add(out, record_magic, sizeof(record_magic));
	put(out, 0, 8);
	put_fixed(out, r, topic);
	kmd_buf_add_str(out, topic);
	kmd_buf_add_str(out, r->key);
	for (size_t i = 0; i < r->headers_count; i++) {
		kmd_buf_add(out, r->headers[i].name, strlen(r->headers[i].name) + 1);
		put(out, r->headers[i].value.n, 4);
		kmd_buf_add_str(out, r->headers[i].value);
	}
	kmd_buf_add_str(out, r->value);
	body = out->n - start - INGEST_SPOOL_RECORD_HEAD_BYTES;
	assert(body <= INGEST_SPOOL_BODY_MAX);
	set_u32(out->p + start + 4, (uint32_t)body);
	set_u32(out->p + start + 8, ingest_crc32c(ingest_crc32c(salt, out->p + start + 4, 4),
					out->p + start + INGEST_SPOOL_RECORD_HEAD_BYTES, body));
	return out->n - start;
}

/* Takes @n bytes off the front of *s; false: there are not so many. */
static bool take(struct kmd_str *s, size_t n, struct kmd_str *ret)
{
	if (s->n < n)
		return false;
	*ret = (struct kmd_str){s->p, n};
	s->p += n;
	s->n -= n;
	return true;
}

static bool take_header(struct kmd_str *s, struct ingest_header *ret)
{
	const char *end = memchr(s->p, 0, s->n);
	struct kmd_str name, length;

	return end && take(s, (size_t)(end - s->p) + 1, &name) && take(s, 4, &length) &&
	       take(s, get(length.p, 4), &ret->value) && (ret->name = name.p);
}

static void get_fixed(const char *p, struct ingest_spool_record *ret)
{
	struct ingest_durable_frame *f = &ret->frame;
	const unsigned flags = (unsigned)get(p + 1, 1);
	int64_t *const numbers[] = {&ret->lineage, &f->n, &f->recv_ns, &ret->timestamp_ms, &f->sid, &f->seq, &f->ts_ms};

	*ret = (struct ingest_spool_record){
	    .kind = (enum ingest_spool_kind)get(p, 1),
	    .late_end = flags & FLAG_LATE_END,
	    .frame = {.has_sid = flags & FLAG_SID, .has_seq = flags & FLAG_SEQ, .has_ts = flags & FLAG_TS},
	    .headers_count = get(p + 2, 1),
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i] = (int64_t)get(p + 4 + 8 * i, 8);
}

static bool read_body(struct kmd_str body, struct ingest_spool_record *ret)
{
	struct kmd_str fixed, topic;

	if (!take(&body, FIXED_BYTES, &fixed))
		return false;
	get_fixed(fixed.p, ret);
	if (ret->kind < INGEST_SPOOL_FRAME || ret->kind > INGEST_SPOOL_MARK || ret->headers_count > INGEST_HEADERS_MAX)
		return false;
	if (!take(&body, get(fixed.p + 3, 1), &topic) || !kmd_topic_find(topic, &ret->topic) ||
	    !take(&body, get(fixed.p + FIXED_BYTES - 4, 4), &ret->key))
		return false;
	for (size_t i = 0; i < ret->headers_count; i++) {
		if (!take_header(&body, &ret->headers[i]))
			return false;
	}
	ret->value = body;
	return true;
}

enum ingest_spool_found ingest_spool_decode(
    struct kmd_str bytes, uint32_t salt, struct ingest_spool_record *ret, size_t *ret_size)
{
	const size_t magic = bytes.n < sizeof(record_magic) ? bytes.n : sizeof(record_magic);
	struct kmd_str body;
	uint32_t crc;

	*ret_size = INGEST_SPOOL_RECORD_HEAD_BYTES;
	if (bytes.n == 0)
		return INGEST_SPOOL_SHORT;
	if (memcmp(bytes.p, record_magic, magic) != 0)
		return INGEST_SPOOL_DAMAGED;
	if (bytes.n < INGEST_SPOOL_RECORD_HEAD_BYTES)
		return INGEST_SPOOL_SHORT;
	body = (struct kmd_str){bytes.p + INGEST_SPOOL_RECORD_HEAD_BYTES, get(bytes.p + 4, 4)};
	if (body.n > INGEST_SPOOL_BODY_MAX)
		return INGEST_SPOOL_DAMAGED;
	*ret_size += body.n;
	if (bytes.n < *ret_size)
		return INGEST_SPOOL_SHORT;
	crc = ingest_crc32c(ingest_crc32c(salt, bytes.p + 4, 4), body.p, body.n);
	return crc == get(bytes.p + 8, 4) && read_body(body, ret) ? INGEST_SPOOL_WHOLE : INGEST_SPOOL_DAMAGED;
}

size_t ingest_spool_seek(struct kmd_str bytes, size_t from)
{
	const char *p;

	if (from >= bytes.n)
		return bytes.n;
	p = memmem(bytes.p + from, bytes.n - from, record_magic, sizeof(record_magic));
	return p ? (size_t)(p - bytes.p) : bytes.n;
}
