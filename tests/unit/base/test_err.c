#include <string.h>

#include "../cmocka_all.h"
#include "kmd_backoff.h"
#include "kmd_err.h"

static void codes_have_a_class_and_a_text(void **state)
{
	(void)state;
	assert_int_equal(kmd_rc_class(KMD_EAGAIN), KMD_RETRY);
	assert_int_equal(kmd_rc_class(KMD_EPARSE), KMD_REJECT);
	assert_int_equal(kmd_rc_class(KMD_ECONFIG), KMD_FATAL);
	assert_int_equal(kmd_rc_class(-999), KMD_FATAL);
	assert_string_equal(kmd_rc_text(0), "ok");
	assert_string_equal(kmd_rc_text(KMD_ETIMEOUT), "timed out");
}

static void text_is_one_line_and_takes_prefixes(void **state)
{
	(void)state;
	struct kmd_err err;
	assert_int_equal(kmd_err_set(&err, KMD_EPARSE, "bad\nline %d\x7f", 7), KMD_EPARSE);
	assert_string_equal(err.text, "bad line 7 ");
	assert_int_equal(kmd_err_prefix(&err, KMD_ECONFIG, "file %s", "a.conf"), KMD_ECONFIG);
	assert_string_equal(err.text, "file a.conf: bad line 7 ");
	assert_int_equal(kmd_err_set(&err, KMD_EPARSE, "again: %s", err.text), KMD_EPARSE);
	assert_string_equal(err.text, "again: file a.conf: bad line 7 ");
	assert_int_equal(kmd_err_set(NULL, KMD_ERANGE, "nobody asks"), KMD_ERANGE);
	assert_int_equal(kmd_err_prefix(NULL, KMD_ERANGE, "nobody asks"), KMD_ERANGE);
}

static void long_texts_are_cut(void **state)
{
	(void)state;
	struct kmd_err err;
	char long_text[2000];
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	kmd_err_set(&err, -1, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	kmd_err_prefix(&err, -1, "front");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "front: xxx", 10);
	kmd_err_prefix(&err, -1, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void backoff_grows_to_its_cap_and_is_reproducible(void **state)
{
	(void)state;
	struct kmd_backoff a = {.base_ns = 100, .cap_ns = 1500}, b = a;
	uint64_t seed_a = 7, seed_b = 7;
	static const int64_t limits[] = {100, 200, 400, 800, 1500, 1500};
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 6; i++) {
			const int64_t delay = kmd_backoff_next(&a, &seed_a);
			assert_in_range(delay, 0, limits[i]);
			assert_int_equal(delay, kmd_backoff_next(&b, &seed_b));
		}
		kmd_backoff_reset(&a);
		kmd_backoff_reset(&b);
	}
}

static void backoff_jitter_covers_its_range(void **state)
{
	(void)state;
	uint64_t seed = 1;
	int low = 0, high = 0;
	for (int i = 0; i < 1000; i++) {
		struct kmd_backoff b = {.base_ns = 1000, .cap_ns = 1000, .attempt = UINT32_MAX};
		const int64_t delay = kmd_backoff_next(&b, &seed);
		low += delay < 250;
		high += delay > 750;
	}
	assert_in_range(low, 150, 350);
	assert_in_range(high, 150, 350);
}

static void backoff_survives_extremes(void **state)
{
	(void)state;
	uint64_t seed = 3;
	struct kmd_backoff b = {.base_ns = INT64_MAX / 2 + 5, .cap_ns = INT64_MAX, .attempt = 5000};
	assert_true(kmd_backoff_next(&b, &seed) >= 0);
	struct kmd_backoff none = {0};
	assert_int_equal(kmd_backoff_next(&none, &seed), 0);
	struct kmd_backoff above = {.base_ns = 10, .cap_ns = 5};
	assert_in_range(kmd_backoff_next(&above, &seed), 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(codes_have_a_class_and_a_text),
	    cmocka_unit_test(text_is_one_line_and_takes_prefixes),
	    cmocka_unit_test(long_texts_are_cut),
	    cmocka_unit_test(backoff_grows_to_its_cap_and_is_reproducible),
	    cmocka_unit_test(backoff_jitter_covers_its_range),
	    cmocka_unit_test(backoff_survives_extremes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
