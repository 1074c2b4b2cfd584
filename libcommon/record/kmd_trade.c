#include "kmd_trade.h"

#include <string.h>

#include "kmd_num.h"
#include "kmd_time.h"

/* "" and null say no more than an absent member. */
static bool is_sent(struct kmd_json_val v)
{
	switch (kmd_json_type(v)) {
	case KMD_JSON_NONE:
	case KMD_JSON_NULL:
		return false;
	case KMD_JSON_STRING:
		return kmd_json_raw(v).n > sizeof("\"\"") - 1;
	default:
		return true;
	}
}

static void note(enum kmd_trade_fault *fault, enum kmd_trade_fault found)
{
	if (*fault == KMD_TRADE_OK || found < *fault)
		*fault = found;
}

/* First of the two names that was sent as a text; NONE, with a fault, if Postgres could not hold it. */
static struct kmd_str take_text(
    struct kmd_json_val msg, const char *name, const char *other, struct kmd_arena *arena, enum kmd_trade_fault *fault)
{
	const char *const names[] = {name, other};
	for (size_t i = 0; i < 2 && names[i]; i++) {
		const struct kmd_json_val v = kmd_json_get(msg, names[i]);
		if (!is_sent(v) || !kmd_json_is(v, KMD_JSON_STRING))
			continue;
		const struct kmd_str s = kmd_json_text(v, arena);
		if (kmd_str_is_utf8(s) && !memchr(s.p, '\0', s.n))
			return s;
		note(fault, KMD_TRADE_BAD_TEXT);
		break;
	}
	return KMD_STR_NONE;
}

static struct kmd_str decimal_of(struct kmd_json_val v, struct kmd_dec *ret, enum kmd_trade_fault *fault)
{
	const struct kmd_str s = kmd_json_decimal(v);
	if (kmd_dec_parse(s, ret) == 0)
		return s;
	note(fault, KMD_TRADE_BAD_NUMBER);
	return KMD_STR_NONE;
}

static struct kmd_str take_price(struct kmd_json_val msg, const char *dollars, const char *cents,
    struct kmd_arena *arena, enum kmd_trade_fault *fault)
{
	struct kmd_dec d, in_range;
	const struct kmd_json_val in_dollars = kmd_json_get(msg, dollars), in_cents = kmd_json_get(msg, cents);
	if (is_sent(in_dollars))
		return decimal_of(in_dollars, &d, fault);
	if (!is_sent(in_cents) || !decimal_of(in_cents, &d, fault).p)
		return KMD_STR_NONE;
	/* text with a point in it is an amount, and never was what old frames had here */
	if (d.frac.n > 0 && !kmd_json_is(in_cents, KMD_JSON_NUMBER))
		return KMD_STR_NONE;
	struct kmd_buf b = {0};
	struct kmd_str price = KMD_STR_NONE;
	kmd_dec_cents_to_dollars(&b, &d);
	if (kmd_dec_parse(kmd_buf_str(&b), &in_range) == 0)
		price = kmd_arena_dup(arena, kmd_buf_str(&b));
	else
		note(fault, KMD_TRADE_BAD_NUMBER);
	kmd_buf_fini(&b);
	return price;
}

static struct kmd_str take_count(struct kmd_json_val msg, enum kmd_trade_fault *fault)
{
	struct kmd_dec d;
	const struct kmd_json_val fp = kmd_json_get(msg, "count_fp"), whole = kmd_json_get(msg, "count");
	if (is_sent(fp))
		return decimal_of(fp, &d, fault);
	return is_sent(whole) ? decimal_of(whole, &d, fault) : KMD_STR_NONE;
}

static int64_t clamp_ms(int64_t ms)
{
	return ms > KMD_TRADE_TS_MS_MAX ? KMD_TRADE_TS_MS_MAX : ms < -KMD_TRADE_TS_MS_MAX ? -KMD_TRADE_TS_MS_MAX : ms;
}

/* Decimal count of units of @unit_ms, 1 or 1000; what is finer than a ms is cut. */
static int ms_of_number(struct kmd_str s, int64_t unit_ms, int64_t *ret_ms)
{
	struct kmd_dec d;
	int64_t whole, ms, frac_ms = 0;
	const int rc = kmd_dec_parse(s, &d);
	if (rc < 0)
		return rc;
	if (kmd_str_i64(d.whole, &whole) < 0 || __builtin_mul_overflow(whole, unit_ms, &ms))
		ms = KMD_TRADE_TS_MS_MAX;
	for (size_t i = 0, unit = (size_t)unit_ms / 10; unit > 0; unit /= 10, i++)
		frac_ms += i < d.frac.n ? (d.frac.p[i] - '0') * (int64_t)unit : 0;
	ms = clamp_ms(ms) + frac_ms;
	*ret_ms = clamp_ms(d.negative ? -ms : ms);
	return 0;
}

static int ms_of_time(struct kmd_str s, int64_t *ret_ms)
{
	int64_t ns;
	const int rc = kmd_time_parse(s, &ns);
	if (rc == KMD_EPARSE)
		return rc;
	/* the year tells on which side it is out of range */
	if (rc < 0)
		*ret_ms = s.p[0] == '0' || s.p[0] == '1' ? -KMD_TRADE_TS_MS_MAX : KMD_TRADE_TS_MS_MAX;
	else
		*ret_ms = ns / KMD_NS_PER_MS - (ns % KMD_NS_PER_MS < 0);
	return 0;
}

static void take_ts(struct kmd_json_val msg, struct kmd_trade_execution *t, enum kmd_trade_fault *fault)
{
	const struct kmd_json_val ts_ms = kmd_json_get(msg, "ts_ms"), ts = kmd_json_get(msg, "ts");
	const struct kmd_json_val created = kmd_json_get(msg, "created_time");
	int rc;
	if (is_sent(ts_ms)) {
		rc = ms_of_number(kmd_json_decimal(ts_ms), 1, &t->ts_ms);
	} else if (is_sent(ts)) {
		rc = ms_of_number(kmd_json_decimal(ts), 1000, &t->ts_ms);
		if (rc < 0)
			rc = ms_of_time(kmd_json_plain(ts), &t->ts_ms);
	} else if (is_sent(created)) {
		rc = ms_of_time(kmd_json_plain(created), &t->ts_ms);
	} else {
		note(fault, KMD_TRADE_MISSING_KEY);
		return;
	}
	t->has_ts = rc == 0;
	if (rc < 0)
		note(fault, KMD_TRADE_BAD_TIME);
}

static int flag_of(struct kmd_json_val v)
{
	return kmd_json_is(v, KMD_JSON_BOOL) ? kmd_json_true(v) : -1;
}

enum kmd_trade_fault kmd_trade_decode(struct kmd_json_val msg, struct kmd_arena *arena, struct kmd_trade_execution *ret)
{
	enum kmd_trade_fault fault = KMD_TRADE_OK, key_fault = KMD_TRADE_OK;
	struct kmd_trade_execution t = {0};
	t.trade_id = take_text(msg, "trade_id", NULL, arena, &key_fault);
	t.market_ticker = take_text(msg, "market_ticker", "ticker", arena, &key_fault);
	/* a key that was sent but cannot be held is bad text, not missing */
	if (key_fault != KMD_TRADE_OK)
		note(&fault, key_fault);
	else if (!t.trade_id.p || !t.market_ticker.p)
		note(&fault, KMD_TRADE_MISSING_KEY);
	t.yes_price = take_price(msg, "yes_price_dollars", "yes_price", arena, &fault);
	t.no_price = take_price(msg, "no_price_dollars", "no_price", arena, &fault);
	t.count = take_count(msg, &fault);
	t.taker_side = take_text(msg, "taker_outcome_side", "taker_side", arena, &fault);
	t.taker_book_side = take_text(msg, "taker_book_side", NULL, arena, &fault);
	t.is_block_trade = flag_of(kmd_json_get(msg, "is_block_trade"));
	take_ts(msg, &t, &fault);
	*ret = t;
	return fault;
}

/* Exchange time of a REST trade, for the members that a WebSocket frame would have. */
static void add_times(struct kmd_json_val element, struct kmd_buf *out)
{
	int64_t ms;
	const struct kmd_json_val created = kmd_json_get(element, "created_time");
	if (!is_sent(created) || ms_of_time(kmd_json_plain(created), &ms) < 0)
		return;
	if (!is_sent(kmd_json_get(element, "ts"))) {
		kmd_buf_addz(out, ",\"ts\":");
		kmd_buf_add_i64(out, ms / 1000 - (ms % 1000 < 0));
	}
	if (!is_sent(kmd_json_get(element, "ts_ms"))) {
		kmd_buf_addz(out, ",\"ts_ms\":");
		kmd_buf_add_i64(out, ms);
	}
}

/* Members that are written anew, however their names are spelled: the ticker under its other name, and times that say
 * nothing. */
static bool is_replaced(struct kmd_json_val key, struct kmd_json_val value, struct kmd_arena *arena)
{
	const struct kmd_str name = kmd_json_text(key, arena);
	if (kmd_str_eqz(name, "ticker") || kmd_str_eqz(name, "market_ticker"))
		return true;
	return (kmd_str_eqz(name, "ts") || kmd_str_eqz(name, "ts_ms")) && !is_sent(value);
}

int kmd_trade_frame_from_rest(struct kmd_json_val element, struct kmd_buf *out)
{
	struct kmd_json_val ticker = kmd_json_get(element, "ticker"), key, value;
	struct kmd_arena arena = {0};
	if (!is_sent(ticker))
		ticker = kmd_json_get(element, "market_ticker");
	if (!is_sent(ticker) || !kmd_json_is(ticker, KMD_JSON_STRING))
		return KMD_EPARSE;
	kmd_buf_addz(out, "{\"type\":\"trade\",\"msg\":{\"market_ticker\":");
	kmd_buf_add_str(out, kmd_json_raw(ticker));
	for (uint32_t it = 0; kmd_json_each_member(element, &it, &key, &value);) {
		if (is_replaced(key, value, &arena))
			continue;
		kmd_buf_addc(out, ',');
		kmd_buf_add_str(out, kmd_json_raw(key));
		kmd_buf_addc(out, ':');
		kmd_buf_add_str(out, kmd_json_raw(value));
	}
	add_times(element, out);
	kmd_buf_addz(out, "}}");
	kmd_arena_fini(&arena);
	return 0;
}
