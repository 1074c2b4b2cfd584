#include "sink_quick.h"

#include <string.h>

#include "kmd_mem.h"
#include "kmd_num.h"
#include "kmd_time.h"
#include "sink_quick_scan.h"
#include "sink_read.h"

/* What a member's value has to be. */
enum want {
	WANT_TEXT,
	WANT_UUID,
	WANT_DECIMAL, /* in a string */
	WANT_INTEGER, /* a number, for a decimal column */
	WANT_TIME,    /* Unix ms, Unix s or RFC 3339 text: together one column */
	WANT_BOOL,
	WANT_TWIN, /* text that must be the same as the column's, which stands before or behind it */
};

struct member {
	struct kmd_str name;
	uint8_t want, column;
};

/* In the order in which the exchange writes them, which is only the quickest to find. */
static const struct member trade_members[] = {
    {KMD_STR("trade_id"), WANT_TEXT, SINK_TRADES_trade_id},
    {KMD_STR("market_ticker"), WANT_TEXT, SINK_TRADES_market_ticker},
    {KMD_STR("yes_price_dollars"), WANT_DECIMAL, SINK_TRADES_yes_price},
    {KMD_STR("no_price_dollars"), WANT_DECIMAL, SINK_TRADES_no_price},
    {KMD_STR("count_fp"), WANT_DECIMAL, SINK_TRADES_count},
    {KMD_STR("taker_side"), WANT_TWIN, SINK_TRADES_taker_side},
    {KMD_STR("taker_outcome_side"), WANT_TEXT, SINK_TRADES_taker_side},
    {KMD_STR("taker_book_side"), WANT_TEXT, SINK_TRADES_taker_book_side},
    {KMD_STR("is_block_trade"), WANT_BOOL, SINK_TRADES_is_block_trade},
    {KMD_STR("ts"), WANT_TIME, 0},
    {KMD_STR("ts_ms"), WANT_TIME, 0},
};

static const struct member delta_members[] = {
    {KMD_STR("market_ticker"), WANT_TEXT, SINK_DELTAS_market_ticker},
    {KMD_STR("market_id"), WANT_UUID, SINK_DELTAS_market_id},
    {KMD_STR("price_dollars"), WANT_DECIMAL, SINK_DELTAS_price},
    {KMD_STR("delta_fp"), WANT_DECIMAL, SINK_DELTAS_delta},
    {KMD_STR("side"), WANT_TEXT, SINK_DELTAS_side},
    {KMD_STR("ts"), WANT_TIME, 0},
    {KMD_STR("ts_ms"), WANT_TIME, 0},
};

static const struct member ticker_members[] = {
    {KMD_STR("market_ticker"), WANT_TEXT, SINK_TICKERS_market_ticker},
    {KMD_STR("market_id"), WANT_UUID, SINK_TICKERS_market_id},
    {KMD_STR("price_dollars"), WANT_DECIMAL, SINK_TICKERS_price},
    {KMD_STR("yes_bid_dollars"), WANT_DECIMAL, SINK_TICKERS_yes_bid},
    {KMD_STR("yes_ask_dollars"), WANT_DECIMAL, SINK_TICKERS_yes_ask},
    {KMD_STR("volume_fp"), WANT_DECIMAL, SINK_TICKERS_volume},
    {KMD_STR("open_interest_fp"), WANT_DECIMAL, SINK_TICKERS_open_interest},
    {KMD_STR("dollar_volume"), WANT_INTEGER, SINK_TICKERS_dollar_volume},
    {KMD_STR("dollar_open_interest"), WANT_INTEGER, SINK_TICKERS_dollar_open_interest},
    {KMD_STR("yes_bid_size_fp"), WANT_DECIMAL, SINK_TICKERS_yes_bid_size},
    {KMD_STR("yes_ask_size_fp"), WANT_DECIMAL, SINK_TICKERS_yes_ask_size},
    {KMD_STR("last_trade_size_fp"), WANT_DECIMAL, SINK_TICKERS_last_trade_size},
    {KMD_STR("ts"), WANT_TIME, 0},
    {KMD_STR("ts_ms"), WANT_TIME, 0},
    {KMD_STR("time"), WANT_TIME, 0},
};

enum { K_TYPE, K_SID, K_SEQ, K_SENDING, K_MSG };
static const struct member envelope_members[] = {
    [K_TYPE] = {KMD_STR("type"), 0, 0},
    [K_SID] = {KMD_STR("sid"), 0, 0},
    [K_SEQ] = {KMD_STR("seq"), 0, 0},
    [K_SENDING] = {KMD_STR("sending_ts_ms"), 0, 0},
    [K_MSG] = {KMD_STR("msg"), 0, 0},
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct kind {
	struct kmd_str type;
	enum sink_table table;
	enum kmd_topic topic;
	uint8_t ts_column, market_column;
	bool text_first; /* RFC 3339 text fills the column of the time rather than ms */
	const struct member *members;
	size_t count;
} kinds[] = {
    {KMD_STR("trade"), SINK_T_TRADES, KMD_TOPIC_TRADES, SINK_TRADES_ts, SINK_TRADES_market_ticker, false, trade_members,
	COUNT_OF(trade_members)},
    {KMD_STR("orderbook_delta"), SINK_T_DELTAS, KMD_TOPIC_ORDERBOOK, SINK_DELTAS_ts, SINK_DELTAS_market_ticker, true,
	delta_members, COUNT_OF(delta_members)},
    {KMD_STR("ticker"), SINK_T_TICKERS, KMD_TOPIC_TICKERS, SINK_TICKERS_ts, SINK_TICKERS_market_ticker, false,
	ticker_members, COUNT_OF(ticker_members)},
};

struct hand {
	struct scan s;
	const struct kind *kind;
	struct sink_row row;
	char uuid[16];
	struct kmd_str twin, ts_text;
	struct sink_num ts_s, ts_ms, sid, seq, sending;
	uint32_t seen, seen_envelope; /* by member */
};

static struct sink_num number(int64_t v)
{
	return (struct sink_num){true, v};
}

/* The member whose name is next, and the colon behind it; @count: none of ours, or one that was there before. */
static size_t take_member(struct scan *s, const struct member *of, size_t count, size_t expected, uint32_t *seen)
{
	const struct kmd_str name = scan_string(s);
	size_t i = expected;

	scan_byte(s, ':');
	if (i >= count || !kmd_str_eq(name, of[i].name))
		for (i = 0; i < count && !kmd_str_eq(name, of[i].name); i++)
			;
	if (i >= count || *seen & 1u << i)
		return count;
	*seen |= 1u << i;
	return i;
}

static bool take_time(struct hand *h, struct kmd_str name)
{
	if (name.n == sizeof("ts_ms") - 1)
		h->ts_ms = number(scan_integer(&h->s));
	else if (h->s.p < h->s.end && *h->s.p == '"' && !h->ts_text.p)
		h->ts_text = scan_string(&h->s);
	else if (name.n == sizeof("ts") - 1)
		h->ts_s = number(scan_integer(&h->s));
	else
		return false;
	return true;
}

static bool take_value(struct hand *h, const struct member *m)
{
	struct sink_value *v = &h->row.v[m->column];
	struct kmd_dec d;
	const char *began = h->s.p;

	switch ((enum want)m->want) {
	case WANT_TEXT:
		*v = sink_value_str(scan_string(&h->s));
		return v->str.n > 0;
	case WANT_TWIN:
		h->twin = scan_string(&h->s);
		return h->twin.n > 0;
	case WANT_UUID:
		*v = sink_value_str((struct kmd_str){h->uuid, sizeof(h->uuid)});
		return sink_read_uuid(scan_string(&h->s), h->uuid);
	case WANT_DECIMAL:
		*v = sink_value_str(scan_string(&h->s));
		return v->str.n > 0 && kmd_dec_parse(v->str, &d) == 0;
	case WANT_INTEGER:
		(void)scan_integer(&h->s);
		*v = sink_value_str((struct kmd_str){began, (size_t)(h->s.p - began)});
		return true;
	case WANT_TIME:
		return take_time(h, m->name);
	case WANT_BOOL:
		*v = sink_value_num(scan_bool(&h->s));
		return true;
	}
	return false;
}

static bool take_msg(struct hand *h)
{
	const struct kind *k = h->kind;
	size_t expected = 0;

	scan_byte(&h->s, '{');
	do {
		const size_t i = take_member(&h->s, k->members, k->count, expected, &h->seen);

		if (i == k->count || h->s.bad || !take_value(h, &k->members[i]))
			return false;
		expected = i + 1;
	} while (scan_more(&h->s));
	scan_byte(&h->s, '}');
	return !h->s.bad;
}

static bool take_envelope_value(struct hand *h, size_t i)
{
	switch (i) {
	case K_TYPE:
		return kmd_str_eq(scan_string(&h->s), h->kind->type);
	case K_SID:
		h->sid = number(scan_integer(&h->s));
		return h->sid.v <= INT32_MAX;
	case K_SEQ:
		h->seq = number(scan_integer(&h->s));
		return true;
	case K_SENDING:
		h->sending = number(scan_integer(&h->s));
		return true;
	case K_MSG:
		return take_msg(h);
	default:
		return false;
	}
}

static bool take_frame(struct hand *h)
{
	size_t expected = 0;

	scan_byte(&h->s, '{');
	do {
		const size_t i =
		    take_member(&h->s, envelope_members, COUNT_OF(envelope_members), expected, &h->seen_envelope);

		if (h->s.bad || !take_envelope_value(h, i))
			return false;
		expected = i + 1;
	} while (scan_more(&h->s));
	scan_byte(&h->s, '}');
	return !h->s.bad && h->s.p == h->s.end && h->seen_envelope & 1u << K_MSG && h->seen_envelope & 1u << K_TYPE;
}

/* The header's number goes before the envelope's, which must not be another. */
static bool one_number(struct sink_num header, struct sink_num envelope, struct sink_value *column)
{
	const struct sink_num n = header.has ? header : envelope;

	*column = (struct sink_value){.has = n.has, .num = n.v};
	return !envelope.has || envelope.v == n.v;
}

static bool put_common(struct hand *h, const struct sink_record *r, const struct sink_facts *f)
{
	struct sink_value *v = h->row.v;

	v[SINK_COMMON_lineage] = sink_value_num(f->lineage.v);
	v[SINK_COMMON_n] = sink_value_num(f->n.v);
	v[SINK_COMMON_recv_ns] = sink_value_num(f->recv_ns.v);
	v[SINK_COMMON_mono_ns] = (struct sink_value){.has = f->mono_ns.has, .num = f->mono_ns.v};
	v[SINK_COMMON_sending_ts_ms] = (struct sink_value){.has = h->sending.has, .num = h->sending.v};
	v[SINK_COMMON_source] = sink_value_str(f->source);
	v[SINK_COMMON_kafka_partition] = sink_value_num(r->partition);
	v[SINK_COMMON_kafka_offset] = sink_value_num(r->offset);
	if (h->kind->table == SINK_T_DELTAS && f->use_yes_price.has)
		v[SINK_DELTAS_use_yes_price] = sink_value_num(f->use_yes_price.v);
	return one_number(f->sid, h->sid, &v[SINK_COMMON_sid]) && one_number(f->seq, h->seq, &v[SINK_COMMON_seq]);
}

/* All that tell the time tell one: that of the ms, the others cut to it or finer. */
static bool put_time(struct hand *h)
{
	struct sink_value *v = &h->row.v[h->kind->ts_column];
	int64_t us, unit_us;

	if (!h->ts_ms.has)
		return !h->ts_s.has && !h->ts_text.p;
	if (h->ts_ms.v > INT64_MAX / KMD_NS_PER_MS)
		return false;
	if (h->ts_s.has && (h->ts_s.v > h->ts_ms.v || h->ts_ms.v / 1000 != h->ts_s.v))
		return false;
	*v = sink_value_num(h->ts_ms.v * 1000);
	if (!h->ts_text.p)
		return true;
	if (sink_read_rfc3339(h->ts_text, &us, &unit_us) < 0 || unit_us > 1000 || us < v->num || us - v->num >= 1000)
		return false;
	if (h->kind->text_first)
		v->num = us;
	return true;
}

static bool put_twin(struct hand *h)
{
	struct sink_value *side = &h->row.v[SINK_TRADES_taker_side];

	if (!h->twin.p)
		return true;
	if (!side->has)
		*side = sink_value_str(h->twin);
	return kmd_str_eq(side->str, h->twin);
}

/* What the long way would take for a row, and of which day. */
static bool put_day(struct hand *h, const struct sink_facts *f, const struct sink_clock *c, int32_t *ret_day)
{
	const bool trade = h->kind->table == SINK_T_TRADES;
	const int64_t ns = trade ? h->ts_ms.v * KMD_NS_PER_MS : f->recv_ns.v;

	if (!h->row.v[h->kind->market_column].has || (trade && (!h->row.v[SINK_TRADES_trade_id].has || !h->ts_ms.has)))
		return false;
	if (sink_row_time_fault(ns, true, c) != SINK_FAULT_NONE)
		return false;
	*ret_day = kmd_time_day(ns);
	if (trade)
		h->row.v[SINK_TRADES_trade_date] = sink_value_num(*ret_day);
	return true;
}

/* By topic and header; a frame that came by REST is likely a repetition, which is the long way's business. */
static const struct kind *kind_of(const struct sink_record *r, const struct sink_facts *f)
{
	const struct kind *k = kinds;

	while (k < kinds + COUNT_OF(kinds) && (k->topic != r->topic || !kmd_str_eq(k->type, f->type)))
		k++;
	if (k == kinds + COUNT_OF(kinds) || !f->lineage.has || !f->n.has || !f->recv_ns.has)
		return NULL;
	return kmd_str_eqz(f->source, "ws") && r->value.p ? k : NULL;
}

static struct sink_quick *give(
    const struct hand *h, const struct sink_facts *f, int32_t day, struct kmd_str id, struct kmd_buf *scratch)
{
	struct sink_quick *q;

	kmd_buf_reset(scratch);
	sink_encode_row(&h->row, scratch);
	q = kmd_alloc(sizeof(*q) + scratch->n);
	*q = (struct sink_quick){.lineage = f->lineage.v,
	    .n = f->n.v,
	    .recv_ns = f->recv_ns.v,
	    .trade_id = id,
	    .day = day,
	    .table = (uint8_t)h->kind->table,
	    .length = (uint32_t)scratch->n};
	memcpy(q->row, scratch->p, scratch->n);
	return q;
}

struct sink_quick *sink_quick_new(const struct sink_record *r, const struct sink_clock *c, struct kmd_buf *scratch)
{
	const struct sink_facts f = sink_record_facts(r);
	struct hand h = {.kind = kind_of(r, &f)};
	int32_t day;

	if (!h.kind)
		return NULL;
	h.s = (struct scan){.p = r->value.p, .end = r->value.p + r->value.n};
	h.row.table = h.kind->table;
	if (!take_frame(&h) || !put_common(&h, r, &f) || !put_time(&h) || !put_day(&h, &f, c, &day))
		return NULL;
	if (h.kind->table == SINK_T_TRADES && !put_twin(&h))
		return NULL;
	return give(
	    &h, &f, day, h.kind->table == SINK_T_TRADES ? h.row.v[SINK_TRADES_trade_id].str : KMD_STR_NONE, scratch);
}
