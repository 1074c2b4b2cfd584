#include "../cmocka_all.h"

#include "durable.h"
#include "kmd_backoff.h"

static int setup(void **state)
{
	static struct ingest_durable d;

	ingest_durable_init(&d);
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	ingest_durable_fini(*state);
	return 0;
}

static void begin(struct ingest_durable *d, int64_t n, int64_t sid, int64_t seq)
{
	const struct ingest_durable_frame f = {.n = n,
	    .recv_ns = n * 10,
	    .has_sid = sid > 0,
	    .sid = sid,
	    .has_seq = seq > 0,
	    .seq = seq,
	    .has_ts = seq > 0,
	    .ts_ms = n * 100};

	ingest_durable_begin(d, &f);
}

static void a_mark_moves_over_what_is_done_without_a_hole(void **state)
{
	const struct ingest_durable_mark *m;

	begin(*state, 1, 5, 1);
	begin(*state, 2, 5, 2);
	begin(*state, 3, 5, 3);
	m = ingest_durable_sid(*state, 5);
	assert_false(m->any);
	ingest_durable_end(*state, 2);
	assert_false(m->any);
	assert_int_equal(ingest_durable_below(*state), 1);
	ingest_durable_end(*state, 1);
	assert_int_equal(m->seq, 2);
	assert_int_equal(m->n, 2);
	assert_int_equal(m->recv_ns, 20);
	assert_int_equal(m->ts_ms, 200);
	assert_int_equal(ingest_durable_below(*state), 3);
	ingest_durable_end(*state, 3);
	assert_int_equal(m->seq, 3);
	assert_int_equal(ingest_durable_below(*state), 4);
}

static void one_sid_does_not_wait_for_another(void **state)
{
	begin(*state, 1, 1, 1);
	begin(*state, 2, 2, 1);
	begin(*state, 3, 2, 2);
	ingest_durable_end(*state, 3);
	ingest_durable_end(*state, 2);
	assert_int_equal(ingest_durable_sid(*state, 2)->seq, 2);
	assert_false(ingest_durable_sid(*state, 1)->any);
	assert_int_equal(ingest_durable_below(*state), 1);
}

static void what_a_frame_does_not_say_stays_as_told_before(void **state)
{
	begin(*state, 1, 1, 7);
	begin(*state, 2, 1, 0); /* a reply without seq and time */
	begin(*state, 3, 0, 0); /* no sid */
	for (int64_t n = 1; n <= 3; n++)
		ingest_durable_end(*state, n);
	assert_int_equal(ingest_durable_sid(*state, 1)->n, 2);
	assert_int_equal(ingest_durable_sid(*state, 1)->seq, 7);
	assert_int_equal(ingest_durable_sid(*state, 1)->ts_ms, 100);
	assert_null(ingest_durable_sid(*state, 0));
	assert_int_equal(ingest_durable_below(*state), 4);
}

static void ending_twice_or_never_begun_is_nothing(void **state)
{
	begin(*state, 1, 1, 1);
	ingest_durable_end(*state, 1);
	ingest_durable_end(*state, 1);
	ingest_durable_end(*state, 9);
	assert_int_equal(ingest_durable_below(*state), 2);
}

/* A model: the mark is the greatest n so that no earlier frame of the sid is open. */
static void any_order_gives_the_same_marks_as_a_plain_count(void **state)
{
	enum { FRAMES = 5000, SIDS = 4, WINDOW = 2000 };
	static int64_t sid_of[FRAMES + 1];
	static bool done[FRAMES + 1];
	uint64_t rng = 7;
	int64_t n = 0;

	for (int step = 0; step < 4 * FRAMES; step++) {
		int64_t end = 1 + (int64_t)(kmd_rng_next(&rng) % FRAMES);

		if (n < FRAMES && n < ingest_durable_below(*state) + WINDOW) {
			n++;
			sid_of[n] = 1 + (int64_t)(kmd_rng_next(&rng) % SIDS);
			begin(*state, n, sid_of[n], n);
		}
		if (end <= n && end < ingest_durable_below(*state) + WINDOW) {
			ingest_durable_end(*state, end);
			done[end] = true;
		}
	}
	for (int64_t sid = 1; sid <= SIDS; sid++) {
		int64_t mark = 0;

		for (int64_t i = 1; i <= n; i++) {
			if (sid_of[i] != sid)
				continue;
			if (!done[i])
				break;
			mark = i;
		}
		assert_int_equal(ingest_durable_sid(*state, sid)->n, mark);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_mark_moves_over_what_is_done_without_a_hole),
	    T(one_sid_does_not_wait_for_another),
	    T(what_a_frame_does_not_say_stays_as_told_before),
	    T(ending_twice_or_never_begun_is_nothing),
	    T(any_order_gives_the_same_marks_as_a_plain_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
