#include "consumer_int.h"

/*
 * Is a JoinGroup of this member on its way? The broker answers a connection in order, and holds the answer to a
 * JoinGroup back until all members have come. A commit behind it so names a generation that is over by the time it is
 * looked at, and at "illegal generation" librdkafka (before 2.8.3) gives up all that is assigned.
 */

#define NAME "kmd-joining"
#define JOIN_GROUP 11

static rd_kafka_resp_err_t on_sent(rd_kafka_t *rk, int sockfd, const char *broker, int32_t id, int16_t key,
    int16_t version, int32_t correlation, size_t size, void *opaque)
{
	struct consumer_handle *h = opaque;

	(void)rk, (void)sockfd, (void)broker, (void)id, (void)version, (void)correlation, (void)size;
	if (key == JOIN_GROUP)
		atomic_store(&h->joining, true);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Comes for a request that has failed, too. */
static rd_kafka_resp_err_t on_answered(rd_kafka_t *rk, int sockfd, const char *broker, int32_t id, int16_t key,
    int16_t version, int32_t correlation, size_t size, int64_t rtt, rd_kafka_resp_err_t err, void *opaque)
{
	struct consumer_handle *h = opaque;

	(void)rk, (void)sockfd, (void)broker, (void)id, (void)version, (void)correlation, (void)size, (void)rtt,
	    (void)err;
	if (key == JOIN_GROUP)
		atomic_store(&h->joining, false);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
    rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t text_size)
{
	(void)conf, (void)text, (void)text_size;
	rd_kafka_interceptor_add_on_request_sent(rk, NAME, on_sent, opaque);
	rd_kafka_interceptor_add_on_response_received(rk, NAME, on_answered, opaque);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void joining_watch(struct consumer_handle *h, rd_kafka_conf_t *conf)
{
	rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, h);
}
