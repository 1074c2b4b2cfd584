#include <stdlib.h>
#include <string.h>

#include "consumer_int.h"
#include "kmd_mem.h"

/*
 * The client makes headers when they are asked for, each in pieces of its own. They are copied into one piece and given
 * back at once: a record that is held takes less memory, and who frees it, on another thread, has one piece to free.
 */
struct record_header {
	const char *name;
	struct kmd_str value;
};

struct kmd_record {
	struct consumer_handle *handle;
	rd_kafka_message_t *m;
	enum kmd_topic topic;
	size_t headers_count;
	struct record_header headers[]; /* and behind them their names and values */
};

void consumer_handle_unref(struct consumer_handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	kafka_client_end(h->rk, free, h);
}

/* Number @i of @all, as the client has it; false behind the last. */
static bool look(const rd_kafka_headers_t *all, size_t i, struct record_header *ret)
{
	const void *value;
	size_t n;

	if (rd_kafka_header_get_all(all, i, &ret->name, &value, &n) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	ret->value = (struct kmd_str){value, n};
	return true;
}

static char *copy(char *to, const char *from, size_t n)
{
	if (n > 0)
		memcpy(to, from, n);
	return to + n;
}

static void copy_headers(struct kmd_record *r, const rd_kafka_headers_t *all)
{
	char *at = (char *)(r->headers + r->headers_count);
	struct record_header h;

	for (size_t i = 0; i < r->headers_count && look(all, i, &h); i++) {
		r->headers[i] = (struct record_header){at, {h.value.p ? at + strlen(h.name) + 1 : NULL, h.value.n}};
		at = copy(at, h.name, strlen(h.name) + 1);
		at = copy(at, h.value.p, h.value.n);
	}
}

static size_t headers_bytes(const rd_kafka_headers_t *all, size_t count)
{
	size_t bytes = count * sizeof(struct record_header);
	struct record_header h;

	for (size_t i = 0; i < count && look(all, i, &h); i++)
		bytes += strlen(h.name) + 1 + h.value.n;
	return bytes;
}

struct kmd_record *record_new(struct consumer_handle *h, rd_kafka_message_t *m, enum kmd_topic topic)
{
	rd_kafka_headers_t *all = NULL;
	const bool has = rd_kafka_message_detach_headers(m, &all) == RD_KAFKA_RESP_ERR_NO_ERROR;
	const size_t count = has ? rd_kafka_header_cnt(all) : 0;
	struct kmd_record *r = kmd_alloc(sizeof(*r) + (has ? headers_bytes(all, count) : 0));

	*r = (struct kmd_record){.handle = h, .m = m, .topic = topic, .headers_count = count};
	if (has) {
		copy_headers(r, all);
		rd_kafka_headers_destroy(all);
	}
	atomic_fetch_add(&h->refs, 1);
	return r;
}

void kmd_record_free(struct kmd_record *r)
{
	if (!r)
		return;
	rd_kafka_message_destroy(r->m);
	consumer_handle_unref(r->handle);
	free(r);
}

enum kmd_topic kmd_record_topic(const struct kmd_record *r)
{
	return r->topic;
}

int32_t kmd_record_partition(const struct kmd_record *r)
{
	return r->m->partition;
}

int64_t kmd_record_offset(const struct kmd_record *r)
{
	return r->m->offset;
}

int64_t kmd_record_timestamp_ms(const struct kmd_record *r)
{
	rd_kafka_timestamp_type_t type;
	const int64_t ms = rd_kafka_message_timestamp(r->m, &type);

	return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : ms;
}

struct kmd_str kmd_record_key(const struct kmd_record *r)
{
	return (struct kmd_str){r->m->key, r->m->key_len};
}

struct kmd_str kmd_record_value(const struct kmd_record *r)
{
	return (struct kmd_str){r->m->payload, r->m->len};
}

struct kmd_str kmd_record_header(const struct kmd_record *r, const char *name)
{
	for (size_t i = r->headers_count; i-- > 0;)
		if (strcmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return KMD_STR_NONE;
}

bool kmd_record_header_at(const struct kmd_record *r, size_t i, const char **ret_name, struct kmd_str *ret_value)
{
	if (i >= r->headers_count)
		return false;
	*ret_name = r->headers[i].name;
	*ret_value = r->headers[i].value;
	return true;
}
