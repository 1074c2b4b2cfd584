#include "../cmocka_all.h"

#include <stdio.h>

#include "sink_value.h"

static void assert_hex(const struct kmd_buf *b, const char *hex)
{
	char got[4096];

	assert_true(b->n * 2 < sizeof(got));
	for (size_t i = 0; i < b->n; i++)
		snprintf(got + 2 * i, 3, "%02x", (unsigned char)b->p[i]);
	got[2 * b->n] = '\0';
	assert_string_equal(got, hex);
}

/* What `SELECT numeric_send('...')` of Postgres 15 gives: count of groups, weight, sign, scale, groups of four digits.
 */
static void numerics_are_what_postgres_sends(void **state)
{
	static const char *const cases[][2] = {
	    {"0", "0000000000000000"},
	    {"0.0000", "0000000000000004"},
	    {"-0.00", "0000000000000002"},
	    {"1", "00010000000000000001"},
	    {"-54.00", "00010000400000020036"},
	    {"0.9600", "0001ffff000000042580"},
	    {"0.96", "0001ffff000000022580"},
	    {"0.5", "0001ffff000000011388"},
	    {".5", "0001ffff000000011388"},
	    {"5.", "00010000000000000005"},
	    {"13815.66", "000300010000000200010ee719c8"},
	    {"10000", "00010001000000000001"},
	    {"0.00010000", "0001ffff000000080001"},
	    {"0.000001", "0001fffe000000060064"},
	    {"100000000", "00010002000000000001"},
	    {"00012", "0001000000000000000c"},
	    {"+7.10", "0002000000000002000703e8"},
	    {"123456789012345678.000001", "0007000400000006000c0d801ed204d2162e00000064"},
	};
	struct kmd_buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kmd_buf_reset(&b);
		sink_encode_numeric(kmd_str_z(cases[i][0]), &b);
		assert_hex(&b, cases[i][1]);
	}
	kmd_buf_fini(&b);
}

static void a_stream_has_head_and_tail(void **state)
{
	struct kmd_buf b = {0};

	(void)state;
	sink_encode_head(&b);
	sink_encode_tail(&b);
	assert_hex(&b, "5047434f50590aff0d0a00"
		       "00000000"
		       "00000000"
		       "ffff");
	kmd_buf_fini(&b);
}

static void a_row_is_its_fields_with_their_lengths(void **state)
{
	struct sink_row row = {.table = SINK_T_DEAD};
	struct kmd_buf b = {0};

	(void)state;
	row.v[SINK_DEAD_at] = sink_value_num(INT64_C(946684800000001)); /* 2000-01-01 and a microsecond */
	row.v[SINK_DEAD_kafka_partition] = sink_value_num(-2);
	row.v[SINK_DEAD_kafka_offset] = sink_value_num(258);
	row.v[SINK_DEAD_topic] = sink_value_str(KMD_STR("ab"));
	row.v[SINK_DEAD_reason] = sink_value_str(KMD_STR(""));
	row.v[SINK_DEAD_headers] = sink_value_str(KMD_STR("[]"));
	sink_encode_row(&row, &b);
	assert_hex(&b, "0008"
		       "000000080000000000000001"
		       "00000004fffffffe"
		       "000000080000000000000102"
		       "000000026162"
		       "00000000"
		       "ffffffff"
		       "ffffffff"
		       "00000003015b5d");
	kmd_buf_fini(&b);
}

static void dates_uuids_and_booleans(void **state)
{
	struct sink_row row = {.table = SINK_T_TRADES};
	struct kmd_buf b = {0};

	(void)state;
	row.v[SINK_TRADES_trade_date] = sink_value_num(10957 - 1); /* the day before 2000 */
	row.v[SINK_TRADES_is_block_trade] = sink_value_num(1);
	sink_encode_row(&row, &b);
	/* 11 common columns, 3 others, the date, 5 others, the boolean; all else NULL */
	assert_hex(&b, "0015"
		       "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		       "ffffffffffffffffffffffff"
		       "00000004ffffffff"
		       "ffffffffffffffffffffffffffffffffffffffff"
		       "0000000101");
	kmd_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numerics_are_what_postgres_sends),
	    cmocka_unit_test(a_stream_has_head_and_tail),
	    cmocka_unit_test(a_row_is_its_fields_with_their_lengths),
	    cmocka_unit_test(dates_uuids_and_booleans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
