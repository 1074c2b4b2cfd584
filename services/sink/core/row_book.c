#include "row_int.h"

static const struct sink_member snapshot_members[] = {
    {"market_ticker", SINK_SNAPSHOTS_market_ticker, SINK_K_TEXT, 0},
    {"market_id", SINK_SNAPSHOTS_market_id, SINK_K_UUID, 0},
    {"yes_dollars_fp", SINK_SNAPSHOTS_yes_levels, SINK_K_LADDER, SINK_FAULT_BAD_NUMBER},
    {"yes_dollars", SINK_SNAPSHOTS_yes_levels, SINK_K_LADDER, SINK_FAULT_BAD_NUMBER},
    {"yes", SINK_SNAPSHOTS_yes_levels, SINK_K_LADDER_CENTS, SINK_FAULT_BAD_NUMBER},
    {"no_dollars_fp", SINK_SNAPSHOTS_no_levels, SINK_K_LADDER, SINK_FAULT_BAD_NUMBER},
    {"no_dollars", SINK_SNAPSHOTS_no_levels, SINK_K_LADDER, SINK_FAULT_BAD_NUMBER},
    {"no", SINK_SNAPSHOTS_no_levels, SINK_K_LADDER_CENTS, SINK_FAULT_BAD_NUMBER},
};

static const struct sink_member delta_members[] = {
    {"market_ticker", SINK_DELTAS_market_ticker, SINK_K_TEXT, 0},
    {"market_id", SINK_DELTAS_market_id, SINK_K_UUID, 0},
    {"side", SINK_DELTAS_side, SINK_K_TEXT, 0},
    {"price_dollars", SINK_DELTAS_price, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"price", SINK_DELTAS_price, SINK_K_CENTS, SINK_FAULT_BAD_NUMBER},
    {"delta_fp", SINK_DELTAS_delta, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"delta", SINK_DELTAS_delta, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"ts", SINK_DELTAS_ts, SINK_K_S_OR_RFC3339, 0},
    {"ts_ms", SINK_DELTAS_ts, SINK_K_MS, 0},
};

/* `ts` with its microseconds goes before `ts_ms`, but not where it is a number of seconds. */
static const struct sink_member delta_members_ms_first[] = {
    {"market_ticker", SINK_DELTAS_market_ticker, SINK_K_TEXT, 0},
    {"market_id", SINK_DELTAS_market_id, SINK_K_UUID, 0},
    {"side", SINK_DELTAS_side, SINK_K_TEXT, 0},
    {"price_dollars", SINK_DELTAS_price, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"price", SINK_DELTAS_price, SINK_K_CENTS, SINK_FAULT_BAD_NUMBER},
    {"delta_fp", SINK_DELTAS_delta, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"delta", SINK_DELTAS_delta, SINK_K_DECIMAL, SINK_FAULT_BAD_NUMBER},
    {"ts_ms", SINK_DELTAS_ts, SINK_K_MS, 0},
    {"ts", SINK_DELTAS_ts, SINK_K_S_OR_RFC3339, 0},
};
_Static_assert(ROW_COUNT(delta_members) == ROW_COUNT(delta_members_ms_first), "the same members in another order");

/* market_ticker stands at the same place in both tables. */
_Static_assert((int)SINK_SNAPSHOTS_market_ticker == (int)SINK_DELTAS_market_ticker, "one column number for both");

static struct sink_outcome book_row(struct row_ctx *x, enum sink_table table, int use_yes_price,
    const struct sink_member *members, size_t members_count, const char *type)
{
	struct sink_members m;
	enum sink_fault fault;

	row_common(x, table);
	if (x->f->use_yes_price.has)
		x->row->v[use_yes_price] = sink_value_num(x->f->use_yes_price.v);
	sink_members_bind(&m, members, members_count, x->msg, &x->w->arena);
	fault = sink_members_fill(&m, x->row, &x->w->arena);
	if (!fault && !row_has_text(x->row, SINK_DELTAS_market_ticker))
		fault = SINK_FAULT_MISSING_KEY;
	if (!fault)
		fault = row_extra(x, &m, type);
	return fault ? row_dead(fault) : row_received(x);
}

struct sink_outcome row_book(struct row_ctx *x)
{
	const enum sink_fault fault = row_parse(x);
	struct kmd_str type;

	if (fault)
		return row_dead(fault);
	type = row_type(x);
	if (kmd_str_eqz(type, "orderbook_snapshot"))
		return book_row(x, SINK_T_SNAPSHOTS, SINK_SNAPSHOTS_use_yes_price, snapshot_members,
		    ROW_COUNT(snapshot_members), "orderbook_snapshot");
	if (kmd_str_eqz(type, "orderbook_delta"))
		return book_row(x, SINK_T_DELTAS, SINK_DELTAS_use_yes_price,
		    kmd_json_is(kmd_json_get(x->msg, "ts"), KMD_JSON_NUMBER) ? delta_members_ms_first : delta_members,
		    ROW_COUNT(delta_members), "orderbook_delta");
	return row_dead(SINK_FAULT_UNKNOWN_TYPE);
}
