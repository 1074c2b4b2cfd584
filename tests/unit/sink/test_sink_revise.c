#include "../cmocka_all.h"
#include "sink_newest.h"
#include "sink_revise.h"

static struct sink_row settlement(const char *status, const char *result, const char *value, int64_t known_at)
{
	struct sink_row row = {.table = SINK_T_REVISIONS};

	row.v[SINK_REVISIONS_status] = sink_value_str(kmd_str_z(status));
	row.v[SINK_REVISIONS_result] = sink_value_str(kmd_str_z(result));
	row.v[SINK_REVISIONS_settlement_value] = sink_value_str(kmd_str_z(value));
	row.v[SINK_REVISIONS_known_at] = sink_value_num(known_at);
	return row;
}

static void the_first_is_a_revision(void **state)
{
	const struct sink_settled nothing = {0};
	const struct sink_row row = settlement("determined", "yes", "1.0000", 100);

	(void)state;
	assert_int_equal(sink_revise(&nothing, &row), SINK_REVISION_LATEST);
}

static void what_says_the_same_is_a_duplicate(void **state)
{
	const struct sink_row row = settlement("determined", "yes", "1.0000", 100);
	const struct sink_settled known = sink_settled_of(&row, 1);
	struct sink_row again = settlement("determined", "yes", "1.00", 900);

	(void)state;
	assert_int_equal(sink_revise(&known, &again), SINK_REVISION_SAME);
	again.v[SINK_REVISIONS_known_at].num = 1; /* also when it was known earlier */
	assert_int_equal(sink_revise(&known, &again), SINK_REVISION_SAME);
	again.v[SINK_REVISIONS_trigger] = sink_value_str(KMD_STR("reconcile")); /* not among what is compared */
	assert_int_equal(sink_revise(&known, &again), SINK_REVISION_SAME);
}

static void any_of_the_six_makes_a_revision(void **state)
{
	static const int texts[] = {SINK_REVISIONS_status, SINK_REVISIONS_result, SINK_REVISIONS_expiration_value};
	const struct sink_row row = settlement("determined", "yes", "1.0000", 100);
	const struct sink_settled known = sink_settled_of(&row, 1);
	struct sink_row new;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		new = settlement("determined", "yes", "1.0000", 100);
		new.v[texts[i]] = sink_value_str(KMD_STR(""));
		assert_int_equal(sink_revise(&known, &new), SINK_REVISION_LATEST);
	}
	new = settlement("determined", "yes", "0.0000", 100);
	assert_int_equal(sink_revise(&known, &new), SINK_REVISION_LATEST);
	new = settlement("determined", "yes", NULL, 100);
	assert_int_equal(sink_revise(&known, &new), SINK_REVISION_LATEST);
	new = settlement("determined", "yes", "1.0000", 100);
	new.v[SINK_REVISIONS_determined_at] = sink_value_num(5);
	assert_int_equal(sink_revise(&known, &new), SINK_REVISION_LATEST);
	new = settlement("determined", "yes", "1.0000", 100);
	new.v[SINK_REVISIONS_settled_at] = sink_value_num(5);
	assert_int_equal(sink_revise(&known, &new), SINK_REVISION_LATEST);
}

static void what_was_known_earlier_does_not_replace(void **state)
{
	const struct sink_row row = settlement("finalized", "yes", "1.0000", 100);
	const struct sink_settled known = sink_settled_of(&row, 4);
	struct sink_row late = settlement("determined", "yes", "1.0000", 99);

	(void)state;
	assert_int_equal(sink_revise(&known, &late), SINK_REVISION_LATE);
	late.v[SINK_REVISIONS_known_at].num = 100;
	assert_int_equal(sink_revise(&known, &late), SINK_REVISION_LATEST);
}

static bool newer(int64_t a_updated, int64_t a_fetched, int64_t b_updated, int64_t b_fetched)
{
	const struct sink_age a = {
	    {.has = a_updated != 0, .num = a_updated}, {.has = a_fetched != 0, .num = a_fetched}};
	const struct sink_age b = {
	    {.has = b_updated != 0, .num = b_updated}, {.has = b_fetched != 0, .num = b_fetched}};

	return sink_age_newer(&a, &b);
}

static void the_body_s_update_time_goes_before_the_fetch(void **state)
{
	(void)state;
	assert_true(newer(20, 1, 10, 9));
	assert_false(newer(10, 9, 20, 1));
	assert_true(newer(10, 9, 10, 8));
	assert_false(newer(10, 9, 10, 9)); /* the same is not newer */
	assert_true(newer(0, 9, 10, 8));   /* one does not tell: by the fetch */
	assert_false(newer(0, 7, 10, 8));
	assert_true(newer(0, 1, 0, 0));
	assert_false(newer(0, 0, 0, 1));
	assert_false(newer(0, 0, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_is_a_revision),
	    cmocka_unit_test(what_says_the_same_is_a_duplicate),
	    cmocka_unit_test(any_of_the_six_makes_a_revision),
	    cmocka_unit_test(what_was_known_earlier_does_not_replace),
	    cmocka_unit_test(the_body_s_update_time_goes_before_the_fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
