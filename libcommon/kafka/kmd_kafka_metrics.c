#include "kmd_kafka_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "kmd_json.h"
#include "kmd_mem.h"

/* A member of the report, of the whole client or summed over its brokers, and what it is called here. */
struct series {
	const char *member, *name, *help;
	bool of_brokers, is_counter;
};

static const struct series all_series[] = {
    {"msg_cnt", "kmd_kafka_queue_messages", "Records handed to the Kafka client and not acknowledged.", false, false},
    {"msg_size", "kmd_kafka_queue_bytes", "Bytes of records handed to the Kafka client and not acknowledged.", false,
	false},
    {"txmsgs", "kmd_kafka_sent_messages_total", "Records sent to brokers, repetitions included.", false, true},
    {"rxmsgs", "kmd_kafka_received_messages_total", "Records fetched from brokers.", false, true},
    {"tx_bytes", "kmd_kafka_sent_bytes_total", "Bytes sent to brokers.", false, true},
    {"rx_bytes", "kmd_kafka_received_bytes_total", "Bytes received from brokers.", false, true},
    {"outbuf_cnt", "kmd_kafka_requests_waiting", "Requests that wait to be sent to a broker.", true, false},
    {"waitresp_cnt", "kmd_kafka_requests_in_flight", "Requests that wait for a broker's answer.", true, false},
    {"txretries", "kmd_kafka_request_retries_total", "Requests sent again.", true, true},
    {"req_timeouts", "kmd_kafka_request_timeouts_total", "Requests that no broker answered in time.", true, true},
    {"txerrs", "kmd_kafka_send_errors_total", "Requests that could not be sent.", true, true},
    {"rxerrs", "kmd_kafka_receive_errors_total", "Answers that could not be received or read.", true, true},
    {"disconnects", "kmd_kafka_disconnects_total", "Connections to brokers that ended.", true, true},
};
#define SERIES_COUNT (sizeof(all_series) / sizeof(all_series[0]))

struct kmd_kafka_metrics {
	union {
		struct kmd_counter *counter;
		struct kmd_gauge *gauge;
	} series[SERIES_COUNT];
	uint64_t told[SERIES_COUNT]; /* of counters: the client's own count at the last report */
	struct kmd_gauge *brokers_up, *rtt_p99, *throttle_p99;
	struct kmd_counter *rebalances;
	uint64_t rebalances_told;
	struct kmd_json doc;
};

struct kmd_kafka_metrics *kmd_kafka_metrics_new(struct kmd_metrics *registry, const char *client)
{
	struct kmd_kafka_metrics *m = kmd_calloc(1, sizeof(*m));
	char labels[64];

	snprintf(labels, sizeof(labels), "client=\"%s\"", client);
	for (size_t i = 0; i < SERIES_COUNT; i++) {
		const struct series *s = &all_series[i];

		if (s->is_counter)
			m->series[i].counter = kmd_metrics_counter(registry, s->name, labels, s->help);
		else
			m->series[i].gauge = kmd_metrics_gauge(registry, s->name, labels, s->help);
	}
	m->brokers_up =
	    kmd_metrics_gauge(registry, "kmd_kafka_brokers_up", labels, "Brokers with a connection that works.");
	m->rtt_p99 = kmd_metrics_gauge(registry, "kmd_kafka_rtt_p99_seconds", labels,
	    "Time from request to answer, 99th percentile, of the slowest broker, over the last 10 s.");
	m->throttle_p99 = kmd_metrics_gauge(registry, "kmd_kafka_throttle_p99_seconds", labels,
	    "Time that quotas held requests back, 99th percentile, of the worst broker, over the last 10 s.");
	m->rebalances = kmd_metrics_counter(
	    registry, "kmd_kafka_rebalances_total", labels, "Times that the group's partitions were shared out anew.");
	return m;
}

void kmd_kafka_metrics_free(struct kmd_kafka_metrics *m)
{
	if (!m)
		return;
	kmd_json_fini(&m->doc);
	free(m);
}

static int64_t number(struct kmd_json_val object, const char *member)
{
	int64_t v;

	return kmd_json_i64(kmd_json_get(object, member), &v) == 0 && v > 0 ? v : 0;
}

/* Sum over brokers, or the member of the client itself. */
static int64_t value_of(struct kmd_json_val root, const struct series *s)
{
	struct kmd_json_val brokers = kmd_json_get(root, "brokers"), key, broker;
	int64_t sum = 0;

	if (!s->of_brokers)
		return number(root, s->member);
	for (uint32_t it = 0; kmd_json_each_member(brokers, &it, &key, &broker);)
		sum += number(broker, s->member);
	return sum;
}

/* The client's count goes on from where it was; a sum over brokers may shrink when one leaves the cluster. */
static void count_up(struct kmd_counter *c, uint64_t *told, uint64_t now)
{
	if (now > *told)
		kmd_counter_add(c, now - *told);
	*told = now;
}

static bool is_up(struct kmd_json_val broker)
{
	const struct kmd_str state = kmd_json_plain(kmd_json_get(broker, "state"));

	return kmd_str_eqz(state, "UP") || kmd_str_eqz(state, "UPDATE");
}

static void take_brokers(struct kmd_kafka_metrics *m, struct kmd_json_val root)
{
	struct kmd_json_val key, broker;
	int64_t up = 0, rtt_us = 0, throttle_ms = 0;

	for (uint32_t it = 0; kmd_json_each_member(kmd_json_get(root, "brokers"), &it, &key, &broker);) {
		const int64_t rtt = number(kmd_json_get(broker, "rtt"), "p99");
		const int64_t throttle = number(kmd_json_get(broker, "throttle"), "p99");

		if (is_up(broker) && !kmd_str_eqz(kmd_json_plain(kmd_json_get(broker, "source")), "logical"))
			up++;
		rtt_us = rtt > rtt_us ? rtt : rtt_us;
		throttle_ms = throttle > throttle_ms ? throttle : throttle_ms;
	}
	kmd_gauge_set(m->brokers_up, (double)up);
	kmd_gauge_set(m->rtt_p99, (double)rtt_us / 1e6);
	kmd_gauge_set(m->throttle_p99, (double)throttle_ms / 1e3);
}

void kmd_kafka_metrics_take(struct kmd_kafka_metrics *m, struct kmd_str json)
{
	struct kmd_json_val root;

	if (kmd_json_parse(&m->doc, json) < 0)
		return;
	root = kmd_json_root(&m->doc);
	for (size_t i = 0; i < SERIES_COUNT; i++) {
		const int64_t v = value_of(root, &all_series[i]);

		if (all_series[i].is_counter)
			count_up(m->series[i].counter, &m->told[i], (uint64_t)v);
		else
			kmd_gauge_set(m->series[i].gauge, (double)v);
	}
	take_brokers(m, root);
	count_up(m->rebalances, &m->rebalances_told, (uint64_t)number(kmd_json_get(root, "cgrp"), "rebalance_cnt"));
}
