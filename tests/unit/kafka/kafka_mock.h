#ifndef KMD_TEST_KAFKA_MOCK_H
#define KMD_TEST_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kmd_kafka.h"
#include "kmd_time.h"

/* A mock cluster and settings that lead to it. */
struct mock {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
	struct kmd_conf_prop props[4];
	struct kmd_conf conf;
	struct kmd_kafka kafka;
};

static inline void mock_start(struct mock *m, int brokers)
{
	char text[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	memset(m, 0, sizeof(*m));
	assert_int_equal(rd_kafka_conf_set(conf, "client.id", "mock", text, sizeof(text)), RD_KAFKA_CONF_OK);
	rd_kafka_conf_set_log_cb(conf, NULL);
	m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	assert_non_null(m->rk);
	m->cluster = rd_kafka_mock_cluster_new(m->rk, brokers);
	assert_non_null(m->cluster);
	m->props[0] = (struct kmd_conf_prop){
	    "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(m->cluster), "KAFKA_BOOTSTRAP_SERVERS"};
	/* What a test would otherwise spend its time waiting for. */
	m->props[1] = (struct kmd_conf_prop){"topic.metadata.refresh.interval.ms", "1000", "KAFKA_A"};
	m->props[2] = (struct kmd_conf_prop){"heartbeat.interval.ms", "100", "KAFKA_B"};
	m->props[3] = (struct kmd_conf_prop){"session.timeout.ms", "4000", "KAFKA_C"};
	m->conf = (struct kmd_conf){.kafka = m->props, .kafka_count = 4};
	m->kafka = (struct kmd_kafka){.conf = &m->conf,
	    .prefix = "t.",
	    .client_id = "test",
	    .topic_create = true,
	    .partitions = 2,
	    .replication = 1,
	    .retention_ns = 86400 * KMD_NS_PER_S,
	    .shards = 1};
}

static inline void mock_topic(struct mock *m, enum kmd_topic t, int partitions)
{
	char name[256];

	kmd_kafka_topic_name(&m->kafka, t, name);
	assert_int_equal(rd_kafka_mock_topic_create(m->cluster, name, partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static inline void mock_stop(struct mock *m)
{
	rd_kafka_mock_cluster_destroy(m->cluster);
	rd_kafka_destroy(m->rk);
}

/* A bound on waiting, not an expectation of speed. */
#define PATIENCE_NS (30 * KMD_NS_PER_S)
#define UNTIL(condition, step) \
	do { \
		const int64_t until_ns = kmd_mono_now().ns + PATIENCE_NS; \
		while (!(condition)) { \
			assert_true(kmd_mono_now().ns < until_ns); \
			step; \
		} \
	} while (0)

#endif
