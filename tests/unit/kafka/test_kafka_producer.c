#include <poll.h>

#include "kafka_mock.h"
#include "kmd_producer.h"

/* What was reported, in order. */
struct ledger {
	uint64_t refs[20000];
	int rcs[20000];
	int n;
};

static void on_delivery(void *ctx, const struct kmd_delivery *d)
{
	struct ledger *l = ctx;

	assert_true(l->n < 20000);
	l->refs[l->n] = d->ref;
	l->rcs[l->n++] = d->rc;
}

static struct ledger ledger;

static struct kmd_producer *producer(struct mock *m, int64_t queue_bytes)
{
	struct kmd_producer *p;
	struct kmd_err err;

	ledger.n = 0;
	if (kmd_producer_new(&p, &m->kafka, queue_bytes, on_delivery, &ledger, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static int put(struct kmd_producer *p, enum kmd_topic t, const char *key, const char *value, uint64_t ref)
{
	const struct kmd_header headers[] = {{"type", KMD_STR("trade")}, {"empty", KMD_STR("")}};

	return kmd_producer_send(p, t, kmd_str_z(key), kmd_str_z(value), headers, 2, 1700000000000, ref);
}

static void every_record_is_reported_once(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	uint64_t bytes;
	int seen[1000] = {0};

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 4);
	p = producer(&m, 1 << 20);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(put(p, KMD_TOPIC_TRADES, i % 2 ? "K" : NULL, i % 3 ? "v" : NULL, i), 0);
	assert_int_equal(kmd_producer_outstanding(p, &bytes), 1000);
	assert_true(bytes > 0);
	assert_true(kmd_producer_flush(p, 30000));
	assert_int_equal(ledger.n, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(ledger.rcs[i], 0);
		seen[ledger.refs[i]]++;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(kmd_producer_outstanding(p, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_true(kmd_producer_connected(p, NULL));
	kmd_producer_free(p);
	mock_stop(&m);
}

static void a_full_queue_says_so_and_empties(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	uint64_t sent = 0;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	p = producer(&m, 4096);
	while (put(p, KMD_TOPIC_TRADES, "K", "value", sent) == 0)
		assert_true(++sent < 100);
	assert_true(sent > 1);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "value", sent), KMD_EAGAIN);
	rd_kafka_mock_broker_set_up(m.cluster, 1);
	UNTIL((uint64_t)ledger.n == sent, kmd_producer_poll(p, 100));
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "value", sent), 0);
	kmd_producer_free(p);
	mock_stop(&m);
}

static void what_can_never_fit_is_told_at_once(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	const size_t n = KMD_KAFKA_VALUE_MAX + 2 * 1024 * 1024;
	char *value = calloc(1, n);

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	p = producer(&m, 1024);
	assert_int_equal(
	    kmd_producer_send(p, KMD_TOPIC_TRADES, KMD_STR_NONE, (struct kmd_str){value, n}, NULL, 0, 1, 7),
	    KMD_ETOOBIG);
	assert_int_equal(kmd_producer_outstanding(p, NULL), 0);
	kmd_producer_free(p);
	mock_stop(&m);
	free(value);
}

static void an_absent_broker_shows_and_loses_nothing(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	const char *why = NULL;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	p = producer(&m, 1 << 20);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "1", 1), 0);
	assert_true(kmd_producer_flush(p, 30000));
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	UNTIL(!kmd_producer_connected(p, &why), kmd_producer_poll(p, 100));
	assert_non_null(why);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "2", 2), 0);
	assert_false(kmd_producer_flush(p, 300));
	rd_kafka_mock_broker_set_up(m.cluster, 1);
	assert_true(kmd_producer_flush(p, 30000));
	assert_int_equal(ledger.n, 2);
	assert_int_equal(ledger.refs[1], 2);
	assert_int_equal(ledger.rcs[1], 0);
	assert_true(kmd_producer_connected(p, NULL));
	kmd_producer_free(p);
	mock_stop(&m);
}

/* The broker says for a while that it does not know the topic, or does not allow it: in order, none lost. */
static void trouble_with_a_topic_keeps_records_and_order(void **state)
{
	static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
	    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING};
	struct mock m;
	struct kmd_producer *p;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	p = producer(&m, 1 << 20);
	for (int round = 0; round < 2; round++) {
		ledger.n = 0;
		rd_kafka_mock_push_request_errors(m.cluster, 0, 3, codes[round], codes[round], codes[round]);
		for (uint64_t i = 0; i < 50; i++) {
			assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", i), 0);
			kmd_producer_poll(p, 1);
		}
		assert_true(kmd_producer_flush(p, 30000));
		assert_int_equal(ledger.n, 50);
		for (int i = 0; i < 50; i++) {
			assert_int_equal(ledger.rcs[i], 0);
			assert_int_equal(ledger.refs[i], i);
		}
	}
	kmd_producer_free(p);
	mock_stop(&m);
}

static void a_topic_that_vanished_gets_its_records_when_it_is_back(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	const char *why = NULL;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	p = producer(&m, 1 << 20);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", 0), 0);
	assert_true(kmd_producer_flush(p, 30000));
	rd_kafka_mock_topic_set_error(m.cluster, "t.trades", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	UNTIL(!kmd_producer_connected(p, &why) && why && strstr(why, "nknown"), {
		assert_int_equal(
		    put(p, KMD_TOPIC_TRADES, "K", "v", kmd_producer_outstanding(p, NULL) + (uint64_t)ledger.n), 0);
		kmd_producer_poll(p, 50);
	});
	rd_kafka_mock_topic_set_error(m.cluster, "t.trades", RD_KAFKA_RESP_ERR_NO_ERROR);
	assert_true(kmd_producer_flush(p, 30000));
	for (int i = 0; i < ledger.n; i++) {
		assert_int_equal(ledger.rcs[i], 0);
		assert_int_equal(ledger.refs[i], i);
	}
	assert_true(kmd_producer_connected(p, NULL));
	kmd_producer_free(p);
	mock_stop(&m);
}

/* What is not delivered stays outstanding, so that the service can say how much was left. */
static void a_fatal_error_is_for_good(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	const char *why = NULL;
	enum { INIT_PRODUCER_ID = 22 };

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	rd_kafka_mock_push_request_errors(
	    m.cluster, INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
	p = producer(&m, 1 << 20);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", 1), 0);
	UNTIL(kmd_producer_fatal(p, &why), kmd_producer_poll(p, 50));
	assert_non_null(why);
	assert_false(kmd_producer_connected(p, NULL));
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", 2), KMD_EFAULT);
	assert_false(kmd_producer_flush(p, 10));
	assert_int_equal(kmd_producer_outstanding(p, NULL), 1);
	kmd_producer_free(p);
	mock_stop(&m);
}

static void the_fd_tells_of_reports(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	struct pollfd fd = {.events = POLLIN};

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	p = producer(&m, 1 << 20);
	fd.fd = kmd_producer_fd(p);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", i), 0);
		while (ledger.n == (int)i) {
			assert_int_equal(poll(&fd, 1, 30000), 1);
			kmd_producer_poll(p, 0);
		}
	}
	kmd_producer_free(p);
	mock_stop(&m);
}

static void freeing_drops_what_is_queued(void **state)
{
	struct mock m;
	struct kmd_producer *p;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	p = producer(&m, 1 << 20);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(put(p, KMD_TOPIC_TRADES, "K", "v", i), 0);
	kmd_producer_free(p);
	assert_int_equal(ledger.n, 0);
	mock_stop(&m);
}

/* Notes what is shown, and gives each another reference. */
static void on_outstanding(void *ctx, const struct kmd_outstanding *o, uint64_t *ref)
{
	struct kmd_buf *seen = ctx;

	assert_int_equal(o->topic, KMD_TOPIC_TRADES);
	assert_int_equal(o->timestamp_ms, 1700000000000);
	assert_int_equal(o->headers_count, 2);
	assert_string_equal(o->headers[0].name, "type");
	assert_true(kmd_str_eqz(o->headers[0].value, "trade"));
	assert_string_equal(o->headers[1].name, "empty");
	assert_int_equal(o->headers[1].value.n, 0);
	kmd_buf_add_str(seen, o->key);
	kmd_buf_add_str(seen, o->value);
	*ref += 100;
}

static void what_is_outstanding_is_shown_in_order(void **state)
{
	struct mock m;
	struct kmd_producer *p;
	struct kmd_buf seen = {0};

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	p = producer(&m, 1 << 20);
	kmd_producer_each(p, on_outstanding, &seen);
	assert_int_equal(seen.n, 0);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "A", "1", 1), 0);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, NULL, "2", 2), 0);
	assert_int_equal(put(p, KMD_TOPIC_TRADES, "C", "3", 3), 0);
	kmd_producer_each(p, on_outstanding, &seen);
	assert_true(kmd_str_eqz(kmd_buf_str(&seen), "A12C3"));
	rd_kafka_mock_broker_set_up(m.cluster, 1);
	UNTIL(ledger.n == 3, kmd_producer_poll(p, 100));
	for (int i = 0; i < 3; i++)
		assert_int_equal(ledger.refs[i], 101 + i);
	kmd_buf_fini(&seen);
	kmd_producer_free(p);
	mock_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_record_is_reported_once),
	    cmocka_unit_test(a_full_queue_says_so_and_empties),
	    cmocka_unit_test(what_can_never_fit_is_told_at_once),
	    cmocka_unit_test(an_absent_broker_shows_and_loses_nothing),
	    cmocka_unit_test(trouble_with_a_topic_keeps_records_and_order),
	    cmocka_unit_test(a_topic_that_vanished_gets_its_records_when_it_is_back),
	    cmocka_unit_test(a_fatal_error_is_for_good),
	    cmocka_unit_test(the_fd_tells_of_reports),
	    cmocka_unit_test(what_is_outstanding_is_shown_in_order),
	    cmocka_unit_test(freeing_drops_what_is_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
