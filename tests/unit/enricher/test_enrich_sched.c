#include <stdio.h>

#include "../cmocka_all.h"
#include "sched.h"

#define S INT64_C(1000000000)
#define AT(s) ((struct kmd_mono){(int64_t)((s)*1e9)})

static struct enrich_job *want(struct enrich_sched *s, const char *key, enum enrich_lane lane, struct kmd_mono due)
{
	return enrich_sched_want(s, ENRICH_JOB_MARKET, kmd_str_z(key), lane, due);
}

/* Key of the next job at @now, "" for none; its call is over at once. */
static const char *next(struct enrich_sched *s, struct kmd_mono now)
{
	struct enrich_job *job = enrich_sched_next(s, now);
	static char key[16];

	key[0] = '\0';
	if (!job)
		return key;
	memcpy(key, job->key.p, job->key.n + 1);
	enrich_sched_answered(s);
	enrich_sched_end(s, job);
	return key;
}

static void priority_then_due_then_order(void **state)
{
	struct enrich_sched s;

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	want(&s, "list", ENRICH_LANE_LIST, AT(1));
	want(&s, "new2", ENRICH_LANE_NEW, AT(3));
	want(&s, "new1", ENRICH_LANE_NEW, AT(2));
	want(&s, "settle", ENRICH_LANE_SETTLEMENT, AT(20));
	assert_string_equal(next(&s, AT(0.5)), "");
	assert_string_equal(next(&s, AT(10)), "new1");
	assert_string_equal(next(&s, AT(10.1)), "new2");
	assert_string_equal(next(&s, AT(20)), "settle");
	assert_string_equal(next(&s, AT(20.1)), "list");
	assert_string_equal(next(&s, AT(20.2)), "");
	enrich_sched_fini(&s);
}

static void one_job_a_key_moved_up_by_who_needs_it_sooner(void **state)
{
	struct enrich_sched s;
	struct enrich_job *job;

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	job = want(&s, "m", ENRICH_LANE_NEW, AT(60));
	want(&s, "other", ENRICH_LANE_NEW, AT(1));
	assert_ptr_equal(want(&s, "m", ENRICH_LANE_SETTLEMENT, AT(2)), job);
	assert_ptr_equal(want(&s, "m", ENRICH_LANE_LIST, AT(90)), job);
	assert_int_equal(enrich_sched_pending(&s), 2);
	assert_string_equal(next(&s, AT(2)), "m");
	assert_null(enrich_sched_find(&s, ENRICH_JOB_MARKET, KMD_STR("m")));
	enrich_sched_fini(&s);
}

/* Starts of a full lane at @rate for @seconds; each turn of the loop comes up to @late_ms late. Ns into @ret. */
static size_t starts(double rate, int seconds, int late_ms, int64_t *ret)
{
	struct enrich_sched s;
	struct kmd_mono now = AT(100);
	uint64_t rng = 7;
	size_t n = 0;

	enrich_sched_init(&s, rate, 100, 1);
	for (int i = 0; i < rate * seconds * 2; i++) {
		char key[16];

		snprintf(key, sizeof(key), "m%d", i);
		want(&s, key, ENRICH_LANE_NEW, AT(0));
	}
	while (now.ns < (100 + seconds) * S) {
		while (next(&s, now)[0] != '\0')
			ret[n++] = now.ns;
		now.ns += enrich_sched_wait_ns(&s, now, S);
		if (late_ms > 0)
			now.ns += (int64_t)(kmd_rng_next(&rng) % (uint64_t)(late_ms * 1000000));
	}
	enrich_sched_fini(&s);
	return n;
}

static void never_more_than_the_rate(void **state)
{
	static const double rates[] = {1, 2, 15, 100, 300};
	int64_t at[4096];

	(void)state;
	for (size_t k = 0; k < sizeof(rates) / sizeof(rates[0]); k++)
		for (int late_ms = 0; late_ms <= 30; late_ms += 3) {
			const size_t n = starts(rates[k], 10, late_ms, at), most = (size_t)rates[k];

			for (size_t i = most; i < n; i++) /* and what the network shifts */
				assert_true(at[i] - at[i - most] > S + S / 25);
			if (late_ms <= 3)
				assert_true(n > 9 * most);
		}
}

static void never_more_than_the_room(void **state)
{
	struct enrich_sched s;

	(void)state;
	enrich_sched_init(&s, 1000, 2, 1);
	for (const char *key = "abc"; *key; key++)
		enrich_sched_want(&s, ENRICH_JOB_MARKET, (struct kmd_str){key, 1}, ENRICH_LANE_NEW, AT(0));
	assert_non_null(enrich_sched_next(&s, AT(1)));
	assert_non_null(enrich_sched_next(&s, AT(2)));
	assert_null(enrich_sched_next(&s, AT(3)));
	assert_int_equal(enrich_sched_wait_ns(&s, AT(3), S), S);
	enrich_sched_answered(&s);
	assert_non_null(enrich_sched_next(&s, AT(4)));
	enrich_sched_fini(&s);
}

static void causes_that_come_during_a_call_need_another(void **state)
{
	struct enrich_sched s;
	struct enrich_book b = {0};
	struct enrich_causes done = {0};
	struct enrich_job *job;
	struct enrich_cause *early = enrich_cause_open(&b, 0, 1, 1), *late = enrich_cause_open(&b, 0, 1, 2);

	(void)state;
	early->what = late->what = ENRICH_WANT_MARKET;
	enrich_sched_init(&s, 1000, 8, 1);
	job = want(&s, "m", ENRICH_LANE_NEW, AT(0));
	enrich_job_add(job, early);
	enrich_job_add(job, early);
	assert_ptr_equal(enrich_sched_next(&s, AT(1)), job);
	enrich_job_add(job, late);
	enrich_job_take(job, ENRICH_WANT_MARKET, &done);
	assert_int_equal(done.count, 1);
	assert_ptr_equal(done.p[0], early);
	assert_int_equal(job->causes.count, 1);
	enrich_sched_answered(&s);
	enrich_sched_again(&s, job, AT(1));
	assert_ptr_equal(enrich_sched_next(&s, AT(2)), job);
	enrich_job_take(job, ENRICH_WANT_SETTLEMENT, &done);
	assert_int_equal(done.count, 1);
	enrich_causes_fini(&done);
	enrich_sched_fini(&s);
	enrich_book_fini(&b);
}

static void a_pause_stops_all_and_grows(void **state)
{
	struct enrich_sched s;

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	want(&s, "m", ENRICH_LANE_SETTLEMENT, AT(0));
	enrich_sched_pause(&s, AT(1), S / 2, 30 * S);
	assert_null(enrich_sched_next(&s, AT(1.4)));
	assert_true(s.paused_until_ns <= 1 * S + S / 2 + S);
	for (int i = 0; i < 20; i++)
		enrich_sched_pause(&s, (struct kmd_mono){s.paused_until_ns}, S / 2, 30 * S);
	enrich_sched_unpause(&s);
	enrich_sched_pause(&s, (struct kmd_mono){s.paused_until_ns}, S / 2, 30 * S);
	assert_non_null(enrich_sched_next(&s, (struct kmd_mono){s.paused_until_ns}));
	want(&s, "n", ENRICH_LANE_SETTLEMENT, AT(0));
	enrich_sched_pause(&s, AT(2000), 20 * S, 30 * S);
	assert_null(enrich_sched_next(&s, AT(2001)));
	enrich_sched_pause_end(&s);
	assert_non_null(enrich_sched_next(&s, AT(2001)));
	enrich_sched_fini(&s);
}

static void absent_ones_are_asked_later_and_later_and_given_up(void **state)
{
	struct enrich_sched s;
	struct enrich_job *job;
	struct kmd_mono now = AT(0);
	int tries = 0;

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	want(&s, "m", ENRICH_LANE_NEW, now);
	for (; (job = enrich_sched_next(&s, now)) && !enrich_job_is_hopeless(job, now); tries++) {
		enrich_sched_answered(&s);
		enrich_sched_absent(&s, job, now);
		assert_true(job->due_ns - now.ns <= ENRICH_ABSENT_CAP_NS);
		now.ns = job->due_ns > s.next_start_ns ? job->due_ns : s.next_start_ns;
	}
	assert_in_range(tries, 8, 16);
	assert_true(now.ns >= ENRICH_ABSENT_GIVE_UP_NS);
	enrich_sched_fini(&s);
}

static void parked_ones_come_back_with_their_event_or_their_time(void **state)
{
	struct enrich_sched s;
	struct enrich_job *a, *b;

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	want(&s, "a", ENRICH_LANE_NEW, AT(0));
	want(&s, "b", ENRICH_LANE_NEW, AT(0));
	a = enrich_sched_next(&s, AT(1));
	b = enrich_sched_next(&s, AT(2));
	enrich_sched_park(&s, a, KMD_STR("E1"), AT(15));
	enrich_sched_park(&s, b, KMD_STR("E2"), AT(16));
	assert_int_equal(enrich_sched_pending(&s), 2);
	assert_null(enrich_sched_unpark(&s, KMD_STR("E3")));
	assert_ptr_equal(enrich_sched_unpark(&s, KMD_STR("E2")), b);
	assert_null(enrich_sched_unpark(&s, KMD_STR("E2")));
	assert_null(enrich_sched_expired(&s, AT(14)));
	assert_ptr_equal(enrich_sched_expired(&s, AT(15)), a);
	enrich_sched_again(&s, a, AT(20));
	enrich_sched_end(&s, b);
	enrich_sched_fini(&s);
}

static void a_partition_that_goes_takes_its_lookups_along(void **state)
{
	struct enrich_sched s;
	struct enrich_book b = {0};
	struct enrich_cause *here = enrich_cause_open(&b, 0, 1, 1), *there = enrich_cause_open(&b, 1, 1, 1);

	(void)state;
	enrich_sched_init(&s, 1000, 8, 1);
	enrich_job_add(want(&s, "a", ENRICH_LANE_NEW, AT(0)), here);
	enrich_job_add(want(&s, "b", ENRICH_LANE_NEW, AT(0)), here);
	enrich_job_add(want(&s, "b", ENRICH_LANE_NEW, AT(0)), there);
	want(&s, "internal", ENRICH_LANE_LIST, AT(0));
	enrich_sched_purge(&s, &b, 0);
	assert_null(enrich_sched_find(&s, ENRICH_JOB_MARKET, KMD_STR("a")));
	assert_int_equal(enrich_sched_find(&s, ENRICH_JOB_MARKET, KMD_STR("b"))->causes.count, 1);
	assert_non_null(enrich_sched_find(&s, ENRICH_JOB_MARKET, KMD_STR("internal")));
	enrich_cause_drop(&b, here);
	assert_ptr_equal(enrich_cause_take_done(&b), here);
	enrich_sched_fini(&s);
	enrich_book_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(priority_then_due_then_order),
	    cmocka_unit_test(one_job_a_key_moved_up_by_who_needs_it_sooner),
	    cmocka_unit_test(never_more_than_the_rate),
	    cmocka_unit_test(never_more_than_the_room),
	    cmocka_unit_test(causes_that_come_during_a_call_need_another),
	    cmocka_unit_test(a_pause_stops_all_and_grows),
	    cmocka_unit_test(absent_ones_are_asked_later_and_later_and_given_up),
	    cmocka_unit_test(parked_ones_come_back_with_their_event_or_their_time),
	    cmocka_unit_test(a_partition_that_goes_takes_its_lookups_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
