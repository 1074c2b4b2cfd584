#include "envelope.h"

#include <string.h>

#include "kmd_json.h"

/* Containers around a member of the message, of its msg. */
#define ROOT 1
#define MSG 2

/* Takes the value of a member: where it ends, or NULL. */
typedef const char *(*member_fn)(void *ctx, struct kmd_str name, const char *p, const char *end);

/* One member whose name begins at p; returns what is behind its value. Names with escapes are for the parser. */
static inline const char *read_member(const char *p, const char *end, member_fn fn, void *ctx)
{
	bool escaped = true;
	const char *behind = p < end && *p == '"' ? kmd_json_skip_string(p, end, &escaped) : NULL;
	struct kmd_str name;

	if (!behind || escaped)
		return NULL;
	name = (struct kmd_str){p + 1, (size_t)(behind - p) - 2};
	p = kmd_json_skip_space(behind, end);
	return p < end && *p == ':' ? fn(ctx, name, kmd_json_skip_space(p + 1, end), end) : NULL;
}

/* p is at the opening brace; returns what is behind the closing one. */
static const char *read_object(const char *p, const char *end, member_fn fn, void *ctx)
{
	p = kmd_json_skip_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		p = read_member(p, end, fn, ctx);
		p = p ? kmd_json_skip_space(p, end) : NULL;
		if (!p || p == end || (*p != ',' && *p != '}'))
			return NULL;
		if (*p++ == '}')
			return p;
		p = kmd_json_skip_space(p, end);
	}
}

static bool is(struct kmd_str name, struct kmd_str other)
{
	return name.n == other.n && memcmp(name.p, other.p, name.n) == 0;
}

/* A value that is looked at; a string with escapes is for the parser. */
static const char *keep(struct kmd_str *ret, const char *p, const char *end, unsigned around)
{
	bool escaped = false;
	const char *behind =
	    p < end && *p == '"' ? kmd_json_skip_string(p, end, &escaped) : kmd_json_skip(p, end, around);

	if (!behind || escaped)
		return NULL;
	*ret = (struct kmd_str){p, (size_t)(behind - p)};
	return behind;
}

static const char *on_msg_member(void *ctx, struct kmd_str name, const char *p, const char *end)
{
	struct ingest_envelope_msg *m = ctx;

	if (is(name, KMD_STR("market_ticker")))
		return keep(&m->market_ticker, p, end, MSG);
	if (is(name, KMD_STR("ts_ms")))
		return keep(&m->ts_ms, p, end, MSG);
	if (is(name, KMD_STR("ts")))
		return keep(&m->ts, p, end, MSG);
	if (is(name, KMD_STR("event_ticker")))
		return keep(&m->event_ticker, p, end, MSG);
	if (is(name, KMD_STR("event_type")))
		return keep(&m->event_type, p, end, MSG);
	return kmd_json_skip(p, end, MSG);
}

static const char *on_member(void *ctx, struct kmd_str name, const char *p, const char *end)
{
	struct ingest_envelope *e = ctx;

	if (is(name, KMD_STR("msg"))) {
		e->msg = (struct ingest_envelope_msg){0};
		return p < end && *p == '{' ? read_object(p, end, on_msg_member, &e->msg) : kmd_json_skip(p, end, ROOT);
	}
	if (is(name, KMD_STR("type")))
		return keep(&e->type, p, end, ROOT);
	if (is(name, KMD_STR("sid")))
		return keep(&e->sid, p, end, ROOT);
	if (is(name, KMD_STR("seq")))
		return keep(&e->seq, p, end, ROOT);
	if (is(name, KMD_STR("id")))
		return keep(&e->id, p, end, ROOT);
	if (is(name, KMD_STR("sending_ts_ms")))
		return keep(&e->sending_ts_ms, p, end, ROOT);
	return kmd_json_skip(p, end, ROOT);
}

bool ingest_envelope_read(struct kmd_str text, struct ingest_envelope *ret)
{
	const char *end = text.p + text.n, *p = text.p ? kmd_json_skip_space(text.p, end) : NULL;

	*ret = (struct ingest_envelope){0};
	if (!p || p == end || *p != '{')
		return false;
	p = read_object(p, end, on_member, ret);
	return p && kmd_json_skip_space(p, end) == end;
}
