/*
 * What the enricher makes of an answer of the exchange. Input: a line "rc status", then the body.
 *
 * - OK if and only if it is 2xx with a JSON object; 2xx with anything else is garbage; no answer is tried again; every
 *   429 slows down, 404 is absence, 401 and 403 blame key or clock, 5xx is tried again.
 * - The error shapes are told apart: what stands in the body's code, message, msg or error is what is read.
 * - Objects and pages: a cursor ends a list or changes; each market, event, series becomes a record that is JSON with
 *   the body byte for byte, and once it is published it is known by its content: not worth a second record.
 * - The content of a body has one hash however its members are ordered, its volatile ones left out.
 */
#include "answer.h"
#include "content.h"
#include "fuzz.h"
#include "kmd_trade.h"
#include "listing.h"
#include "published.h"
#include "record.h"

#define FETCHED_NS INT64_C(1795341600123456789)

static bool is_ok(int status)
{
	return status >= 200 && status < 300;
}

static void check_verdict(int rc, int status, bool object, const struct enrich_answer *a)
{
	HOLDS(kmd_json_is(a->root, KMD_JSON_OBJECT) == (a->verdict == ENRICH_OK));
	HOLDS((a->verdict == ENRICH_OK) == (rc == 0 && is_ok(status) && object));
	HOLDS((a->verdict == ENRICH_GARBAGE) == (rc == 0 && is_ok(status) && !object));
	HOLDS(rc == 0 || a->verdict == ENRICH_RETRY);
	if (rc != 0 || is_ok(status))
		return;
	HOLDS(status != 429 || a->verdict == ENRICH_THROTTLED);
	HOLDS(status < 500 || a->verdict == ENRICH_RETRY || a->verdict == ENRICH_THROTTLED);
	HOLDS(status != 404 || a->verdict == ENRICH_NOT_FOUND || a->verdict == ENRICH_THROTTLED);
	HOLDS(a->verdict != ENRICH_BAD_KEY || status == 401 || status == 403);
	HOLDS(a->verdict != ENRICH_CLOCK_SKEW || status == 401 || status == 403);
}

static void check_error(struct kmd_json_val root, const struct enrich_answer *a, struct kmd_arena *arena)
{
	const struct kmd_json_val error = kmd_json_get(root, "error");
	const struct kmd_json_val from = kmd_json_is(error, KMD_JSON_OBJECT) ? error : root;
	const struct kmd_str message = kmd_json_text(kmd_json_get(from, "message"), arena);
	const struct kmd_str msg = kmd_json_text(kmd_json_get(root, "msg"), arena);

	HOLDS(fuzz_same(a->code, kmd_json_text(kmd_json_get(from, "code"), arena)));
	HOLDS(fuzz_same(a->message, message.p ? message : msg.p ? msg : kmd_json_text(error, arena)));
}

/* The members the other way round, and one more that is volatile. */
static void check_hash(struct kmd_json_val body, uint64_t hash, struct kmd_arena *arena)
{
	struct kmd_json_val key, value;
	struct kmd_str members[64];
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};
	size_t n = 0;

	for (uint32_t it = 0; n < 64 && kmd_json_each_member(body, &it, &key, &value); n++)
		members[n] = kmd_arena_printf(
		    arena, "%.*s:%.*s", KMD_STR_ARG(kmd_json_raw(key)), KMD_STR_ARG(kmd_json_raw(value)));
	if (n == 64)
		return;
	kmd_buf_addz(&b, "{\"volume_fp\":\"17.25\"");
	while (n-- > 0) {
		kmd_buf_addc(&b, ',');
		kmd_buf_add_str(&b, members[n]);
	}
	kmd_buf_addc(&b, '}');
	HOLDS(kmd_json_parse(&doc, kmd_buf_str(&b)) == 0);
	HOLDS(enrich_content_hash(kmd_json_root(&doc), arena) == hash);
	kmd_buf_fini(&b);
	kmd_json_fini(&doc);
}

static bool is_changed(struct enrich_published *p, enum kmd_topic topic, const struct enrich_record *r, uint64_t hash)
{
	if (topic == KMD_TOPIC_MARKETS)
		return enrich_published_market_changed(p, r->ticker, hash, r->series_ticker.n > 0, r->fetched_ns);
	return enrich_published_parent_changed(p, topic, r->ticker, hash, r->fetched_ns);
}

static void check_body(enum kmd_topic topic, struct kmd_json_val body, const char *ticker, struct kmd_arena *arena)
{
	struct enrich_record r = {
	    .ticker = kmd_json_text(kmd_json_get(body, ticker), arena),
	    .event_ticker = kmd_json_text(kmd_json_get(body, "event_ticker"), arena),
	    .series_ticker = kmd_json_text(kmd_json_get(body, "series_ticker"), arena),
	    .fetched_ns = FETCHED_NS,
	    .body = kmd_json_raw(body),
	};
	const uint64_t hash = enrich_content_hash(body, arena);
	struct enrich_published p = {0};
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};

	if (!kmd_json_is(body, KMD_JSON_OBJECT) || r.ticker.n == 0 || !kmd_str_is_utf8(r.ticker))
		return;
	HOLDS(hash != 0);
	check_hash(body, hash, arena);
	enrich_record_encode(topic, &r, &b);
	/* the body came one level deep and goes one level deep */
	HOLDS(kmd_json_parse(&doc, kmd_buf_str(&b)) == 0);
	HOLDS(kmd_str_eq(kmd_json_raw(kmd_json_get(kmd_json_root(&doc), "body")), r.body));
	HOLDS(is_changed(&p, topic, &r, hash));
	enrich_published_apply(&p, topic, r.ticker, kmd_buf_str(&b));
	HOLDS(!is_changed(&p, topic, &r, hash));
	enrich_published_fini(&p);
	kmd_json_fini(&doc);
	kmd_buf_fini(&b);
}

static void check_trade(struct kmd_json_val trade)
{
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};

	if (kmd_trade_frame_from_rest(trade, &b) == 0)
		HOLDS(kmd_json_parse(&doc, kmd_buf_str(&b)) == 0);
	kmd_json_fini(&doc);
	kmd_buf_fini(&b);
}

static void check_cursor(struct kmd_json_val root, struct kmd_arena *arena)
{
	const struct kmd_str cursor = kmd_json_text(kmd_json_get(root, "cursor"), arena);
	struct enrich_pager p = {0};
	bool cut;

	HOLDS(enrich_pager_next(&p, root, arena, &cut) == (cursor.n > 0));
	HOLDS(kmd_str_eq(kmd_buf_str(&p.cursor), cursor));
	/* the same cursor again would never end */
	HOLDS(!enrich_pager_next(&p, root, arena, &cut));
	HOLDS(p.cursor.n == 0 && p.pages == 0);
	enrich_pager_fini(&p);
}

static void check_lists(struct kmd_json_val root, struct kmd_arena *arena)
{
	struct kmd_json_val v;

	for (uint32_t it = 0; kmd_json_each(kmd_json_get(root, "markets"), &it, &v);)
		check_body(KMD_TOPIC_MARKETS, v, "ticker", arena);
	for (uint32_t it = 0; kmd_json_each(kmd_json_get(root, "events"), &it, &v);)
		check_body(KMD_TOPIC_EVENTS, v, "event_ticker", arena);
	for (uint32_t it = 0; kmd_json_each(kmd_json_get(root, "trades"), &it, &v);)
		check_trade(v);
	check_body(KMD_TOPIC_MARKETS, kmd_json_get(root, "market"), "ticker", arena);
	check_body(KMD_TOPIC_EVENTS, kmd_json_get(root, "event"), "event_ticker", arena);
	check_body(KMD_TOPIC_SERIES, kmd_json_get(root, "series"), "ticker", arena);
}

static int number(struct kmd_str s)
{
	int64_t v;

	return kmd_str_i64(s, &v) == 0 && v >= -9999 && v <= 9999 ? (int)v : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str body = fuzz_text(data, size), line = fuzz_piece(&body, '\n');
	const int rc = number(fuzz_piece(&line, ' ')), status = number(line);
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0}, own = {0};
	struct enrich_answer a;
	const bool json = kmd_json_parse(&own, body) == 0;
	const bool object = json && kmd_json_is(kmd_json_root(&own), KMD_JSON_OBJECT);

	enrich_answer_read(&doc, &arena, rc, status, body, &a);
	check_verdict(rc, status, object, &a);
	HOLDS(enrich_code_index(rc, status) < ENRICH_CODE_COUNT);
	if (rc == 0 && object && !is_ok(status))
		check_error(kmd_json_root(&own), &a, &arena);
	if (a.verdict == ENRICH_OK) {
		check_cursor(a.root, &arena);
		check_lists(a.root, &arena);
	}
	kmd_json_fini(&doc);
	kmd_json_fini(&own);
	kmd_arena_fini(&arena);
	return 0;
}
