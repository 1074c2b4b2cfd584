#include <pthread.h>
#include <time.h>

#include "consumer_int.h"

/*
 * librdkafka can wait for ever where it should end: for an assignment that comes while it closes (before 2.4), for a
 * broker thread that a deleted topic keeps. So each of the two steps gets a bounded time, after which the client is
 * left as it is, until the process ends. Nothing of ours rests on it: progress is where it is committed, and the
 * group notices an absent member by itself.
 */
#define CLOSE_NS (5 * KMD_NS_PER_S)
#define DESTROY_S 3
#define POLL_MS 50

/*
 * Taken as events, not by callback: behind the closing there still come records that were fetched, and a queue of
 * records that is served by callback ends the process.
 */
static void serve_end(struct kmd_consumer *c, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, POLL_MS);

	if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
		group_on_rebalance(c->rk, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event), c);
	rd_kafka_event_destroy(event);
}

void consumer_leave(struct kmd_consumer *c)
{
	const int64_t deadline = kmd_mono_now().ns + CLOSE_NS;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, queue);

	while (!error && !rd_kafka_consumer_closed(c->rk) && kmd_mono_now().ns < deadline)
		serve_end(c, queue);
	if (error)
		rd_kafka_error_destroy(error); /* it has failed for good, or is closed */
	rd_kafka_queue_destroy(queue);
}

static void *destroy(void *rk)
{
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

bool consumer_destroy(rd_kafka_t *rk)
{
	struct timespec until;
	pthread_t thread;

	if (pthread_create(&thread, NULL, destroy, rk) != 0) {
		destroy(rk);
		return true;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DESTROY_S;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return true;
	pthread_detach(thread);
	return false;
}
