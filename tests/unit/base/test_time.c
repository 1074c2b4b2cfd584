#include <stdlib.h>
#include <time.h>

#include "../cmocka_all.h"
#include "../tsv.h"
#include "kmd_time.h"

static int verdict(const char *word)
{
	return strcmp(word, "ok") == 0 ? 0 : strcmp(word, "parse") == 0 ? KMD_EPARSE : KMD_ERANGE;
}

static void times_are_parsed(void **state)
{
	(void)state;
	struct tsv t;
	int64_t none;
	assert_int_equal(kmd_time_parse(KMD_STR_NONE, &none), KMD_EPARSE);
	assert_true(tsv_open(&t, KMD_TEST_DATA "/times.tsv"));
	while (tsv_next(&t)) {
		int64_t ns = 42;
		const int rc = kmd_time_parse(kmd_str_z(t.field[0]), &ns);
		if (rc != verdict(t.field[1]))
			fail_msg("line %d: %s gives %d", t.number, t.field[0], rc);
		if (ns != (rc < 0 ? 42 : strtoll(t.field[2], NULL, 10)))
			fail_msg("line %d: %s gives %lld", t.number, t.field[0], (long long)ns);
	}
}

static void assert_format(int64_t ns, int digits, const char *text)
{
	struct kmd_buf b = {0};
	kmd_time_format(&b, ns, digits);
	assert_str(kmd_buf_str(&b), text);
	kmd_buf_fini(&b);
}

static void times_are_formatted_cut_not_rounded(void **state)
{
	(void)state;
	assert_format(0, 0, "1970-01-01T00:00:00Z");
	assert_format(INT64_C(1795341600123456789), 0, "2026-11-22T10:00:00Z");
	assert_format(INT64_C(1795341600999999999), 3, "2026-11-22T10:00:00.999Z");
	assert_format(INT64_C(1795341600123456789), 6, "2026-11-22T10:00:00.123456Z");
	assert_format(INT64_C(1795341600000000001), 9, "2026-11-22T10:00:00.000000001Z");
	assert_format(-1, 9, "1969-12-31T23:59:59.999999999Z");
	assert_format(-1, 0, "1969-12-31T23:59:59Z");
}

static void format_and_parse_are_inverse(void **state)
{
	(void)state;
	struct kmd_buf b = {0};
	const int64_t first = kmd_time_days_from_civil(1678, 1, 1) * KMD_S_PER_DAY * KMD_NS_PER_S;
	const int64_t end = kmd_time_days_from_civil(2262, 1, 1) * KMD_S_PER_DAY * KMD_NS_PER_S;
	for (int64_t ns = first; ns < end - INT64_C(604800864000000000); ns += INT64_C(604800864123456077)) {
		int64_t back;
		kmd_buf_reset(&b);
		kmd_time_format(&b, ns, 9);
		assert_int_equal(kmd_time_parse(kmd_buf_str(&b), &back), 0);
		assert_true(back == ns);
	}
	kmd_buf_fini(&b);
}

static void days_agree_with_libc(void **state)
{
	(void)state;
	for (int32_t day = -106000; day < 106000; day++) {
		const time_t seconds = (time_t)day * 86400;
		struct tm tm;
		int year, month, mday;
		assert_non_null(gmtime_r(&seconds, &tm));
		kmd_time_civil(day, &year, &month, &mday);
		assert_int_equal(year, tm.tm_year + 1900);
		assert_int_equal(month, tm.tm_mon + 1);
		assert_int_equal(mday, tm.tm_mday);
		assert_int_equal(kmd_time_days_from_civil(year, month, mday), day);
	}
	assert_int_equal(kmd_time_day(-1), -1);
	assert_int_equal(kmd_time_day(0), 0);
	assert_int_equal(kmd_time_day(INT64_C(86400000000000) - 1), 0);
	assert_int_equal(kmd_time_day(INT64_C(-86400000000000)), -1);
}

static void clocks_run(void **state)
{
	(void)state;
	const struct kmd_mono a = kmd_mono_now(), b = kmd_mono_now();
	assert_true(b.ns >= a.ns);
	assert_true(kmd_time_day(kmd_wall_now().ns) > 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_parsed),
	    cmocka_unit_test(times_are_formatted_cut_not_rounded),
	    cmocka_unit_test(format_and_parse_are_inverse),
	    cmocka_unit_test(days_agree_with_libc),
	    cmocka_unit_test(clocks_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
