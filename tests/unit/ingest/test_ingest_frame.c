#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "frame.h"

static const char *or_dash(struct kmd_str s, char *buf, size_t cap)
{
	snprintf(buf, cap, "%.*s", KMD_STR_ARG(s));
	return s.p ? buf : "-";
}

static const char *number(bool has, int64_t v, char *buf, size_t cap)
{
	snprintf(buf, cap, "%lld", (long long)v);
	return has ? buf : "-";
}

/* What a message says of itself in one line: kind|type|sid|seq|ts_ms|market ticker, "-" where it says nothing. */
static void describe(const struct ingest_frame *f, char *ret, size_t cap)
{
	char type[64], sid[24], seq[24], ts[24], market[64];

	snprintf(ret, cap, "%s|%s|%s|%s|%s|%s", f->object ? ingest_type_name(f->type) : "none",
	    or_dash(f->type_text, type, sizeof(type)), number(f->has_sid, f->sid, sid, sizeof(sid)),
	    number(f->has_seq, f->seq, seq, sizeof(seq)), number(f->has_ts, f->ts_ms, ts, sizeof(ts)),
	    or_dash(f->market_ticker, market, sizeof(market)));
}

static const struct {
	const char *text, *expected;
} frames[] = {
    {"{\"type\":\"trade\",\"sid\":1,\"seq\":7,\"msg\":{\"market_ticker\":\"M\",\"ts\":1700000000,\"ts_ms\":"
     "1700000000123}}",
	"trade|trade|1|7|1700000000123|M"},
    {"{\"msg\":{\"ts\":1700000000,\"market_ticker\":\"M\"},\"seq\":7,\"sid\":1,\"type\":\"trade\"}\n",
	"trade|trade|1|7|1700000000000|M"},
    {"{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"M\",\"ts\":\"2023-11-14T22:13:20.5Z\"}}",
	"orderbook_delta|orderbook_delta|-|-|1700000000500|M"},
    {"{\"type\":\"ticker\",\"sending_ts_ms\":5,\"msg\":{}}", "ticker|ticker|-|-|5|-"},
    {"{\"type\":\"ticker\",\"sending_ts_ms\":5,\"msg\":{\"ts\":\"0001-01-01T00:00:00Z\"}}", "ticker|ticker|-|-|5|-"},
    {"{\"type\":\"ticker\",\"msg\":{\"ts_ms\":\"5\",\"ts\":1.5}}", "ticker|ticker|-|-|-|-"},
    {"{\"type\":\"tra\\u0064e\",\"msg\":{\"market_ticker\":\"A\\/B\"}}", "trade|trade|-|-|-|A/B"},
    {"{\"type\":\"brand_new\",\"sid\":3}", "other|brand_new|3|-|-|-"},
    {"{\"type\":7,\"sid\":3}", "other|-|3|-|-|-"},
    {"{\"type\":null}", "other|-|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":\"1\",\"seq\":\"2\"}", "trade|trade|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":-1,\"seq\":1.0}", "trade|trade|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":9223372036854775807,\"seq\":9223372036854775808}",
	"trade|trade|9223372036854775807|-|-|-"},
    {"{\"type\":\"trade\",\"msg\":[1,2]}", "trade|trade|-|-|-|-"},
    {"{\"type\":\"trade\",\"msg\":{\"market_ticker\":5}}", "trade|trade|-|-|-|-"},
    {"{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"\"}}", "trade|trade|-|-|-|"},
    {"{\"market_ticker\":\"M\",\"type\":\"trade\"}", "trade|trade|-|-|-|-"},
    {"{\"type\":\"ok\",\"type\":\"trade\"}", "trade|trade|-|-|-|-"},
    {"{}", "other|-|-|-|-|-"},
    {"[]", "none|-|-|-|-|-"},
    {"\"trade\"", "none|-|-|-|-|-"},
    {"7", "none|-|-|-|-|-"},
    {"", "none|-|-|-|-|-"},
    {"hello", "none|-|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":1", "none|-|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":1}x", "none|-|-|-|-|-"},
    {"{\"type\":\"trade\",\"sid\":01}", "none|-|-|-|-|-"},
    {"{\"type\":\"trade\",\"x\":\"\t\"}", "none|-|-|-|-|-"},
};

static void odd_frames_are_told_as_they_stand(void **state)
{
	struct ingest_scanner s = {0};
	char got[256];

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct ingest_frame f = ingest_frame_scan(&s, kmd_str_z(frames[i].text), false);

		describe(&f, got, sizeof(got));
		assert_string_equal(got, frames[i].expected);
	}
	ingest_scanner_fini(&s);
}

static void binary_says_nothing(void **state)
{
	struct ingest_scanner s = {0};
	struct ingest_frame f = ingest_frame_scan(&s, KMD_STR("{\"type\":\"trade\",\"sid\":1}"), true);

	(void)state;
	assert_false(f.object);
	assert_false(f.has_sid);
	assert_null(f.type_text.p);
	ingest_scanner_fini(&s);
}

/* Every way of cutting or damaging a frame by one byte is judged as the strict parser judges it. */
static void validity_is_that_of_the_parser(void **state)
{
	static const char whole[] = "{\"type\":\"trade\",\"sid\":12,\"seq\":3,\"msg\":{\"market_ticker\":\"A\\u0042\","
				    "\"x\":[1,-2.5e3,true,null,\"\"]}}";
	struct ingest_scanner s = {0};
	struct kmd_json doc = {0};
	char damaged[sizeof(whole)];

	(void)state;
	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		for (int c = 0; c < 256; c++) {
			struct kmd_str text = {damaged, sizeof(whole) - 1};
			bool valid;

			memcpy(damaged, whole, sizeof(whole));
			damaged[i] = (char)c;
			valid = kmd_json_parse(&doc, text) == 0 && kmd_json_is(kmd_json_root(&doc), KMD_JSON_OBJECT);
			assert_int_equal(ingest_frame_scan(&s, text, false).object, valid);
		}
		assert_false(ingest_frame_scan(&s, (struct kmd_str){whole, i}, false).object);
	}
	kmd_json_fini(&doc);
	ingest_scanner_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(odd_frames_are_told_as_they_stand),
	    cmocka_unit_test(binary_says_nothing),
	    cmocka_unit_test(validity_is_that_of_the_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
