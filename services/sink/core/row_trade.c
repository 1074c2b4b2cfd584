#include "kmd_time.h"
#include "kmd_trade.h"
#include "row_int.h"

static const struct sink_member members[] = {
    {"trade_id", SINK_TRADES_trade_id, SINK_K_TEXT, 0},
    {"market_ticker", SINK_TRADES_market_ticker, SINK_K_TEXT, 0},
    {"ticker", SINK_TRADES_market_ticker, SINK_K_TEXT, 0},
    {"yes_price_dollars", SINK_TRADES_yes_price, SINK_K_DECIMAL, 0},
    {"yes_price", SINK_TRADES_yes_price, SINK_K_CENTS, 0},
    {"no_price_dollars", SINK_TRADES_no_price, SINK_K_DECIMAL, 0},
    {"no_price", SINK_TRADES_no_price, SINK_K_CENTS, 0},
    {"count_fp", SINK_TRADES_count, SINK_K_DECIMAL, 0},
    {"count", SINK_TRADES_count, SINK_K_DECIMAL, 0},
    {"ts_ms", SINK_TRADES_ts, SINK_K_MS, 0},
    {"ts", SINK_TRADES_ts, SINK_K_S_OR_RFC3339, 0},
    {"created_time", SINK_TRADES_ts, SINK_K_RFC3339, 0},
    {"taker_outcome_side", SINK_TRADES_taker_side, SINK_K_TEXT, 0},
    {"taker_side", SINK_TRADES_taker_side, SINK_K_TEXT, 0},
    {"taker_book_side", SINK_TRADES_taker_book_side, SINK_K_TEXT, 0},
    {"is_block_trade", SINK_TRADES_is_block_trade, SINK_K_BOOL, 0},
};

static enum sink_fault fault_of(enum kmd_trade_fault f)
{
	switch (f) {
	case KMD_TRADE_OK:
		return SINK_FAULT_NONE;
	case KMD_TRADE_MISSING_KEY:
		return SINK_FAULT_MISSING_KEY;
	case KMD_TRADE_BAD_NUMBER:
		return SINK_FAULT_BAD_NUMBER;
	case KMD_TRADE_BAD_TIME:
		return SINK_FAULT_BAD_TIME;
	case KMD_TRADE_BAD_TEXT:
		return SINK_FAULT_BAD_TEXT;
	}
	return SINK_FAULT_REJECTED;
}

static void fill(const struct kmd_trade_execution *t, struct sink_row *row)
{
	struct sink_value *v = row->v;

	v[SINK_TRADES_trade_id] = sink_value_str(t->trade_id);
	v[SINK_TRADES_market_ticker] = sink_value_str(t->market_ticker);
	v[SINK_TRADES_yes_price] = sink_value_str(t->yes_price);
	v[SINK_TRADES_no_price] = sink_value_str(t->no_price);
	v[SINK_TRADES_count] = sink_value_str(t->count);
	v[SINK_TRADES_taker_side] = sink_value_str(t->taker_side);
	v[SINK_TRADES_taker_book_side] = sink_value_str(t->taker_book_side);
	if (t->is_block_trade >= 0)
		v[SINK_TRADES_is_block_trade] = sink_value_num(t->is_block_trade);
}

/* The exchange's time chooses the partition. */
static enum sink_fault fill_time(const struct kmd_trade_execution *t, struct row_ctx *x, int32_t *ret_day)
{
	const int64_t ms_per_ns_max = INT64_MAX / KMD_NS_PER_MS;
	enum sink_fault fault = SINK_FAULT_TIME_OUT_OF_RANGE;

	if (t->ts_ms <= ms_per_ns_max && t->ts_ms >= -ms_per_ns_max)
		fault = sink_row_time_fault(t->ts_ms * KMD_NS_PER_MS, true, x->c);
	if (fault)
		return fault;
	*ret_day = kmd_time_day(t->ts_ms * KMD_NS_PER_MS);
	x->row->v[SINK_TRADES_ts] = sink_value_num(t->ts_ms * 1000);
	x->row->v[SINK_TRADES_trade_date] = sink_value_num(*ret_day);
	return SINK_FAULT_NONE;
}

struct sink_outcome row_trade(struct row_ctx *x)
{
	struct kmd_trade_execution t;
	struct sink_members m;
	int32_t day = 0;
	enum sink_fault fault = row_parse(x);

	if (fault)
		return row_dead(fault);
	fault = fault_of(kmd_trade_decode(x->msg, &x->w->arena, &t));
	if (fault)
		return row_dead(fault);
	row_common(x, SINK_T_TRADES);
	fill(&t, x->row);
	fault = fill_time(&t, x, &day);
	if (fault)
		return row_dead(fault);
	sink_members_bind(&m, members, ROW_COUNT(members), x->msg, &x->w->arena);
	fault = row_extra(x, &m, "trade");
	if (fault)
		return row_dead(fault);
	return (struct sink_outcome){.fate = SINK_IS_ROW, .day = day};
}
