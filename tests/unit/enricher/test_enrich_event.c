#include "../cmocka_all.h"
#include "cause.h"
#include "event.h"

struct read {
	struct kmd_json doc;
	struct kmd_arena arena;
	struct enrich_want want;
	const char *reason;
	int rc;
};

static struct read read_frame(const char *json, bool mve)
{
	struct read r = {0};

	assert_int_equal(kmd_json_parse(&r.doc, kmd_str_z(json)), 0);
	r.rc = enrich_event_read(kmd_json_root(&r.doc), mve, &r.arena, &r.want, &r.reason);
	return r;
}

static void done(struct read *r)
{
	kmd_json_fini(&r->doc);
	kmd_arena_fini(&r->arena);
}

#define HIERARCHY (ENRICH_WANT_EVENT | ENRICH_WANT_SERIES)

static void created_names_its_event(void **state)
{
	struct read r = read_frame(
	    "{\"type\":\"market_lifecycle_v2\",\"msg\":{\"event_type\":\"created\",\"market_ticker\":\"A-B\","
	    "\"additional_metadata\":{\"event_ticker\":\"A\"}}}",
	    false);

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.want.what, ENRICH_WANT_MARKET | HIERARCHY | ENRICH_WANT_YOUNG);
	assert_str(r.want.market_ticker, "A-B");
	assert_str(r.want.event_ticker, "A");
	done(&r);
}

static void determined_tells_when(void **state)
{
	static const char *const times[] = {"1795341000", "\"1795341000\"", "\"2026-11-22T09:50:00Z\""};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct kmd_buf b = {0};
		struct read r;

		kmd_buf_addf(&b,
		    "{\"msg\":{\"event_type\":\"determined\",\"market_ticker\":\"A\",\"settlement_value\":%s,"
		    "\"determination_ts\":%s}}",
		    i ? "100" : "\"1.0000\"", times[i]);
		kmd_buf_addc(&b, '\0');
		r = read_frame(b.p, false);
		assert_int_equal(r.want.what, ENRICH_WANT_DETERMINED);
		assert_int_equal(r.want.determined_ns, INT64_C(1795341000000000000));
		assert_int_equal(r.want.told.value != 0, i == 0); /* a number may be cents */
		done(&r);
		kmd_buf_fini(&b);
	}
}

static void a_time_that_cannot_be_read_is_absent(void **state)
{
	struct read r = read_frame(
	    "{\"msg\":{\"event_type\":\"determined\",\"market_ticker\":\"A\",\"determination_ts\":{}}}", false);

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.want.what, ENRICH_WANT_DETERMINED);
	assert_int_equal(r.want.determined_ns, 0);
	done(&r);
}

static void unknown_types_of_a_market_fetch_it(void **state)
{
	struct read r = read_frame("{\"msg\":{\"event_type\":7,\"market_ticker\":\"A\"}}", false);

	(void)state;
	assert_int_equal(r.want.what, ENRICH_WANT_MARKET | HIERARCHY);
	done(&r);
}

static void event_frames_fetch_the_event_anew(void **state)
{
	struct read r =
	    read_frame("{\"type\":\"event_lifecycle\",\"msg\":{\"event_ticker\":\"E\",\"series_ticker\":\"\"}}", false);

	(void)state;
	assert_int_equal(r.want.what, HIERARCHY | ENRICH_WANT_FRESH_EVENT);
	assert_null(r.want.series_ticker.p);
	done(&r);
}

static void multivariate_only_on_demand(void **state)
{
	const char *frame = "{\"type\":\"multivariate_market_lifecycle\",\"msg\":{\"event_type\":\"settled\",\"market_"
			    "ticker\":\"KXMVEX-1\"}}";
	struct read off = read_frame(frame, false), on = read_frame(frame, true);

	(void)state;
	assert_int_equal(off.rc, 0);
	assert_int_equal(off.want.what, 0);
	assert_int_equal(on.want.what, ENRICH_WANT_SETTLED);
	done(&off);
	done(&on);
}

static void without_msg_or_ticker_it_cannot_be_read(void **state)
{
	struct read a = read_frame("{\"type\":\"market_lifecycle_v2\"}", false);
	struct read b = read_frame("{\"msg\":{\"event_type\":\"settled\",\"market_ticker\":\"\"}}", false);
	struct read c = read_frame("[]", false);

	(void)state;
	assert_int_equal(a.rc, KMD_EPARSE);
	assert_string_equal(a.reason, "no msg object");
	assert_int_equal(b.rc, KMD_EPARSE);
	assert_int_equal(c.rc, KMD_EPARSE);
	done(&a);
	done(&b);
	done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(created_names_its_event),
	    cmocka_unit_test(determined_tells_when),
	    cmocka_unit_test(a_time_that_cannot_be_read_is_absent),
	    cmocka_unit_test(unknown_types_of_a_market_fetch_it),
	    cmocka_unit_test(event_frames_fetch_the_event_anew),
	    cmocka_unit_test(multivariate_only_on_demand),
	    cmocka_unit_test(without_msg_or_ticker_it_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
