#include <string.h>

#include "kmd_mem.h"
#include "producer_record.h"

/* What librdkafka keeps beside the bytes of a record. */
#define RECORD_OVERHEAD 128

static size_t headers_size(const struct kmd_header *headers, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(headers[i].name) + 1 + sizeof(size_t) + headers[i].value.n;
	return bytes;
}

size_t producer_record_bytes(struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n)
{
	return key.n + value.n + headers_size(headers, n) + RECORD_OVERHEAD;
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
		p = put(p, headers[i].name, strlen(headers[i].name) + 1);
		p = put(p, &headers[i].value.n, sizeof(size_t));
		p = put(p, headers[i].value.p, headers[i].value.n);
	}
}

struct record *producer_record_new(struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n)
{
	const size_t bytes = key.n + value.n + headers_size(headers, n);
	struct record *r = kmd_alloc(sizeof(*r) + bytes);
	char *p = r->data;

	*r = (struct record){.headers_count = (uint32_t)n, .bytes = bytes + RECORD_OVERHEAD};
	r->key = put_str(&p, key);
	r->value = put_str(&p, value);
	r->headers = p;
	put_headers(p, headers, n);
	return r;
}

void producer_record_show_headers(const struct record *r, struct kmd_header *ret)
{
	const char *p = r->headers;

	for (uint32_t i = 0; i < r->headers_count; i++) {
		const size_t name_n = strlen(p);

		ret[i].name = p;
		memcpy(&ret[i].value.n, p + name_n + 1, sizeof(size_t));
		ret[i].value.p = p + name_n + 1 + sizeof(size_t);
		p = ret[i].value.p + ret[i].value.n;
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
		const char *name = p;
		const size_t name_n = strlen(name);
		size_t n;

		memcpy(&n, name + name_n + 1, sizeof(n));
		p = name + name_n + 1 + sizeof(n);
		rd_kafka_header_add(headers, name, (ssize_t)name_n, p, (ssize_t)n);
		p += n;
	}
	return headers;
}
