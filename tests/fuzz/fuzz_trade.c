/*
 * Trades. Input: the object that holds the members, from the WebSocket or from REST.
 *
 * - Where no fault is told, trade id and ticker are there and Postgres can hold them, prices and count are decimals
 * with their digits as received, the time is there and within its bounds.
 * - As a frame (kmd_trade_frame_from_rest) it is JSON of type `trade`, is the same trade field by field, has ts and
 * ts_ms where created_time is the only time, and keeps every other member verbatim. It has the same fault, unless it
 * told the ticker or the time twice: REST's own names go before the others then.
 */
#include "fuzz.h"
#include "kmd_num.h"
#include "kmd_trade.h"

static bool can_be_held(struct kmd_str s)
{
	return !s.p || (kmd_str_is_utf8(s) && (s.n == 0 || !memchr(s.p, 0, s.n)));
}

static bool is_decimal(struct kmd_str s)
{
	struct kmd_dec d;

	return !s.p || kmd_dec_parse(s, &d) == 0 || s.n > KMD_DEC_DIGITS_MAX;
}

static void check_trade(const struct kmd_trade_execution *t, enum kmd_trade_fault fault)
{
	HOLDS(can_be_held(t->trade_id) && can_be_held(t->market_ticker));
	HOLDS(can_be_held(t->taker_side) && can_be_held(t->taker_book_side));
	HOLDS(is_decimal(t->yes_price) && is_decimal(t->no_price) && is_decimal(t->count));
	HOLDS(!t->has_ts || (t->ts_ms <= KMD_TRADE_TS_MS_MAX && t->ts_ms >= -KMD_TRADE_TS_MS_MAX));
	HOLDS(t->is_block_trade >= -1 && t->is_block_trade <= 1);
	if (fault == KMD_TRADE_OK)
		HOLDS(t->trade_id.n > 0 && t->market_ticker.n > 0 && t->has_ts);
}

static void check_same(const struct kmd_trade_execution *a, const struct kmd_trade_execution *b)
{
	HOLDS(fuzz_same(a->trade_id, b->trade_id));
	HOLDS(fuzz_same(a->yes_price, b->yes_price) && fuzz_same(a->no_price, b->no_price));
	HOLDS(fuzz_same(a->count, b->count));
	HOLDS(fuzz_same(a->taker_side, b->taker_side) && fuzz_same(a->taker_book_side, b->taker_book_side));
	HOLDS(a->is_block_trade == b->is_block_trade);
}

static bool has(struct kmd_json_val element, const char *name)
{
	return !kmd_json_is(kmd_json_get(element, name), KMD_JSON_NONE);
}

/* The time of the element, and the one that the frame @msg of it tells. */
static void check_times(struct kmd_json_val element, struct kmd_json_val msg, const struct kmd_trade_execution *t)
{
	int64_t ms, s;

	if (has(element, "ts") || has(element, "ts_ms") || !t->has_ts)
		return;
	HOLDS(kmd_json_i64(kmd_json_get(msg, "ts_ms"), &ms) == 0 && kmd_json_i64(kmd_json_get(msg, "ts"), &s) == 0);
	HOLDS(ms == t->ts_ms && s == ms / 1000 - (ms % 1000 < 0));
}

/* REST's name for it goes before the other. */
static void check_ticker(struct kmd_json_val element, const struct kmd_trade_execution *t, struct kmd_arena *arena)
{
	const struct kmd_str ticker = kmd_json_text(kmd_json_get(element, "ticker"), arena);
	const struct kmd_str other = kmd_json_text(kmd_json_get(element, "market_ticker"), arena);
	const struct kmd_str expected = ticker.n ? ticker : other;

	HOLDS(t->market_ticker.p ? kmd_str_eq(t->market_ticker, expected) : !can_be_held(expected));
}

static bool is_renamed_or_added(struct kmd_str name)
{
	return kmd_str_eqz(name, "ticker") || kmd_str_eqz(name, "market_ticker") || kmd_str_eqz(name, "ts") ||
	       kmd_str_eqz(name, "ts_ms");
}

static void check_verbatim(struct kmd_json_val element, struct kmd_json_val msg, struct kmd_arena *arena)
{
	struct kmd_json_val key, value;

	for (uint32_t it = 0; kmd_json_each_member(element, &it, &key, &value);) {
		const struct kmd_str name = kmd_json_text(key, arena), z = kmd_arena_dup(arena, name);

		if (is_renamed_or_added(name) || (name.n && memchr(name.p, 0, name.n)))
			continue;
		HOLDS(kmd_str_eq(kmd_json_raw(kmd_json_get(msg, z.p)), kmd_json_raw(kmd_json_get(element, z.p))));
	}
}

static void check_frame(struct kmd_json_val element, const struct kmd_trade_execution *t, enum kmd_trade_fault fault)
{
	struct kmd_trade_execution again;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_buf frame = {0};
	struct kmd_json_val msg;
	const bool twice = has(element, "ts") || (has(element, "ticker") && has(element, "market_ticker"));
	enum kmd_trade_fault fault_again;

	if (kmd_trade_frame_from_rest(element, &frame) == 0) {
		HOLDS(kmd_json_parse(&doc, kmd_buf_str(&frame)) == 0);
		HOLDS(kmd_str_eqz(kmd_json_plain(kmd_json_get(kmd_json_root(&doc), "type")), "trade"));
		msg = kmd_json_get(kmd_json_root(&doc), "msg");
		HOLDS(kmd_json_is(msg, KMD_JSON_OBJECT) && kmd_json_is(kmd_json_get(msg, "ticker"), KMD_JSON_NONE));
		fault_again = kmd_trade_decode(msg, &arena, &again);
		HOLDS(twice || (fault_again == fault && again.has_ts == t->has_ts && again.ts_ms == t->ts_ms));
		check_same(t, &again);
		check_ticker(element, &again, &arena);
		check_times(element, msg, t);
		check_verbatim(element, msg, &arena);
	}
	kmd_buf_fini(&frame);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_trade_execution t;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	enum kmd_trade_fault fault;

	if (kmd_json_parse(&doc, fuzz_text(data, size)) == 0) {
		fault = kmd_trade_decode(kmd_json_root(&doc), &arena, &t);
		check_trade(&t, fault);
		check_frame(kmd_json_root(&doc), &t, fault);
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return 0;
}
