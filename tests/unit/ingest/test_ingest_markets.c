#include "../cmocka_all.h"

#include "markets.h"

struct world {
	struct ingest_globs globs;
	struct ingest_markets markets;
};

static struct world world;

static void begin(const char *globs)
{
	assert_int_equal(ingest_globs_parse(&world.globs, kmd_str_z(globs), NULL), 0);
	ingest_markets_init(&world.markets, &world.globs);
}

static int teardown(void **state)
{
	(void)state;
	ingest_markets_fini(&world.markets);
	ingest_globs_fini(&world.globs);
	return 0;
}

static enum ingest_want record(const char *ticker, const char *status)
{
	return ingest_markets_record(&world.markets, kmd_str_z(ticker), kmd_str_z(status));
}

static enum ingest_want event(const char *ticker, const char *type)
{
	return ingest_markets_event(&world.markets, kmd_str_z(ticker), kmd_str_z(type));
}

static size_t walk(void)
{
	struct kmd_str ticker;
	size_t it = 0, n = 0;

	while (ingest_markets_each(&world.markets, &it, &ticker))
		n++;
	return n;
}

static void a_market_is_wanted_once_it_is_known(void **state)
{
	(void)state;
	begin("*");
	assert_int_equal(record("A", "active"), INGEST_WANT);
	assert_int_equal(record("A", "active"), INGEST_WANT_SAME);
	assert_int_equal(event("A", "activated"), INGEST_WANT_SAME);
	assert_int_equal(event("B", "created"), INGEST_WANT);
	assert_int_equal(record("C", NULL), INGEST_WANT);
	assert_int_equal(record("", "active"), INGEST_WANT_SAME);
	assert_int_equal(world.markets.wanted, 3);
	assert_int_equal(walk(), 3);
}

static void a_settled_market_stays_settled(void **state)
{
	(void)state;
	begin("*");
	record("A", "active");
	assert_int_equal(event("A", "determined"), INGEST_WANT_SAME);
	assert_int_equal(event("A", "settled"), INGEST_WANT_NOT);
	assert_int_equal(event("A", "settled"), INGEST_WANT_SAME);
	assert_int_equal(record("A", "active"), INGEST_WANT_SAME);
	assert_int_equal(record("B", "active"), INGEST_WANT);
	assert_int_equal(record("B", "finalized"), INGEST_WANT_NOT);
	assert_int_equal(record("C", "finalized"), INGEST_WANT_SAME);
	assert_int_equal(event("C", "activated"), INGEST_WANT_SAME);
	assert_int_equal(event("D", "settled"), INGEST_WANT_SAME);
	assert_int_equal(world.markets.wanted, 0);
	assert_int_equal(walk(), 0);
}

static void a_tombstone_forgets(void **state)
{
	(void)state;
	begin("*");
	record("A", "active");
	event("B", "settled");
	assert_int_equal(ingest_markets_forget(&world.markets, KMD_STR("A")), INGEST_WANT_NOT);
	assert_int_equal(ingest_markets_forget(&world.markets, KMD_STR("B")), INGEST_WANT_SAME);
	assert_int_equal(ingest_markets_forget(&world.markets, KMD_STR("Z")), INGEST_WANT_SAME);
	assert_int_equal(world.markets.wanted, 0);
	assert_int_equal(record("B", "active"), INGEST_WANT);
}

static enum ingest_want remember(const char *ticker)
{
	return ingest_markets_remember(&world.markets, kmd_str_z(ticker));
}

static void a_remembered_market_is_wanted_until_more_is_known(void **state)
{
	struct kmd_str ticker;

	(void)state;
	begin("*,-X*");
	assert_int_equal(record("SETTLED", "finalized"), INGEST_WANT_SAME);
	assert_int_equal(remember("SETTLED"), INGEST_WANT_SAME);
	assert_int_equal(remember("X"), INGEST_WANT_SAME);
	assert_int_equal(remember(""), INGEST_WANT_SAME);
	assert_int_equal(remember("A"), INGEST_WANT);
	assert_int_equal(remember("A"), INGEST_WANT_SAME);
	assert_int_equal(remember("B"), INGEST_WANT);
	assert_int_equal(remember("C"), INGEST_WANT);
	assert_int_equal(remember("D"), INGEST_WANT);
	assert_int_equal(walk(), 4);
	assert_int_equal(record("A", "active"), INGEST_WANT_SAME); /* as was thought */
	assert_int_equal(event("B", "settled"), INGEST_WANT_NOT);
	assert_int_equal(
	    ingest_markets_forget(&world.markets, KMD_STR("D")), INGEST_WANT_NOT); /* a tombstone: known too */
	assert_true(ingest_markets_unconfirmed(&world.markets, &ticker));
	assert_str(ticker, "C");
	assert_int_equal(ingest_markets_forget(&world.markets, KMD_STR("C")), INGEST_WANT_NOT);
	assert_false(ingest_markets_unconfirmed(&world.markets, &ticker));
	assert_int_equal(world.markets.wanted, 1);
	assert_int_equal(walk(), 1);
}

static void globs_keep_markets_out(void **state)
{
	(void)state;
	begin("*,-KXMVE*");
	assert_int_equal(event("KXMVE-1", "created"), INGEST_WANT_SAME);
	assert_int_equal(event("KXMV-1", "created"), INGEST_WANT);
	assert_int_equal(world.markets.map.count, 1);
}

static const struct {
	const char *globs, *ticker;
	bool passes;
} lists[] = {
    {"*", "A", true},
    {"A*", "AB", true},
    {"A*", "BA", false},
    {"A?C", "ABC", true},
    {"A?C", "AC", false},
    {"*-T1.5,*X", "KX-T1.5", true},
    {"*-T1.5,*X", "KX-T1.50", false},
    {"-KX*", "KXA", false},
    {"-KX*", "OTHER", true},
    {"-KXA*, KX*", "KXAB", false},
    {" KX* , -KXA*", "KXB", true},
    {"KX*", "OTHER", false},
    {"*a*b*c*", "xxaxxbxxcxx", true},
    {"*a*b*c*", "xxaxxcxxbxx", false},
};

static void lists_of_globs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct ingest_globs g;

		assert_int_equal(ingest_globs_parse(&g, kmd_str_z(lists[i].globs), NULL), 0);
		assert_int_equal(ingest_globs_pass(&g, kmd_str_z(lists[i].ticker)), lists[i].passes);
		ingest_globs_fini(&g);
	}
}

static void empty_globs_are_refused(void **state)
{
	static const char *const bad[] = {"", "A,,B", "-", ",A"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ingest_globs g;

		assert_int_equal(ingest_globs_parse(&g, kmd_str_z(bad[i]), NULL), KMD_ECONFIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_market_is_wanted_once_it_is_known, teardown),
	    cmocka_unit_test_teardown(a_settled_market_stays_settled, teardown),
	    cmocka_unit_test_teardown(a_tombstone_forgets, teardown),
	    cmocka_unit_test_teardown(a_remembered_market_is_wanted_until_more_is_known, teardown),
	    cmocka_unit_test_teardown(globs_keep_markets_out, teardown),
	    cmocka_unit_test(lists_of_globs),
	    cmocka_unit_test(empty_globs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
