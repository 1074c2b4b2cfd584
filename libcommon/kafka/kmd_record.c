#include <stdlib.h>

#include "consumer_int.h"
#include "kmd_mem.h"

struct kmd_record {
	struct consumer_handle *handle;
	rd_kafka_message_t *m;
	rd_kafka_headers_t *headers; /* of m; NULL: none */
	enum kmd_topic topic;
};

void consumer_handle_unref(struct consumer_handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	kafka_client_end(h->rk, free, h);
}

struct kmd_record *record_new(struct consumer_handle *h, rd_kafka_message_t *m, enum kmd_topic topic)
{
	struct kmd_record *r = kmd_alloc(sizeof(*r));

	*r = (struct kmd_record){.handle = h, .m = m, .topic = topic};
	if (rd_kafka_message_headers(m, &r->headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		r->headers = NULL;
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
	const void *value;
	size_t n;

	if (!r->headers || rd_kafka_header_get_last(r->headers, name, &value, &n) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return KMD_STR_NONE;
	return (struct kmd_str){value, n};
}

bool kmd_record_header_at(const struct kmd_record *r, size_t i, const char **ret_name, struct kmd_str *ret_value)
{
	const void *value;
	size_t n;

	if (!r->headers || rd_kafka_header_get_all(r->headers, i, ret_name, &value, &n) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	*ret_value = (struct kmd_str){value, n};
	return true;
}
