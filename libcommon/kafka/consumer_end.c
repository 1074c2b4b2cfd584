#include "consumer_int.h"

/*
 * librdkafka can wait for ever where it should leave, for an assignment that comes meanwhile (before 2.4), or for a
 * minute, for the answer to a commit. So it gets a bounded time. Nothing of ours rests on it: progress is where it is
 * committed, and the group notices an absent member by itself.
 */
#define LEAVE_NS (5 * KMD_NS_PER_S)
#define ANSWER_NS (3 * KMD_NS_PER_S)
#define POLL_MS 50

bool consumer_await_answer(struct kmd_consumer *c)
{
	const int64_t deadline = kmd_mono_now().ns + ANSWER_NS;

	while (!c->answered && !c->health->fatal && kmd_mono_now().ns < deadline) {
		struct kmd_record *r;

		if (kmd_consumer_poll(c, &r, 1, POLL_MS) > 0)
			kmd_record_free(r);
	}
	return c->answered;
}

/*
 * Taken as events, not by callback: behind the closing there still come records that were fetched, and a queue of
 * records that is served by callback ends the process.
 */
static void serve_end(struct kmd_consumer *c, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, POLL_MS);

	if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
		group_on_rebalance(
		    c->rk, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event), c->handle);
	rd_kafka_event_destroy(event);
}

void consumer_leave(struct kmd_consumer *c)
{
	const int64_t deadline = kmd_mono_now().ns + LEAVE_NS;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, queue);

	c->leaving = true;
	while (!error && !rd_kafka_consumer_closed(c->rk) && kmd_mono_now().ns < deadline)
		serve_end(c, queue);
	if (error)
		rd_kafka_error_destroy(error); /* it has failed for good, or is closed */
	rd_kafka_queue_destroy(queue);
}
