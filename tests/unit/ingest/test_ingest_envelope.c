/*
 * The envelope of a message, read without the parser, against the parser and against cJSON: over messages put together
 * at random and messages damaged by a byte.
 */
#include <cjson/cJSON.h>

#include "../cmocka_all.h"
#include "envelope.h"
#include "frame.h"
#include "kmd_backoff.h"

static size_t pick(uint64_t *rng, size_t n)
{
	return (size_t)(kmd_rng_next(rng) % n);
}

#define ONE_OF(rng, list) ((list)[pick(rng, sizeof(list) / sizeof(*(list)))])

static const char *const values[] = {"1", "0", "-1", "7.0", "1e3", "9223372036854775807", "9223372036854775808", "null",
    "true", "false", "\"\"", "\"trade\"", "\"ticker\"", "\"ok\"", "\"tra\\u0064e\"", "\"KXA-26NOV22-T1.5\"", "\"1\"",
    "\"2026-11-22T15:04:05.123456Z\"", "1795300000", "1795300000123", "[]", "{}", "[1,[2,{\"a\":\"]\"}]]",
    "{\"ts\":5,\"x\":[{}]}", "\"\\\"\"", "\"\xc3\xa9\""};
static const char *const names[] = {"type", "sid", "seq", "id", "msg", "sending_ts_ms", "market_ticker", "event_ticker",
    "event_type", "ts", "ts_ms", "x", "typ", "t\\u0079pe", ""};
static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t\r "};

static void add_object(struct kmd_buf *b, uint64_t *rng, int depth)
{
	kmd_buf_addc(b, '{');
	for (size_t n = pick(rng, 8), i = 0; i < n; i++) {
		const char *name = ONE_OF(rng, names);

		kmd_buf_addf(b, "%s%s\"%s\"%s:%s", i ? "," : "", ONE_OF(rng, spaces), name, ONE_OF(rng, spaces),
		    ONE_OF(rng, spaces));
		if (depth == 0 && strcmp(name, "msg") == 0 && pick(rng, 4))
			add_object(b, rng, 1);
		else
			kmd_buf_addz(b, ONE_OF(rng, values));
		kmd_buf_addz(b, ONE_OF(rng, spaces));
	}
	kmd_buf_addc(b, '}');
}

static bool same_str(struct kmd_str a, struct kmd_str b)
{
	return !a.p == !b.p && kmd_str_eq(a, b);
}

static void assert_same(struct kmd_str text)
{
	struct ingest_scanner s = {0}, t = {0};
	const struct ingest_frame a = ingest_frame_scan(&s, text, false), b = ingest_frame_scan_parsed(&t, text);

	if (a.object != b.object || a.type != b.type || a.has_sid != b.has_sid || a.has_seq != b.has_seq ||
	    a.has_id != b.has_id || a.has_ts != b.has_ts || a.sid != b.sid || a.seq != b.seq || a.id != b.id ||
	    a.ts_ms != b.ts_ms || !same_str(a.type_text, b.type_text) || !same_str(a.market_ticker, b.market_ticker) ||
	    !same_str(a.event_ticker, b.event_ticker) || !same_str(a.event_type, b.event_type))
		fail_msg("read otherwise than by the parser: %.*s", KMD_STR_ARG(text));
	ingest_scanner_fini(&s);
	ingest_scanner_fini(&t);
}

static const cJSON *last_member(const cJSON *object, const char *name)
{
	const cJSON *found = NULL;

	for (const cJSON *c = cJSON_IsObject(object) ? object->child : NULL; c; c = c->next)
		if (strcmp(c->string, name) == 0)
			found = c;
	return found;
}

static void assert_text(struct kmd_str raw, const cJSON *c, struct kmd_str text)
{
	const bool is_string = raw.n > 0 && *raw.p == '"';

	if (is_string != (bool)cJSON_IsString(c) ||
	    (is_string && !kmd_str_eqz((struct kmd_str){raw.p + 1, raw.n - 2}, c->valuestring)))
		fail_msg("read otherwise than by cJSON: %.*s", KMD_STR_ARG(text));
}

/* What the envelope accepts, cJSON accepts, and finds the same in it. */
static void assert_as_cjson(struct kmd_str text)
{
	struct ingest_envelope e;
	cJSON *c;

	if (!ingest_envelope_read(text, &e))
		return;
	c = cJSON_ParseWithLength(text.p, text.n);
	assert_non_null(c);
	assert_text(e.type, last_member(c, "type"), text);
	assert_text(e.msg.market_ticker, last_member(last_member(c, "msg"), "market_ticker"), text);
	assert_text(e.msg.event_ticker, last_member(last_member(c, "msg"), "event_ticker"), text);
	assert_text(e.msg.event_type, last_member(last_member(c, "msg"), "event_type"), text);
	cJSON_Delete(c);
}

static void messages_are_read_as_the_parser_reads_them(void **state)
{
	struct kmd_buf b = {0};
	uint64_t rng = 1;
	struct ingest_envelope e;
	int plain = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		kmd_buf_reset(&b);
		kmd_buf_addz(&b, ONE_OF(&rng, spaces));
		add_object(&b, &rng, 0);
		kmd_buf_addz(&b, ONE_OF(&rng, spaces));
		plain += ingest_envelope_read(kmd_buf_str(&b), &e) ? 1 : 0;
		assert_same(kmd_buf_str(&b));
		assert_as_cjson(kmd_buf_str(&b));
		if (b.n > 0)
			b.p[pick(&rng, b.n)] = "\"\\{}[],:0-.eu \n\x01z"[pick(&rng, 17)];
		assert_same(kmd_buf_str(&b));
		assert_as_cjson(kmd_buf_str(&b));
		assert_same((struct kmd_str){b.p, pick(&rng, b.n + 1)});
	}
	assert_true(plain > 5000);
	kmd_buf_fini(&b);
}

static void data_frames_need_no_parser(void **state)
{
	static const char *const frames[] = {
	    "{\"type\":\"trade\",\"sid\":1,\"seq\":7,\"msg\":{\"trade_id\":\"d91bc706\",\"market_ticker\":\"M\",\"ts\":"
	    "1}}",
	    "{\"type\":\"orderbook_delta\",\"sid\":1,\"seq\":7,\"msg\":{\"market_ticker\":\"M\",\"delta_fp\":\"-1.00\"}"
	    "}\n",
	    "{\"type\":\"orderbook_snapshot\",\"sid\":1,\"seq\":7,\"msg\":{\"market_ticker\":\"M\",\"yes\":[[\"0.01\","
	    "\"2\"]]}}",
	};
	struct ingest_envelope e;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		assert_true(ingest_envelope_read(kmd_str_z(frames[i]), &e));
		assert_true(kmd_str_eqz(e.seq, "7"));
		assert_true(kmd_str_eqz(e.msg.market_ticker, "\"M\""));
	}
}

static void depth_is_bounded_as_the_parser_bounds_it(void **state)
{
	struct kmd_buf b = {0};

	(void)state;
	for (int n = 58; n < 70; n++) {
		kmd_buf_reset(&b);
		kmd_buf_addz(&b, "{\"type\":\"trade\",\"msg\":{\"x\":");
		for (int i = 0; i < n; i++)
			kmd_buf_addc(&b, '[');
		for (int i = 0; i < n; i++)
			kmd_buf_addc(&b, ']');
		kmd_buf_addz(&b, "}}");
		assert_same(kmd_buf_str(&b));
	}
	kmd_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_are_read_as_the_parser_reads_them),
	    cmocka_unit_test(data_frames_need_no_parser),
	    cmocka_unit_test(depth_is_bounded_as_the_parser_bounds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
