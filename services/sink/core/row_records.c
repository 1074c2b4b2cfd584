#include "kmd_time.h"
#include "row_int.h"
#include "sink_text.h"

/* The enricher's records: settlements, markets, events, series. What no column takes stands in the body, or in extra.
 */

static const struct sink_member settlement_members[] = {
    {"market_ticker", SINK_REVISIONS_market_ticker, SINK_K_TEXT, 0},
    {"event_ticker", SINK_REVISIONS_event_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_REVISIONS_series_ticker, SINK_K_TEXT, 0},
    {"market_type", SINK_REVISIONS_market_type, SINK_K_TEXT, 0},
    {"status", SINK_REVISIONS_status, SINK_K_TEXT, 0},
    {"result", SINK_REVISIONS_result, SINK_K_TEXT, 0},
    {"settlement_value_dollars", SINK_REVISIONS_settlement_value, SINK_K_DECIMAL, 0},
    {"expiration_value", SINK_REVISIONS_expiration_value, SINK_K_TEXT, 0},
    {"determined_at", SINK_REVISIONS_determined_at, SINK_K_RFC3339, 0},
    {"settled_at", SINK_REVISIONS_settled_at, SINK_K_RFC3339, 0},
    {"known_at", SINK_REVISIONS_known_at, SINK_K_RFC3339, SINK_FAULT_BAD_TIME},
    {"trigger", SINK_REVISIONS_trigger, SINK_K_TEXT, 0},
    {"body", SINK_RECORD_body, SINK_K_OBJECT, 0},
};

static const struct sink_member market_members[] = {
    {"ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"market_ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"event_ticker", SINK_MARKETS_event_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_MARKETS_series_ticker, SINK_K_TEXT, 0},
    {"fetched_at", SINK_LISTING_fetched_at, SINK_K_RFC3339, 0},
    {"body", SINK_RECORD_body, SINK_K_OBJECT, 0},
};

static const struct sink_member market_body[] = {
    {"ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"event_ticker", SINK_MARKETS_event_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_MARKETS_series_ticker, SINK_K_TEXT, 0},
    {"title", SINK_LISTING_title, SINK_K_TEXT, 0},
    {"status", SINK_LISTING_status, SINK_K_TEXT, 0},
    {"market_type", SINK_MARKETS_market_type, SINK_K_TEXT, 0},
    {"yes_sub_title", SINK_MARKETS_yes_sub_title, SINK_K_TEXT, 0},
    {"no_sub_title", SINK_MARKETS_no_sub_title, SINK_K_TEXT, 0},
    {"result", SINK_MARKETS_result, SINK_K_TEXT, 0},
    {"settlement_value_dollars", SINK_MARKETS_settlement_value, SINK_K_DECIMAL, 0},
    {"expiration_value", SINK_MARKETS_expiration_value, SINK_K_TEXT, 0},
    {"strike_type", SINK_MARKETS_strike_type, SINK_K_TEXT, 0},
    {"floor_strike", SINK_MARKETS_floor_strike, SINK_K_DECIMAL, 0},
    {"cap_strike", SINK_MARKETS_cap_strike, SINK_K_DECIMAL, 0},
    {"functional_strike", SINK_MARKETS_functional_strike, SINK_K_TEXT, 0},
    {"created_time", SINK_MARKETS_created_time, SINK_K_RFC3339, 0},
    {"open_time", SINK_MARKETS_open_time, SINK_K_RFC3339, 0},
    {"close_time", SINK_MARKETS_close_time, SINK_K_RFC3339, 0},
    {"expected_expiration_time", SINK_MARKETS_expected_expiration_time, SINK_K_RFC3339, 0},
    {"latest_expiration_time", SINK_MARKETS_latest_expiration_time, SINK_K_RFC3339, 0},
    {"occurrence_datetime", SINK_MARKETS_occurrence_datetime, SINK_K_RFC3339, 0},
    {"settlement_ts", SINK_MARKETS_settlement_ts, SINK_K_RFC3339, 0},
    {"updated_time", SINK_LISTING_updated_at, SINK_K_RFC3339, 0},
};

static const struct sink_member event_members[] = {
    {"ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"event_ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_EVENTS_series_ticker, SINK_K_TEXT, 0},
    {"fetched_at", SINK_LISTING_fetched_at, SINK_K_RFC3339, 0},
    {"body", SINK_RECORD_body, SINK_K_OBJECT, 0},
};

static const struct sink_member event_body[] = {
    {"event_ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_EVENTS_series_ticker, SINK_K_TEXT, 0},
    {"title", SINK_LISTING_title, SINK_K_TEXT, 0},
    {"status", SINK_LISTING_status, SINK_K_TEXT, 0},
    {"sub_title", SINK_EVENTS_sub_title, SINK_K_TEXT, 0},
    {"collateral_return_type", SINK_EVENTS_collateral_return_type, SINK_K_TEXT, 0},
    {"mutually_exclusive", SINK_EVENTS_mutually_exclusive, SINK_K_BOOL, 0},
    {"strike_date", SINK_EVENTS_strike_date, SINK_K_S_OR_RFC3339, 0},
    {"strike_period", SINK_EVENTS_strike_period, SINK_K_TEXT, 0},
    {"last_updated_ts", SINK_LISTING_updated_at, SINK_K_RFC3339, 0},
};

static const struct sink_member series_members[] = {
    {"ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"series_ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"fetched_at", SINK_LISTING_fetched_at, SINK_K_RFC3339, 0},
    {"body", SINK_RECORD_body, SINK_K_OBJECT, 0},
};

static const struct sink_member series_body[] = {
    {"ticker", SINK_LISTING_ticker, SINK_K_TEXT, 0},
    {"title", SINK_LISTING_title, SINK_K_TEXT, 0},
    {"status", SINK_LISTING_status, SINK_K_TEXT, 0},
    {"category", SINK_SERIES_category, SINK_K_TEXT, 0},
    {"frequency", SINK_SERIES_frequency, SINK_K_TEXT, 0},
    {"fee_type", SINK_SERIES_fee_type, SINK_K_TEXT, 0},
    {"fee_multiplier", SINK_SERIES_fee_multiplier, SINK_K_DECIMAL, 0},
    {"last_updated_ts", SINK_LISTING_updated_at, SINK_K_RFC3339, 0},
};

struct shape {
	const struct sink_member *record, *body;
	size_t record_count, body_count;
};

static struct shape shape_of(enum sink_table table)
{
	if (table == SINK_T_MARKETS)
		return (struct shape){market_members, market_body, ROW_COUNT(market_members), ROW_COUNT(market_body)};
	if (table == SINK_T_EVENTS)
		return (struct shape){event_members, event_body, ROW_COUNT(event_members), ROW_COUNT(event_body)};
	return (struct shape){series_members, series_body, ROW_COUNT(series_members), ROW_COUNT(series_body)};
}

/* Coordinates, known members of the record and of its body, the rest to extra. */
static enum sink_fault fill(struct row_ctx *x, enum sink_table table, const struct shape *shape)
{
	struct kmd_arena *arena = &x->w->arena;
	struct kmd_buf *rest = &x->w->extra;
	const struct kmd_json_val body = kmd_json_get(x->root, "body");
	struct sink_members record, inner;
	enum sink_fault fault;

	x->row->table = table;
	x->row->v[SINK_RECORD_kafka_partition] = sink_value_num(x->r->partition);
	x->row->v[SINK_RECORD_kafka_offset] = sink_value_num(x->r->offset);
	sink_members_bind(&record, shape->record, shape->record_count, x->root, arena);
	fault = sink_members_fill(&record, x->row, arena);
	kmd_buf_reset(rest);
	if (!fault)
		fault = sink_members_rest(&record, x->row, arena, rest);
	if (!fault && rest->n > 0)
		x->row->v[SINK_RECORD_extra] = sink_value_str(kmd_arena_printf(arena, "{%.*s}", (int)rest->n, rest->p));
	if (!fault && x->row->v[SINK_RECORD_body].has)
		fault = sink_text_jsonb(body, arena);
	if (fault || !shape->body)
		return fault;
	sink_members_bind(&inner, shape->body, shape->body_count, body, arena);
	return sink_members_fill(&inner, x->row, arena);
}

struct sink_outcome row_settlement(struct row_ctx *x)
{
	const struct shape shape = {settlement_members, NULL, ROW_COUNT(settlement_members), 0};
	const struct sink_value *known_at = &x->row->v[SINK_REVISIONS_known_at];
	const int64_t us_max = INT64_MAX / KMD_NS_PER_US;
	enum sink_fault fault;

	if (!x->r->value.p)
		return (struct sink_outcome){.fate = SINK_IS_NOTHING};
	fault = row_parse(x);
	if (!fault)
		fault = fill(x, SINK_T_REVISIONS, &shape);
	if (!fault && (!row_has_text(x->row, SINK_REVISIONS_market_ticker) || !known_at->has))
		fault = SINK_FAULT_MISSING_KEY;
	if (!fault && (known_at->num > us_max || known_at->num < -us_max))
		fault = SINK_FAULT_TIME_OUT_OF_RANGE;
	if (!fault)
		fault = sink_row_time_fault(known_at->num * KMD_NS_PER_US, false, x->c);
	if (fault)
		return row_dead(fault);
	return (struct sink_outcome){.fate = SINK_IS_ROW, .day = kmd_time_day(known_at->num * KMD_NS_PER_US)};
}

struct sink_outcome row_listing(struct row_ctx *x, enum sink_table table)
{
	const struct shape shape = shape_of(table);
	enum sink_fault fault;

	if (!x->r->value.p)
		return (struct sink_outcome){.fate = SINK_IS_NOTHING};
	fault = row_parse(x);
	if (!fault)
		fault = fill(x, table, &shape);
	if (!fault && !row_has_text(x->row, SINK_LISTING_ticker))
		fault = SINK_FAULT_MISSING_KEY;
	return fault ? row_dead(fault) : (struct sink_outcome){.fate = SINK_IS_ROW};
}
