#include "../cmocka_all.h"

#include "spool_policy.h"

#define MIB (INT64_C(1024) * 1024)
#define GIB (1024 * MIB)

static struct kmd_mono at(int64_t ms)
{
	return (struct kmd_mono){ms * KMD_NS_PER_MS};
}

static void a_second_without_an_acknowledgement_is_too_long(void **state)
{
	struct ingest_spool_policy p = {0};

	(void)state;
	ingest_spool_polled(&p, at(5000), 0, 0);
	ingest_spool_polled(&p, at(5010), 10, 0);
	assert_false(ingest_spool_stalled(&p, at(5999)));
	assert_true(ingest_spool_stalled(&p, at(6000)));
	ingest_spool_polled(&p, at(6001), 9, 1);
	assert_false(ingest_spool_stalled(&p, at(7000)));
	assert_true(ingest_spool_stalled(&p, at(7001)));
}

static void silence_without_anything_outstanding_is_no_stall(void **state)
{
	struct ingest_spool_policy p = {0};

	(void)state;
	for (int64_t ms = 0; ms < 100000; ms += 100) {
		ingest_spool_polled(&p, at(ms), 0, 0);
		assert_false(ingest_spool_stalled(&p, at(ms)));
	}
	ingest_spool_polled(&p, at(100000), 1, 0);
	assert_false(ingest_spool_stalled(&p, at(100000)));
}

static void a_spool_is_full_before_its_bound_and_wants_room_again(void **state)
{
	(void)state;
	assert_false(ingest_spool_full(7 * MIB - 1, 8 * MIB, false, false));
	assert_true(ingest_spool_full(7 * MIB, 8 * MIB, false, false));
	assert_true(ingest_spool_full(7 * MIB - 1, 8 * MIB, true, false));
	assert_false(ingest_spool_full(6 * MIB, 8 * MIB, true, false));
	/* a stop may use what was kept for it */
	assert_false(ingest_spool_full(8 * MIB - 1, 8 * MIB, true, true));
	assert_true(ingest_spool_full(8 * MIB, 8 * MIB, true, true));
	assert_false(ingest_spool_full(10 * GIB - INGEST_SPOOL_RESERVE_BYTES - 1, 10 * GIB, false, false));
	assert_true(ingest_spool_full(10 * GIB - INGEST_SPOOL_RESERVE_BYTES, 10 * GIB, false, false));
}

static void what_is_in_memory_finds_room_in_a_small_spool(void **state)
{
	static const int64_t sizes[] = {MIB, 8 * MIB, 100 * MIB, GIB, 10 * GIB};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_true(ingest_spool_pending_bytes(sizes[i]) + ingest_spool_queue_bytes(sizes[i]) <= sizes[i] / 2);
	assert_int_equal(ingest_spool_pending_bytes(10 * GIB), INGEST_SPOOL_PENDING_BYTES);
	assert_int_equal(ingest_spool_queue_bytes(10 * GIB), INGEST_SPOOL_QUEUE_BYTES);
	assert_int_equal(ingest_spool_segment_bytes(10 * GIB), INGEST_SPOOL_SEGMENT_BYTES);
	assert_int_equal(ingest_spool_segment_bytes(MIB), INGEST_SPOOL_SEGMENT_BYTES_MIN);
	assert_int_equal(ingest_spool_segment_bytes(160 * MIB), 10 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_second_without_an_acknowledgement_is_too_long),
	    cmocka_unit_test(silence_without_anything_outstanding_is_no_stall),
	    cmocka_unit_test(a_spool_is_full_before_its_bound_and_wants_room_again),
	    cmocka_unit_test(what_is_in_memory_finds_room_in_a_small_spool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
