#include "../cmocka_all.h"
#include "record.h"

static void assert_record(enum kmd_topic topic, const struct enrich_record *r, const char *json)
{
	struct kmd_buf out = {0};

	enrich_record_encode(topic, r, &out);
	assert_str(kmd_buf_str(&out), json);
	kmd_buf_fini(&out);
}

static void parents_as_they_apply_and_the_body_verbatim(void **state)
{
	struct enrich_record r = {.ticker = KMD_STR("T"),
	    .event_ticker = KMD_STR("E"),
	    .fetched_ns = INT64_C(1795341600123456789),
	    .body = KMD_STR("{ \"a\": 1.50 }")};

	(void)state;
	assert_record(KMD_TOPIC_MARKETS, &r,
	    "{\"ticker\":\"T\",\"event_ticker\":\"E\",\"series_ticker\":null,\"fetched_at\":\"2026-11-22T10:00:00."
	    "123456789Z\",\"body\":{ \"a\": 1.50 }}");
	r.series_ticker = KMD_STR("S");
	assert_record(KMD_TOPIC_EVENTS, &r,
	    "{\"ticker\":\"T\",\"series_ticker\":\"S\",\"fetched_at\":\"2026-11-22T10:00:00.123456789Z\",\"body\":{ "
	    "\"a\": 1.50 }}");
	assert_record(KMD_TOPIC_SERIES, &r,
	    "{\"ticker\":\"T\",\"fetched_at\":\"2026-11-22T10:00:00.123456789Z\",\"body\":{ \"a\": 1.50 }}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(parents_as_they_apply_and_the_body_verbatim)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
