#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmd_offsets.h"

static void nothing_begun_keeps_the_start(void **state)
{
	struct kmd_offsets o;

	(void)state;
	kmd_offsets_init(&o, 42);
	assert_int_equal(kmd_offsets_next(&o), 42);
	kmd_offsets_done(&o, 41);
	kmd_offsets_done(&o, 42);
	assert_int_equal(kmd_offsets_next(&o), 42);
	assert_int_equal(kmd_offsets_open(&o), 0);
	kmd_offsets_fini(&o);
}

static void an_open_position_holds_back_all_behind_it(void **state)
{
	struct kmd_offsets o;

	(void)state;
	kmd_offsets_init(&o, 0);
	for (int64_t i = 0; i < 5; i++)
		kmd_offsets_begin(&o, i);
	kmd_offsets_done(&o, 1);
	kmd_offsets_done(&o, 4);
	kmd_offsets_done(&o, 2);
	assert_int_equal(kmd_offsets_next(&o), 0);
	kmd_offsets_done(&o, 0);
	assert_int_equal(kmd_offsets_next(&o), 3);
	assert_int_equal(kmd_offsets_open(&o), 1);
	kmd_offsets_done(&o, 3);
	assert_int_equal(kmd_offsets_next(&o), 5);
	kmd_offsets_fini(&o);
}

static void done_twice_counts_once(void **state)
{
	struct kmd_offsets o;

	(void)state;
	kmd_offsets_init(&o, 0);
	kmd_offsets_begin(&o, 0);
	kmd_offsets_begin(&o, 1);
	kmd_offsets_done(&o, 1);
	kmd_offsets_done(&o, 1);
	assert_int_equal(kmd_offsets_open(&o), 1);
	kmd_offsets_done(&o, 0);
	kmd_offsets_done(&o, 0);
	assert_int_equal(kmd_offsets_open(&o), 0);
	assert_int_equal(kmd_offsets_next(&o), 2);
	kmd_offsets_fini(&o);
}

static void holes_are_no_positions(void **state)
{
	struct kmd_offsets o;

	(void)state;
	kmd_offsets_init(&o, 3);
	kmd_offsets_begin(&o, 10);
	kmd_offsets_begin(&o, 20);
	kmd_offsets_done(&o, 15);
	assert_int_equal(kmd_offsets_next(&o), 10);
	kmd_offsets_done(&o, 10);
	assert_int_equal(kmd_offsets_next(&o), 20);
	kmd_offsets_done(&o, 20);
	assert_int_equal(kmd_offsets_next(&o), 21);
	kmd_offsets_fini(&o);
}

/* Against a plain array of flags, with a window that wraps and grows. */
static void agrees_with_a_model(void **state)
{
	enum { N = 5000 };
	static unsigned char done[N];
	struct kmd_offsets o;
	uint64_t rng = 7;
	int64_t begun = 0, low = 0;

	(void)state;
	kmd_offsets_init(&o, 0);
	while (low < N) {
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		if (begun < N && (rng >> 33) % 5 < 3) {
			kmd_offsets_begin(&o, begun++);
		} else if (begun > low) {
			const int64_t at = low + (int64_t)((rng >> 33) % (uint64_t)(begun - low));
			done[at] = 1;
			kmd_offsets_done(&o, at);
		}
		while (low < begun && done[low])
			low++;
		assert_int_equal(kmd_offsets_next(&o), low);
	}
	assert_int_equal(kmd_offsets_open(&o), 0);
	kmd_offsets_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_begun_keeps_the_start),
	    cmocka_unit_test(an_open_position_holds_back_all_behind_it),
	    cmocka_unit_test(done_twice_counts_once),
	    cmocka_unit_test(holes_are_no_positions),
	    cmocka_unit_test(agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
