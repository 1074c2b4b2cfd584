#include "../cmocka_all.h"

#include "dial.h"

static const struct kmd_mono at = {1000};

static void the_first_dial_is_at_once(void **state)
{
	struct ingest_dial d;

	(void)state;
	ingest_dial_init(&d, 1);
	assert_true(d.due.ns <= 0);
}

static void failures_wait_longer_up_to_a_cap(void **state)
{
	struct ingest_dial d;
	int64_t longest = 0;

	(void)state;
	ingest_dial_init(&d, 1);
	assert_true(ingest_dial_again(&d, at, 0) <= INGEST_DIAL_BASE_NS);
	for (int i = 0; i < 200; i++) {
		int64_t delay = ingest_dial_again(&d, at, 0);

		assert_true(delay >= 0 && delay <= INGEST_DIAL_CAP_NS);
		assert_int_equal(d.due.ns, at.ns + delay);
		longest = delay > longest ? delay : longest;
	}
	assert_true(longest > INGEST_DIAL_CAP_NS / 2);
}

static void a_refusal_waits_in_the_slow_lane(void **state)
{
	static const int slow[] = {401, 403, 429};
	struct ingest_dial d;
	int64_t longest = 0;

	(void)state;
	ingest_dial_init(&d, 1);
	for (int i = 0; i < 300; i++) {
		int64_t delay = ingest_dial_again(&d, at, slow[i % 3]);

		assert_true(delay <= INGEST_DIAL_REFUSED_CAP_NS);
		longest = delay > longest ? delay : longest;
	}
	assert_true(longest > INGEST_DIAL_CAP_NS);
	assert_true(ingest_dial_again(&d, at, 502) <= INGEST_DIAL_BASE_NS);
}

static void only_data_resets(void **state)
{
	struct ingest_dial d;

	(void)state;
	ingest_dial_init(&d, 1);
	for (int i = 0; i < 20; i++)
		ingest_dial_again(&d, at, 0);
	ingest_dial_delivered(&d);
	assert_true(ingest_dial_again(&d, at, 0) <= INGEST_DIAL_BASE_NS);
}

static void lineages_only_grow(void **state)
{
	struct ingest_dial d;
	const struct kmd_wall now = {INT64_C(1796012052776305574)};
	int64_t a, b;

	(void)state;
	ingest_dial_init(&d, 1);
	a = ingest_dial_lineage(&d, now);
	b = ingest_dial_lineage(&d, now);
	assert_true(b > a && a > now.ns - 1024 && a < now.ns + 1024);
	ingest_dial_seen(&d, now.ns + 5 * KMD_NS_PER_S); /* by a clock ahead of ours */
	assert_true(ingest_dial_lineage(&d, now) > now.ns + 5 * KMD_NS_PER_S);
	ingest_dial_seen(&d, 1);
	assert_true(ingest_dial_lineage(&d, (struct kmd_wall){0}) > now.ns + 5 * KMD_NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_dial_is_at_once),
	    cmocka_unit_test(failures_wait_longer_up_to_a_cap),
	    cmocka_unit_test(a_refusal_waits_in_the_slow_lane),
	    cmocka_unit_test(only_data_resets),
	    cmocka_unit_test(lineages_only_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
