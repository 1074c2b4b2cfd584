/*
 * Ingest: the envelope of a message, and where it goes. Input: a message; scanned as text and as binary.
 *
 * - It is an object if and only if it is one JSON object; a binary message is none, and has no type, sid, seq.
 * - type, sid, seq, tickers are those that cJSON reads, and all is as the parser alone reads it.
 * - It goes to the topic of its type with its ticker for a key, or to `other` with its lineage for a key; the key is
 *   never empty.
 * - Headers: each name once, text that is UTF-8 and no NUL in numbers; lineage, n, recv_ns, mono_ns, sid, seq print the
 *   numbers; use_yes_price on book frames alone.
 * - A reply that names subscriptions names at most INGEST_REPLY_SUBS_MAX, each with a channel or a sid.
 */
#include <cjson/cJSON.h>

#include "fuzz.h"
#include "reply.h"
#include "route.h"

static const struct ingest_origin origin = {
    .lineage = INT64_C(1795341600123456789),
    .n = INT64_MAX,
    .recv_ns = 0,
    .mono_ns = INT64_C(987654321),
};

/* The last member of that name, as ours. */
static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *found = NULL;

	for (const cJSON *c = cJSON_IsObject(object) ? object->child : NULL; c; c = c->next)
		if (strcmp(c->string, name) == 0)
			found = c;
	return found;
}

/* cJSON's texts end at the first NUL. */
static bool same_text(struct kmd_str s, const cJSON *c)
{
	if (!cJSON_IsString(c))
		return !s.p;
	return s.p && strnlen(s.p, s.n) == strlen(c->valuestring) &&
	       memcmp(s.p, c->valuestring, strlen(c->valuestring)) == 0;
}

static bool same_number(bool has, int64_t v, const cJSON *c)
{
	return !has || (v >= 0 && cJSON_IsNumber(c) && c->valuedouble == (double)v);
}

/* A NUL in a name hides what is behind it from cJSON. */
static void check_against_cjson(const struct ingest_frame *f, struct kmd_str bytes)
{
	cJSON *c = memmem(bytes.p, bytes.n, "\\u0000", 6) ? NULL : cJSON_ParseWithLength(bytes.p, bytes.n);
	const cJSON *msg = member(c, "msg");

	if (c && f->object) {
		HOLDS(cJSON_IsObject(c));
		HOLDS(same_text(f->type_text, member(c, "type")));
		HOLDS(same_number(f->has_sid, f->sid, member(c, "sid")));
		HOLDS(same_number(f->has_seq, f->seq, member(c, "seq")));
		HOLDS(same_number(f->has_id, f->id, member(c, "id")));
		HOLDS(same_text(f->market_ticker, member(msg, "market_ticker")));
		HOLDS(same_text(f->event_ticker, member(msg, "event_ticker")));
		HOLDS(same_text(f->event_type, member(msg, "event_type")));
	}
	cJSON_Delete(c);
}

static bool same(struct kmd_str a, struct kmd_str b)
{
	return !a.p == !b.p && kmd_str_eq(a, b);
}

static void check_against_parser(const struct ingest_frame *f, struct kmd_str bytes)
{
	struct ingest_scanner s = {0};
	const struct ingest_frame p = ingest_frame_scan_parsed(&s, bytes);

	HOLDS(f->object == p.object && f->type == p.type && same(f->type_text, p.type_text));
	HOLDS(f->has_sid == p.has_sid && f->sid == p.sid && f->has_seq == p.has_seq && f->seq == p.seq);
	HOLDS(f->has_id == p.has_id && f->id == p.id && f->has_ts == p.has_ts && f->ts_ms == p.ts_ms);
	HOLDS(same(f->market_ticker, p.market_ticker) && same(f->event_ticker, p.event_ticker));
	HOLDS(same(f->event_type, p.event_type));
	ingest_scanner_fini(&s);
}

static struct kmd_str header(const struct ingest_route *r, const char *name)
{
	struct kmd_str found = KMD_STR_NONE;

	for (size_t i = 0; i < r->headers_count; i++) {
		if (strcmp(r->headers[i].name, name) != 0)
			continue;
		HOLDS(!found.p);
		HOLDS(r->headers[i].value.p);
		found = r->headers[i].value;
	}
	return found;
}

static void check_number(const struct ingest_route *r, const char *name, bool has, int64_t v)
{
	const struct kmd_str text = header(r, name);
	int64_t again;

	HOLDS(has == (text.p != NULL));
	if (has)
		HOLDS(kmd_str_i64(text, &again) == 0 && again == v);
}

static void check_headers(const struct ingest_frame *f, const struct ingest_route *r)
{
	const struct kmd_str type = header(r, "type");

	HOLDS(r->headers_count <= INGEST_HEADERS_MAX);
	check_number(r, "lineage", true, origin.lineage);
	check_number(r, "n", true, origin.n);
	check_number(r, "recv_ns", true, origin.recv_ns);
	check_number(r, "mono_ns", true, origin.mono_ns);
	check_number(r, "sid", f->has_sid, f->sid);
	check_number(r, "seq", f->has_seq, f->seq);
	HOLDS(kmd_str_eqz(header(r, "source"), "ws"));
	HOLDS(type.p ? kmd_str_eq(type, f->type_text) && kmd_str_is_utf8(type)
		     : !f->type_text.p || !kmd_str_is_utf8(f->type_text));
}

static void check_route(const struct ingest_frame *f, int use_yes_price)
{
	struct ingest_route r;
	bool book;

	ingest_route_frame(f, &origin, use_yes_price, &r);
	HOLDS(r.key.p && r.key.n > 0);
	if (ingest_type_topic(f->type) == r.topic)
		HOLDS(r.topic == KMD_TOPIC_CONTROL || r.topic == KMD_TOPIC_OTHER ||
		      kmd_str_eq(r.key, f->market_ticker) || kmd_str_eq(r.key, f->event_ticker));
	else
		HOLDS(r.topic == KMD_TOPIC_OTHER);
	if (r.topic == KMD_TOPIC_CONTROL || r.topic == KMD_TOPIC_OTHER)
		HOLDS(kmd_str_eq(r.key, header(&r, "lineage")));
	check_headers(f, &r);
	book = ingest_type_is_book(f->type) && use_yes_price >= 0;
	HOLDS(kmd_str_eqz(header(&r, "use_yes_price"), use_yes_price ? "true" : "false") == book);
}

static void check_reply(struct ingest_scanner *s, const struct ingest_frame *f)
{
	const struct ingest_reply r = ingest_reply_read(s, f);

	HOLDS(r.subs_count <= INGEST_REPLY_SUBS_MAX);
	for (size_t i = 0; i < r.subs_count; i++) {
		HOLDS(r.subs[i].has_channel || r.subs[i].has_sid);
		HOLDS(!r.subs[i].has_sid || r.subs[i].sid >= 0);
	}
	HOLDS(!r.has_id || r.id > 0);
}

static bool is_object(struct kmd_str bytes)
{
	struct kmd_json doc = {0};
	const bool is = kmd_json_parse(&doc, bytes) == 0 && kmd_json_is(kmd_json_root(&doc), KMD_JSON_OBJECT);

	kmd_json_fini(&doc);
	return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kmd_str bytes = fuzz_text(data, size);
	struct ingest_scanner s = {0};
	struct ingest_frame f = ingest_frame_scan(&s, bytes, true);

	HOLDS(!f.object && f.type == INGEST_TYPE_OTHER && !f.type_text.p && !f.has_sid && !f.has_seq);
	check_route(&f, -1);
	f = ingest_frame_scan(&s, bytes, false);
	HOLDS(f.object == is_object(bytes));
	HOLDS(f.object || (!f.type_text.p && !f.has_sid && !f.has_seq && f.type == INGEST_TYPE_OTHER));
	HOLDS(f.type == INGEST_TYPE_OTHER || kmd_str_eqz(f.type_text, ingest_type_name(f.type)));
	check_against_cjson(&f, bytes);
	check_against_parser(&f, bytes);
	for (int use_yes_price = -1; use_yes_price <= 1; use_yes_price++)
		check_route(&f, use_yes_price);
	if (ingest_type_is_reply(f.type))
		check_reply(&s, &f);
	ingest_scanner_fini(&s);
	return 0;
}
