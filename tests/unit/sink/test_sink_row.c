#include "../cmocka_all.h"
#include "../tsv.h"

#include <stdio.h>

#include "kmd_time.h"
#include "sink_row.h"

/*
 * What row or dead letter a record becomes: tests/data/sink_rows.tsv, one record a line, as topic, value and
 * what it is to be. The headers are those of a frame of lineage 7, number 9, received at NOW; `type` is the value's
 * own.
 */

#define NOW_NS INT64_C(1795341600123456789) /* 2026-11-22T10:00:00.123456789Z */

static const struct sink_clock clock_now = {.now_ns = NOW_NS, .oldest_day = INT32_MIN};

#define H(name, text) \
	{ \
		name, \
		{ \
			text, sizeof(text) - 1 \
		} \
	}

static const struct sink_header headers[] = {H("lineage", "7"), H("n", "9"), H("recv_ns", "1795341600123456789"),
    H("mono_ns", "11"), H("source", "ws"), H("use_yes_price", "false")};
#define HEADERS_COUNT (sizeof(headers) / sizeof(headers[0]))

/* A record of topic @topic; value NULL: a tombstone. */
static struct sink_record record(const char *topic, const char *value)
{
	struct sink_record r = {
	    .partition = 3, .offset = 42, .timestamp_ms = 1, .headers = headers, .headers_count = HEADERS_COUNT};

	assert_true(kmd_topic_find(kmd_str_z(topic), &r.topic));
	r.value = kmd_str_z(value);
	return r;
}

static void add_hex(struct kmd_buf *b, struct kmd_str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		kmd_buf_addf(b, "%02x", (unsigned char)bytes.p[i]);
}

static void add_time(struct kmd_buf *b, int64_t us)
{
	if (us > INT64_MAX / 1000 || us < INT64_MIN / 1000)
		kmd_buf_addf(b, "%lldus", (long long)us);
	else
		kmd_time_format(b, us * 1000, 6);
}

static void add_value(struct kmd_buf *b, enum sink_type type, const struct sink_value *v)
{
	int year, month, mday;

	switch (type) {
	case SINK_TEXT:
	case SINK_JSONB:
	case SINK_NUMERIC:
	case SINK_BYTEA:
		kmd_buf_add_str(b, v->str);
		break;
	case SINK_UUID:
		add_hex(b, v->str);
		break;
	case SINK_TIME:
		add_time(b, v->num);
		break;
	case SINK_DATE:
		kmd_time_civil((int32_t)v->num, &year, &month, &mday);
		kmd_buf_addf(b, "%04d-%02d-%02d", year, month, mday);
		break;
	case SINK_BOOL:
	case SINK_INT4:
	case SINK_INT8:
		kmd_buf_add_i64(b, v->num);
		break;
	}
}

/* Is the column one that every case would repeat? */
static bool is_plumbing(const struct sink_row *row, int column, bool all)
{
	const char *name = sink_tables[row->table].columns[column].name;

	return strcmp(name, "kafka_partition") == 0 || strcmp(name, "kafka_offset") == 0 ||
	       (!all && sink_tables[row->table].frames && column < SINK_COMMON_COUNT && column != SINK_COMMON_extra);
}

/* "table a=1 b=2", or "dead reason", or "nothing". */
static void show(const struct sink_outcome *o, const struct sink_row *row, bool all, struct kmd_buf *b)
{
	const struct sink_table_def *t = &sink_tables[row->table];

	kmd_buf_reset(b);
	if (o->fate == SINK_IS_NOTHING) {
		kmd_buf_addz(b, "nothing");
		return;
	}
	if (o->fate == SINK_IS_DEAD) {
		kmd_buf_addf(b, "dead %s", sink_fault_name(o->fault));
		return;
	}
	kmd_buf_addz(b, t->name);
	for (int i = 0; i < t->columns_count; i++) {
		if (!row->v[i].has || is_plumbing(row, i, all))
			continue;
		kmd_buf_addf(b, " %s=", t->columns[i].name);
		add_value(b, t->columns[i].type, &row->v[i]);
	}
}

static void each_record_becomes_what_the_table_says(void **state)
{
	struct sink_work w = {0};
	struct kmd_buf got = {0};
	struct tsv t;

	(void)state;
	assert_true(tsv_open(&t, KMD_TEST_DATA "/sink_rows.tsv"));
	while (tsv_next(&t)) {
		const struct sink_record r = record(t.field[0], t.field[1]);
		const struct sink_facts f = sink_record_facts(&r);
		struct sink_row row;
		const struct sink_outcome o = sink_row_make(&r, &f, &clock_now, &w, &row);

		show(&o, &row, false, &got);
		if (t.fields != 3 || !kmd_str_eqz(kmd_buf_str(&got), t.field[2])) {
			print_error("sink_rows.tsv:%d\n     got: %.*s\nexpected: %s\n", t.number, (int)got.n, got.p,
			    t.field[2]);
			fail();
		}
	}
	sink_work_fini(&w);
	kmd_buf_fini(&got);
}

/* One record with headers of its own; gives the text of all columns. */
static void assert_row(const struct sink_record *r, const struct sink_clock *clock, const char *expected)
{
	struct sink_work w = {0};
	struct kmd_buf got = {0};
	struct sink_row row;
	const struct sink_facts f = sink_record_facts(r);
	const struct sink_outcome o = sink_row_make(r, &f, clock, &w, &row);

	show(&o, &row, true, &got);
	assert_str(kmd_buf_str(&got), expected);
	sink_work_fini(&w);
	kmd_buf_fini(&got);
}

static void common_columns_come_from_headers_and_envelope(void **state)
{
	const struct sink_header own[] = {H("lineage", "5"), H("n", "6"), H("recv_ns", "1795341600000000001"),
	    H("mono_ns", "7"), H("sid", "2"), H("seq", "30"), H("source", "ws"), H("type", "ticker")};
	struct sink_record r =
	    record("tickers", "{\"type\":\"ticker\",\"sid\":2,\"seq\":31,\"sending_ts_ms\":1795341599999,\"id\":4,"
			      "\"msg\":{\"market_ticker\":\"A\"}}");

	(void)state;
	r.headers = own;
	r.headers_count = sizeof(own) / sizeof(own[0]);
	assert_row(&r, &clock_now,
	    "tickers lineage=5 n=6 sid=2 seq=30 recv_ns=1795341600000000001 mono_ns=7 sending_ts_ms=1795341599999 "
	    "source=ws "
	    "extra={\"_envelope\":{\"seq\":31,\"id\":4}} market_ticker=A");
}

static void without_receipt_a_trade_is_kept_and_a_book_is_not(void **state)
{
	struct sink_record r =
	    record("trades", "{\"msg\":{\"trade_id\":\"t\",\"market_ticker\":\"A\",\"ts_ms\":1795341600123}}");

	(void)state;
	r.headers_count = 0;
	assert_row(
	    &r, &clock_now, "trades trade_id=t market_ticker=A ts=2026-11-22T10:00:00.123000Z trade_date=2026-11-22");
	r = record("orderbook", "{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"A\"}}");
	r.headers_count = 0;
	assert_row(&r, &clock_now, "dead missing_key");
}

static void the_partition_s_time_has_bounds(void **state)
{
	const struct sink_clock kept_a_week = {.now_ns = NOW_NS, .oldest_day = kmd_time_day(NOW_NS) - 7};
	const struct {
		const char *recv_ns;
		const char *verdict;
	} cases[] = {
	    {"1609459199999999999", "dead time_out_of_range"},
	    {"1609459200000000000", "dead expired"},
	    {"1794700799999999999", "dead expired"},
	    {"1794700800000000000", "other_frames recv_ns=1794700800000000000 frame=x"},
	    {"1795514400123456789", "other_frames recv_ns=1795514400123456789 frame=x"},
	    {"1795514400123456790", "dead time_out_of_range"},
	    {"-1", "dead time_out_of_range"},
	    {"now", "dead missing_key"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sink_header own = {"recv_ns", kmd_str_z(cases[i].recv_ns)};
		struct sink_record r = record("other", "x");

		r.headers = &own;
		r.headers_count = 1;
		assert_row(&r, &kept_a_week, cases[i].verdict);
	}
}

static void bytes_that_are_no_text_are_kept(void **state)
{
	struct sink_work w = {0};
	struct sink_row row;
	struct sink_record r = record("other", "");
	const struct sink_facts f = sink_record_facts(&r);
	struct sink_outcome o;

	(void)state;
	r.value = KMD_STR("\x00\xff\x01");
	o = sink_row_make(&r, &f, &clock_now, &w, &row);
	assert_int_equal(o.fate, SINK_IS_ROW);
	assert_int_equal(row.v[SINK_FRAMES_frame].str.n, 3);
	assert_false(row.v[SINK_FRAMES_type].has);
	sink_work_fini(&w);
}

static void invalid_utf8_is_bad_text(void **state)
{
	struct sink_record r = record("tickers", "{\"msg\":{\"market_ticker\":\"A\",\"x\":\"\xff\"}}");

	(void)state;
	assert_row(&r, &clock_now, "dead bad_text");
}

static void tombstones_are_nothing(void **state)
{
	static const char *const compacted[] = {"markets", "events", "series", "settlements"};
	struct sink_record r;

	(void)state;
	for (size_t i = 0; i < sizeof(compacted) / sizeof(compacted[0]); i++) {
		r = record(compacted[i], NULL);
		assert_row(&r, &clock_now, "nothing");
	}
	r = record("trades", NULL);
	assert_row(&r, &clock_now, "dead not_json");
}

static void a_dead_letter_keeps_all_of_the_record(void **state)
{
	const struct sink_header own[] = {
	    H("type", "a\"b"), {"none", {NULL, 0}}, H("raw", "\xff\xfe\xfd\xfc"), H("raw", "\xff")};
	struct sink_record r = record("tickers", "{");
	struct sink_work w = {0};
	struct sink_row row;
	struct sink_outcome o;

	(void)state;
	r.headers = own;
	r.headers_count = sizeof(own) / sizeof(own[0]);
	o = sink_row_dead(&r, "kalshi.tickers", KMD_STR("not_json"), &clock_now, &w, &row);
	assert_int_equal(o.day, kmd_time_day(NOW_NS));
	assert_str(row.v[SINK_DEAD_headers].str, "[[\"type\",\"a\\\"b\"],[\"none\",null],[\"raw\",{\"base64\":\"//79/"
						 "A==\"}],[\"raw\",{\"base64\":\"/w==\"}]]");
	assert_str(row.v[SINK_DEAD_topic].str, "kalshi.tickers");
	assert_str(row.v[SINK_DEAD_value].str, "{");
	assert_false(row.v[SINK_DEAD_key].has);
	assert_true(row.v[SINK_DEAD_kafka_offset].num == 42);
	sink_work_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_record_becomes_what_the_table_says),
	    cmocka_unit_test(common_columns_come_from_headers_and_envelope),
	    cmocka_unit_test(without_receipt_a_trade_is_kept_and_a_book_is_not),
	    cmocka_unit_test(the_partition_s_time_has_bounds),
	    cmocka_unit_test(bytes_that_are_no_text_are_kept),
	    cmocka_unit_test(invalid_utf8_is_bad_text),
	    cmocka_unit_test(tombstones_are_nothing),
	    cmocka_unit_test(a_dead_letter_keeps_all_of_the_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
