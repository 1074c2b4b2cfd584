#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "kafka_mock.h"
#include "kmd_consumer.h"
#include "kmd_left.h"
#include "kmd_producer.h"

#define TRADES (1u << KMD_TOPIC_TRADES)
#define FEED (1u << KMD_TOPIC_FEED)
#define PARTITIONS 4

/* A shell: where it wants to start, what it was told, what it got. */
struct shell {
	struct kmd_consumer *c;
	int not_yet;       /* times that assigned() does not know */
	int64_t start;     /* of every partition; INT64_MIN: as committed, else the beginning */
	int64_t seek_to;   /* on out_of_range; INT64_MIN: nowhere yet */
	struct kmd_tp out; /* last out_of_range */
	int outs, asked;
	int settled, owned_when_settled;
	bool owned[PARTITIONS];
	int64_t next[PARTITIONS]; /* of what it got */
	int got, doubled;
	bool commit;     /* on revocation */
	int64_t *stored; /* by partition: progress that members share apart from Kafka; NULL: committed offsets are */
};

static int assigned(void *ctx, struct kmd_tp *tps, size_t n)
{
	struct shell *s = ctx;

	s->asked++;
	if (s->not_yet > 0) {
		s->not_yet--;
		return KMD_EAGAIN;
	}
	for (size_t i = 0; i < n; i++) {
		s->owned[tps[i].partition] = true;
		if (s->start != INT64_MIN)
			tps[i].offset = s->start;
		else if (s->stored)
			tps[i].offset = s->stored[tps[i].partition];
		else if (tps[i].offset < 0)
			tps[i].offset = KMD_OFFSET_BEGINNING;
		s->next[tps[i].partition] = tps[i].offset;
	}
	return 0;
}

static void revoked(void *ctx, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct shell *s = ctx;

	for (size_t i = 0; i < n; i++) {
		struct kmd_tp tp = tps[i];
		struct kmd_err err;

		assert_true(s->owned[tp.partition]);
		s->owned[tp.partition] = false;
		tp.offset = s->next[tp.partition];
		if (s->stored)
			s->stored[tp.partition] = tp.offset;
		if (s->commit && !lost && tp.offset > 0 && kmd_consumer_commit(s->c, &tp, 1, true, &err) != 0)
			fail_msg("%s", err.text);
	}
}

static void out_of_range(void *ctx, const struct kmd_tp *tp)
{
	struct shell *s = ctx;
	struct kmd_tp to = *tp;

	s->out = *tp;
	s->outs++;
	to.offset = s->seek_to;
	if (s->seek_to != INT64_MIN)
		assert_int_equal(kmd_consumer_seek(s->c, &to, NULL), 0);
}

static int shell_owns(const struct shell *s)
{
	int n = 0;

	for (int i = 0; i < PARTITIONS; i++)
		n += s->owned[i];
	return n;
}

static void settled(void *ctx)
{
	struct shell *s = ctx;

	s->settled++;
	s->owned_when_settled = shell_owns(s);
}

static const struct kmd_rebalance_ops ops = {assigned, revoked, out_of_range, settled};

static void shell_join(struct shell *s, struct mock *m, const char *group)
{
	struct kmd_err err;

	*s = (struct shell){.start = INT64_MIN, .seek_to = INT64_MIN};
	if (kmd_consumer_join(&s->c, &m->kafka, group, TRADES, &ops, s, &err) != 0)
		fail_msg("%s", err.text);
}

static void shell_poll(struct shell *s, int timeout_ms)
{
	struct kmd_record *records[64];
	const int n = kmd_consumer_poll(s->c, records, 64, timeout_ms);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		const int32_t p = kmd_record_partition(records[i]);

		assert_true(s->owned[p]);
		if (s->next[p] > kmd_record_offset(records[i]))
			s->doubled++;
		s->next[p] = kmd_record_offset(records[i]) + 1;
		s->got++;
		kmd_record_free(records[i]);
	}
}

static void on_delivery(void *ctx, const struct kmd_delivery *d)
{
	(void)ctx;
	assert_int_equal(d->rc, 0);
}

/* The mock cluster makes every topic it is asked for; this one is denied until it is shown. */
static void hide_feed(struct mock *m)
{
	rd_kafka_mock_topic_set_error(m->cluster, "t.feed", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static void show_feed(struct mock *m)
{
	rd_kafka_mock_topic_set_error(m->cluster, "t.feed", RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* @n records, spread by key. */
static void fill(struct mock *m, enum kmd_topic t, int n)
{
	const struct kmd_header headers[] = {{"n", KMD_STR("1")}, {"n", KMD_STR("2")}, {"empty", KMD_STR("")}};
	struct kmd_producer *p;

	assert_int_equal(kmd_producer_new(&p, &m->kafka, 1 << 20, on_delivery, NULL, NULL), 0);
	for (int i = 0; i < n; i++) {
		char key[16];

		snprintf(key, sizeof(key), "K%d", i);
		assert_int_equal(
		    kmd_producer_send(p, t, kmd_str_z(key), KMD_STR("value"), headers, 3, 1700000000000 + i, 0), 0);
	}
	assert_true(kmd_producer_flush(p, 30000));
	kmd_producer_free(p);
}

static void mock_with_trades(struct mock *m, int n)
{
	mock_start(m, 1);
	mock_topic(m, KMD_TOPIC_TRADES, PARTITIONS);
	fill(m, KMD_TOPIC_TRADES, n);
}

static void a_member_gets_all_and_its_successor_goes_on(void **state)
{
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 1000);
	shell_join(&s, &m, "g");
	s.commit = true;
	UNTIL(s.got == 1000, shell_poll(&s, 100));
	assert_int_equal(shell_owns(&s), PARTITIONS);
	kmd_consumer_close(s.c);
	assert_int_equal(shell_owns(&s), 0);
	assert_int_equal(s.doubled, 0);

	fill(&m, KMD_TOPIC_TRADES, 100);
	shell_join(&s, &m, "g");
	UNTIL(s.got == 100, shell_poll(&s, 100));
	for (int i = 0; i < 3; i++)
		shell_poll(&s, 50);
	assert_int_equal(s.got, 100);
	kmd_consumer_close(s.c);
	mock_stop(&m);
}

static void a_shell_that_does_not_know_yet_is_asked_again(void **state)
{
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 100);
	shell_join(&s, &m, "g");
	s.not_yet = 3;
	UNTIL(s.asked > 0, shell_poll(&s, 50));
	while (s.not_yet > 0) {
		assert_int_equal(s.settled, 0);
		shell_poll(&s, 50);
		assert_true(s.not_yet == 0 || s.got == 0);
	}
	UNTIL(s.got == 100, shell_poll(&s, 100));
	kmd_consumer_close(s.c);
	assert_int_equal(shell_owns(&s), 0);
	mock_stop(&m);
}

static void partitions_revoked_before_their_start_was_known_are_forgotten(void **state)
{
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 10);
	shell_join(&s, &m, "g");
	s.not_yet = 1000000;
	UNTIL(s.asked > 2, shell_poll(&s, 50));
	kmd_consumer_close(s.c); /* would assert if it were told of a revocation */
	assert_int_equal(s.got, 0);
	mock_stop(&m);
}

static void closing_with_records_that_nobody_took(void **state)
{
	struct kmd_record *r;
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 2000);
	shell_join(&s, &m, "g");
	UNTIL(kmd_consumer_poll(s.c, &r, 1, 100) == 1, );
	kmd_record_free(r);
	kmd_consumer_close(s.c);
	assert_int_equal(shell_owns(&s), 0);
	mock_stop(&m);
}

/* Closes, however long the broker takes to answer. librdkafka by itself would wait a minute, for each commit. */
static void assert_closes(struct shell *s)
{
	const struct kmd_mono began = kmd_mono_now();

	kmd_consumer_close(s->c);
	assert_true(kmd_mono_now().ns - began.ns < PATIENCE_NS);
}

static void closing_does_not_wait_for_a_broker_that_is_silent(void **state)
{
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 1000);
	shell_join(&s, &m, "g");
	s.commit = true;
	UNTIL(s.got == 1000, shell_poll(&s, 100));
	rd_kafka_mock_broker_set_rtt(m.cluster, 1, 120 * 1000);
	assert_closes(&s);
	assert_int_equal(shell_owns(&s), 0);
	mock_stop(&m);
}

static void two_members_share_and_neither_loses_nor_doubles(void **state)
{
	int64_t stored[PARTITIONS] = {0}; /* the mock refuses a commit while the group changes */
	struct shell a, b;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 500);
	shell_join(&a, &m, "g");
	a.stored = stored;
	UNTIL(a.got == 500, shell_poll(&a, 50));
	shell_join(&b, &m, "g");
	b.stored = stored;
	UNTIL(shell_owns(&a) == 2 && shell_owns(&b) == 2, {
		shell_poll(&a, 10);
		shell_poll(&b, 10);
	});
	for (int i = 0; i < PARTITIONS; i++)
		assert_true(a.owned[i] != b.owned[i]);
	assert_int_equal(b.owned_when_settled, 2);
	UNTIL(a.owned_when_settled == 2, {
		shell_poll(&a, 10);
		shell_poll(&b, 10);
	});
	fill(&m, KMD_TOPIC_TRADES, 500);
	UNTIL(a.got + b.got == 1000, {
		shell_poll(&a, 10);
		shell_poll(&b, 10);
	});
	assert_true(b.got > 0);
	kmd_consumer_close(b.c);
	UNTIL(shell_owns(&a) == PARTITIONS, shell_poll(&a, 50));
	fill(&m, KMD_TOPIC_TRADES, 500);
	UNTIL(a.got + b.got == 1500, shell_poll(&a, 50));
	for (int i = 0; i < 3; i++)
		shell_poll(&a, 50);
	assert_int_equal(a.got + b.got, 1500);
	assert_int_equal(a.doubled + b.doubled, 0);
	kmd_consumer_close(a.c);
	mock_stop(&m);
}

static void pausing_loses_and_doubles_nothing(void **state)
{
	struct kmd_tp tps[PARTITIONS];
	struct shell s;
	struct mock m;

	(void)state;
	for (int i = 0; i < PARTITIONS; i++)
		tps[i] = (struct kmd_tp){.topic = KMD_TOPIC_TRADES, .partition = i};
	mock_with_trades(&m, 2000);
	shell_join(&s, &m, "g");
	UNTIL(s.got > 0, shell_poll(&s, 100));
	for (int pauses = 0; pauses < 5 && s.got < 2000; pauses++) {
		int got;

		assert_int_equal(kmd_consumer_pause(s.c, tps, PARTITIONS), 0);
		got = s.got;
		shell_poll(&s, 5);
		assert_int_equal(s.got, got);
		assert_int_equal(kmd_consumer_resume(s.c, tps, PARTITIONS), 0);
		UNTIL(s.got > got, shell_poll(&s, 50));
	}
	UNTIL(s.got >= 2000, shell_poll(&s, 50));
	shell_poll(&s, 50);
	assert_int_equal(s.got, 2000);
	assert_int_equal(s.doubled, 0);
	kmd_consumer_close(s.c);
	mock_stop(&m);
}

static void seeking_moves_one_partition(void **state)
{
	struct kmd_tp tp = {.topic = KMD_TOPIC_TRADES, .partition = 1, .offset = 3};
	int64_t low, high;
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 400);
	shell_join(&s, &m, "g");
	assert_int_equal(kmd_consumer_seek(s.c, &tp, NULL), KMD_EAGAIN);
	UNTIL(s.got == 400, shell_poll(&s, 100));
	assert_int_equal(kmd_consumer_watermarks(s.c, &tp, 10000, &low, &high, NULL), 0);
	assert_int_equal(low, 0);
	assert_int_equal(high, s.next[1]);
	assert_int_equal(kmd_consumer_cached_watermarks(s.c, &tp, &low, &high), 0);
	assert_int_equal(high, s.next[1]);
	assert_int_equal(kmd_consumer_seek(s.c, &tp, NULL), 0);
	s.next[1] = 3;
	UNTIL(s.got == 400 + high - 3, shell_poll(&s, 100));
	assert_int_equal(s.doubled, 0);
	assert_int_equal(s.next[1], high);
	kmd_consumer_close(s.c);
	mock_stop(&m);
}

static void bounds_of_many_partitions_are_told_at_once(void **state)
{
	struct kmd_tp tps[PARTITIONS + 1];
	int64_t low[PARTITIONS + 1], high[PARTITIONS + 1];
	struct shell s;
	struct mock m;

	(void)state;
	mock_with_trades(&m, 400);
	shell_join(&s, &m, "g");
	UNTIL(s.got == 400, shell_poll(&s, 100));
	for (int i = 0; i <= PARTITIONS; i++)
		tps[i] = (struct kmd_tp){.topic = KMD_TOPIC_TRADES, .partition = i};
	kmd_consumer_bounds(s.c, tps, PARTITIONS, 10000, low, high);
	for (int i = 0; i < PARTITIONS; i++) {
		assert_int_equal(low[i], 0);
		assert_int_equal(high[i], s.next[i]);
	}
	kmd_consumer_bounds(s.c, &tps[PARTITIONS], 1, 500, low, high); /* there is no such partition */
	assert_int_equal(high[0], -1);
	kmd_consumer_close(s.c);
	mock_stop(&m);
}

static void an_offset_that_is_not_there_is_the_shells_to_judge(void **state)
{
	struct kmd_tp tp;
	struct shell s;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_TRADES, 1);
	fill(&m, KMD_TOPIC_TRADES, 10);
	shell_join(&s, &m, "g");
	s.start = 5000;
	UNTIL(s.outs > 0, shell_poll(&s, 100));
	assert_int_equal(s.out.partition, 0);
	assert_int_equal(s.out.offset, 5000);
	for (int i = 0; i < 5; i++)
		shell_poll(&s, 50);
	assert_int_equal(s.got, 0);
	tp = (struct kmd_tp){.topic = KMD_TOPIC_TRADES, .partition = 0, .offset = 4};
	assert_int_equal(kmd_consumer_seek(s.c, &tp, NULL), 0);
	s.next[0] = 4;
	UNTIL(s.got == 6, shell_poll(&s, 100));
	kmd_consumer_close(s.c);

	shell_join(&s, &m, "h");
	s.start = 5000;
	s.seek_to = KMD_OFFSET_BEGINNING;
	UNTIL(s.got == 10, (s.next[0] = s.next[0] == 5000 ? 0 : s.next[0], shell_poll(&s, 100)));
	kmd_consumer_close(s.c);
	mock_stop(&m);
}

static void records_tell_all_and_outlive_the_consumer(void **state)
{
	struct kmd_record *r;
	struct kmd_consumer *c;
	struct kmd_producer *p;
	struct kmd_str value;
	const char *name;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, KMD_TOPIC_FEED, 1);
	fill(&m, KMD_TOPIC_FEED, 1);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, FEED, KMD_OFFSET_BEGINNING, NULL), 0);
	UNTIL(kmd_consumer_poll(c, &r, 1, 100) == 1, );
	kmd_consumer_close(c);
	assert_int_equal(kmd_record_topic(r), KMD_TOPIC_FEED);
	assert_int_equal(kmd_record_partition(r), 0);
	assert_int_equal(kmd_record_offset(r), 0);
	assert_int_equal(kmd_record_timestamp_ms(r), 1700000000000);
	assert_true(kmd_str_eqz(kmd_record_key(r), "K0"));
	assert_true(kmd_str_eqz(kmd_record_value(r), "value"));
	assert_true(kmd_str_eqz(kmd_record_header(r, "n"), "2"));
	assert_non_null(kmd_record_header(r, "empty").p);
	assert_int_equal(kmd_record_header(r, "empty").n, 0);
	assert_null(kmd_record_header(r, "absent").p);
	assert_true(kmd_record_header_at(r, 0, &name, &value));
	assert_string_equal(name, "n");
	assert_true(kmd_str_eqz(value, "1"));
	assert_false(kmd_record_header_at(r, 3, &name, &value));
	kmd_record_free(r);

	assert_int_equal(kmd_producer_new(&p, &m.kafka, 1 << 20, on_delivery, NULL, NULL), 0);
	assert_int_equal(kmd_producer_send(p, KMD_TOPIC_FEED, KMD_STR_NONE, KMD_STR_NONE, NULL, 0, 5, 0), 0);
	assert_int_equal(kmd_producer_send(p, KMD_TOPIC_FEED, KMD_STR(""), KMD_STR(""), NULL, 0, 5, 0), 0);
	assert_true(kmd_producer_flush(p, 30000));
	kmd_producer_free(p);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, FEED, KMD_OFFSET_BEGINNING, NULL), 0);
	for (int i = 0; i < 3; i++) {
		UNTIL(kmd_consumer_poll(c, &r, 1, 100) == 1, );
		assert_true((kmd_record_value(r).p == NULL) == (i == 1));
		assert_true((kmd_record_key(r).p == NULL) == (i == 1));
		assert_true(i == 0 || !kmd_record_header_at(r, 0, &name, &value));
		kmd_record_free(r);
	}
	kmd_consumer_close(c);
	mock_stop(&m);
}

static int read_some(struct kmd_consumer *c, int timeout_ms)
{
	struct kmd_record *records[64];
	const int n = kmd_consumer_poll(c, records, 64, timeout_ms);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++)
		kmd_record_free(records[i]);
	return n;
}

static void a_reader_knows_when_it_has_caught_up(void **state)
{
	struct kmd_consumer *c;
	struct mock m;
	int got = 0;

	(void)state;
	mock_with_trades(&m, 1000);
	hide_feed(&m);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, TRADES | FEED, KMD_OFFSET_BEGINNING, NULL), 0);
	UNTIL(got == 1000, got += read_some(c, 50));
	assert_false(kmd_consumer_caught_up(c)); /* feed is not there yet */
	assert_int_equal(kmd_consumer_mark(c, 1000, NULL), KMD_EAGAIN);
	show_feed(&m);
	UNTIL(kmd_consumer_caught_up(c), got += read_some(c, 50));
	fill(&m, KMD_TOPIC_FEED, 7);
	fill(&m, KMD_TOPIC_TRADES, 5);
	assert_int_equal(kmd_consumer_mark(c, 10000, NULL), 0);
	assert_false(kmd_consumer_caught_up(c));
	UNTIL(kmd_consumer_caught_up(c), got += read_some(c, 50));
	assert_int_equal(got, 1012);
	kmd_consumer_close(c);
	mock_stop(&m);
}

static void a_reader_from_the_end_sees_only_what_is_new(void **state)
{
	struct kmd_consumer *c;
	struct mock m;
	int got = 0;

	(void)state;
	mock_with_trades(&m, 100);
	hide_feed(&m);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, TRADES | FEED, KMD_OFFSET_END, NULL), 0);
	for (int i = 0; i < 10; i++)
		got += read_some(c, 50);
	assert_int_equal(got, 0);
	fill(&m, KMD_TOPIC_TRADES, 30);
	show_feed(&m);
	fill(&m, KMD_TOPIC_FEED, 12); /* all of it is new, though written before it was found */
	UNTIL(got == 42, got += read_some(c, 50));
	UNTIL(kmd_consumer_caught_up(c), got += read_some(c, 50));
	assert_int_equal(got, 42);
	kmd_consumer_close(c);
	mock_stop(&m);
}

static void an_absent_broker_shows_and_is_waited_for(void **state)
{
	struct kmd_consumer *c;
	const char *why = NULL;
	struct mock m;
	int got = 0;

	(void)state;
	mock_with_trades(&m, 10);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, TRADES, KMD_OFFSET_BEGINNING, NULL), 0);
	UNTIL(kmd_consumer_caught_up(c), got += read_some(c, 50));
	assert_true(kmd_consumer_connected(c, NULL));
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	UNTIL(!kmd_consumer_connected(c, &why), got += read_some(c, 50));
	assert_non_null(why);
	assert_false(kmd_consumer_caught_up(c));
	rd_kafka_mock_broker_set_up(m.cluster, 1);
	fill(&m, KMD_TOPIC_TRADES, 10);
	UNTIL(got == 20 && kmd_consumer_connected(c, NULL), got += read_some(c, 50));
	kmd_consumer_close(c);
	mock_stop(&m);
}

static void the_fd_tells_of_records_also_of_those_left(void **state)
{
	struct kmd_record *r;
	struct kmd_consumer *c;
	struct pollfd fd = {.events = POLLIN};
	struct mock m;

	(void)state;
	mock_with_trades(&m, 20);
	assert_int_equal(kmd_consumer_read(&c, &m.kafka, TRADES, KMD_OFFSET_BEGINNING, NULL), 0);
	fd.fd = kmd_consumer_fd(c);
	for (int got = 0; got < 20;) {
		const int n = kmd_consumer_poll(c, &r, 1, 0);

		if (n == 1) {
			kmd_record_free(r);
			got++;
		} else {
			assert_int_equal(n, 0);
			poll(&fd, 1, 100);
		}
	}
	kmd_consumer_close(c);
	mock_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_member_gets_all_and_its_successor_goes_on),
	    cmocka_unit_test(a_shell_that_does_not_know_yet_is_asked_again),
	    cmocka_unit_test(partitions_revoked_before_their_start_was_known_are_forgotten),
	    cmocka_unit_test(closing_with_records_that_nobody_took),
	    cmocka_unit_test(closing_does_not_wait_for_a_broker_that_is_silent),
	    cmocka_unit_test(two_members_share_and_neither_loses_nor_doubles),
	    cmocka_unit_test(pausing_loses_and_doubles_nothing),
	    cmocka_unit_test(seeking_moves_one_partition),
	    cmocka_unit_test(bounds_of_many_partitions_are_told_at_once),
	    cmocka_unit_test(an_offset_that_is_not_there_is_the_shells_to_judge),
	    cmocka_unit_test(records_tell_all_and_outlive_the_consumer),
	    cmocka_unit_test(a_reader_knows_when_it_has_caught_up),
	    cmocka_unit_test(a_reader_from_the_end_sees_only_what_is_new),
	    cmocka_unit_test(an_absent_broker_shows_and_is_waited_for),
	    cmocka_unit_test(the_fd_tells_of_records_also_of_those_left),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (kmd_left()) {
		fflush(NULL);
		_exit(failed);
	}
	return failed;
}
