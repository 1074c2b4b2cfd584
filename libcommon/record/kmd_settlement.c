#include "kmd_settlement.h"

#include <string.h>

#include "kmd_num.h"
#include "kmd_time.h"

/* Content of a string, or the text of a number where the exchange sent one. */
static struct kmd_str text_of(struct kmd_json_val object, const char *name, struct kmd_arena *arena)
{
	const struct kmd_json_val v = kmd_json_get(object, name);
	return kmd_json_is(v, KMD_JSON_NUMBER) ? kmd_json_raw(v) : kmd_json_text(v, arena);
}

/* The dollars that were sent; else the cents of old bodies; else whatever the dollars were ("" or absent). */
static struct kmd_str value_of(struct kmd_json_val market, struct kmd_arena *arena)
{
	const struct kmd_str dollars = text_of(market, "settlement_value_dollars", arena);
	const struct kmd_str old = text_of(market, "settlement_value", arena);
	struct kmd_dec d;
	if (dollars.n || !old.n || kmd_dec_parse(old, &d) < 0)
		return dollars;
	if (memchr(old.p, '.', old.n)) /* cents were integers: this is dollars under the old name */
		return old;
	struct kmd_buf b = {0};
	kmd_dec_cents_to_dollars(&b, &d);
	const struct kmd_str value = kmd_arena_dup(arena, kmd_buf_str(&b));
	kmd_buf_fini(&b);
	return value;
}

int kmd_settlement_from_market(struct kmd_json_val market, struct kmd_arena *arena, struct kmd_settlement_data *ret)
{
	const struct kmd_settlement_data s = {
	    .market_ticker = text_of(market, "ticker", arena),
	    .event_ticker = text_of(market, "event_ticker", arena),
	    .series_ticker = text_of(market, "series_ticker", arena),
	    .market_type = text_of(market, "market_type", arena),
	    .status = text_of(market, "status", arena),
	    .result = text_of(market, "result", arena),
	    .settlement_value_dollars = value_of(market, arena),
	    .expiration_value = text_of(market, "expiration_value", arena),
	    .settled_at = text_of(market, "settlement_ts", arena),
	    .body = kmd_json_raw(market),
	};
	if (s.market_ticker.n == 0)
		return KMD_EPARSE;
	*ret = s;
	return 0;
}

int kmd_settlement_decode(struct kmd_json_val record, struct kmd_arena *arena, struct kmd_settlement_data *ret)
{
	const struct kmd_json_val body = kmd_json_get(record, "body");
	const struct kmd_settlement_data s = {
	    .market_ticker = text_of(record, "market_ticker", arena),
	    .event_ticker = text_of(record, "event_ticker", arena),
	    .series_ticker = text_of(record, "series_ticker", arena),
	    .market_type = text_of(record, "market_type", arena),
	    .status = text_of(record, "status", arena),
	    .result = text_of(record, "result", arena),
	    .settlement_value_dollars = text_of(record, "settlement_value_dollars", arena),
	    .expiration_value = text_of(record, "expiration_value", arena),
	    .determined_at = text_of(record, "determined_at", arena),
	    .settled_at = text_of(record, "settled_at", arena),
	    .known_at = text_of(record, "known_at", arena),
	    .trigger = text_of(record, "trigger", arena),
	    .body = kmd_json_is(body, KMD_JSON_NULL) ? KMD_STR_NONE : kmd_json_raw(body),
	};
	if (s.market_ticker.n == 0)
		return KMD_EPARSE;
	*ret = s;
	return 0;
}

bool kmd_settlement_is_complete(const struct kmd_settlement_data *s)
{
	return s->result.n > 0 && s->settlement_value_dollars.n > 0;
}

static bool same_text(struct kmd_str a, struct kmd_str b)
{
	return !a.p == !b.p && kmd_str_eq(a, b);
}

static bool same_decimal(struct kmd_str a, struct kmd_str b)
{
	struct kmd_dec x, y;
	if (kmd_dec_parse(a, &x) == 0 && kmd_dec_parse(b, &y) == 0)
		return kmd_dec_cmp(&x, &y) == 0;
	return kmd_str_eq(a, b);
}

/* To the microsecond: finer does not survive a timestamptz. */
static bool same_time(struct kmd_str a, struct kmd_str b)
{
	int64_t x, y;
	if (kmd_time_parse(a, &x) == 0 && kmd_time_parse(b, &y) == 0)
		return x / KMD_NS_PER_US == y / KMD_NS_PER_US;
	return kmd_str_eq(a, b);
}

bool kmd_settlement_same(const struct kmd_settlement_data *a, const struct kmd_settlement_data *b)
{
	return same_text(a->status, b->status) && same_text(a->result, b->result) &&
	       same_decimal(a->settlement_value_dollars, b->settlement_value_dollars) &&
	       same_text(a->expiration_value, b->expiration_value) && same_time(a->determined_at, b->determined_at) &&
	       same_time(a->settled_at, b->settled_at);
}

void kmd_settlement_encode(const struct kmd_settlement_data *s, struct kmd_buf *out)
{
	struct kmd_jsonw *w = kmd_jsonw_object();
	kmd_jsonw_str(w, "market_ticker", s->market_ticker);
	kmd_jsonw_str(w, "event_ticker", s->event_ticker);
	kmd_jsonw_str(w, "series_ticker", s->series_ticker);
	kmd_jsonw_str(w, "market_type", s->market_type);
	kmd_jsonw_str(w, "status", s->status);
	kmd_jsonw_str(w, "result", s->result);
	kmd_jsonw_str(w, "settlement_value_dollars", s->settlement_value_dollars);
	kmd_jsonw_str(w, "expiration_value", s->expiration_value);
	kmd_jsonw_str(w, "determined_at", s->determined_at);
	kmd_jsonw_str(w, "settled_at", s->settled_at);
	kmd_jsonw_str(w, "known_at", s->known_at);
	kmd_jsonw_str(w, "trigger", s->trigger);
	kmd_jsonw_raw(w, "body", s->body);
	kmd_jsonw_print(w, out);
	kmd_jsonw_free(w);
}
