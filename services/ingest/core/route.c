#include "route.h"

#include <assert.h>
#include <string.h>

/* Two digits in front of p; returns where they begin. */
static char *put_pair(char *p, unsigned v)
{
	*--p = (char)('0' + v % 10);
	*--p = (char)('0' + v / 10);
	return p;
}

/* Digits of @v behind what @r->digits holds already; *at is how much that is. */
static struct kmd_str put_number(struct ingest_route *r, size_t *at, int64_t v)
{
	char text[20], *p = text + sizeof(text);
	uint64_t left = (uint64_t)v;
	struct kmd_str s = {r->digits + *at, 0};

	assert(v >= 0);
	for (; left >= 100; left /= 100)
		p = put_pair(p, (unsigned)(left % 100));
	p = put_pair(p, (unsigned)left);
	p += *p == '0' && p < text + sizeof(text) - 1 ? 1 : 0;
	s.n = (size_t)(text + sizeof(text) - p);
	assert(*at + s.n <= sizeof(r->digits));
	memcpy(r->digits + *at, p, s.n);
	*at += s.n;
	return s;
}

static void add_header(struct ingest_route *r, const char *name, struct kmd_str value)
{
	assert(r->headers_count < INGEST_HEADERS_MAX);
	r->headers[r->headers_count++] = (struct ingest_header){name, value};
}

static struct kmd_str first_filled(struct kmd_str a, struct kmd_str b)
{
	return a.n > 0 ? a : b;
}

static struct kmd_str ticker_key(const struct ingest_frame *f)
{
	switch (ingest_type_key(f->type)) {
	case INGEST_KEY_MARKET:
		return f->market_ticker;
	case INGEST_KEY_EITHER:
		return first_filled(f->market_ticker, f->event_ticker);
	case INGEST_KEY_EVENT:
		return first_filled(f->event_ticker, f->market_ticker);
	case INGEST_KEY_LINEAGE:
		break;
	}
	return KMD_STR_NONE;
}

void ingest_route_frame(
    const struct ingest_frame *f, const struct ingest_origin *o, int use_yes_price, struct ingest_route *ret)
{
	bool by_lineage = ingest_type_key(f->type) == INGEST_KEY_LINEAGE;
	struct kmd_str lineage;
	size_t at = 0;

	ret->headers_count = 0;
	lineage = put_number(ret, &at, o->lineage);
	ret->topic = ingest_type_topic(f->type);
	ret->key = by_lineage ? lineage : ticker_key(f);
	if (ret->key.n == 0) {
		ret->topic = KMD_TOPIC_OTHER;
		ret->key = lineage;
	}
	add_header(ret, "lineage", lineage);
	add_header(ret, "n", put_number(ret, &at, o->n));
	add_header(ret, "recv_ns", put_number(ret, &at, o->recv_ns));
	add_header(ret, "mono_ns", put_number(ret, &at, o->mono_ns));
	if (f->type_text.p && (f->type != INGEST_TYPE_OTHER || kmd_str_is_utf8(f->type_text)))
		add_header(ret, "type", f->type_text);
	if (f->has_sid)
		add_header(ret, "sid", put_number(ret, &at, f->sid));
	if (f->has_seq)
		add_header(ret, "seq", put_number(ret, &at, f->seq));
	add_header(ret, "source", KMD_STR("ws"));
	if (use_yes_price >= 0 && ingest_type_is_book(f->type))
		add_header(ret, "use_yes_price", use_yes_price ? KMD_STR("true") : KMD_STR("false"));
}
