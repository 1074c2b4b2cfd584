#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmd_pg.h"

static void expect(enum kmd_class class, const char *const *states)
{
	for (; *states; states++)
		if (kmd_sqlstate_class(*states) != class)
			fail_msg("%s", *states);
}

static void places_and_times_are_retried(void **state)
{
	static const char *const states[] = {"", "08006", "08P01", "53100", "53300", "57014", "57P01", "57P03", "58030",
	    "40001", "40P01", "55P03", "28000", "28P01", "3D000", "42501", "25006", "XX001", NULL};

	(void)state;
	expect(KMD_RETRY, states);
	assert_int_equal(kmd_sqlstate_class(NULL), KMD_RETRY);
}

static void what_the_data_caused_is_rejected(void **state)
{
	static const char *const states[] = {
	    "22P02", "22003", "22021", "22P05", "22P03", "23502", "23505", "23514", "54000", NULL};

	(void)state;
	expect(KMD_REJECT, states);
}

static void a_schema_that_is_not_ours_is_fatal(void **state)
{
	static const char *const states[] = {
	    "42P01", "42703", "42601", "42883", "3F000", "0A000", "25P02", "26000", NULL};

	(void)state;
	expect(KMD_FATAL, states);
}

static void the_row_of_a_copy_is_read_from_its_context(void **state)
{
	(void)state;
	assert_int_equal(kmd_pg_copy_row_of("COPY orderbook_deltas, line 12"), 12);
	assert_int_equal(kmd_pg_copy_row_of("COPY t2, line 9000, column n"), 9000);
	assert_int_equal(kmd_pg_copy_row_of("COPY trades, Zeile 7"), 7);
	assert_int_equal(kmd_pg_copy_row_of("SQL statement \"SELECT 3\"\nCOPY trades, line 7"), 7);
	assert_int_equal(kmd_pg_copy_row_of("COPY trades"), 0);
	assert_int_equal(kmd_pg_copy_row_of("COPY trades, line\n5"), 0);
	assert_int_equal(kmd_pg_copy_row_of("SQL statement, line 3"), 0);
	assert_int_equal(kmd_pg_copy_row_of(""), 0);
	assert_int_equal(kmd_pg_copy_row_of(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places_and_times_are_retried),
	    cmocka_unit_test(what_the_data_caused_is_rejected),
	    cmocka_unit_test(a_schema_that_is_not_ours_is_fatal),
	    cmocka_unit_test(the_row_of_a_copy_is_read_from_its_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
