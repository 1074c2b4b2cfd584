/*
 * consume BOOTSTRAP TOPIC PARTITIONS COUNT
 *
 * Reads COUNT records of all partitions from their beginning in batches and looks at none of them: what librdkafka
 * alone costs. Prints the seconds from the first record to the last.
 */
#include <librdkafka/rdkafka.h>

#include "bench.h"

#define BATCH 1000

static rd_kafka_t *consumer(const char *bootstrap)
{
	static const char *const set[][2] = {
	    {"group.id", "bench-consume"}, {"enable.auto.commit", "false"}, {"log_level", "2"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, err, sizeof(err));
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		rd_kafka_conf_set(conf, set[i][0], set[i][1], err, sizeof(err));
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	if (!rk)
		bench_die("consumer", err);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

static void assign(rd_kafka_t *rk, const char *topic, int partitions)
{
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(partitions);

	for (int p = 0; p < partitions; p++)
		rd_kafka_topic_partition_list_add(all, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(rk, all);
	rd_kafka_topic_partition_list_destroy(all);
}

int main(int argc, char **argv)
{
	rd_kafka_message_t *batch[BATCH];
	rd_kafka_queue_t *queue;
	double began = 0;
	rd_kafka_t *rk;

	if (argc != 5)
		bench_die(argv[0], "BOOTSTRAP TOPIC PARTITIONS COUNT");
	rk = consumer(argv[1]);
	assign(rk, argv[2], (int)bench_number(argv[3]));
	queue = rd_kafka_queue_get_consumer(rk);
	for (long long left = bench_number(argv[4]); left > 0;) {
		const ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, batch, BATCH);

		for (ssize_t i = 0; i < n; i++) {
			left -= batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
			rd_kafka_message_destroy(batch[i]);
		}
		if (began == 0 && n > 0)
			began = bench_now_s();
	}
	printf("%.3f\n", bench_now_s() - began);
	rd_kafka_queue_destroy(queue);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return 0;
}
