#include "../cmocka_all.h"
#include "sink_start.h"

static void a_partition_goes_on_where_it_should(void **state)
{
	static const struct {
		struct sink_stored s;
		int64_t low, high;
		struct sink_start start; /* kind, first, next, expired, from */
	} cases[] = {
	    {{.exists = false}, 3, 9, {SINK_START_NEW, 3, 3, 0, 3}},
	    {{.exists = true, .first = 1, .next = 5}, 0, 9, {SINK_START_ON, 1, 5, 0, 5}},
	    /* the record before is read again where the broker still has it */
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 4, 9, {SINK_START_ON, 1, 5, 0, 4}},
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 5, 9, {SINK_START_ON, 1, 5, 0, 5}},
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 0, 5, {SINK_START_ON, 1, 5, 0, 4}},
	    /* retention went past us */
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 8, 9, {SINK_START_EXPIRED, 1, 8, 3, 8}},
	    /* the topic ends below what was read */
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 0, 4, {SINK_START_SHRUNK, 1, 5, 0, 5}},
	    {{.exists = true, .first = 1, .next = 5, .has_last = true}, 0, 0, {SINK_START_SHRUNK, 1, 5, 0, 5}},
	    /* what was stopped stays so, whatever the topic looks like now, until it is accepted */
	    {{.exists = true, .first = 1, .next = 5, .stopped = true}, 0, 9, {SINK_START_STOPPED, 1, 5, 0, 5}},
	    {{.exists = true, .first = 1, .next = 5, .accepted = true}, 2, 3, {SINK_START_ACCEPTED, 2, 2, 0, 2}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sink_start got = sink_start_decide(&cases[i].s, cases[i].low, cases[i].high);

		assert_int_equal(got.kind, cases[i].start.kind);
		assert_int_equal(got.first, cases[i].start.first);
		assert_int_equal(got.next, cases[i].start.next);
		assert_int_equal(got.expired, cases[i].start.expired);
		assert_int_equal(got.from, cases[i].start.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_partition_goes_on_where_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
