#include "../cmocka_all.h"
#include "../tsv.h"
#include "kmd_num.h"

#include <stdlib.h>

static int verdict(const char *word)
{
	return strcmp(word, "ok") == 0 ? 0 : strcmp(word, "parse") == 0 ? KMD_EPARSE : KMD_ERANGE;
}

static void decimals_are_parsed(void **state)
{
	(void)state;
	struct tsv t;
	struct kmd_dec none;
	assert_int_equal(kmd_dec_parse(KMD_STR_NONE, &none), KMD_EPARSE);
	assert_true(tsv_open(&t, KMD_TEST_DATA "/decimals.tsv"));
	while (tsv_next(&t)) {
		struct kmd_dec d;
		const int rc = kmd_dec_parse(kmd_str_z(t.field[0]), &d);
		if (rc != verdict(t.field[1]))
			fail_msg("line %d: %s gives %d", t.number, t.field[0], rc);
		if (rc < 0)
			continue;
		assert_str(d.whole, t.field[2]);
		assert_str(d.frac, t.field[3]);
		assert_int_equal(d.negative, t.field[0][0] == '-');
	}
}

static struct kmd_dec parsed(const char *z)
{
	struct kmd_dec d;
	assert_int_equal(kmd_dec_parse(kmd_str_z(z), &d), 0);
	return d;
}

static void decimals_are_compared(void **state)
{
	(void)state;
	struct tsv t;
	assert_true(tsv_open(&t, KMD_TEST_DATA "/decimal_pairs.tsv"));
	while (tsv_next(&t)) {
		const struct kmd_dec a = parsed(t.field[0]), b = parsed(t.field[1]);
		const int order = atoi(t.field[2]);
		const bool agree = strcmp(t.field[3], "yes") == 0;
		if (kmd_dec_cmp(&a, &b) != order || kmd_dec_cmp(&b, &a) != -order)
			fail_msg("line %d: order of %s and %s", t.number, t.field[0], t.field[1]);
		if (kmd_dec_agree(&a, &b) != agree || kmd_dec_agree(&b, &a) != agree)
			fail_msg("line %d: agreement of %s and %s", t.number, t.field[0], t.field[1]);
	}
}

static void zero_is_zero_at_every_scale(void **state)
{
	(void)state;
	static const char *const zeros[] = {"0", "-0", "0.000", "000", ".0", "0."};
	for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++) {
		const struct kmd_dec d = parsed(zeros[i]);
		assert_true(kmd_dec_is_zero(&d));
	}
	const struct kmd_dec d = parsed("0.0001");
	assert_false(kmd_dec_is_zero(&d));
}

static void cents_become_dollars(void **state)
{
	(void)state;
	struct tsv t;
	assert_true(tsv_open(&t, KMD_TEST_DATA "/cents.tsv"));
	while (tsv_next(&t)) {
		struct kmd_buf b = {0};
		const struct kmd_dec cents = parsed(t.field[0]);
		kmd_dec_cents_to_dollars(&b, &cents);
		assert_str(kmd_buf_str(&b), t.field[1]);
		kmd_buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decimals_are_parsed),
	    cmocka_unit_test(decimals_are_compared),
	    cmocka_unit_test(zero_is_zero_at_every_scale),
	    cmocka_unit_test(cents_become_dollars),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
