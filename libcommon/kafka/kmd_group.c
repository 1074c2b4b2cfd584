#include "kmd_group.h"

#include "kafka_int.h"

/* One question: a client, a queue for the answer, and how long it may take. */
struct asker {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	int64_t deadline_ns;
};

static int asker_open(struct asker *a, const struct kmd_kafka *k, int timeout_ms, struct kmd_err *err)
{
	rd_kafka_conf_t *conf = kafka_conf_new(k, KAFKA_ADMIN, err);
	int rc;

	*a = (struct asker){.deadline_ns = kmd_mono_now().ns + timeout_ms * KMD_NS_PER_MS};
	if (!conf)
		return KMD_ECONFIG;
	rc = kafka_client_new(&a->rk, k, KAFKA_ADMIN, conf, err);
	if (rc == 0)
		a->queue = rd_kafka_queue_new(a->rk);
	return rc;
}

static void on_ended(void *arg)
{
	(void)arg; /* its callbacks use nothing of ours */
}

static void asker_close(struct asker *a)
{
	if (!a->rk)
		return;
	rd_kafka_queue_destroy(a->queue);
	kafka_client_end(a->rk, on_ended, NULL);
}

static int left_ms(const struct asker *a)
{
	const int64_t left = (a->deadline_ns - kmd_mono_now().ns) / KMD_NS_PER_MS;

	return left > 1 ? (int)left : 1;
}

static rd_kafka_AdminOptions_t *options(const struct asker *a, rd_kafka_admin_op_t op)
{
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(a->rk, op);

	rd_kafka_AdminOptions_set_request_timeout(o, left_ms(a), NULL, 0);
	return o;
}

/* The answer (given), or NULL with the reason in @err. */
static rd_kafka_event_t *answer(struct asker *a, const char *what, struct kmd_err *err)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(a->queue, left_ms(a));
	const rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return event;
	kmd_err_set(err, KMD_EAGAIN, "%s: %s", what, rd_kafka_err2str(code));
	if (event)
		rd_kafka_event_destroy(event);
	return NULL;
}

static int read_members(rd_kafka_event_t *event, size_t *ret_count, struct kmd_err *err)
{
	size_t n = 0;
	const rd_kafka_ConsumerGroupDescription_t **groups =
	    rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event), &n);
	const rd_kafka_error_t *error = n ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;

	if (n == 0 || error)
		return kmd_err_set(err, KMD_EAGAIN, "asking for the group's members: %s",
		    error ? rd_kafka_error_string(error) : "no answer");
	*ret_count = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
	return 0;
}

int kmd_group_members(
    const struct kmd_kafka *k, const char *group, int timeout_ms, size_t *ret_count, struct kmd_err *err)
{
	struct asker a;
	int rc = asker_open(&a, k, timeout_ms, err);

	if (rc == 0) {
		rd_kafka_AdminOptions_t *o = options(&a, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
		rd_kafka_event_t *event;

		rd_kafka_DescribeConsumerGroups(a.rk, &group, 1, o, a.queue);
		event = answer(&a, "asking for the group's members", err);
		rc = event ? read_members(event, ret_count, err) : KMD_EAGAIN;
		if (event)
			rd_kafka_event_destroy(event);
		rd_kafka_AdminOptions_destroy(o);
	}
	asker_close(&a);
	return rc;
}

static int count_partitions(struct asker *a, const char *name, int *ret, struct kmd_err *err)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(a->rk, name, NULL);
	const struct rd_kafka_metadata *md = NULL;
	const rd_kafka_resp_err_t code = rd_kafka_metadata(a->rk, 0, rkt, &md, left_ms(a));

	rd_kafka_topic_destroy(rkt);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return kmd_err_set(err, KMD_EAGAIN, "%s: %s", name, rd_kafka_err2str(code));
	*ret = md->topic_cnt == 1 ? md->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(md);
	return 0;
}

static int read_widened(rd_kafka_event_t *event, const char *name, struct kmd_err *err)
{
	size_t n = 0;
	const rd_kafka_topic_result_t **results =
	    rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
	const rd_kafka_resp_err_t code = n ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	return kmd_err_set(err, KMD_EAGAIN, "%s: more partitions: %s", name, rd_kafka_err2str(code));
}

static int widen(struct asker *a, const char *name, int count, struct kmd_err *err)
{
	char text[256];
	rd_kafka_NewPartitions_t *wider = rd_kafka_NewPartitions_new(name, (size_t)count, text, sizeof(text));
	rd_kafka_AdminOptions_t *o = options(a, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
	rd_kafka_event_t *event;
	int rc;

	rd_kafka_CreatePartitions(a->rk, &wider, 1, o, a->queue);
	event = answer(a, name, err);
	rc = event ? read_widened(event, name, err) : KMD_EAGAIN;
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_NewPartitions_destroy(wider);
	return rc;
}

int kmd_group_widen(const struct kmd_kafka *k, enum kmd_topic t, int count, int timeout_ms, struct kmd_err *err)
{
	char name[KAFKA_NAME_MAX];
	struct asker a;
	int present = 0;
	int rc = asker_open(&a, k, timeout_ms, err);

	kmd_kafka_topic_name(k, t, name);
	if (rc == 0)
		rc = count_partitions(&a, name, &present, err);
	if (rc == 0 && present > 0 && present < count)
		rc = widen(&a, name, count, err);
	asker_close(&a);
	return rc;
}
