#include "kmd_consumer.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "consumer_int.h"
#include "kmd_kafka_metrics.h"
#include "kmd_left.h"
#include "kmd_mem.h"

/* A poll that waits looks after partitions and topics that are waited for so often. */
#define IMPATIENT_MS 100
/* A refusal that is not repeated is forgotten. */
#define TROUBLE_NS (60 * KMD_NS_PER_S)

struct consumer_part *consumer_find_part(const struct kmd_consumer *c, enum kmd_topic t, int32_t partition)
{
	return partition < c->topics[t].count ? &c->topics[t].parts[partition] : NULL;
}

struct consumer_part *consumer_part(struct kmd_consumer *c, enum kmd_topic t, int32_t partition)
{
	struct consumer_topic *topic = &c->topics[t];

	if (partition >= topic->count) {
		topic->parts = kmd_realloc(topic->parts, (size_t)(partition + 1) * sizeof(*topic->parts));
		for (int32_t i = topic->count; i <= partition; i++)
			topic->parts[i] = (struct consumer_part){.mark = -1};
		topic->count = partition + 1;
	}
	return &topic->parts[partition];
}

rd_kafka_topic_partition_list_t *consumer_list(const struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

	for (size_t i = 0; i < n; i++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(&c->k, tps[i].topic, name);
		rd_kafka_topic_partition_list_add(list, name, tps[i].partition)->offset = tps[i].offset;
	}
	return list;
}

/* True when @error (taken) is none. */
static bool good(struct kmd_consumer *c, rd_kafka_error_t *error)
{
	if (!error)
		return true;
	kafka_health_error(c->health, c->rk, rd_kafka_error_code(error), rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return false;
}

bool consumer_assign(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tps, n);
	const bool done = good(c, rd_kafka_incremental_assign(c->rk, list));

	for (size_t i = 0; done && i < n; i++) {
		struct consumer_part *part = consumer_part(c, tps[i].topic, tps[i].partition);

		part->assigned = true;
		part->next = tps[i].offset > 0 ? tps[i].offset : 0;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return done;
}

void consumer_unassign(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tps, n);
	const char *protocol =
	    rd_kafka_rebalance_protocol(c->rk); /* NULL: the group has ended, nothing is left to it */

	for (size_t i = 0; i < n; i++)
		consumer_part(c, tps[i].topic, tps[i].partition)->assigned = false;
	if (c->is_reader || (protocol && strcmp(protocol, "COOPERATIVE") == 0))
		good(c, rd_kafka_incremental_unassign(c->rk, list));
	else if (protocol)
		rd_kafka_assign(c->rk, NULL); /* out of the group: all of it goes */
	rd_kafka_topic_partition_list_destroy(list);
}

static int on_stats(rd_kafka_t *rk, char *json, size_t n, void *opaque)
{
	const struct consumer_handle *h = opaque;
	const struct kmd_consumer *c = h->c;

	(void)rk;
	if (c->k.group_metrics && !c->is_reader)
		kmd_kafka_metrics_take(c->k.group_metrics, (struct kmd_str){json, n});
	return 0; /* librdkafka frees it */
}

static int open_client(struct kmd_consumer *c, enum kafka_role role, const char *group, struct kmd_err *err)
{
	rd_kafka_conf_t *conf = kafka_conf_new(&c->k, role, err);
	const uint64_t one = 1;
	int rc;

	if (!conf)
		return KMD_ECONFIG;
	kafka_conf_force(conf, "group.id", group);
	c->handle = kmd_calloc(1, sizeof(*c->handle));
	c->handle->c = c;
	c->health = &c->handle->health;
	kafka_health_init(c->health);
	static_assert(offsetof(struct consumer_handle, health) == 0, "the opaque of all callbacks");
	kafka_health_watch(c->health, conf);
	rd_kafka_conf_set_stats_cb(conf, on_stats);
	if (role == KAFKA_GROUP) {
		rd_kafka_conf_set_rebalance_cb(conf, group_on_rebalance);
		joining_watch(c->handle, conf);
	}
	rc = kafka_client_new(&c->rk, &c->k, role, conf, err);
	if (rc < 0) {
		free(c->handle);
		return rc;
	}
	c->handle->rk = c->rk;
	atomic_init(&c->handle->refs, 1);
	rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rd_kafka_queue_io_event_enable(c->queue, c->fd, &one, sizeof(one));
	return 0;
}

static struct kmd_consumer *consumer_new(const struct kmd_kafka *k, unsigned mask)
{
	struct kmd_consumer *c = kmd_calloc(1, sizeof(*c));

	c->k = *k;
	c->mask = mask;
	return c;
}

static rd_kafka_resp_err_t subscribe(struct kmd_consumer *c)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(KMD_TOPIC_COUNT);
	rd_kafka_resp_err_t code;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(&c->k, (enum kmd_topic)t, name);
		if (c->mask & 1u << t)
			rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
	}
	code = rd_kafka_subscribe(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code;
}

int kmd_consumer_join(struct kmd_consumer **ret, const struct kmd_kafka *k, const char *group, unsigned mask,
    const struct kmd_rebalance_ops *ops, void *ctx, struct kmd_err *err)
{
	struct kmd_consumer *c = consumer_new(k, mask);
	rd_kafka_resp_err_t code;
	int rc;

	c->ops = ops;
	c->ctx = ctx;
	rc = open_client(c, KAFKA_GROUP, group, err);
	if (rc < 0) {
		free(c);
		return rc;
	}
	code = subscribe(c);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
		kmd_consumer_close(c);
		return kmd_err_set(err, kafka_rc(code), "subscribing: %s", rd_kafka_err2str(code));
	}
	c->subscribed = true;
	*ret = c;
	return 0;
}

int kmd_consumer_read(
    struct kmd_consumer **ret, const struct kmd_kafka *k, unsigned mask, int64_t start, struct kmd_err *err)
{
	struct kmd_consumer *c = consumer_new(k, mask);
	uint64_t tag = (uint64_t)kmd_wall_now().ns;
	char group[64];
	int rc;

	c->is_reader = true;
	c->start = start;
	/* librdkafka wants a group to assign in; nobody joins this one. */
	if (getrandom(&tag, sizeof(tag), 0) < 0)
		tag ^= (uintptr_t)c;
	snprintf(group, sizeof(group), "kmd-reader-%016llx", (unsigned long long)tag);
	rc = open_client(c, KAFKA_READER, group, err);
	if (rc < 0) {
		free(c);
		return rc;
	}
	reader_open(c);
	*ret = c;
	return 0;
}

void kmd_consumer_close(struct kmd_consumer *c)
{
	if (!c)
		return;
	if (c->subscribed && !consumer_await_answer(c)) {
		kmd_left_note();
		return;
	}
	rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(c->queue);
	consumer_leave(c);
	reader_close(c);
	consumer_handle_unref(c->handle);
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		free(c->topics[t].parts);
	free(c->pending);
	free(c->batch);
	close(c->fd);
	free(c);
}

static void on_out_of_range(struct kmd_consumer *c, enum kmd_topic t, int32_t partition, struct consumer_part *part)
{
	struct kmd_tp tp = {.topic = t, .partition = partition, .offset = part->next};

	if (!part->assigned)
		return;
	if (c->ops && c->ops->out_of_range) {
		c->ops->out_of_range(c->ctx, &tp);
		return;
	}
	tp.offset = KMD_OFFSET_BEGINNING;
	if (kmd_consumer_seek(c, &tp, NULL) == 0 && c->is_reader)
		reader_begin_anew(c, part);
}

static void on_end(struct consumer_part *part, int64_t offset)
{
	/* Behind the last record there may be numbers that no record has any more. */
	if (part->assigned && offset > part->next)
		part->next = offset;
}

static void on_trouble(struct kmd_consumer *c, const rd_kafka_message_t *m)
{
	snprintf(c->trouble, sizeof(c->trouble), "%s", rd_kafka_message_errstr(m));
	c->trouble_ns = kmd_mono_now().ns;
}

/* Events that come in the place of a record. */
static void on_event(struct kmd_consumer *c, const rd_kafka_message_t *m)
{
	enum kmd_topic t;
	struct consumer_part *part = NULL;

	if (m->rkt && m->partition >= 0 && kafka_topic_find(c->k.prefix, rd_kafka_topic_name(m->rkt), &t))
		part = consumer_find_part(c, t, m->partition);
	switch ((int)m->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		if (part)
			on_end(part, m->offset);
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		if (part)
			on_out_of_range(c, t, m->partition, part);
		break;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		on_trouble(c, m);
		break;
	case RD_KAFKA_RESP_ERR__FATAL:
		kafka_health_error(c->health, c->rk, m->err, rd_kafka_message_errstr(m));
		break;
	default:
		break; /* passing, and the client retries by itself */
	}
}

/* A record for the caller, or NULL: an event, or a leftover of a partition that was revoked or moved. Takes @m. */
static struct kmd_record *accept_message(struct kmd_consumer *c, rd_kafka_message_t *m)
{
	struct consumer_part *part;
	enum kmd_topic t;

	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		on_event(c, m);
		rd_kafka_message_destroy(m);
		return NULL;
	}
	part = kafka_topic_find(c->k.prefix, rd_kafka_topic_name(m->rkt), &t) ? consumer_find_part(c, t, m->partition)
									      : NULL;
	if (!part || !part->assigned || m->offset < part->next) {
		rd_kafka_message_destroy(m);
		return NULL;
	}
	part->next = m->offset + 1;
	return record_new(c->handle, m, t);
}

/* One batch from the queue; librdkafka waits for a batch to fill, so only its first message is waited for. */
static int take_batch(struct kmd_consumer *c, int max, int timeout_ms)
{
	ssize_t n, more = 0;

	if (max > c->batch_cap) {
		c->batch = kmd_realloc(c->batch, (size_t)max * sizeof(*c->batch));
		c->batch_cap = max;
	}
	n = rd_kafka_consume_batch_queue(c->queue, timeout_ms, c->batch, 1);
	if (n > 0 && max > 1)
		more = rd_kafka_consume_batch_queue(c->queue, 0, c->batch + 1, (size_t)max - 1);
	return (int)((n > 0 ? n : 0) + (more > 0 ? more : 0));
}

static int give_batch(struct kmd_consumer *c, struct kmd_record **ret, int n)
{
	int given = 0;

	for (int i = 0; i < n; i++) {
		struct kmd_record *r = accept_message(c, c->batch[i]);

		if (r)
			ret[given++] = r;
	}
	return given;
}

static void serve(struct kmd_consumer *c, struct kmd_mono now)
{
	if (c->is_reader)
		reader_look(c, now);
	else
		group_serve_pending(c, now);
	kafka_health_check(c->health, c->rk, now);
	if (c->trouble[0] && now.ns - c->trouble_ns > TROUBLE_NS)
		c->trouble[0] = '\0';
}

static void drain_fd(struct kmd_consumer *c)
{
	uint64_t n;

	if (read(c->fd, &n, sizeof(n)) < 0)
		return; /* nothing was signalled */
}

/* The client signals what arrives, not what was left. */
static void signal_rest(struct kmd_consumer *c)
{
	const uint64_t one = 1;

	if (write(c->fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static int wait_ms(const struct kmd_consumer *c, int64_t left_ns)
{
	const bool impatient = c->pending_count > 0 || (c->is_reader && !c->complete);
	const int64_t left_ms = left_ns > 0 ? left_ns / KMD_NS_PER_MS : 0;

	return (int)(impatient && left_ms > IMPATIENT_MS ? IMPATIENT_MS : left_ms);
}

int kmd_consumer_poll(struct kmd_consumer *c, struct kmd_record **ret, int max, int timeout_ms)
{
	struct kmd_mono now = kmd_mono_now();
	const int64_t deadline_ns = now.ns + timeout_ms * KMD_NS_PER_MS;
	int n, given;

	drain_fd(c);
	do {
		serve(c, now);
		n = take_batch(c, max, wait_ms(c, deadline_ns - now.ns));
		given = give_batch(c, ret, n);
		now = kmd_mono_now();
	} while (given == 0 && !c->health->fatal && now.ns < deadline_ns);
	if (n == max)
		signal_rest(c);
	if (given > 0) {
		kafka_health_good(c->health, now);
		c->trouble[0] = '\0';
	}
	return c->health->fatal && given == 0 ? KMD_EFAULT : given;
}

int kmd_consumer_fd(const struct kmd_consumer *c)
{
	return c->fd;
}

bool kmd_consumer_connected(const struct kmd_consumer *c, const char **ret_why)
{
	if (ret_why && !c->health->up)
		*ret_why = c->health->why;
	else if (ret_why && c->trouble[0])
		*ret_why = c->trouble;
	return c->health->up && !c->trouble[0];
}
