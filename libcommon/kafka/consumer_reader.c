#include <stdlib.h>

#include "consumer_int.h"
#include "kmd_mem.h"

/* How often new topics and partitions are looked for while some are missing, and after; how long the broker may take.
 */
#define LOOK_SOON_NS (500 * KMD_NS_PER_MS)
#define LOOK_LATER_NS (10 * KMD_NS_PER_S)
#define LOOK_MS 500
#define ENDS_MS 3000

void reader_open(struct kmd_consumer *c)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(&c->k, (enum kmd_topic)t, name);
		if (c->mask & 1u << t)
			c->topics[t].rkt = rd_kafka_topic_new(c->rk, name, NULL);
	}
}

void reader_close(struct kmd_consumer *c)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (c->topics[t].rkt)
			rd_kafka_topic_destroy(c->topics[t].rkt);
}

/* Where a new partition is read from: what was not there when the reader started is read whole. */
static int64_t start_of(const struct kmd_consumer *c, const struct kmd_tp *tp)
{
	if (c->start == KMD_OFFSET_END && tp->partition < c->topics[tp->topic].first_count)
		return tp->offset;
	return KMD_OFFSET_BEGINNING;
}

/* @tps have their ends in .offset. */
static bool begin_reading(struct kmd_consumer *c, struct kmd_tp *tps, size_t n)
{
	size_t known = 0, settled = 0;

	for (size_t i = 0; i < n; i++) {
		struct consumer_part *part;

		if (tps[i].offset < 0)
			continue;
		part = consumer_part(c, tps[i].topic, tps[i].partition);
		part->mark = tps[i].offset;
		settled++;
		if (part->assigned)
			continue;
		tps[known] = tps[i];
		tps[known].offset = start_of(c, &tps[i]);
		known++;
	}
	return (known == 0 || consumer_assign(c, tps, known)) && settled == n;
}

static void add_new(
    struct kmd_consumer *c, const rd_kafka_metadata_topic_t *mt, enum kmd_topic t, struct kmd_tp *tps, size_t *n)
{
	for (int i = 0; i < mt->partition_cnt; i++) {
		const struct consumer_part *part = consumer_part(c, t, mt->partitions[i].id);

		if (!part->assigned || part->mark < 0)
			tps[(*n)++] = (struct kmd_tp){.topic = t, .partition = mt->partitions[i].id};
	}
}

static size_t count_partitions(const struct rd_kafka_metadata *md)
{
	size_t n = 0;

	for (int i = 0; i < md->topic_cnt; i++)
		n += (size_t)md->topics[i].partition_cnt;
	return n;
}

/* Begins to read what is new; true when all topics are there and read whole. */
static bool take_in(struct kmd_consumer *c, const struct rd_kafka_metadata *md)
{
	struct kmd_tp *tps = kmd_calloc(count_partitions(md) + 1, sizeof(*tps));
	unsigned missing = c->mask;
	bool good = true;
	size_t n = 0;

	for (int i = 0; i < md->topic_cnt; i++) {
		const rd_kafka_metadata_topic_t *mt = &md->topics[i];
		enum kmd_topic t;

		if (mt->err != RD_KAFKA_RESP_ERR_NO_ERROR || mt->partition_cnt == 0 ||
		    !kafka_topic_find(c->k.prefix, mt->topic, &t))
			continue;
		missing &= ~(1u << t);
		if (!c->looked)
			c->topics[t].first_count = mt->partition_cnt;
		add_new(c, mt, t, tps, &n);
	}
	c->looked = true;
	if (n > 0)
		good = kmd_consumer_ends(c, tps, n, ENDS_MS) && begin_reading(c, tps, n);
	free(tps);
	return good && missing == 0;
}

void reader_begin_anew(struct kmd_consumer *c, struct consumer_part *part)
{
	part->mark = -1;
	c->complete = false;
	c->look_ns = 0;
}

void reader_look(struct kmd_consumer *c, struct kmd_mono now)
{
	const struct rd_kafka_metadata *md = NULL;

	if (now.ns < c->look_ns)
		return;
	if (rd_kafka_metadata(c->rk, 0, NULL, &md, LOOK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		kafka_health_good(c->health, kmd_mono_now());
		c->complete = take_in(c, md);
		rd_kafka_metadata_destroy(md);
	}
	c->look_ns = kmd_mono_now().ns + (c->complete ? LOOK_LATER_NS : LOOK_SOON_NS);
}

bool kmd_consumer_caught_up(struct kmd_consumer *c)
{
	if (!c->complete || !c->health->up)
		return false;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < c->topics[t].count; i++) {
			const struct consumer_part *part = &c->topics[t].parts[i];

			if (part->assigned && part->next < part->mark)
				return false;
		}
	return true;
}

/* All partitions that are being read; given. */
static struct kmd_tp *all_assigned(const struct kmd_consumer *c, size_t *ret_n)
{
	struct kmd_tp *tps = NULL;
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < c->topics[t].count; i++) {
			if (!c->topics[t].parts[i].assigned)
				continue;
			tps = kmd_realloc(tps, (n + 1) * sizeof(*tps));
			tps[n++] = (struct kmd_tp){.topic = (enum kmd_topic)t, .partition = i};
		}
	*ret_n = n;
	return tps;
}

int kmd_consumer_mark(struct kmd_consumer *c, int timeout_ms, struct kmd_err *err)
{
	size_t n;
	struct kmd_tp *tps;
	int rc = 0;

	if (!c->complete)
		return kmd_err_set(err, KMD_EAGAIN, "not all topics are being read yet");
	tps = all_assigned(c, &n);
	if (n > 0 && !kmd_consumer_ends(c, tps, n, timeout_ms))
		rc = kmd_err_set(err, KMD_EAGAIN, "the broker does not tell where its topics end");
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (tps[i].offset < 0)
			rc = kmd_err_set(err, KMD_EAGAIN, "%s [%d] has no leader", kmd_topic_name(tps[i].topic),
			    (int)tps[i].partition);
	for (size_t i = 0; rc == 0 && i < n; i++)
		consumer_part(c, tps[i].topic, tps[i].partition)->mark = tps[i].offset;
	free(tps);
	return rc;
}
