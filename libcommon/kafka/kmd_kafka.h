#ifndef KMD_KAFKA_H
#define KMD_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_conf.h"
#include "kmd_err.h"
#include "kmd_str.h"
#include "kmd_topic.h"

/*
 * What producer and consumer share: the broker settings, record headers, and making the topics. Only this folder sees
 * librdkafka.
 */

/* Where the cluster is and how topics are named and made. Borrowed strings live as long as the settings. */
struct kmd_kafka {
	const struct kmd_conf *conf; /* its KAFKA_ properties; bootstrap.servers defaults to localhost:9092 */
	const char *prefix;
	const char *client_id;
	bool topic_create;
	int64_t partitions, replication, retention_ns;
	int64_t shards;     /* partitions of topic `shards` */
	int64_t session_ms; /* how long a member of the group may be silent; 0: 10 s */
	const char *group;  /* group that the program joins: what KAFKA_GROUP_ID may say at most; NULL: none */
	/* Where the producer, and the member of a group, report what librdkafka counts; NULL: nowhere. Borrowed. */
	struct kmd_kafka_metrics *producer_metrics, *group_metrics;
};

/* Largest frame of the exchange (64 MiB) plus room for headers: message.max.bytes and the fetch limits follow it. */
#define KMD_KAFKA_VALUE_MAX (64 * 1024 * 1024)

struct kmd_header {
	const char *name;
	struct kmd_str value;
};

/**
 * Checks the KAFKA_ properties against librdkafka and against the ones that are ours alone (interfaces 2), SCRAM on a
 * librdkafka below 2.6.1 included. KMD_ECONFIG names the setting.
 */
int kmd_kafka_check(const struct kmd_kafka *k, struct kmd_err *err) KMD_MUST_CHECK;

/** Writes "<prefix><name>" of a topic to @ret (at least 256 bytes). */
void kmd_kafka_topic_name(const struct kmd_kafka *k, enum kmd_topic t, char ret[256]);

/**
 * Makes the topics of @mask (1u << enum kmd_topic) that are missing, as interfaces 2 and 3 have them; topics that exist
 * are left alone. Blocks at most @timeout_ms; call again on KMD_EAGAIN (broker away or refuses). With topic_create
 * false only looks whether they exist: KMD_EAGAIN naming the first that does not. Thread: any, uses a client of its
 * own.
 */
int kmd_kafka_ensure_topics(
    const struct kmd_kafka *k, unsigned mask, int timeout_ms, struct kmd_err *err) KMD_MUST_CHECK;

/**
 * The topic's id as text (it changes when a topic is made anew), given (free it). KMD_ENOTFOUND: this librdkafka cannot
 * tell (below 2.3), or there is no such topic; KMD_EAGAIN: broker away or refuses.
 */
int kmd_kafka_topic_id(
    const struct kmd_kafka *k, enum kmd_topic t, int timeout_ms, char **ret, struct kmd_err *err) KMD_MUST_CHECK;

/** The cluster's id, given (free it). KMD_EAGAIN: broker away. */
int kmd_kafka_cluster_id(const struct kmd_kafka *k, int timeout_ms, char **ret, struct kmd_err *err) KMD_MUST_CHECK;

#endif
