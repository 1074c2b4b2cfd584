#include "../cmocka_all.h"
#include "sink_part.h"

static void numbers_rise_within_a_lineage(void **state)
{
	struct sink_lineages l = {0};

	(void)state;
	sink_lineages_load(&l, 50, 10);
	assert_false(sink_lineages_pass(&l, 50, 10, 10000));
	assert_true(sink_lineages_pass(&l, 50, 11, 11000));
	assert_true(sink_lineages_pass(&l, 50, 20, 20000));
	assert_false(sink_lineages_pass(&l, 50, 19, 19000));
	assert_true(sink_lineages_pass(&l, 7, 1, 1000)); /* an older lineage, not seen before */
	assert_true(sink_lineages_pass(&l, 99, 1, 1000));
	assert_false(sink_lineages_pass(&l, 7, 1, 1000));
	assert_int_equal(l.count, 3);
	assert_int_equal(l.of[1].last_recv_ns, 20000);
	assert_true(l.of[0].lineage == 7 && l.of[1].lineage == 50 && l.of[2].lineage == 99);
	sink_lineages_fini(&l);
}

static void a_batch_given_up_leaves_no_trace(void **state)
{
	struct sink_lineages l = {0};

	(void)state;
	sink_lineages_load(&l, 50, 10);
	assert_true(sink_lineages_pass(&l, 50, 11, 11000));
	assert_true(sink_lineages_pass(&l, 60, 1, 1000));
	sink_lineages_rollback(&l);
	assert_true(sink_lineages_pass(&l, 50, 11, 11000));
	assert_true(sink_lineages_pass(&l, 60, 1, 1000));
	sink_lineages_commit(&l);
	sink_lineages_rollback(&l);
	assert_false(sink_lineages_pass(&l, 50, 11, 11000));
	assert_false(sink_lineages_pass(&l, 60, 1, 1000));
	sink_lineages_fini(&l);
}

static void positions_move_with_commits(void **state)
{
	struct sink_progress p = {0};
	struct sink_record r = {.offset = 5, .timestamp_ms = 1795341600000, .value = KMD_STR("v")};
	const struct sink_facts with_receipt = {.recv_ns = {true, 12}}, none = {0};

	(void)state;
	sink_progress_begin(&p, 3, 5);
	assert_false(sink_progress_pending(&p));
	assert_false(sink_progress_wants(&p, 4));
	assert_true(sink_progress_wants(&p, 5));
	sink_progress_take(&p, &r, &with_receipt, INT64_MAX);
	assert_int_equal(p.last_recv_ns, 12);
	r.offset = 9; /* a hole in the numbering */
	sink_progress_take(&p, &r, &none, INT64_MAX);
	assert_true(p.last_recv_ns == INT64_C(1795341600000000000));
	assert_true(sink_progress_pending(&p));
	assert_false(sink_progress_wants(&p, 9));
	assert_int_equal(p.stored_next, 5);
	sink_progress_rollback(&p);
	assert_true(sink_progress_wants(&p, 5));
	sink_progress_take(&p, &r, &none, INT64_MAX);
	sink_progress_commit(&p);
	assert_int_equal(p.stored_next, 10);
	assert_false(sink_progress_pending(&p));
	assert_true(p.last_recv_ns == INT64_MIN);
	sink_progress_fini(&p);
}

static void a_receipt_that_is_to_come_is_not_believed(void **state)
{
	const int64_t latest_ns = INT64_C(1795341600000000000);
	struct sink_progress p = {0};
	struct sink_record r = {.timestamp_ms = 1795341599999, .value = KMD_STR("v")};
	struct sink_facts f = {.recv_ns = {true, latest_ns + 1}};

	(void)state;
	sink_progress_begin(&p, 1, 0);
	sink_progress_take(&p, &r, &f, latest_ns);
	assert_true(p.last_recv_ns == INT64_C(1795341599999000000));
	r.timestamp_ms = INT64_MAX;
	sink_progress_take(&p, &r, &f, latest_ns);
	assert_true(p.last_recv_ns == INT64_C(1795341599999000000));
	f.recv_ns.v = latest_ns;
	sink_progress_take(&p, &r, &f, latest_ns);
	assert_true(p.last_recv_ns == latest_ns);
	sink_progress_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_rise_within_a_lineage),
	    cmocka_unit_test(a_batch_given_up_leaves_no_trace),
	    cmocka_unit_test(positions_move_with_commits),
	    cmocka_unit_test(a_receipt_that_is_to_come_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
