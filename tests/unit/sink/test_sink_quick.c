#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "kmd_time.h"
#include "sink_quick.h"

/*
 * The short way against the long one: whatever the short way takes, the long way makes the same bytes of. Frames are
 * put together by chance from members as the exchange sends them and from odd ones, in any order.
 */

#define NOW_NS INT64_C(1795341600123456789) /* 2026-11-22T10:00:00.123456789Z */
#define TRIES 200000

static const struct sink_clock clock_now = {.now_ns = NOW_NS, .oldest_day = 20700};

static uint64_t seed = 88172645463325252u;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

/* The usual value first. */
struct part {
	const char *name;
	const char *values[8];
};

static const struct part trade_parts[] = {
    {"trade_id",
	{"\"5d937db7-0c71-43cb-0b60-b56a4387af64\"", "\"x\"", "\"\"", "7", "null", "\"a\\u0041\"", "\"\xc3\xa9\""}},
    {"market_ticker", {"\"KXBTCD-26NOV22-T69499.99\"", "\"\"", "\"a\\\"b\"", "null", "\"K\xff\""}},
    {"yes_price_dollars", {"\"0.8900\"", "\"0.89\"", "\"\"", "0.89", "\"1e5\"", "\"+.5\"", "\"-0.000\""}},
    {"no_price_dollars", {"\"0.1100\"", "\"12345678901234567890.123456\"", "null", "\"0\""}},
    {"count_fp", {"\"3.00\"", "\"00012.50000\"", "\"100000000.00\"", "3", "\" 3\""}},
    {"taker_side", {"\"yes\"", "\"no\"", "\"\"", "null"}},
    {"taker_outcome_side", {"\"yes\"", "\"no\"", "\"\"", "null"}},
    {"taker_book_side", {"\"bid\"", "\"ask\"", "\"\""}},
    {"is_block_trade", {"false", "true", "null", "\"true\"", "falsy"}},
    {"ts", {"1795341599", "1795341600", "1795341598", "\"2026-11-22T09:59:59Z\"", "\"1795341599\"", "01", "\"\""}},
    {"ts_ms",
	{"1795341599391", "1795341599000", "0", "\"1795341599391\"", "9999999999999999", "99999999999999999999", "-1"}},
    {"zz", {"1", "\"\""}},
    {"ticker", {"\"KXBTCD-26NOV22-T69499.99\"", "\"other\""}},
    {"yes_price", {"89", "11"}},
    {NULL, {NULL}},
};

static const struct part delta_parts[] = {
    {"market_ticker", {"\"KXBTCD-26NOV22-T69499.99\"", "\"\"", "null"}},
    {"market_id", {"\"9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1\"", "\"\"", "\"9B0F6B43-5B68-4F9F-9F02-9A2D1B8AC1A1\"",
		      "\"9b0f6b43\"", "\"zb0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1\""}},
    {"price_dollars", {"\"0.9600\"", "\"\"", "\"bad\"", "0.96"}},
    {"delta_fp", {"\"-54.00\"", "\"54.00\"", "\"-0.00\"", "-54"}},
    {"side", {"\"yes\"", "\"no\"", "\"\""}},
    {"ts", {"\"2026-11-22T09:59:59.391245Z\"", "\"2026-11-22T09:59:59.391Z\"", "\"2026-11-22T09:59:59Z\"", "1795341599",
	       "\"2026-11-22T10:59:59.391245+01:00\"", "\"no time\"", "\"2026-11-22T09:59:59.390999Z\""}},
    {"ts_ms", {"1795341599391", "1795341599392", "null", "\"1795341599391\""}},
    {"client_order_id", {"\"x\"", "\"\""}},
    {"price", {"96", "95"}},
    {NULL, {NULL}},
};

static const struct part ticker_parts[] = {
    {"market_ticker", {"\"KXBTCD-26NOV22-T69499.99\"", "\"\""}},
    {"market_id", {"\"9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1\"", "\"\""}},
    {"price_dollars", {"\"0.4800\"", "\"\"", "\"0.480\""}},
    {"yes_bid_dollars", {"\"0.4500\"", "\"0.0000\""}},
    {"yes_ask_dollars", {"\"0.5300\"", "\"1.0000\""}},
    {"volume_fp", {"\"33896.00\"", "\"33896\"", "33896"}},
    {"open_interest_fp", {"\"20422.00\"", "null"}},
    {"dollar_volume", {"16948", "-5", "1.5", "\"16948\"", "016948"}},
    {"dollar_open_interest", {"10211", "0", "null"}},
    {"yes_bid_size_fp", {"\"300.00\"", "\"0.00\""}},
    {"yes_ask_size_fp", {"\"7.00\""}},
    {"last_trade_size_fp", {"\"1.00\"", "\"\""}},
    {"ts", {"1795341599", "1795341600", "\"2026-11-22T09:59:59.391245Z\""}},
    {"ts_ms", {"1795341599391", "null"}},
    {"time", {"\"2026-11-22T09:59:59.391245Z\"", "\"2026-11-22T09:59:59.2Z\"", "1795341599"}},
    {"Clock", {"1"}},
    {NULL, {NULL}},
};

static const struct kind {
	const char *type;
	enum kmd_topic topic;
	const struct part *parts;
} kinds[] = {
    {"trade", KMD_TOPIC_TRADES, trade_parts},
    {"orderbook_delta", KMD_TOPIC_ORDERBOOK, delta_parts},
    {"ticker", KMD_TOPIC_TICKERS, ticker_parts},
};

static const char *odd_value(const struct part *p)
{
	unsigned n = 0;

	while (n < 8 && p->values[n])
		n++;
	return p->values[below(n)];
}

static bool is_stranger(const char *name)
{
	static const char *const strangers[] = {"zz", "ticker", "yes_price", "client_order_id", "price", "Clock"};

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		if (strcmp(name, strangers[i]) == 0)
			return true;
	return false;
}

static void add_member(struct kmd_buf *b, const char *name, const char *value)
{
	kmd_buf_addf(b, "%s\"%s\":%s", b->p[b->n - 1] == '{' ? "" : ",", name, value);
}

/* @odd: so many in a hundred things are not as usual. */
static void add_msg(struct kmd_buf *b, const struct kind *k, unsigned odd)
{
	unsigned order[20], n = 0;

	while (k->parts[n].name) {
		order[n] = n;
		n++;
	}
	for (unsigned i = n; odd > 0 && below(2) && i > 1; i--) {
		const unsigned j = below(i), kept = order[i - 1];

		order[i - 1] = order[j];
		order[j] = kept;
	}
	kmd_buf_addc(b, '{');
	for (unsigned i = 0; i < n; i++) {
		const struct part *p = &k->parts[order[i]];
		const bool is_odd = below(100) < odd;

		if (is_stranger(p->name) ? below(100) >= odd : is_odd && below(2))
			continue;
		add_member(b, p->name, is_odd ? odd_value(p) : p->values[0]);
		if (below(400) < odd)
			add_member(b, p->name, odd_value(p));
	}
	kmd_buf_addc(b, '}');
}

static void add_frame(struct kmd_buf *b, const struct kind *k, unsigned odd)
{
	static const char *const ends[] = {"}", "} ", "}}", "", "}x"};
	char type[40];

	snprintf(type, sizeof(type), "\"%s\"", below(100) < odd / 4 ? "other" : k->type);
	kmd_buf_reset(b);
	kmd_buf_addc(b, '{');
	add_member(b, "type", type);
	if (below(100) >= odd)
		add_member(b, "sid", below(100) < odd ? "99999999999" : "2");
	if (below(100) >= odd)
		add_member(b, "seq", below(100) < odd ? "12" : "9");
	if (below(100) < odd)
		add_member(b, "sending_ts_ms", below(2) ? "1795341599392" : "\"1\"");
	if (below(100) < odd / 4)
		add_member(b, "id", "5");
	if (below(100) < odd / 4)
		add_member(b, "msg", "{}");
	kmd_buf_addz(b, ",\"msg\":");
	add_msg(b, k, odd);
	kmd_buf_addz(b, below(100) < odd / 4 ? ends[below(5)] : "}");
}

/* Headers as ingest writes them, or some of them, or wrong ones. */
static size_t add_headers(struct sink_header *h, const struct kind *k, unsigned odd)
{
	const struct sink_header all[] = {{"lineage", KMD_STR("7")}, {"n", KMD_STR("9")},
	    {"recv_ns", below(100) < odd / 2 ? KMD_STR("5") : KMD_STR("1795341600123456789")},
	    {"mono_ns", KMD_STR("11")}, {"type", kmd_str_z(k->type)},
	    {"sid", below(100) < odd ? KMD_STR("3") : KMD_STR("2")}, {"seq", KMD_STR("9")},
	    {"source", below(100) < odd / 2 ? KMD_STR("rest") : KMD_STR("ws")}, {"use_yes_price", KMD_STR("false")}};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (below(200) >= odd)
			h[n++] = all[i];
	return n;
}

static void assert_same(const struct sink_record *r, const struct sink_quick *q)
{
	const struct sink_facts f = sink_record_facts(r);
	struct sink_work w = {0};
	struct kmd_buf b = {0};
	struct sink_row row;
	const struct sink_outcome o = sink_row_make(r, &f, &clock_now, &w, &row);

	if (o.fate == SINK_IS_ROW)
		sink_encode_row(&row, &b);
	if (o.fate != SINK_IS_ROW || row.table != q->table || o.day != q->day || b.n != q->length ||
	    memcmp(b.p, q->row, b.n) != 0) {
		print_error("the two ways differ: %.*s\n", KMD_STR_ARG(r->value));
		fail();
	}
	assert_true(f.lineage.v == q->lineage && f.n.v == q->n && f.recv_ns.v == q->recv_ns);
	if (row.table == SINK_T_TRADES)
		assert_true(kmd_str_eq(q->trade_id, row.v[SINK_TRADES_trade_id].str));
	sink_work_fini(&w);
	kmd_buf_fini(&b);
}

static bool try_one(const struct kind *k, unsigned odd, struct kmd_buf *frame, struct kmd_buf *scratch)
{
	struct sink_header headers[9];
	struct sink_record r = {.topic = k->topic, .partition = 3, .offset = 42, .timestamp_ms = 1, .headers = headers};
	struct sink_quick *q;

	add_frame(frame, k, odd);
	r.headers_count = add_headers(headers, k, odd);
	r.value = kmd_buf_str(frame);
	q = sink_quick_new(&r, &clock_now, scratch);
	if (!q)
		return false;
	assert_same(&r, q);
	free(q);
	return true;
}

static void what_it_takes_the_long_way_makes_too(void **state)
{
	struct kmd_buf frame = {0}, scratch = {0};
	unsigned taken = 0, left = 0;

	(void)state;
	for (unsigned i = 0; i < TRIES; i++) {
		const bool took = try_one(&kinds[i % 3], below(3) == 0 ? 30 : 4, &frame, &scratch);

		taken += took;
		left += !took;
	}
	assert_true(taken > TRIES / 20 && left > TRIES / 20);
	kmd_buf_fini(&frame);
	kmd_buf_fini(&scratch);
}

static void usual_frames_are_taken(void **state)
{
	struct kmd_buf frame = {0}, scratch = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_true(try_one(&kinds[i], 0, &frame, &scratch));
	kmd_buf_fini(&frame);
	kmd_buf_fini(&scratch);
}

/* The frame ends at the end of its memory, whatever it is cut to. */
static void a_frame_cut_anywhere_is_left(void **state)
{
	struct kmd_buf frame = {0}, scratch = {0};
	struct sink_header headers[9];
	struct sink_record r = {.headers = headers};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		add_frame(&frame, &kinds[i], 0);
		r.topic = kinds[i].topic;
		r.headers_count = add_headers(headers, &kinds[i], 0);
		for (size_t n = 0; n < frame.n; n++) {
			char *cut = malloc(n + 1);

			memcpy(cut, frame.p, n);
			r.value = (struct kmd_str){cut, n};
			assert_null(sink_quick_new(&r, &clock_now, &scratch));
			free(cut);
		}
	}
	kmd_buf_fini(&frame);
	kmd_buf_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(usual_frames_are_taken),
	    cmocka_unit_test(what_it_takes_the_long_way_makes_too),
	    cmocka_unit_test(a_frame_cut_anywhere_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
