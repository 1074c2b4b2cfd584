#include "sim_broker.h"

#include <string.h>

#include "sim_proc.h"

static bool is_single(int t)
{
	return t == KMD_TOPIC_FEED || t == KMD_TOPIC_DLQ || t == KMD_TOPIC_SHARDS;
}

void broker_open(void)
{
	struct broker *b = sim_alloc(sizeof(*b));

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		b->topics[t].partitions = is_single(t) ? 1 : (int32_t)sim_between(1, BROKER_PARTITIONS_MAX);
	sim->broker = b;
}

bool broker_is_up(void)
{
	return sim->now_ns >= sim->broker->down_until_ns;
}

void broker_outage(int64_t for_ns)
{
	sim_trace("broker away for %lld ms", (long long)(for_ns / SIM_MS));
	if (sim->now_ns + for_ns > sim->broker->down_until_ns)
		sim->broker->down_until_ns = sim->now_ns + for_ns;
}

int32_t broker_partition_of(enum kmd_topic t, struct kmd_str key)
{
	const int32_t n = sim->broker->topics[t].partitions;

	return (int32_t)((key.p ? kmd_str_hash(key) : sim_random()) % (uint64_t)n);
}

struct broker_log *broker_log(enum kmd_topic t, int32_t partition)
{
	return &sim->broker->topics[t].logs[partition];
}

void broker_append(struct broker_record *r)
{
	struct broker_log *l = broker_log(r->topic, r->partition);

	/* What the simulated database will not take (sim_sql.c). */
	if (r->topic == KMD_TOPIC_TRADES && r->value.p && memmem(r->value.p, r->value.n, "poison", 6))
		r->dead = "bad_number";
	l->records = sim_grow(l->records, l->count, &l->cap, sizeof(struct broker_record *));
	r->offset = (int64_t)l->count;
	r->appended_ns = sim->now_ns;
	if (r->topic >= KMD_TOPIC_LIFECYCLE && r->topic != KMD_TOPIC_CONTROL)
		sim_trace("broker: %s [%d] %lld %.*s %.*s", kmd_topic_name(r->topic), (int)r->partition,
		    (long long)r->offset, KMD_STR_ARG(r->key), KMD_STR_ARG(r->value));
	l->records[l->count++] = r;
	sim_mix(r->key.p, r->key.n);
	sim_mix(r->value.p, r->value.n);
	for (struct kmd_consumer *c = sim->broker->consumers; c; c = consumer_next(c))
		consumer_on_append(c, r);
}

struct broker_record *broker_record_new(enum kmd_topic t, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t headers_count, int64_t timestamp_ms)
{
	struct broker_record *r = sim_alloc(sizeof(*r));

	r->topic = t;
	r->partition = broker_partition_of(t, key);
	r->timestamp_ms = timestamp_ms;
	r->key = sim_dup(key);
	r->value = sim_dup(value);
	r->headers = sim_alloc((headers_count + 1) * sizeof(*r->headers));
	r->headers_count = headers_count;
	for (size_t i = 0; i < headers_count; i++)
		r->headers[i] = (struct kmd_header){sim_dup(kmd_str_z(headers[i].name)).p, sim_dup(headers[i].value)};
	return r;
}

struct kmd_str broker_header(const struct broker_record *r, const char *name)
{
	for (size_t i = r->headers_count; i-- > 0;)
		if (strcmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return KMD_STR_NONE;
}

int64_t broker_header_i64(const struct broker_record *r, const char *name)
{
	int64_t v;

	return kmd_str_i64(broker_header(r, name), &v) == 0 ? v : 0;
}

size_t broker_total(void)
{
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < sim->broker->topics[t].partitions; i++)
			n += broker_log((enum kmd_topic)t, i)->count;
	return n;
}
