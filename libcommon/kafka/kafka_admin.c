#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_int.h"
#include "kmd_mem.h"

/* How often the broker is asked whether what it made has arrived everywhere. */
#define LOOK_AGAIN_MS 100

/* One conversation with the broker, with a client of its own and an end. */
struct admin {
	struct kafka_health *health; /* the opaque of all callbacks; goes with the client */
	const struct kmd_kafka *k;
	rd_kafka_t *rk;
	int64_t deadline_ns;
	unsigned mask;                          /* the topics in question */
	unsigned missing;                       /* of mask, not there yet */
	unsigned plain;                         /* of mask, to be made without the config that older brokers lack */
	rd_kafka_topic_t *rkt[KMD_TOPIC_COUNT]; /* makes them known to the client, so metadata is about them */
};

static int left_ms(const struct admin *a)
{
	const int64_t left = (a->deadline_ns - kmd_mono_now().ns) / KMD_NS_PER_MS;

	return left > 0 ? (int)left : 0;
}

static void admin_close(struct admin *a)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (a->rkt[t])
			rd_kafka_topic_destroy(a->rkt[t]);
	if (a->rk)
		kafka_client_end(a->rk, free, a->health);
	else
		free(a->health);
}

static int admin_open(struct admin *a, const struct kmd_kafka *k, unsigned mask, int timeout_ms, struct kmd_err *err)
{
	rd_kafka_conf_t *conf = kafka_conf_new(k, KAFKA_ADMIN, err);
	int rc;

	*a = (struct admin){.k = k, .mask = mask, .deadline_ns = kmd_mono_now().ns + timeout_ms * KMD_NS_PER_MS};
	if (!conf)
		return KMD_ECONFIG;
	a->health = kmd_calloc(1, sizeof(*a->health));
	kafka_health_init(a->health);
	kafka_health_watch(a->health, conf);
	rc = kafka_client_new(&a->rk, k, KAFKA_ADMIN, conf, err);
	if (rc < 0)
		return rc;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(k, (enum kmd_topic)t, name);
		if (mask & 1u << t)
			a->rkt[t] = rd_kafka_topic_new(a->rk, name, NULL);
	}
	return 0;
}

/* A question that got no answer: what the error callback heard says more than the code. */
static int unanswered(struct admin *a, rd_kafka_resp_err_t code, const char *what, struct kmd_err *err)
{
	rd_kafka_poll(a->rk, 0);
	return kmd_err_set(err, kafka_rc(code), "%s: %s%s%s", what, rd_kafka_err2str(code), *a->health->why ? ": " : "",
	    a->health->why);
}

static bool has_leaders(const rd_kafka_metadata_topic_t *mt)
{
	for (int i = 0; i < mt->partition_cnt; i++)
		if (mt->partitions[i].leader < 0)
			return false;
	return mt->err == RD_KAFKA_RESP_ERR_NO_ERROR && mt->partition_cnt > 0;
}

static void note_present(struct admin *a, const struct rd_kafka_metadata *md)
{
	a->missing = a->mask;
	for (int i = 0; i < md->topic_cnt; i++) {
		enum kmd_topic t;

		if (!kafka_topic_find(a->k->prefix, md->topics[i].topic, &t))
			continue;
		if (md->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && has_leaders(&md->topics[i]))
			a->missing &= ~(1u << t);
	}
}

static int look(struct admin *a, struct kmd_err *err)
{
	const struct rd_kafka_metadata *md = NULL;
	const rd_kafka_resp_err_t code = rd_kafka_metadata(a->rk, 0, NULL, &md, left_ms(a));

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return unanswered(a, code, "looking for topics", err);
	note_present(a, md);
	rd_kafka_metadata_destroy(md);
	return 0;
}

static int say_missing(const struct admin *a, const char *why, struct kmd_err *err)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		char name[KAFKA_NAME_MAX];

		kmd_kafka_topic_name(a->k, (enum kmd_topic)t, name);
		if (a->missing & 1u << t)
			return kmd_err_set(err, KMD_EAGAIN, "topic %s %s", name, why);
	}
	return 0;
}

static int partitions_of(const struct kmd_kafka *k, enum kmd_topic t)
{
	switch (t) {
	case KMD_TOPIC_FEED:
	case KMD_TOPIC_DLQ:
		return 1;
	case KMD_TOPIC_SHARDS:
		return (int)k->shards;
	default:
		return (int)k->partitions;
	}
}

static void set_number(rd_kafka_NewTopic_t *topic, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	rd_kafka_NewTopic_set_config(topic, name, text);
}

static rd_kafka_NewTopic_t *describe(const struct admin *a, enum kmd_topic t, struct kmd_err *err)
{
	const struct kmd_kafka *k = a->k;
	char name[KAFKA_NAME_MAX], text[256];
	rd_kafka_NewTopic_t *topic;

	kmd_kafka_topic_name(k, t, name);
	topic = rd_kafka_NewTopic_new(name, partitions_of(k, t), (int)k->replication, text, sizeof(text));
	if (!topic) {
		kmd_err_set(err, KMD_EAGAIN, "topic %s: %s", name, text);
		return NULL;
	}
	if (kmd_topic_keep(t) == KMD_KEEP_COMPACT)
		rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
	else if (kmd_topic_keep(t) == KMD_KEEP_FOREVER)
		set_number(topic, "retention.ms", -1);
	else
		set_number(topic, "retention.ms", k->retention_ns / KMD_NS_PER_MS);
	set_number(topic, "max.message.bytes", KAFKA_MESSAGE_MAX);
	set_number(topic, "min.insync.replicas", k->replication > 2 ? k->replication - 1 : 1);
	if (!(a->plain & 1u << t))
		set_number(topic, "message.timestamp.after.max.ms", INT64_MAX);
	return topic;
}

static int judge(struct admin *a, const rd_kafka_topic_result_t *result, struct kmd_err *err)
{
	const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
	const char *name = rd_kafka_topic_result_name(result), *text = rd_kafka_topic_result_error_string(result);
	enum kmd_topic t;

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return 0;
	if (code == RD_KAFKA_RESP_ERR_INVALID_CONFIG && kafka_topic_find(a->k->prefix, name, &t) &&
	    !(a->plain & 1u << t)) {
		a->plain |= 1u << t;
		return 0;
	}
	return kmd_err_set(err, kafka_rc(code), "making topic %s: %s", name, text ? text : rd_kafka_err2str(code));
}

static int await_created(struct admin *a, rd_kafka_queue_t *queue, struct kmd_err *err)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, left_ms(a));
	const rd_kafka_topic_result_t **results = NULL;
	size_t n = 0;
	int rc = 0;

	if (!event)
		return unanswered(a, RD_KAFKA_RESP_ERR__TIMED_OUT, "making topics", err);
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		rc = unanswered(a, rd_kafka_event_error(event), "making topics", err);
	else
		results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = judge(a, results[i], err);
	rd_kafka_event_destroy(event);
	return rc;
}

static int create(struct admin *a, struct kmd_err *err)
{
	rd_kafka_NewTopic_t *topics[KMD_TOPIC_COUNT];
	rd_kafka_queue_t *queue = rd_kafka_queue_new(a->rk);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	size_t n = 0;
	int rc = 0;

	rd_kafka_AdminOptions_set_request_timeout(options, left_ms(a) > 0 ? left_ms(a) : 1, NULL, 0);
	for (int t = 0; rc == 0 && t < KMD_TOPIC_COUNT; t++) {
		if (!(a->missing & 1u << t))
			continue;
		topics[n] = describe(a, (enum kmd_topic)t, err);
		if (topics[n])
			n++;
		else
			rc = KMD_EAGAIN;
	}
	if (rc == 0) {
		rd_kafka_CreateTopics(a->rk, topics, n, options, queue);
		rc = await_created(a, queue, err);
	}
	rd_kafka_NewTopic_destroy_array(topics, n);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	return rc;
}

int kmd_kafka_ensure_topics(const struct kmd_kafka *k, unsigned mask, int timeout_ms, struct kmd_err *err)
{
	struct admin a;
	unsigned asked = 0, asked_plain = 0;
	int rc = admin_open(&a, k, mask, timeout_ms, err);

	if (rc == 0)
		rc = look(&a, err);
	if (rc == 0 && a.missing && !k->topic_create)
		rc = say_missing(&a, "does not exist, and KMD_TOPIC_CREATE is false", err);
	while (rc == 0 && a.missing) {
		/* Once each, and once more for what an older broker has to get without its newest config. */
		if ((a.missing & ~asked) || (a.plain & ~asked_plain)) {
			asked |= a.missing;
			asked_plain |= a.plain;
			rc = create(&a, err);
		} else {
			rd_kafka_poll(a.rk, LOOK_AGAIN_MS);
		}
		if (rc == 0)
			rc = look(&a, err);
		if (rc == 0 && a.missing && left_ms(&a) == 0)
			rc = say_missing(&a, "has no leader yet", err);
	}
	admin_close(&a);
	return rc;
}

int kmd_kafka_cluster_id(const struct kmd_kafka *k, int timeout_ms, char **ret, struct kmd_err *err)
{
	struct admin a;
	char *id;
	int rc = admin_open(&a, k, 0, timeout_ms, err);

	if (rc == 0)
		rc = look(&a, err);
	if (rc == 0) {
		id = rd_kafka_clusterid(a.rk, left_ms(&a));
		if (id)
			*ret = kmd_strndup(id, strlen(id));
		else
			rc = unanswered(&a, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the cluster's id", err);
		rd_kafka_mem_free(a.rk, id);
	}
	admin_close(&a);
	return rc;
}

#if RD_KAFKA_VERSION >= 0x020300ff

static int take_id(const struct admin *a, rd_kafka_event_t *event, char **ret, struct kmd_err *err)
{
	size_t n = 0;
	const rd_kafka_TopicDescription_t **topics =
	    rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &n);
	const rd_kafka_error_t *error = n ? rd_kafka_TopicDescription_error(topics[0]) : NULL;
	const char *id;

	(void)a;
	if (n == 0 || (error && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART))
		return kmd_err_set(err, KMD_ENOTFOUND, "no such topic");
	if (error)
		return kmd_err_set(err, kafka_rc(rd_kafka_error_code(error)), "%s", rd_kafka_error_string(error));
	id = rd_kafka_Uuid_base64str(rd_kafka_TopicDescription_topic_id(topics[0]));
	*ret = kmd_strndup(id, strlen(id));
	return 0;
}

static int ask_id(struct admin *a, const char *name, char **ret, struct kmd_err *err)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(a->rk);
	rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(&name, 1);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
	rd_kafka_event_t *event;
	int rc;

	rd_kafka_AdminOptions_set_request_timeout(options, left_ms(a) > 0 ? left_ms(a) : 1, NULL, 0);
	rd_kafka_DescribeTopics(a->rk, topics, options, queue);
	event = rd_kafka_queue_poll(queue, left_ms(a));
	if (!event)
		rc = unanswered(a, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the topic's id", err);
	else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		rc = unanswered(a, rd_kafka_event_error(event), "asking for the topic's id", err);
	else
		rc = take_id(a, event, ret, err);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_TopicCollection_destroy(topics);
	rd_kafka_queue_destroy(queue);
	return rc;
}

int kmd_kafka_topic_id(const struct kmd_kafka *k, enum kmd_topic t, int timeout_ms, char **ret, struct kmd_err *err)
{
	char name[KAFKA_NAME_MAX];
	struct admin a;
	int rc = admin_open(&a, k, 0, timeout_ms, err);

	kmd_kafka_topic_name(k, t, name);
	if (rc == 0)
		rc = ask_id(&a, name, ret, err);
	admin_close(&a);
	return kmd_err_prefix(err, rc, "%s", name);
}

#else

int kmd_kafka_topic_id(const struct kmd_kafka *k, enum kmd_topic t, int timeout_ms, char **ret, struct kmd_err *err)
{
	(void)k, (void)t, (void)timeout_ms, (void)ret;
	return kmd_err_set(err, KMD_ENOTFOUND, "librdkafka %s knows no topic ids", rd_kafka_version_str());
}

#endif
