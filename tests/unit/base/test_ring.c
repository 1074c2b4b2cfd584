#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "../cmocka_all.h"
#include "kmd_backoff.h"
#include "kmd_ring.h"

#define RECORDS 200000

static void put(struct kmd_ring *r, const char *z)
{
	void *p = kmd_ring_reserve(r, strlen(z));
	assert_non_null(p);
	memcpy(p, z, strlen(z));
	kmd_ring_commit(r);
}

static void records_keep_their_order(void **state)
{
	(void)state;
	struct kmd_ring *r = kmd_ring_new(256);
	assert_null(kmd_ring_peek(r).p);
	for (int round = 0; round < 100; round++) {
		put(r, "first");
		put(r, "");
		put(r, "the third of them");
		assert_str(kmd_ring_peek(r), "first");
		assert_str(kmd_ring_peek(r), "first");
		kmd_ring_pop(r);
		assert_str(kmd_ring_peek(r), "");
		kmd_ring_pop(r);
		assert_int_equal((uintptr_t)kmd_ring_peek(r).p % 8, 0);
		assert_str(kmd_ring_peek(r), "the third of them");
		kmd_ring_pop(r);
		assert_null(kmd_ring_peek(r).p);
	}
	assert_int_equal(kmd_ring_used_bytes(r), 0);
	kmd_ring_free(r);
	kmd_ring_free(NULL);
}

static void full_ring_refuses_and_recovers(void **state)
{
	(void)state;
	struct kmd_ring *r = kmd_ring_new(100);
	assert_int_equal(kmd_ring_record_max(r), 56); /* 128 / 2 - 8 */
	assert_null(kmd_ring_reserve(r, 57));
	assert_non_null(kmd_ring_reserve(r, 56));
	kmd_ring_commit(r);
	assert_non_null(kmd_ring_reserve(r, 56));
	kmd_ring_commit(r);
	assert_int_equal(kmd_ring_used_bytes(r), 128);
	assert_null(kmd_ring_reserve(r, 0));
	kmd_ring_pop(r);
	assert_non_null(kmd_ring_reserve(r, 0));
	kmd_ring_free(r);
}

/* The largest record fits into an empty ring wherever its ends stand. */
static void largest_record_always_fits_an_empty_ring(void **state)
{
	(void)state;
	struct kmd_ring *r = kmd_ring_new(128);
	for (int i = 0; i < 64; i++) {
		put(r, "x");
		kmd_ring_pop(r);
		char *p = kmd_ring_reserve(r, kmd_ring_record_max(r));
		assert_non_null(p);
		memset(p, i, kmd_ring_record_max(r));
		kmd_ring_commit(r);
		const struct kmd_str s = kmd_ring_peek(r);
		assert_int_equal(s.n, kmd_ring_record_max(r));
		assert_int_equal(s.p[s.n - 1], i);
		kmd_ring_pop(r);
	}
	kmd_ring_free(r);
}

static void reserve_without_commit_publishes_nothing(void **state)
{
	(void)state;
	struct kmd_ring *r = kmd_ring_new(128);
	assert_non_null(kmd_ring_reserve(r, 40));
	assert_null(kmd_ring_peek(r).p);
	put(r, "later");
	assert_str(kmd_ring_peek(r), "later");
	kmd_ring_free(r);
}

static void wait_ends_with_a_record_or_in_time(void **state)
{
	(void)state;
	struct kmd_ring *r = kmd_ring_new(128);
	assert_false(kmd_ring_wait(r, 0));
	assert_false(kmd_ring_wait(r, 5));
	put(r, "there");
	assert_true(kmd_ring_wait(r, 0));
	assert_true(kmd_ring_wait(r, -1));
	kmd_ring_free(r);
}

struct writer {
	struct kmd_ring *ring;
	bool pauses;
};

/* Record i: its number, then a length and content that follow from it. */
static size_t length_of(uint64_t i)
{
	return sizeof(uint64_t) + (size_t)(i * 7 % 200);
}

static void *write_all(void *arg)
{
	const struct writer *w = arg;
	uint64_t rng = 5;
	for (uint64_t i = 0; i < RECORDS; i++) {
		char *p;
		while (!(p = kmd_ring_reserve(w->ring, length_of(i))))
			(void)sched_yield();
		memset(p, (int)(i & 0xff), length_of(i));
		memcpy(p, &i, sizeof(i));
		kmd_ring_commit(w->ring);
		if (w->pauses && kmd_rng_next(&rng) % 64 == 0)
			(void)sched_yield(); /* lets the reader run dry and sleep */
	}
	return NULL;
}

static bool record_is(struct kmd_str s, uint64_t i)
{
	uint64_t number;
	if (s.n != length_of(i))
		return false;
	memcpy(&number, s.p, sizeof(number));
	for (size_t k = sizeof(number); k < s.n; k++)
		if ((unsigned char)s.p[k] != (i & 0xff))
			return false;
	return number == i;
}

static void run_two_threads(bool pauses)
{
	struct writer w = {.ring = kmd_ring_new(4096), .pauses = pauses};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		assert_true(kmd_ring_wait(w.ring, -1)); /* a lost wake would hang here */
		if (!record_is(kmd_ring_peek(w.ring), i))
			fail_msg("record %llu is not what was written", (unsigned long long)i);
		kmd_ring_pop(w.ring);
		assert_true(kmd_ring_used_bytes(w.ring) <= 4096);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(kmd_ring_peek(w.ring).p);
	kmd_ring_free(w.ring);
}

static void two_threads_lose_nothing(void **state)
{
	(void)state;
	run_two_threads(false);
}

static void sleeping_reader_is_woken(void **state)
{
	(void)state;
	run_two_threads(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_keep_their_order),
	    cmocka_unit_test(full_ring_refuses_and_recovers),
	    cmocka_unit_test(largest_record_always_fits_an_empty_ring),
	    cmocka_unit_test(reserve_without_commit_publishes_nothing),
	    cmocka_unit_test(wait_ends_with_a_record_or_in_time),
	    cmocka_unit_test(two_threads_lose_nothing),
	    cmocka_unit_test(sleeping_reader_is_woken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
