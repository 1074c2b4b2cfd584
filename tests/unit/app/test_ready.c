#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ready.h"

static bool tells(struct ready *r, bool ok, const char *why, int64_t at_s)
{
	return ready_set(r, "kafka", ok, why, (struct kmd_mono){at_s * KMD_NS_PER_S});
}

static void a_change_is_told_at_once_and_numbers_are_none(void **state)
{
	struct ready r = {0};

	(void)state;
	ready_init(&r);
	assert_true(tells(&r, false, "refused after 8 ms", 100));
	assert_false(tells(&r, false, "refused after 12 ms", 1000));
	assert_true(tells(&r, true, NULL, 1001));
	assert_false(tells(&r, true, NULL, 2000));
	assert_true(tells(&r, false, "refused after 9 ms", 2001));
	ready_fini(&r);
}

static void troubles_that_take_turns_are_told_once_a_minute(void **state)
{
	static const char *const why[] = {"broker-a is down", "broker-b is down"};
	struct ready r = {0};
	int told = 0;

	(void)state;
	ready_init(&r);
	assert_true(tells(&r, false, why[0], 0));
	assert_false(tells(&r, false, why[1], 4));
	assert_true(tells(&r, false, why[1], 5));
	for (int s = 6; s <= 605; s++)
		told += tells(&r, false, why[s % 2], s);
	assert_in_range(told, 9, 10);
	assert_true(tells(&r, true, NULL, 606));
	assert_true(tells(&r, false, why[0], 607));
	assert_true(tells(&r, false, why[1], 612)); /* a new trouble: soon again */
	ready_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_change_is_told_at_once_and_numbers_are_none),
	    cmocka_unit_test(troubles_that_take_turns_are_told_once_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
