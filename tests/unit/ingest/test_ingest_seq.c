#include "../cmocka_all.h"

#include "seq.h"

static int setup(void **state)
{
	static struct ingest_seq seq;

	seq = (struct ingest_seq){0};
	*state = &seq;
	return 0;
}

static int teardown(void **state)
{
	ingest_seq_fini(*state);
	return 0;
}

static struct ingest_seq_gap last;

static enum ingest_seq_verdict frame(struct ingest_seq *s, int64_t sid, int64_t seq)
{
	const struct ingest_seq_obs obs = {
	    .sid = sid, .seq = seq, .recv_ns = 1000 + seq, .has_ts = true, .ts_ms = 100 + seq};

	return ingest_seq_frame(s, &obs, &last);
}

static size_t claim(struct ingest_seq *s, int64_t sid)
{
	const struct ingest_seq_gap *gaps;

	return ingest_seq_claim(s, sid, 1000, &gaps);
}

static void an_unbroken_run_has_no_gap(void **state)
{
	assert_int_equal(claim(*state, 1), 0);
	for (int64_t i = 1; i <= 1000; i++)
		assert_int_equal(frame(*state, 1, i), INGEST_SEQ_NEXT);
}

static void a_jump_is_one_gap_with_its_edges(void **state)
{
	claim(*state, 1);
	frame(*state, 1, 1);
	assert_int_equal(frame(*state, 1, 5), INGEST_SEQ_GAP);
	assert_int_equal(last.sid, 1);
	assert_int_equal(last.expected, 2);
	assert_int_equal(last.got, 5);
	assert_int_equal(last.from_recv_ns, 1001);
	assert_int_equal(last.to_recv_ns, 1005);
	assert_int_equal(last.from_ts_ms, 101);
	assert_int_equal(last.to_ts_ms, 105);
	assert_int_equal(frame(*state, 1, 6), INGEST_SEQ_NEXT);
}

static void a_first_number_above_one_is_a_gap(void **state)
{
	claim(*state, 1);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_GAP);
	assert_int_equal(last.expected, 1);
	assert_int_equal(last.from_recv_ns, 1000); /* since its `subscribed` */
	assert_false(last.has_from_ts);
}

static void what_is_not_new_changes_nothing(void **state)
{
	claim(*state, 1);
	frame(*state, 1, 1);
	frame(*state, 1, 2);
	assert_int_equal(frame(*state, 1, 2), INGEST_SEQ_NOT_NEW);
	assert_int_equal(frame(*state, 1, 1), INGEST_SEQ_NOT_NEW);
	assert_int_equal(frame(*state, 1, 0), INGEST_SEQ_NOT_NEW);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_NEXT);
}

static void sids_are_apart(void **state)
{
	claim(*state, 1);
	claim(*state, 2);
	frame(*state, 1, 1);
	frame(*state, 1, 2);
	assert_int_equal(frame(*state, 2, 1), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 2, 2), INGEST_SEQ_NEXT);
}

static void frames_before_subscribed_count(void **state)
{
	const struct ingest_seq_gap *gaps;

	assert_int_equal(frame(*state, 7, 1), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 7, 2), INGEST_SEQ_NEXT);
	assert_int_equal(ingest_seq_claim(*state, 7, 1, &gaps), 0);
	assert_int_equal(frame(*state, 7, 3), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 7, 5), INGEST_SEQ_GAP);
}

static void jumps_before_subscribed_are_told_when_claimed(void **state)
{
	const struct ingest_seq_gap *gaps;

	assert_int_equal(frame(*state, 7, 2), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 7, 9), INGEST_SEQ_NEXT);
	assert_int_equal(ingest_seq_claim(*state, 7, 1, &gaps), 2);
	assert_int_equal(gaps[0].expected, 1);
	assert_int_equal(gaps[0].got, 2);
	assert_int_equal(gaps[1].expected, 3);
	assert_int_equal(gaps[1].got, 9);
	assert_int_equal(ingest_seq_claim(*state, 7, 1, &gaps), 0);
}

static void a_stranger_has_no_gaps(void **state)
{
	for (int64_t i = 1; i < 100000; i += 7)
		assert_int_equal(frame(*state, 99, i), INGEST_SEQ_NEXT);
	assert_false(ingest_seq_is_ours(*state, 99));
}

static void a_number_that_comes_again_starts_afresh(void **state)
{
	claim(*state, 1);
	frame(*state, 1, 1);
	frame(*state, 1, 2);
	ingest_seq_retire(*state, 1);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_NEXT); /* a straggler of the former one */
	assert_int_equal(frame(*state, 1, 9), INGEST_SEQ_NEXT);
	assert_int_equal(claim(*state, 1), 0);
	assert_int_equal(frame(*state, 1, 1), INGEST_SEQ_NEXT);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_GAP);
}

static void a_reused_number_may_begin_before_its_subscribed(void **state)
{
	claim(*state, 1);
	frame(*state, 1, 5);
	ingest_seq_retire(*state, 1);
	frame(*state, 1, 1);
	frame(*state, 1, 2);
	assert_int_equal(claim(*state, 1), 0);
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_NEXT);
}

static void many_strangers_do_not_push_ours_out(void **state)
{
	claim(*state, 1);
	frame(*state, 1, 1);
	for (int64_t sid = 100; sid < 100 + 3 * INGEST_SEQ_SIDS_MAX; sid++)
		frame(*state, sid, 1);
	claim(*state, 2);
	assert_true(ingest_seq_is_ours(*state, 2));
	assert_int_equal(frame(*state, 1, 3), INGEST_SEQ_GAP);
	assert_int_equal(frame(*state, 2, 1), INGEST_SEQ_NEXT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(an_unbroken_run_has_no_gap),
	    T(a_jump_is_one_gap_with_its_edges),
	    T(a_first_number_above_one_is_a_gap),
	    T(what_is_not_new_changes_nothing),
	    T(sids_are_apart),
	    T(frames_before_subscribed_count),
	    T(jumps_before_subscribed_are_told_when_claimed),
	    T(a_stranger_has_no_gaps),
	    T(a_number_that_comes_again_starts_afresh),
	    T(a_reused_number_may_begin_before_its_subscribed),
	    T(many_strangers_do_not_push_ours_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
