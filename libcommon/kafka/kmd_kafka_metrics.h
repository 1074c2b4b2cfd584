#ifndef KMD_KAFKA_METRICS_H
#define KMD_KAFKA_METRICS_H

#include "kmd_metrics.h"

/*
 * librdkafka's own statistics of one client as metrics kmd_kafka_*, label client. What they say of single partitions
 * is left out: the label sets stay as small as the list below.
 */

struct kmd_kafka_metrics;

/** Registers all series of a client named @client (`producer`, `consumer`); before /metrics is served. Given. */
struct kmd_kafka_metrics *kmd_kafka_metrics_new(struct kmd_metrics *registry, const char *client);
/** After the client is gone. NULL is fine. */
void kmd_kafka_metrics_free(struct kmd_kafka_metrics *m);
/** Takes one report of statistics (JSON, STATISTICS.md of librdkafka); one that cannot be read changes nothing. One
 * thread. */
void kmd_kafka_metrics_take(struct kmd_kafka_metrics *m, struct kmd_str json);

#endif
