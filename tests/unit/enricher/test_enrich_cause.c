#include "../cmocka_all.h"
#include "cause.h"

static void done_when_the_last_hold_is_dropped(void **state)
{
	struct enrich_book b = {0};
	struct enrich_cause *c = enrich_cause_open(&b, 1, 2, 77);

	(void)state;
	enrich_cause_hold(c);
	enrich_cause_drop(&b, c);
	assert_null(enrich_cause_take_done(&b));
	enrich_cause_drop(&b, c);
	assert_ptr_equal(enrich_cause_take_done(&b), c);
	assert_null(enrich_cause_take_done(&b));
	assert_int_equal(b.open, 1);
	enrich_cause_free(&b, c);
	assert_int_equal(b.open, 0);
	enrich_book_fini(&b);
}

static void lists_hold_what_they_are_given(void **state)
{
	struct enrich_book b = {0};
	struct enrich_causes l = {0}, m = {0};

	(void)state;
	for (int64_t i = 0; i < 5; i++) {
		struct enrich_cause *c = enrich_cause_open(&b, i < 3 ? 0 : 1, 1, i);

		c->what = 1u << i;
		enrich_causes_add(&l, c);
		enrich_cause_drop(&b, c);
	}
	assert_int_equal(enrich_causes_what(&l, 2), 3);
	assert_null(enrich_cause_take_done(&b));
	assert_int_equal(enrich_causes_purge(&b, &l, 0, 2), 2);
	assert_int_equal(l.count, 2);
	for (int i = 0; i < 3; i++)
		enrich_cause_free(&b, enrich_cause_take_done(&b));
	enrich_causes_move(&m, &l);
	assert_int_equal(l.count, 0);
	enrich_causes_drop(&b, &m);
	assert_non_null(enrich_cause_take_done(&b));
	assert_non_null(enrich_cause_take_done(&b));
	enrich_causes_fini(&l);
	enrich_causes_fini(&m);
	enrich_book_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(done_when_the_last_hold_is_dropped),
	    cmocka_unit_test(lists_hold_what_they_are_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
