#include <stdlib.h>

#include "consumer_int.h"
#include "kmd_mem.h"

/* Moving, pausing and committing partitions, and where they end. */

#define SEEK_MS 5000
#define COMMIT_MS 3000

int kmd_consumer_pause(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tps, n);
	const rd_kafka_resp_err_t code = rd_kafka_pause_partitions(c->rk, list);

	rd_kafka_topic_partition_list_destroy(list);
	return kafka_rc(code);
}

int kmd_consumer_resume(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tps, n);
	const rd_kafka_resp_err_t code = rd_kafka_resume_partitions(c->rk, list);

	rd_kafka_topic_partition_list_destroy(list);
	return kafka_rc(code);
}

static bool try_seek(struct kmd_consumer *c, const struct kmd_tp *tp)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tp, 1);
	rd_kafka_error_t *error = rd_kafka_seek_partitions(c->rk, list, SEEK_MS);
	const bool done = !error && list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
	return done;
}

int kmd_consumer_seek(struct kmd_consumer *c, const struct kmd_tp *tp, struct kmd_err *err)
{
	struct consumer_part *part = consumer_find_part(c, tp->topic, tp->partition);

	if (!part || !part->assigned)
		return kmd_err_set(
		    err, KMD_EAGAIN, "%s [%d] is not assigned", kmd_topic_name(tp->topic), (int)tp->partition);
	if (try_seek(c, tp)) {
		part->next = tp->offset > 0 ? tp->offset : 0;
		return 0;
	}
	/* A partition that stands still cannot be sought in, but begun anew. */
	consumer_unassign(c, tp, 1);
	if (!consumer_assign(c, tp, 1))
		return kmd_err_set(
		    err, KMD_EAGAIN, "%s [%d]: %s", kmd_topic_name(tp->topic), (int)tp->partition, c->health->why);
	return 0;
}

/* As rd_kafka_commit, which may wait for a minute. */
static rd_kafka_resp_err_t commit_and_wait(struct kmd_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
	rd_kafka_resp_err_t code = rd_kafka_commit_queue(c->rk, list, queue, NULL, NULL);
	rd_kafka_event_t *event = NULL;

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
		event = rd_kafka_queue_poll(queue, COMMIT_MS);
		code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	}
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	return code;
}

int kmd_consumer_commit(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, bool sync, struct kmd_err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;

	if (n == 0)
		return 0;
	if (atomic_load(&c->handle->joining))
		return kmd_err_set(err, KMD_EAGAIN, "committing offsets: the group is dividing its partitions anew");
	list = consumer_list(c, tps, n);
	/* The leaving itself waits for what is under way. */
	code = sync && !c->leaving ? commit_and_wait(c, list) : rd_kafka_commit(c->rk, list, 1);
	rd_kafka_topic_partition_list_destroy(list);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	return kmd_err_set(err, kafka_rc(code), "committing offsets: %s", rd_kafka_err2str(code));
}

int kmd_consumer_watermarks(struct kmd_consumer *c, const struct kmd_tp *tp, int timeout_ms, int64_t *ret_low,
    int64_t *ret_high, struct kmd_err *err)
{
	char name[KAFKA_NAME_MAX];
	int64_t low, high;
	rd_kafka_resp_err_t code;

	kmd_kafka_topic_name(&c->k, tp->topic, name);
	code = rd_kafka_query_watermark_offsets(c->rk, name, tp->partition, &low, &high, timeout_ms);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return kmd_err_set(err, KMD_EAGAIN, "%s [%d]: %s", name, (int)tp->partition, rd_kafka_err2str(code));
	*ret_low = low;
	*ret_high = high;
	return 0;
}

/* As a point in time, @where means the beginning or the end. */
static bool ask_offsets(
    struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, int64_t where, int timeout_ms, int64_t *ret)
{
	rd_kafka_topic_partition_list_t *list = consumer_list(c, tps, n);
	rd_kafka_resp_err_t code;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = where;
	code = rd_kafka_offsets_for_times(c->rk, list, timeout_ms);
	for (int i = 0; i < list->cnt; i++) {
		const bool told = code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].err == code;

		ret[i] = told && list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void kmd_consumer_bounds(
    struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, int timeout_ms, int64_t *ret_low, int64_t *ret_high)
{
	bool told = ask_offsets(c, tps, n, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, ret_low);

	told = told && ask_offsets(c, tps, n, RD_KAFKA_OFFSET_END, timeout_ms, ret_high);
	for (size_t i = 0; i < n; i++)
		if (!told || ret_low[i] < 0)
			ret_high[i] = -1;
}

bool kmd_consumer_ends(struct kmd_consumer *c, struct kmd_tp *tps, size_t n, int timeout_ms)
{
	int64_t *ends = kmd_calloc(n + 1, sizeof(*ends));
	const bool told = ask_offsets(c, tps, n, RD_KAFKA_OFFSET_END, timeout_ms, ends);

	for (size_t i = 0; i < n; i++)
		tps[i].offset = ends[i];
	free(ends);
	return told;
}

int kmd_consumer_cached_watermarks(struct kmd_consumer *c, const struct kmd_tp *tp, int64_t *ret_low, int64_t *ret_high)
{
	char name[KAFKA_NAME_MAX];
	int64_t low, high;

	kmd_kafka_topic_name(&c->k, tp->topic, name);
	if (rd_kafka_get_watermark_offsets(c->rk, name, tp->partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
	    high < 0)
		return KMD_EAGAIN;
	*ret_low = low;
	*ret_high = high;
	return 0;
}
