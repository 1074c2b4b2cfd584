#include <stdio.h>
#include <stdlib.h>

#include "../cmocka_all.h"
#include "../tsv.h"
#include "kmd_trade.h"

static struct kmd_json doc;
static struct kmd_arena arena;

static enum kmd_trade_fault decode(struct kmd_str json, struct kmd_trade_execution *ret)
{
	assert_int_equal(kmd_json_parse(&doc, json), 0);
	kmd_arena_reset(&arena);
	return kmd_trade_decode(kmd_json_root(&doc), &arena, ret);
}

static int teardown(void **state)
{
	(void)state;
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return 0;
}

static const char *const fault_names[] = {"ok", "missing_key", "bad_number", "bad_time", "bad_text"};

/* "-" where a member is absent */
static struct kmd_str shown(struct kmd_str s)
{
	return s.p ? s : KMD_STR("-");
}

/* tests/data/trades.tsv: members besides trade_id and ticker, fault, then what comes of them */
static void members_become_columns(void **state)
{
	(void)state;
	struct tsv t;
	assert_true(tsv_open(&t, KMD_TEST_DATA "/trades.tsv"));
	while (tsv_next(&t)) {
		struct kmd_trade_execution x;
		struct kmd_buf json = {0}, got = {0};
		kmd_buf_addf(
		    &json, "{\"trade_id\":\"T\",\"market_ticker\":\"M\"%s%s}", t.field[0][0] ? "," : "", t.field[0]);
		const enum kmd_trade_fault fault = decode(kmd_buf_str(&json), &x);
		kmd_buf_addf(&got,
		    "%s yes=%.*s no=%.*s count=%.*s side=%.*s book=%.*s block=%d ts=", fault_names[fault],
		    KMD_STR_ARG(shown(x.yes_price)), KMD_STR_ARG(shown(x.no_price)), KMD_STR_ARG(shown(x.count)),
		    KMD_STR_ARG(shown(x.taker_side)), KMD_STR_ARG(shown(x.taker_book_side)), x.is_block_trade);
		if (x.has_ts)
			kmd_buf_add_i64(&got, x.ts_ms);
		else
			kmd_buf_addc(&got, '-');
		if (!kmd_str_eqz(kmd_buf_str(&got), t.field[1]))
			fail_msg("line %d:\n%.*s\n%s", t.number, KMD_STR_ARG(kmd_buf_str(&got)), t.field[1]);
		kmd_buf_fini(&got);
		kmd_buf_fini(&json);
	}
}

static void keys_are_needed(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum kmd_trade_fault fault;
	} cases[] = {
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_OK},
	    {"{\"trade_id\":\"T\",\"ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_OK},
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"\",\"ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_OK},
	    {"{\"market_ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_MISSING_KEY},
	    {"{\"trade_id\":\"\",\"market_ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_MISSING_KEY},
	    {"{\"trade_id\":null,\"market_ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_MISSING_KEY},
	    {"{\"trade_id\":\"T\",\"ts_ms\":1}", KMD_TRADE_MISSING_KEY},
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"M\"}", KMD_TRADE_MISSING_KEY},
	    {"{}", KMD_TRADE_MISSING_KEY},
	    {"[1]", KMD_TRADE_MISSING_KEY},
	    {"{\"trade_id\":\"T\\u0000\",\"market_ticker\":\"M\",\"ts_ms\":1}", KMD_TRADE_BAD_TEXT},
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"\\ud800\",\"ts_ms\":1}", KMD_TRADE_BAD_TEXT},
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"\xff\",\"ts_ms\":1}", KMD_TRADE_BAD_TEXT},
	    {"{\"trade_id\":\"T\",\"market_ticker\":\"\\ud83d\\ude00\",\"ts_ms\":1}", KMD_TRADE_OK},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kmd_trade_execution x;
		if (decode(kmd_str_z(cases[i].json), &x) != cases[i].fault)
			fail_msg("%s", cases[i].json);
	}
}

static void a_fault_leaves_what_could_be_read(void **state)
{
	(void)state;
	struct kmd_trade_execution x;
	const struct kmd_str json =
	    KMD_STR("{\"trade_id\":\"T\\u0031\",\"market_ticker\":\"M\",\"yes_price_dollars\":\"x\","
		    "\"count_fp\":\"2.50\",\"ts_ms\":1786956599391}");
	assert_int_equal(decode(json, &x), KMD_TRADE_BAD_NUMBER);
	assert_str(x.trade_id, "T1");
	assert_str(x.market_ticker, "M");
	assert_null(x.yes_price.p);
	assert_str(x.count, "2.50");
	assert_true(x.has_ts && x.ts_ms == INT64_C(1786956599391));
}

static void assert_frame(const char *element, const char *frame)
{
	struct kmd_buf out = {0};
	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(element)), 0);
	const int rc = kmd_trade_frame_from_rest(kmd_json_root(&doc), &out);
	if (!frame) {
		assert_int_equal(rc, KMD_EPARSE);
		assert_int_equal(out.n, 0);
	} else {
		assert_int_equal(rc, 0);
		assert_str(kmd_buf_str(&out), frame);
	}
	kmd_buf_fini(&out);
}

static void rest_trades_become_frames(void **state)
{
	(void)state;
	assert_frame("{\"trade_id\":\"T\", \"ticker\":\"M-\\u00e9\",\"count_fp\":\"10.50\",\"x\": {\"a\": 1.50},"
		     "\"created_time\":\"2026-08-17T10:09:59.391999Z\"}",
	    "{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"M-\\u00e9\",\"trade_id\":\"T\",\"count_fp\":\"10.50\","
	    "\"x\":{\"a\": "
	    "1.50},\"created_time\":\"2026-08-17T10:09:59.391999Z\",\"ts\":1786961399,\"ts_ms\":1786961399391}}");
	assert_frame("{\"ticker\":\"M\",\"ts\":5,\"ts_ms\":null,\"created_time\":\"1970-01-01T00:00:07.5Z\"}",
	    "{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"M\",\"ts\":5,\"created_time\":\"1970-01-01T00:00:07.5Z\","
	    "\"ts_ms\":7500}}");
	assert_frame("{\"ticker\":\"M\",\"created_time\":\"soon\"}",
	    "{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"M\",\"created_time\":\"soon\"}}");
	/* a name is the same however it is spelled */
	assert_frame("{\"t\\u0069cker\":\"M\",\"market_tick\\u0065r\":\"N\"}",
	    "{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"M\"}}");
	assert_frame("{\"market_ticker\":\"M\"}", "{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"M\"}}");
	assert_frame("{\"ticker\":\"\"}", NULL);
	assert_frame("{\"ticker\":5}", NULL);
	assert_frame("{}", NULL);
	assert_frame("[]", NULL);
}

/* A trade told by REST and turned into a frame reads as the same trade told by the WebSocket. */
static void both_ways_tell_the_same_trade(void **state)
{
	(void)state;
	struct kmd_trade_execution x;
	struct kmd_buf out = {0};
	assert_int_equal(kmd_json_parse(&doc,
			     KMD_STR("{\"trade_id\":\"T\",\"ticker\":\"M\",\"count_fp\":\"2.00\",\"yes_price_dollars\":"
				     "\"0.8000\",\"no_price_dollars\":\"0.2000\",\"taker_outcome_side\":\"no\","
				     "\"taker_book_side\":\"ask\",\"taker_side\":\"no\",\"is_block_trade\":false,"
				     "\"created_time\":\"2026-08-17T08:49:59.391Z\"}")),
	    0);
	assert_int_equal(kmd_trade_frame_from_rest(kmd_json_root(&doc), &out), 0);
	assert_int_equal(kmd_json_parse(&doc, kmd_buf_str(&out)), 0);
	assert_int_equal(kmd_trade_decode(kmd_json_get(kmd_json_root(&doc), "msg"), &arena, &x), KMD_TRADE_OK);
	assert_str(x.trade_id, "T");
	assert_str(x.market_ticker, "M");
	assert_str(x.yes_price, "0.8000");
	assert_str(x.no_price, "0.2000");
	assert_str(x.count, "2.00");
	assert_str(x.taker_side, "no");
	assert_str(x.taker_book_side, "ask");
	assert_int_equal(x.is_block_trade, 0);
	assert_true(x.ts_ms == INT64_C(1786956599391));
	kmd_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_become_columns),
	    cmocka_unit_test(keys_are_needed),
	    cmocka_unit_test(a_fault_leaves_what_could_be_read),
	    cmocka_unit_test(rest_trades_become_frames),
	    cmocka_unit_test(both_ways_tell_the_same_trade),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
