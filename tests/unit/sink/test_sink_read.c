#include "../cmocka_all.h"
#include "sink_read.h"

/* Documents and memory of one test. */
struct desk {
	struct kmd_json doc[2];
	struct kmd_arena arena;
};

static int setup(void **state)
{
	static struct desk d;

	memset(&d, 0, sizeof(d));
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	struct desk *d = *state;

	kmd_json_fini(&d->doc[0]);
	kmd_json_fini(&d->doc[1]);
	kmd_arena_fini(&d->arena);
	return 0;
}

static struct kmd_json_val val(struct desk *d, int i, const char *json)
{
	assert_int_equal(kmd_json_parse(&d->doc[i], kmd_str_z(json)), 0);
	return kmd_json_root(&d->doc[i]);
}

static struct sink_reading get(struct desk *d, enum sink_kind kind, const char *json)
{
	return sink_read(kind, val(d, 0, json), &d->arena);
}

static void amounts_keep_their_digits(void **state)
{
	struct desk *d = *state;

	assert_str(get(d, SINK_K_DECIMAL, "\"0.9600\"").value.str, "0.9600");
	assert_str(get(d, SINK_K_DECIMAL, "300").value.str, "300");
	/* more digits than any binary number of a processor has */
	assert_str(get(d, SINK_K_DECIMAL, "9007199254740993.10").value.str, "9007199254740993.10");
	assert_int_equal(get(d, SINK_K_DECIMAL, "\"1e2\"").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_DECIMAL, "1e2").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_DECIMAL, "\"\"").status, SINK_READ_EMPTY);
	assert_int_equal(get(d, SINK_K_DECIMAL, "null").status, SINK_READ_ABSENT);
	assert_int_equal(get(d, SINK_K_DECIMAL, "{}").status, SINK_READ_BAD);
	assert_str(get(d, SINK_K_CENTS, "48").value.str, "0.48");
	assert_str(get(d, SINK_K_CENTS, "\"5\"").value.str, "0.05");
	assert_str(get(d, SINK_K_CENTS, "12.5").value.str, "0.125");
	assert_int_equal(get(d, SINK_K_CENTS, "\"4.8368\"").status, SINK_READ_FOREIGN);
	assert_int_equal(get(d, SINK_K_CENTS, "{\"price\":1}").status, SINK_READ_FOREIGN);
	assert_int_equal(get(d, SINK_K_CENTS, "1e1").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_CENTS, "\"cheap\"").status, SINK_READ_BAD);
	/* as dollars it has more digits than an amount may have */
	assert_int_equal(
	    get(d, SINK_K_CENTS, "0.123456789012345678901234567890123456789012345678901234567890123").status,
	    SINK_READ_BAD);
}

static void times_keep_their_precision(void **state)
{
	struct desk *d = *state;
	struct sink_reading r = get(d, SINK_K_RFC3339, "\"2026-11-22T10:00:00.123456789Z\"");

	assert_true(r.value.num == INT64_C(1795341600123456) && r.unit_us == 1);
	r = get(d, SINK_K_RFC3339, "\"2026-11-22T10:00:00.5Z\"");
	assert_true(r.value.num == INT64_C(1795341600500000) && r.unit_us == 100000);
	r = get(d, SINK_K_S_OR_RFC3339, "1795341600");
	assert_true(r.value.num == INT64_C(1795341600000000) && r.unit_us == 1000000);
	r = get(d, SINK_K_MS, "1795341600123");
	assert_true(r.value.num == INT64_C(1795341600123000) && r.unit_us == 1000);
	r = get(d, SINK_K_RFC3339, "\"0001-01-01T00:00:00Z\"");
	assert_true(r.status == SINK_READ_OK && r.value.num == INT64_C(-62135596800000000));
	r = get(d, SINK_K_RFC3339, "\"9999-12-31T23:59:59Z\"");
	assert_true(r.status == SINK_READ_OK && r.value.num == INT64_C(253402300799000000));
	assert_int_equal(get(d, SINK_K_RFC3339, "\"tomorrow\"").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_MS, "9223372036854775807").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_S, "1.5").status, SINK_READ_BAD);
}

static void texts_and_ids(void **state)
{
	struct desk *d = *state;

	assert_str(get(d, SINK_K_TEXT, "\"\"").value.str, "");
	assert_str(get(d, SINK_K_TEXT, "\"a\\u00e9\"").value.str, "a\xc3\xa9");
	assert_int_equal(get(d, SINK_K_TEXT, "\"\\u0000\"").status, SINK_READ_UNHOLDABLE);
	assert_int_equal(get(d, SINK_K_TEXT, "7").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_UUID, "\"\"").status, SINK_READ_EMPTY);
	assert_int_equal(get(d, SINK_K_UUID, "\"abc\"").status, SINK_READ_BAD);
	assert_memory_equal(get(d, SINK_K_UUID, "\"9B0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1\"").value.str.p,
	    "\x9b\x0f\x6b\x43\x5b\x68\x4f\x9f\x9f\x02\x9a\x2d\x1b\x8a\xc1\xa1", 16);
	assert_int_equal(get(d, SINK_K_UUID, "\"9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1ag\"").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_BOOL, "\"true\"").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_BOOL, "false").value.num, 0);
}

static void ladders_become_pairs_of_strings(void **state)
{
	struct desk *d = *state;

	assert_str(get(d, SINK_K_LADDER, "[[\"0.0800\",\"300.00\"],[0.22,333]]").value.str,
	    "[[\"0.0800\",\"300.00\"],[\"0.22\",\"333\"]]");
	assert_str(
	    get(d, SINK_K_LADDER_CENTS, "[[8,300],[22,333]]").value.str, "[[\"0.08\",\"300\"],[\"0.22\",\"333\"]]");
	assert_str(get(d, SINK_K_LADDER, "[]").value.str, "[]");
	assert_str(get(d, SINK_K_LADDER, "[[\"\",null]]").value.str, "[[\"\",null]]");
	assert_int_equal(get(d, SINK_K_LADDER, "[[\"0.1\"]]").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_LADDER, "[[\"0.1\",\"1\",\"2\"]]").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_LADDER, "[[\"x\",\"1\"]]").status, SINK_READ_BAD);
	assert_int_equal(get(d, SINK_K_LADDER, "{\"0.1\":\"1\"}").status, SINK_READ_BAD);
}

static bool agree(
    struct desk *d, enum sink_type type, enum sink_kind ka, const char *a, enum sink_kind kb, const char *b)
{
	const struct sink_reading ra = sink_read(ka, val(d, 0, a), &d->arena),
				  rb = sink_read(kb, val(d, 1, b), &d->arena);

	assert_int_equal(ra.status, SINK_READ_OK);
	assert_int_equal(rb.status, SINK_READ_OK);
	return sink_read_agree(type, &ra, &rb) && sink_read_agree(type, &rb, &ra);
}

static void twins_agree_at_the_coarser_precision(void **state)
{
	struct desk *d = *state;

	assert_true(agree(d, SINK_NUMERIC, SINK_K_DECIMAL, "\"0.9600\"", SINK_K_CENTS, "96"));
	assert_true(agree(d, SINK_NUMERIC, SINK_K_DECIMAL, "\"13815.66\"", SINK_K_DECIMAL, "13815"));
	assert_false(agree(d, SINK_NUMERIC, SINK_K_DECIMAL, "\"0.345\"", SINK_K_CENTS, "45"));
	assert_true(agree(d, SINK_TIME, SINK_K_MS, "1795341600999", SINK_K_S, "1795341600"));
	assert_true(agree(d, SINK_TIME, SINK_K_MS, "1795341600999", SINK_K_S, "1795341601")); /* rounded */
	assert_false(agree(d, SINK_TIME, SINK_K_MS, "1795341600100", SINK_K_S, "1795341601"));
	assert_false(agree(d, SINK_TIME, SINK_K_MS, "1795341602000", SINK_K_S, "1795341600"));
	assert_true(agree(d, SINK_TIME, SINK_K_RFC3339, "\"2026-11-22T10:00:00.123999Z\"", SINK_K_MS, "1795341600123"));
	assert_false(agree(d, SINK_TIME, SINK_K_RFC3339, "\"2026-11-22T10:00:00.125Z\"", SINK_K_MS, "1795341600123"));
	assert_true(agree(d, SINK_TEXT, SINK_K_TEXT, "\"yes\"", SINK_K_TEXT, "\"yes\""));
	assert_false(agree(d, SINK_TEXT, SINK_K_TEXT, "\"yes\"", SINK_K_TEXT, "\"no\""));
}

static bool ladders_agree(struct desk *d, const char *dollars, const char *cents)
{
	return sink_read_ladders_agree(
	    SINK_K_LADDER, val(d, 0, dollars), SINK_K_LADDER_CENTS, val(d, 1, cents), &d->arena);
}

static void ladders_agree_level_by_level(void **state)
{
	struct desk *d = *state;

	assert_true(ladders_agree(d, "[[\"0.0800\",\"300.00\"],[\"0.2200\",\"333.00\"]]", "[[8,300],[22,333]]"));
	assert_false(ladders_agree(d, "[[\"0.0800\",\"300.00\"]]", "[[8,300],[22,333]]"));
	assert_false(ladders_agree(d, "[[\"0.0800\",\"300.00\"]]", "[[9,300]]"));
	assert_false(ladders_agree(d, "[[\"0.0800\",\"300.00\"]]", "[[8,301]]"));
	assert_true(ladders_agree(d, "[]", "[]"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(amounts_keep_their_digits),
	    TEST(times_keep_their_precision),
	    TEST(texts_and_ids),
	    TEST(ladders_become_pairs_of_strings),
	    TEST(twins_agree_at_the_coarser_precision),
	    TEST(ladders_agree_level_by_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
