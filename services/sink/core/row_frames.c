#include "kmd_time.h"
#include "row_int.h"
#include "sink_text.h"

/* Tickers, lifecycle, control, other, feed. */

static const struct sink_member ticker_members[] = {
    {"market_ticker", SINK_TICKERS_market_ticker, SINK_K_TEXT, 0},
    {"market_id", SINK_TICKERS_market_id, SINK_K_UUID, 0},
    {"price_dollars", SINK_TICKERS_price, SINK_K_DECIMAL, 0},
    {"price", SINK_TICKERS_price, SINK_K_CENTS, 0},
    {"yes_bid_dollars", SINK_TICKERS_yes_bid, SINK_K_DECIMAL, 0},
    {"yes_bid", SINK_TICKERS_yes_bid, SINK_K_CENTS, 0},
    {"yes_ask_dollars", SINK_TICKERS_yes_ask, SINK_K_DECIMAL, 0},
    {"yes_ask", SINK_TICKERS_yes_ask, SINK_K_CENTS, 0},
    {"yes_bid_size_fp", SINK_TICKERS_yes_bid_size, SINK_K_DECIMAL, 0},
    {"yes_bid_size", SINK_TICKERS_yes_bid_size, SINK_K_DECIMAL, 0},
    {"yes_ask_size_fp", SINK_TICKERS_yes_ask_size, SINK_K_DECIMAL, 0},
    {"yes_ask_size", SINK_TICKERS_yes_ask_size, SINK_K_DECIMAL, 0},
    {"last_trade_size_fp", SINK_TICKERS_last_trade_size, SINK_K_DECIMAL, 0},
    {"last_trade_size", SINK_TICKERS_last_trade_size, SINK_K_DECIMAL, 0},
    {"volume_fp", SINK_TICKERS_volume, SINK_K_DECIMAL, 0},
    {"volume", SINK_TICKERS_volume, SINK_K_DECIMAL, 0},
    {"open_interest_fp", SINK_TICKERS_open_interest, SINK_K_DECIMAL, 0},
    {"open_interest", SINK_TICKERS_open_interest, SINK_K_DECIMAL, 0},
    {"dollar_volume", SINK_TICKERS_dollar_volume, SINK_K_DECIMAL, 0},
    {"dollar_open_interest", SINK_TICKERS_dollar_open_interest, SINK_K_DECIMAL, 0},
    {"ts_ms", SINK_TICKERS_ts, SINK_K_MS, 0},
    {"time", SINK_TICKERS_ts, SINK_K_RFC3339, 0},
    {"ts", SINK_TICKERS_ts, SINK_K_S_OR_RFC3339, 0},
};

struct sink_outcome row_ticker(struct row_ctx *x)
{
	struct sink_members m;
	enum sink_fault fault = row_parse(x);

	if (fault)
		return row_dead(fault);
	row_common(x, SINK_T_TICKERS);
	sink_members_bind(&m, ticker_members, ROW_COUNT(ticker_members), x->msg, &x->w->arena);
	fault = sink_members_fill(&m, x->row, &x->w->arena);
	if (!fault && !row_has_text(x->row, SINK_TICKERS_market_ticker))
		fault = SINK_FAULT_MISSING_KEY;
	if (!fault)
		fault = row_extra(x, &m, "ticker");
	return fault ? row_dead(fault) : row_received(x);
}

static const struct sink_member lifecycle_members[] = {
    {"event_type", SINK_LIFECYCLE_event_type, SINK_K_TEXT, 0},
    {"market_ticker", SINK_LIFECYCLE_market_ticker, SINK_K_TEXT, 0},
    {"event_ticker", SINK_LIFECYCLE_event_ticker, SINK_K_TEXT, 0},
};

/* Column msg holds everything of msg, so extra has leftovers of the envelope alone. */
struct sink_outcome row_lifecycle(struct row_ctx *x)
{
	struct sink_members m;
	struct kmd_str type;
	enum sink_fault fault = row_parse(x);

	if (fault)
		return row_dead(fault);
	row_common(x, SINK_T_LIFECYCLE);
	sink_members_bind(&m, lifecycle_members, ROW_COUNT(lifecycle_members), x->msg, &x->w->arena);
	fault = sink_members_fill(&m, x->row, &x->w->arena);
	if (!fault && !row_has_text(x->row, SINK_LIFECYCLE_market_ticker) &&
	    !row_has_text(x->row, SINK_LIFECYCLE_event_ticker))
		fault = SINK_FAULT_MISSING_KEY;
	if (!fault)
		fault = sink_text_jsonb(x->msg, &x->w->arena);
	type = kmd_arena_dup(&x->w->arena, row_type(x)); /* NUL behind it */
	x->row->v[SINK_LIFECYCLE_type] = sink_value_str(type);
	x->row->v[SINK_LIFECYCLE_msg] = sink_value_str(kmd_json_raw(x->msg));
	if (!fault)
		fault = row_extra(x, NULL, type.p ? type.p : "");
	return fault ? row_dead(fault) : row_received(x);
}

/* Any bytes at all: what can be read of them is read, and none of it is a reason to refuse. */
struct sink_outcome row_frame(struct row_ctx *x, enum sink_table table)
{
	if (row_parse(x) != SINK_FAULT_NONE)
		x->root = x->msg = (struct kmd_json_val){NULL, UINT32_MAX};
	row_common(x, table);
	x->row->v[SINK_FRAMES_type] = sink_value_str(row_type(x));
	x->row->v[SINK_FRAMES_frame] = sink_value_str(x->r->value);
	return row_received(x);
}

static const struct sink_member feed_members[] = {
    {"kind", SINK_FEED_kind, SINK_K_TEXT, 0},
};

/* The record's own time takes the place of a receipt. */
static enum sink_fault feed_time(struct row_ctx *x)
{
	const struct kmd_str at = kmd_json_plain(kmd_json_get(x->root, "at"));
	int64_t ns;
	int rc;

	if (!at.p || at.n == 0)
		return SINK_FAULT_MISSING_KEY;
	rc = kmd_time_parse(at, &ns);
	if (rc < 0)
		return rc == KMD_ERANGE ? SINK_FAULT_TIME_OUT_OF_RANGE : SINK_FAULT_BAD_TIME;
	x->row->v[SINK_COMMON_recv_ns] = sink_value_num(ns);
	return SINK_FAULT_NONE;
}

struct sink_outcome row_feed(struct row_ctx *x)
{
	struct sink_members m;
	int64_t lineage;
	enum sink_fault fault = row_parse(x);

	if (fault)
		return row_dead(fault);
	row_common(x, SINK_T_FEED);
	x->row->v[SINK_COMMON_n].has = false;
	x->row->v[SINK_COMMON_mono_ns].has = false;
	x->row->v[SINK_COMMON_sending_ts_ms].has = false;
	if (!x->f->lineage.has && kmd_json_i64(kmd_json_get(x->root, "lineage"), &lineage) == 0)
		x->row->v[SINK_COMMON_lineage] = sink_value_num(lineage);
	sink_members_bind(&m, feed_members, ROW_COUNT(feed_members), x->root, &x->w->arena);
	fault = sink_members_fill(&m, x->row, &x->w->arena);
	if (!fault)
		fault = feed_time(x);
	if (!fault)
		fault = sink_text_jsonb(x->root, &x->w->arena);
	x->row->v[SINK_FEED_record] = sink_value_str(kmd_json_raw(x->root));
	return fault ? row_dead(fault) : row_received(x);
}
