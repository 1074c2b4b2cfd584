#include "../cmocka_all.h"
#include "listing.h"

#define S INT64_C(1000000000)

static bool next_or_cut(struct enrich_pager *p, const char *page, bool *ret_cut)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	bool more;

	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(page)), 0);
	more = enrich_pager_next(p, kmd_json_root(&doc), &arena, ret_cut);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return more;
}

static bool next(struct enrich_pager *p, const char *page)
{
	bool cut;
	bool more = next_or_cut(p, page, &cut);

	assert_false(cut);
	return more;
}

static void last_page_has_no_cursor_in_three_ways(void **state)
{
	static const char *const last[] = {"{\"cursor\":\"\"}", "{\"cursor\":null}", "{}"};
	struct enrich_pager p = {0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(next(&p, "{\"cursor\":\"a+/=\"}"));
		assert_str(kmd_buf_str(&p.cursor), "a+/=");
		assert_false(next(&p, last[i]));
		assert_int_equal(p.cursor.n, 0);
	}
	enrich_pager_fini(&p);
}

static void a_cursor_that_stands_still_ends_the_list(void **state)
{
	struct enrich_pager p = {0};
	bool cut = false;

	(void)state;
	assert_true(next(&p, "{\"cursor\":\"a\"}"));
	assert_false(next_or_cut(&p, "{\"cursor\":\"a\"}", &cut));
	assert_true(cut);
	enrich_pager_fini(&p);
}

static void reconciles_from_the_last_known_settlement(void **state)
{
	struct enrich_listing l = {0};
	int64_t now = 1000000 * S;

	(void)state;
	enrich_listing_begin(&l, now, 0, 0);
	assert_int_equal(l.from_ns, now - ENRICH_RECONCILE_FIRST_NS - ENRICH_RECONCILE_MARGIN_NS);
	enrich_listing_begin(&l, now, now - 50 * S, 0);
	assert_int_equal(l.from_ns, now - 50 * S - ENRICH_RECONCILE_MARGIN_NS);
	enrich_listing_begin(&l, now, now - 50 * S, now - 9000 * S);
	assert_int_equal(l.from_ns, now - 9000 * S - ENRICH_RECONCILE_MARGIN_NS);
}

static void a_repetition_only_looks_at_what_was_left_out(void **state)
{
	struct enrich_listing l = {0};

	(void)state;
	enrich_listing_begin(&l, 5000 * S, 4000 * S, 0);
	while (enrich_listing_advance(&l))
		;
	enrich_listing_repeat(&l, 5010 * S);
	assert_int_equal(l.step, ENRICH_LIST_SETTLED);
	assert_int_equal(l.from_ns, 4000 * S - ENRICH_RECONCILE_MARGIN_NS);
	assert_int_equal(l.until_ns, 5000 * S);
	assert_false(enrich_listing_advance(&l));
	assert_int_equal(l.reconciled_ns, 5000 * S);
}

static void walk(struct enrich_listing *l, int64_t now, bool left_out, bool cut)
{
	enrich_listing_begin(l, now, 4000 * S, 0);
	l->left_out = left_out;
	l->cut = cut;
	while (enrich_listing_advance(l))
		;
}

static void what_is_not_reconciled_is_looked_at_by_the_next_walk(void **state)
{
	struct enrich_listing l = {0};

	(void)state;
	walk(&l, 5000 * S, true, false);
	walk(&l, 9000 * S, false, true);
	assert_int_equal(l.from_ns, 4000 * S - ENRICH_RECONCILE_MARGIN_NS);
	assert_int_equal(l.sweep, ENRICH_SWEEP_ALL);
	walk(&l, 10000 * S, false, false);
	assert_int_equal(l.from_ns, 4000 * S - ENRICH_RECONCILE_MARGIN_NS);
	walk(&l, 11000 * S, false, false);
	assert_int_equal(l.from_ns, 10000 * S - ENRICH_RECONCILE_MARGIN_NS);
	assert_int_equal(l.sweep, ENRICH_SWEEP_LOST);
	enrich_listing_begin(&l, 12000 * S, 0, 11500 * S);
	assert_int_equal(l.sweep, ENRICH_SWEEP_UNDECIDED);
	enrich_listing_repeat(&l, 12000 * S);
	assert_int_equal(l.sweep, ENRICH_SWEEP_NONE);
}

static void a_walk_goes_through_every_list(void **state)
{
	struct enrich_listing l = {0};
	int steps = 1, markets = 0;

	(void)state;
	enrich_listing_begin(&l, 500 * S, 0, 0);
	do {
		markets += enrich_listing_is_markets(l.step);
	} while (enrich_listing_advance(&l) && steps++);
	assert_int_equal(steps, ENRICH_LIST_STEPS);
	assert_int_equal(markets, 4);
	assert_false(l.running);
	assert_int_equal(l.reconciled_ns, 500 * S);
	assert_string_equal(enrich_listing_path(ENRICH_LIST_SETTLED), "/markets?status=settled");
	assert_string_equal(enrich_listing_array(ENRICH_LIST_EVENTS_OPEN), "events");
	assert_int_equal(enrich_listing_limit(ENRICH_LIST_EVENTS_OPEN), 200);
	assert_int_equal(enrich_listing_limit(ENRICH_LIST_MARKETS_OPEN), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(last_page_has_no_cursor_in_three_ways),
	    cmocka_unit_test(a_cursor_that_stands_still_ends_the_list),
	    cmocka_unit_test(reconciles_from_the_last_known_settlement),
	    cmocka_unit_test(a_repetition_only_looks_at_what_was_left_out),
	    cmocka_unit_test(what_is_not_reconciled_is_looked_at_by_the_next_walk),
	    cmocka_unit_test(a_walk_goes_through_every_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
