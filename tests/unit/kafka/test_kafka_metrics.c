#include <stdio.h>

#include "../cmocka_all.h"
#include "kmd_kafka_metrics.h"

/* Shaped like librdkafka's STATISTICS.md: a bootstrap broker that was never used, one that is up, the group's coordinator. */
static const char report[] =
    "{\"name\":\"x\",\"msg_cnt\":7,\"msg_size\":700,\"txmsgs\":%d,\"rxmsgs\":5,\"tx_bytes\":900,\"rx_bytes\":50,\"brokers\":{"
    "\"boot\":{\"nodeid\":-1,\"source\":\"configured\",\"state\":\"INIT\",\"outbuf_cnt\":0,\"waitresp_cnt\":0,\"req_timeouts\":1,"
    "\"txretries\":0,\"rtt\":{\"p99\":0},\"throttle\":{\"p99\":0}},"
    "\"1\":{\"nodeid\":1,\"source\":\"learned\",\"state\":\"UP\",\"outbuf_cnt\":2,\"waitresp_cnt\":3,\"req_timeouts\":4,\"txretries\":6,"
    "\"rtt\":{\"p99\":2500},\"throttle\":{\"p99\":40}},"
    "\"GroupCoordinator\":{\"nodeid\":1,\"source\":\"logical\",\"state\":\"UP\",\"rtt\":{\"p99\":9}}},"
    "\"cgrp\":{\"rebalance_cnt\":2}}";

struct rig {
	struct kmd_metrics *registry;
	struct kmd_kafka_metrics *metrics;
	struct kmd_buf text;
};

static void start(struct rig *r)
{
	*r = (struct rig){.registry = kmd_metrics_new()};
	r->metrics = kmd_kafka_metrics_new(r->registry, "producer");
}

static void stop(struct rig *r)
{
	kmd_kafka_metrics_free(r->metrics);
	kmd_metrics_free(r->registry);
	kmd_buf_fini(&r->text);
}

static void take(struct rig *r, int sent)
{
	char json[2000];

	snprintf(json, sizeof(json), report, sent);
	kmd_kafka_metrics_take(r->metrics, kmd_str_z(json));
}

static void assert_line(struct rig *r, const char *line)
{
	kmd_buf_reset(&r->text);
	kmd_metrics_render(r->registry, &r->text);
	kmd_buf_addc(&r->text, '\0');
	if (!strstr(r->text.p, line))
		fail_msg("no %s in\n%s", line, r->text.p);
}

static void everything_stands_at_zero_before_the_first_report(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_line(&r, "kmd_kafka_sent_messages_total{client=\"producer\"} 0\n");
	assert_line(&r, "kmd_kafka_brokers_up{client=\"producer\"} 0\n");
	assert_line(&r, "kmd_kafka_rebalances_total{client=\"producer\"} 0\n");
	stop(&r);
}

static void a_report_is_read(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	take(&r, 100);
	assert_line(&r, "kmd_kafka_queue_messages{client=\"producer\"} 7\n");
	assert_line(&r, "kmd_kafka_sent_messages_total{client=\"producer\"} 100\n");
	assert_line(&r, "kmd_kafka_brokers_up{client=\"producer\"} 1\n");
	assert_line(&r, "kmd_kafka_rtt_p99_seconds{client=\"producer\"} 0.0025\n");
	assert_line(&r, "kmd_kafka_throttle_p99_seconds{client=\"producer\"} 0.04\n");
	assert_line(&r, "kmd_kafka_request_timeouts_total{client=\"producer\"} 5\n");
	assert_line(&r, "kmd_kafka_requests_in_flight{client=\"producer\"} 3\n");
	assert_line(&r, "kmd_kafka_rebalances_total{client=\"producer\"} 2\n");
	stop(&r);
}

/* A new client of the process counts from zero again; a counter of ours never goes down. */
static void counters_only_go_up(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	take(&r, 100);
	take(&r, 130);
	take(&r, 20);
	take(&r, 25);
	assert_line(&r, "kmd_kafka_sent_messages_total{client=\"producer\"} 135\n");
	stop(&r);
}

static void what_is_no_report_changes_nothing(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	take(&r, 100);
	kmd_kafka_metrics_take(r.metrics, KMD_STR("{\"txmsgs\":"));
	kmd_kafka_metrics_take(r.metrics, KMD_STR(""));
	assert_line(&r, "kmd_kafka_sent_messages_total{client=\"producer\"} 100\n");
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_stands_at_zero_before_the_first_report),
	    cmocka_unit_test(a_report_is_read),
	    cmocka_unit_test(counters_only_go_up),
	    cmocka_unit_test(what_is_no_report_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
