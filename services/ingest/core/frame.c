#include "frame.h"

#include "envelope.h"
#include "kmd_time.h"

#define MS_PER_S INT64_C(1000)

static bool whole_number(struct kmd_json_val v, int64_t *ret)
{
	int64_t n;

	if (!kmd_json_is(v, KMD_JSON_NUMBER) || kmd_json_i64(v, &n) < 0 || n < 0)
		return false;
	*ret = n;
	return true;
}

static bool seconds_as_ms(struct kmd_json_val v, int64_t *ret_ms)
{
	int64_t s;

	if (!whole_number(v, &s) || s > INT64_MAX / MS_PER_S)
		return false;
	*ret_ms = s * MS_PER_S;
	return true;
}

static bool rfc3339_as_ms(struct kmd_json_val v, int64_t *ret_ms)
{
	int64_t ns;

	if (!kmd_json_is(v, KMD_JSON_STRING) || kmd_time_parse(kmd_json_plain(v), &ns) < 0 || ns < 0)
		return false;
	*ret_ms = ns / KMD_NS_PER_MS;
	return true;
}

/* `ts` is seconds on trades and tickers, RFC 3339 on deltas. */
static bool exchange_time(struct kmd_json_val root, struct kmd_json_val msg, int64_t *ret_ms)
{
	struct kmd_json_val ts = kmd_json_get(msg, "ts");

	return whole_number(kmd_json_get(msg, "ts_ms"), ret_ms) || seconds_as_ms(ts, ret_ms) ||
	       rfc3339_as_ms(ts, ret_ms) || whole_number(kmd_json_get(root, "sending_ts_ms"), ret_ms);
}

static bool raw_number(struct kmd_str raw, int64_t *ret)
{
	int64_t n;

	if (kmd_str_i64(raw, &n) < 0 || n < 0)
		return false;
	*ret = n;
	return true;
}

/* Without its quotes; NONE for what is no string. */
static struct kmd_str raw_text(struct kmd_str raw)
{
	return raw.n > 0 && *raw.p == '"' ? (struct kmd_str){raw.p + 1, raw.n - 2} : KMD_STR_NONE;
}

static bool raw_time(const struct ingest_envelope *e, int64_t *ret_ms)
{
	const struct kmd_str text = raw_text(e->msg.ts);
	int64_t t;

	if (raw_number(e->msg.ts_ms, ret_ms))
		return true;
	if (raw_number(e->msg.ts, &t) && t <= INT64_MAX / MS_PER_S) {
		*ret_ms = t * MS_PER_S;
		return true;
	}
	if (text.p && kmd_time_parse(text, &t) == 0 && t >= 0) {
		*ret_ms = t / KMD_NS_PER_MS;
		return true;
	}
	return raw_number(e->sending_ts_ms, ret_ms);
}

/* As ingest_frame_scan_parsed() reads it. */
static struct ingest_frame of_envelope(const struct ingest_envelope *e)
{
	struct ingest_frame f = {.object = true, .type = INGEST_TYPE_OTHER, .type_text = raw_text(e->type)};

	if (f.type_text.p)
		f.type = ingest_type_find(f.type_text);
	f.has_sid = raw_number(e->sid, &f.sid);
	f.has_seq = raw_number(e->seq, &f.seq);
	f.has_id = raw_number(e->id, &f.id);
	f.has_ts = raw_time(e, &f.ts_ms);
	f.market_ticker = raw_text(e->msg.market_ticker);
	f.event_ticker = raw_text(e->msg.event_ticker);
	f.event_type = raw_text(e->msg.event_type);
	return f;
}

struct ingest_frame ingest_frame_scan_parsed(struct ingest_scanner *s, struct kmd_str bytes)
{
	struct ingest_frame f = {.type = INGEST_TYPE_OTHER};
	struct kmd_json_val root, msg;

	kmd_arena_reset(&s->arena);
	if (kmd_json_parse(&s->doc, bytes) < 0)
		return f;
	root = kmd_json_root(&s->doc);
	if (!kmd_json_is(root, KMD_JSON_OBJECT))
		return f;
	f.object = true;
	f.type_text = kmd_json_text(kmd_json_get(root, "type"), &s->arena);
	if (f.type_text.p)
		f.type = ingest_type_find(f.type_text);
	f.has_sid = whole_number(kmd_json_get(root, "sid"), &f.sid);
	f.has_seq = whole_number(kmd_json_get(root, "seq"), &f.seq);
	f.has_id = whole_number(kmd_json_get(root, "id"), &f.id);
	msg = kmd_json_get(root, "msg");
	f.has_ts = exchange_time(root, msg, &f.ts_ms);
	f.market_ticker = kmd_json_text(kmd_json_get(msg, "market_ticker"), &s->arena);
	f.event_ticker = kmd_json_text(kmd_json_get(msg, "event_ticker"), &s->arena);
	f.event_type = kmd_json_text(kmd_json_get(msg, "event_type"), &s->arena);
	return f;
}

struct ingest_frame ingest_frame_scan(struct ingest_scanner *s, struct kmd_str bytes, bool binary)
{
	struct ingest_envelope e;

	if (binary)
		return (struct ingest_frame){.type = INGEST_TYPE_OTHER};
	if (ingest_envelope_read(bytes, &e)) {
		const struct ingest_frame f = of_envelope(&e);

		if (!ingest_type_is_reply(f.type))
			return f;
	}
	return ingest_frame_scan_parsed(s, bytes);
}

void ingest_scanner_fini(struct ingest_scanner *s)
{
	kmd_json_fini(&s->doc);
	kmd_arena_fini(&s->arena);
}
