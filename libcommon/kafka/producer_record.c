#include "producer_record.h"

#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

/* What librdkafka keeps beside the bytes of a record. */
#define RECORD_OVERHEAD 128

/* Of blocks that nobody uses; a burst is given back. */
#define SPARE_BYTES_MAX (4 * 1024 * 1024)

struct lengths {
	uint32_t name, value;
};

size_t producer_record_bytes(struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n)
{
	size_t bytes = key.n + value.n + RECORD_OVERHEAD;

	for (size_t i = 0; i < n; i++)
		bytes += sizeof(struct lengths) + strlen(headers[i].name) + 1 + headers[i].value.n;
	return bytes;
}

static char *put(char *p, const void *from, size_t n)
{
	if (n > 0)
		memcpy(p, from, n);
	return p + n;
}

static struct kmd_str put_str(char **p, struct kmd_str s)
{
	const struct kmd_str copy = {s.p ? *p : NULL, s.n};

	*p = put(*p, s.p, s.n);
	return copy;
}

static void put_headers(char *p, const struct kmd_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct lengths l = {(uint32_t)strlen(headers[i].name), (uint32_t)headers[i].value.n};

		p = put(p, &l, sizeof(l));
		p = put(p, headers[i].name, l.name + 1);
		p = put(p, headers[i].value.p, l.value);
	}
}

/* The header at @p, as views; returns what is behind it. */
static const char *next_header(const char *p, struct kmd_str *ret_name, struct kmd_str *ret_value)
{
	struct lengths l;

	memcpy(&l, p, sizeof(l));
	p += sizeof(l);
	*ret_name = (struct kmd_str){p, l.name};
	*ret_value = (struct kmd_str){p + l.name + 1, l.value};
	return ret_value->p + l.value;
}

/* RECORDS_CLASSES: too large to be kept. */
static size_t class_of(size_t bytes)
{
	const size_t class = (bytes - 1) / RECORDS_CLASS_BYTES;

	return class < RECORDS_CLASSES ? class : RECORDS_CLASSES;
}

static struct record *take_block(struct records *pool, size_t bytes)
{
	const size_t class = class_of(bytes);
	struct record *r = class < RECORDS_CLASSES ? pool->spare[class] : NULL;

	if (!r)
		return kmd_alloc(class < RECORDS_CLASSES ? (class + 1) * RECORDS_CLASS_BYTES : bytes);
	pool->spare[class] = r->next;
	pool->spare_bytes -= (class + 1) * RECORDS_CLASS_BYTES;
	return r;
}

/* Of the block: the same for take and put. */
static size_t block_bytes(size_t bytes)
{
	return sizeof(struct record) + bytes - RECORD_OVERHEAD;
}

struct record *records_take(struct records *pool, size_t bytes, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t n)
{
	struct record *r = take_block(pool, block_bytes(bytes));
	char *p = r->data;

	*r = (struct record){.headers_count = (uint32_t)n, .bytes = bytes};
	r->key = put_str(&p, key);
	r->value = put_str(&p, value);
	r->headers = p;
	put_headers(p, headers, n);
	return r;
}

void records_put(struct records *pool, struct record *r)
{
	const size_t class = class_of(block_bytes(r->bytes));

	if (class == RECORDS_CLASSES || pool->spare_bytes >= SPARE_BYTES_MAX) {
		free(r);
		return;
	}
	r->next = pool->spare[class];
	pool->spare[class] = r;
	pool->spare_bytes += (class + 1) * RECORDS_CLASS_BYTES;
}

void records_fini(struct records *pool)
{
	for (size_t i = 0; i < RECORDS_CLASSES; i++) {
		while (pool->spare[i]) {
			struct record *r = pool->spare[i];

			pool->spare[i] = r->next;
			free(r);
		}
	}
	pool->spare_bytes = 0;
}

void producer_record_show_headers(const struct record *r, struct kmd_header *ret)
{
	const char *p = r->headers;

	for (uint32_t i = 0; i < r->headers_count; i++) {
		struct kmd_str name;

		p = next_header(p, &name, &ret[i].value);
		ret[i].name = name.p;
	}
}

rd_kafka_headers_t *producer_record_headers(const struct record *r)
{
	rd_kafka_headers_t *headers;
	const char *p = r->headers;

	if (r->headers_count == 0)
		return NULL;
	headers = rd_kafka_headers_new(r->headers_count);
	for (uint32_t i = 0; i < r->headers_count; i++) {
		struct kmd_str name, value;

		p = next_header(p, &name, &value);
		rd_kafka_header_add(headers, name.p, (ssize_t)name.n, value.p, (ssize_t)value.n);
	}
	return headers;
}
