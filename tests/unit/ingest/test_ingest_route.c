#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "route.h"

static const struct ingest_origin origin = {
    .lineage = INT64_MAX, .n = 42, .recv_ns = 1700000000123456789, .mono_ns = 5};

static void route_text(
    const char *text, bool binary, int use_yes_price, struct ingest_route *ret, char *ret_line, size_t cap)
{
	struct ingest_scanner s = {0};
	struct ingest_frame f = ingest_frame_scan(&s, kmd_str_z(text), binary);
	int n;

	ingest_route_frame(&f, &origin, use_yes_price, ret);
	n = snprintf(ret_line, cap, "%s %.*s", kmd_topic_name(ret->topic), KMD_STR_ARG(ret->key));
	for (size_t i = 4; i < ret->headers_count; i++)
		n += snprintf(ret_line + n, cap - (size_t)n, " %s=%.*s", ret->headers[i].name,
		    KMD_STR_ARG(ret->headers[i].value));
	ingest_scanner_fini(&s);
}

static const struct {
	const char *text, *expected; /* topic, key, then the headers behind the first four */
} routes[] = {
    {"{\"type\":\"trade\",\"sid\":1,\"seq\":2,\"msg\":{\"market_ticker\":\"M\"}}",
	"trades M type=trade sid=1 seq=2 source=ws"},
    {"{\"type\":\"ticker\",\"sid\":2,\"msg\":{\"market_ticker\":\"M.1\"}}", "tickers M.1 type=ticker sid=2 source=ws"},
    {"{\"type\":\"orderbook_snapshot\",\"sid\":3,\"seq\":1,\"msg\":{\"market_ticker\":\"M\"}}",
	"orderbook M type=orderbook_snapshot sid=3 seq=1 source=ws use_yes_price=false"},
    {"{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"M\"}}",
	"orderbook M type=orderbook_delta source=ws use_yes_price=false"},
    {"{\"type\":\"market_lifecycle_v2\",\"msg\":{\"market_ticker\":\"M\",\"event_ticker\":\"E\"}}",
	"lifecycle M type=market_lifecycle_v2 source=ws"},
    {"{\"type\":\"multivariate_market_lifecycle\",\"msg\":{\"event_ticker\":\"E\"}}",
	"lifecycle E type=multivariate_market_lifecycle source=ws"},
    {"{\"type\":\"event_lifecycle\",\"msg\":{\"event_ticker\":\"E\"}}", "lifecycle E type=event_lifecycle source=ws"},
    {"{\"type\":\"event_fee_update\",\"msg\":{\"event_ticker\":\"E\"}}", "lifecycle E type=event_fee_update source=ws"},
    {"{\"type\":\"subscribed\",\"msg\":{\"channel\":\"trade\",\"sid\":1}}",
	"control 9223372036854775807 type=subscribed source=ws"},
    {"{\"type\":\"ok\",\"sid\":3,\"seq\":9}", "control 9223372036854775807 type=ok sid=3 seq=9 source=ws"},
    {"{\"type\":\"unsubscribed\"}", "control 9223372036854775807 type=unsubscribed source=ws"},
    {"{\"type\":\"error\",\"msg\":{\"code\":6}}", "control 9223372036854775807 type=error source=ws"},
    {"{\"type\":\"cfbenchmarks_value\",\"sid\":4,\"seq\":1}",
	"other 9223372036854775807 type=cfbenchmarks_value sid=4 seq=1 source=ws"},
    {"{\"type\":\"trade\",\"sid\":1,\"msg\":{\"market_ticker\":\"\"}}",
	"other 9223372036854775807 type=trade sid=1 source=ws"},
    {"{\"type\":\"trade\",\"market_ticker\":\"M\"}", "other 9223372036854775807 type=trade source=ws"},
    {"{\"type\":\"event_lifecycle\",\"msg\":{}}", "other 9223372036854775807 type=event_lifecycle source=ws"},
    {"{\"type\":\"\\ud800\"}", "other 9223372036854775807 source=ws"},
    {"{\"sid\":1}", "other 9223372036854775807 sid=1 source=ws"},
    {"not json", "other 9223372036854775807 source=ws"},
    {"[1]", "other 9223372036854775807 source=ws"},
};

static void every_frame_has_a_place(void **state)
{
	struct ingest_route r;
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		route_text(routes[i].text, false, 0, &r, line, sizeof(line));
		assert_string_equal(line, routes[i].expected);
	}
}

static void the_first_headers_say_where_it_came_from(void **state)
{
	static const struct {
		const char *name, *value;
	} expected[] = {
	    {"lineage", "9223372036854775807"}, {"n", "42"}, {"recv_ns", "1700000000123456789"}, {"mono_ns", "5"}};
	struct ingest_route r;
	char line[512];

	(void)state;
	route_text("", true, -1, &r, line, sizeof(line));
	assert_string_equal(line, "other 9223372036854775807 source=ws");
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(r.headers[i].name, expected[i].name);
		assert_true(kmd_str_eqz(r.headers[i].value, expected[i].value));
	}
}

static void the_price_mode_is_told_where_it_is_known(void **state)
{
	static const char frame[] = "{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"M\"}}";
	struct ingest_route r;
	char line[512];

	(void)state;
	route_text(frame, false, 1, &r, line, sizeof(line));
	assert_string_equal(line, "orderbook M type=orderbook_delta source=ws use_yes_price=true");
	route_text(frame, false, -1, &r, line, sizeof(line));
	assert_string_equal(line, "orderbook M type=orderbook_delta source=ws");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_frame_has_a_place),
	    cmocka_unit_test(the_first_headers_say_where_it_came_from),
	    cmocka_unit_test(the_price_mode_is_told_where_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
