#include "../cmocka_all.h"

#include <stdio.h>

#include "shard.h"
#include "shards.h"

#define COUNT 3

static struct ingest_shards s;

static struct kmd_mono seconds(int64_t at)
{
	return (struct kmd_mono){1 + at * KMD_NS_PER_S};
}

static int setup(void **state)
{
	(void)state;
	ingest_shards_init(&s, COUNT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ingest_shards_fini(&s);
	return 0;
}

/* "110": shards 0 and 1 are captured. */
static const char *captured(void)
{
	static char text[COUNT + 1];

	for (size_t i = 0; i < COUNT; i++)
		text[i] = ingest_shards_captures(&s, i) ? '1' : '0';
	return text;
}

static void own(size_t shard)
{
	ingest_shards_assigned(&s, shard);
	ingest_shards_settled(&s, seconds(0));
}

static void the_group_gives_and_nothing_is_captured_before(void **state)
{
	(void)state;
	assert_string_equal(captured(), "000");
	assert_false(ingest_shards_is_even(&s));
	ingest_shards_settled(&s, seconds(1));
	assert_string_equal(captured(), "000");
	assert_true(ingest_shards_is_even(&s));
	ingest_shards_assigned(&s, 1);
	assert_string_equal(captured(), "010");
}

static void what_nobody_captures_is_claimed_until_the_share_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		ingest_shards_claim(&s, i);
	assert_string_equal(captured(), "111");
	assert_false(ingest_shards_is_even(&s));
	ingest_shards_assigned(&s, 2);
	ingest_shards_settled(&s, seconds(3));
	assert_string_equal(captured(), "111");
	ingest_shards_handed_over(&s, 0);
	assert_string_equal(captured(), "011");
	ingest_shards_tick(&s, seconds(3 + 15));
	assert_string_equal(captured(), "001");
	assert_true(ingest_shards_is_even(&s));
	ingest_shards_claim(&s, 0);
	assert_string_equal(captured(), "001");
}

static void losing_a_shard_does_not_end_its_capture(void **state)
{
	(void)state;
	own(0);
	own(1);
	ingest_shards_revoked(&s, 1, false, seconds(10));
	ingest_shards_tick(&s, seconds(24));
	assert_string_equal(captured(), "110");
	assert_false(ingest_shards_is_even(&s));
	ingest_shards_handed_over(&s, 0); /* not leaving: somebody errs */
	ingest_shards_handed_over(&s, 1);
	assert_string_equal(captured(), "100");
}

static void a_successor_that_does_not_come_is_not_waited_for_for_ever(void **state)
{
	(void)state;
	own(1);
	ingest_shards_revoked(&s, 1, false, seconds(10));
	ingest_shards_tick(&s, seconds(25));
	assert_string_equal(captured(), "000");
}

static void a_shard_that_comes_back_is_simply_kept(void **state)
{
	(void)state;
	own(1);
	ingest_shards_revoked(&s, 1, false, seconds(10));
	ingest_shards_assigned(&s, 1);
	ingest_shards_tick(&s, seconds(100));
	assert_string_equal(captured(), "010");
}

/* The broker was away: nobody has said that somebody else has it. */
static void a_lost_membership_changes_nothing_until_the_group_has_spoken(void **state)
{
	(void)state;
	own(0);
	own(1);
	ingest_shards_revoked(&s, 0, true, seconds(10));
	ingest_shards_revoked(&s, 1, true, seconds(10));
	ingest_shards_tick(&s, seconds(1000));
	assert_string_equal(captured(), "110");
	ingest_shards_assigned(&s, 1);
	ingest_shards_settled(&s, seconds(1001));
	assert_string_equal(captured(), "110");
	ingest_shards_tick(&s, seconds(1001 + 15));
	assert_string_equal(captured(), "010");
}

static void alone_a_stop_is_at_once(void **state)
{
	(void)state;
	own(0);
	own(1);
	ingest_shards_revoked(&s, 1, false, seconds(1));
	ingest_shards_left(&s, false, seconds(2), seconds(22));
	assert_string_equal(captured(), "000");
}

static void with_others_a_stop_waits_for_them_as_long_as_there_is_time(void **state)
{
	(void)state;
	own(0);
	own(1);
	own(2);
	ingest_shards_left(&s, true, seconds(2), seconds(10));
	ingest_shards_assigned(&s, 2); /* late word of a group that we have left */
	assert_string_equal(captured(), "111");
	ingest_shards_handed_over(&s, 1);
	assert_string_equal(captured(), "101");
	ingest_shards_tick(&s, seconds(10));
	assert_string_equal(captured(), "000");
}

/* The figures are fixed: an instance of another version has to come to the same. */
static void the_shard_of_a_ticker_never_changes(void **state)
{
	size_t counts[4] = {0};
	char ticker[32];

	(void)state;
	assert_int_equal(ingest_shard_of(KMD_STR("KXBTCD-26AUG2017-T73749.99"), 1), 0);
	assert_int_equal(ingest_shard_of(KMD_STR(""), 7), 3);
	assert_int_equal(ingest_shard_of(KMD_STR("KXBTCD-26AUG2017-T73749.99"), 8), 0);
	assert_int_equal(ingest_shard_of(KMD_STR("CPI-22DEC-TN0.1"), 8), 6);
	for (int i = 0; i < 4000; i++) {
		snprintf(ticker, sizeof(ticker), "KXHIGHNY-26NOV%02d-B%d.5", i % 31, i);
		counts[ingest_shard_of(kmd_str_z(ticker), 4)]++;
	}
	for (int i = 0; i < 4; i++)
		assert_true(counts[i] > 900 && counts[i] < 1100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_group_gives_and_nothing_is_captured_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_nobody_captures_is_claimed_until_the_share_is_known, setup, teardown),
	    cmocka_unit_test_setup_teardown(losing_a_shard_does_not_end_its_capture, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_successor_that_does_not_come_is_not_waited_for_for_ever, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_shard_that_comes_back_is_simply_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_lost_membership_changes_nothing_until_the_group_has_spoken, setup, teardown),
	    cmocka_unit_test_setup_teardown(alone_a_stop_is_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		with_others_a_stop_waits_for_them_as_long_as_there_is_time, setup, teardown),
	    cmocka_unit_test(the_shard_of_a_ticker_never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
