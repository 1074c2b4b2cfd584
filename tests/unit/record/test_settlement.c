#include "../cmocka_all.h"
#include "kmd_settlement.h"

static struct kmd_json doc;
static struct kmd_arena arena;

static int teardown(void **state)
{
	(void)state;
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return 0;
}

static struct kmd_settlement_data from_market(const char *json)
{
	struct kmd_settlement_data s;
	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(json)), 0);
	assert_int_equal(kmd_settlement_from_market(kmd_json_root(&doc), &arena, &s), 0);
	return s;
}

static void market_objects_are_read(void **state)
{
	(void)state;
	const char *json =
	    "{\"ticker\":\"M\",\"event_ticker\":\"E\",\"market_type\":\"binary\",\"status\":\"finalized\","
	    "\"result\":\"yes\",\"settlement_value_dollars\":\"1.0000\",\"expiration_value\":\"83950.62\","
	    "\"settlement_ts\":\"2026-08-07T03:01:02.123Z\",\"floor_strike\":73749.99}";
	const struct kmd_settlement_data s = from_market(json);
	assert_str(s.market_ticker, "M");
	assert_str(s.event_ticker, "E");
	assert_null(s.series_ticker.p);
	assert_str(s.market_type, "binary");
	assert_str(s.status, "finalized");
	assert_str(s.result, "yes");
	assert_str(s.settlement_value_dollars, "1.0000");
	assert_str(s.expiration_value, "83950.62");
	assert_str(s.settled_at, "2026-08-07T03:01:02.123Z");
	assert_null(s.determined_at.p);
	assert_null(s.known_at.p);
	assert_null(s.trigger.p);
	assert_str(s.body, json);
	assert_true(kmd_settlement_is_complete(&s));
}

static void absent_and_empty_are_told_apart(void **state)
{
	(void)state;
	const struct kmd_settlement_data s = from_market(
	    "{\"ticker\":\"M\",\"result\":\"\",\"expiration_value\":\"\",\"status\":null,\"event_ticker\":true}");
	assert_str(s.result, "");
	assert_str(s.expiration_value, "");
	assert_null(s.status.p);
	assert_null(s.event_ticker.p);
	assert_null(s.settlement_value_dollars.p);
	assert_false(kmd_settlement_is_complete(&s));
}

static void settlement_values_of_every_age_become_dollars(void **state)
{
	(void)state;
	static const struct {
		const char *members, *dollars;
	} cases[] = {
	    {"\"settlement_value_dollars\":\"0.4200\"", "0.4200"},
	    {"\"settlement_value_dollars\":0.4200", "0.4200"},
	    {"\"settlement_value_dollars\":\"1.0000\",\"settlement_value\":100", "1.0000"},
	    {"\"settlement_value\":100", "1.00"},
	    {"\"settlement_value\":0", "0.00"},
	    {"\"settlement_value\":42", "0.42"},
	    {"\"settlement_value\":\"7\"", "0.07"},
	    {"\"settlement_value\":\"0.4200\"", "0.4200"},
	    {"\"settlement_value_dollars\":\"\",\"settlement_value\":100", "1.00"},
	    {"\"settlement_value_dollars\":null,\"settlement_value\":100", "1.00"},
	    {"\"settlement_value_dollars\":\"\"", ""},
	    {"\"settlement_value_dollars\":\"\",\"settlement_value\":\"n/a\"", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kmd_buf json = {0};
		kmd_buf_addf(&json, "{\"ticker\":\"M\",%s}%c", cases[i].members, '\0');
		assert_str(from_market(json.p).settlement_value_dollars, cases[i].dollars);
		kmd_buf_fini(&json);
	}
	assert_null(from_market("{\"ticker\":\"M\",\"settlement_value\":null}").settlement_value_dollars.p);
	/* numbers where text is usual */
	assert_str(from_market("{\"ticker\":\"M\",\"expiration_value\":2.0}").expiration_value, "2.0");
}

static void completeness_needs_result_and_value(void **state)
{
	(void)state;
	const struct kmd_settlement_data scalar = from_market("{\"ticker\":\"M\",\"result\":\"scalar\",\"settlement_"
							      "value_dollars\":\"0.3300\",\"expiration_value\":\"\"}");
	assert_true(kmd_settlement_is_complete(&scalar));
	const struct kmd_settlement_data no_value = from_market("{\"ticker\":\"M\",\"result\":\"yes\"}");
	assert_false(kmd_settlement_is_complete(&no_value));
	const struct kmd_settlement_data no_result =
	    from_market("{\"ticker\":\"M\",\"result\":\"\",\"settlement_value_dollars\":\"1.0000\"}");
	assert_false(kmd_settlement_is_complete(&no_result));
}

static void what_is_no_market_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "{}", "[]", "null", "{\"ticker\":\"\"}", "{\"ticker\":null}", "{\"market_ticker\":\"M\"}"};
	struct kmd_settlement_data s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(kmd_json_parse(&doc, kmd_str_z(bad[i])), 0);
		assert_int_equal(kmd_settlement_from_market(kmd_json_root(&doc), &arena, &s), KMD_EPARSE);
	}
	assert_int_equal(kmd_json_parse(&doc, KMD_STR("{\"ticker\":\"M\"}")), 0);
	assert_int_equal(kmd_settlement_decode(kmd_json_root(&doc), &arena, &s), KMD_EPARSE);
}

static void records_come_back_as_written(void **state)
{
	(void)state;
	struct kmd_settlement_data s =
	    from_market("{\"ticker\":\"M\",\"event_ticker\":\"E\",\"status\":\"determined\","
			"\"result\":\"no\",\"settlement_value_dollars\":\"0.0000\","
			"\"expiration_value\":\"Caf\\u00e9 \\\"x\\\"\",\"big\":12345678901234567890}");
	s.series_ticker = KMD_STR("S");
	s.determined_at = KMD_STR("2026-11-22T10:00:00Z");
	s.known_at = KMD_STR("2026-11-22T10:00:01.123456789Z");
	s.trigger = KMD_STR("determined");
	struct kmd_buf out = {0}, again = {0};
	kmd_settlement_encode(&s, &out);
	assert_str(kmd_buf_str(&out),
	    "{\"market_ticker\":\"M\",\"event_ticker\":\"E\",\"series_ticker\":\"S\",\"market_type\":null,"
	    "\"status\":\"determined\",\"result\":\"no\",\"settlement_value_dollars\":\"0.0000\","
	    "\"expiration_value\":\"Caf\xc3\xa9 "
	    "\\\"x\\\"\",\"determined_at\":\"2026-11-22T10:00:00Z\",\"settled_at\":null,"
	    "\"known_at\":\"2026-11-22T10:00:01.123456789Z\",\"trigger\":\"determined\",\"body\":{\"ticker\":\"M\","
	    "\"event_ticker\":\"E\",\"status\":\"determined\",\"result\":\"no\",\"settlement_value_dollars\":\"0."
	    "0000\","
	    "\"expiration_value\":\"Caf\\u00e9 \\\"x\\\"\",\"big\":12345678901234567890}}");
	struct kmd_settlement_data back;
	assert_int_equal(kmd_json_parse(&doc, kmd_buf_str(&out)), 0);
	assert_int_equal(kmd_settlement_decode(kmd_json_root(&doc), &arena, &back), 0);
	assert_null(back.settled_at.p);
	kmd_settlement_encode(&back, &again);
	assert_true(kmd_str_eq(kmd_buf_str(&out), kmd_buf_str(&again)));
	kmd_buf_fini(&again);
	kmd_buf_fini(&out);
}

static void sameness_is_of_the_outcome(void **state)
{
	(void)state;
	const struct kmd_settlement_data a = {
	    .status = KMD_STR("finalized"),
	    .result = KMD_STR("yes"),
	    .settlement_value_dollars = KMD_STR("1.0000"),
	    .expiration_value = KMD_STR("x"),
	    .determined_at = KMD_STR("2026-11-22T10:00:00Z"),
	    .settled_at = KMD_STR("2026-11-22T11:00:00.5Z"),
	};
	struct kmd_settlement_data b = a;
	b.known_at = KMD_STR("later");
	b.trigger = KMD_STR("settled");
	b.body = KMD_STR("{}");
	b.settlement_value_dollars = KMD_STR("1");
	b.determined_at = KMD_STR("2026-11-22T12:00:00.000+02:00");
	b.settled_at = KMD_STR("2026-11-22T11:00:00.500000Z");
	assert_true(kmd_settlement_same(&a, &b));
	const struct {
		size_t offset;
		struct kmd_str other;
	} changes[] = {
	    {offsetof(struct kmd_settlement_data, status), KMD_STR("determined")},
	    {offsetof(struct kmd_settlement_data, result), KMD_STR("no")},
	    {offsetof(struct kmd_settlement_data, result), KMD_STR_NONE},
	    {offsetof(struct kmd_settlement_data, settlement_value_dollars), KMD_STR("0.99")},
	    {offsetof(struct kmd_settlement_data, settlement_value_dollars), KMD_STR_NONE},
	    {offsetof(struct kmd_settlement_data, expiration_value), KMD_STR("")},
	    {offsetof(struct kmd_settlement_data, determined_at), KMD_STR("2026-11-22T10:00:01Z")},
	    {offsetof(struct kmd_settlement_data, determined_at), KMD_STR_NONE},
	    {offsetof(struct kmd_settlement_data, settled_at), KMD_STR("2026-11-22T11:00:00.500001Z")},
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct kmd_settlement_data c = a;
		*(struct kmd_str *)(void *)((char *)&c + changes[i].offset) = changes[i].other;
		assert_false(kmd_settlement_same(&a, &c));
	}
	/* what was not there is not what was empty, where a column can tell */
	struct kmd_settlement_data empty = {.expiration_value = KMD_STR(""), .settled_at = KMD_STR_NONE}, absent = {0};
	assert_false(kmd_settlement_same(&empty, &absent));
	empty.expiration_value = KMD_STR_NONE;
	empty.settled_at = KMD_STR("");
	assert_true(kmd_settlement_same(&empty, &absent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(market_objects_are_read),
	    cmocka_unit_test(absent_and_empty_are_told_apart),
	    cmocka_unit_test(settlement_values_of_every_age_become_dollars),
	    cmocka_unit_test(completeness_needs_result_and_value),
	    cmocka_unit_test(what_is_no_market_is_refused),
	    cmocka_unit_test(records_come_back_as_written),
	    cmocka_unit_test(sameness_is_of_the_outcome),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
