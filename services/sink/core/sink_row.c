#include "sink_row.h"

#include <string.h>

#include "kmd_time.h"
#include "row_int.h"
#include "sink_text.h"

#define NS_2021 (INT64_C(1609459200) * KMD_NS_PER_S)

struct sink_outcome row_dead(enum sink_fault fault)
{
	return (struct sink_outcome){.fate = SINK_IS_DEAD, .fault = fault};
}

enum sink_fault row_parse(struct row_ctx *x)
{
	if (!x->r->value.p || kmd_json_parse(&x->w->doc, x->r->value) < 0)
		return SINK_FAULT_NOT_JSON;
	x->root = kmd_json_root(&x->w->doc);
	if (!kmd_json_is(x->root, KMD_JSON_OBJECT))
		return SINK_FAULT_NOT_JSON;
	if (!kmd_str_is_utf8(x->r->value))
		return SINK_FAULT_BAD_TEXT;
	x->msg = kmd_json_get(x->root, "msg");
	return SINK_FAULT_NONE;
}

static struct sink_value value_of(struct sink_num n)
{
	return (struct sink_value){.has = n.has, .num = n.v};
}

/* The header's number, else the envelope's. */
static struct sink_value number_of(
    const struct row_ctx *x, struct sink_num header, const char *member, int64_t min, int64_t max)
{
	int64_t v;

	if (!header.has && kmd_json_i64(kmd_json_get(x->root, member), &v) == 0 && v >= min && v <= max)
		return sink_value_num(v);
	return value_of(header);
}

void row_common(struct row_ctx *x, enum sink_table table)
{
	const struct sink_facts *f = x->f;
	struct sink_value *v = x->row->v;
	const struct sink_num none = {false, 0};

	x->row->table = table;
	v[SINK_COMMON_lineage] = value_of(f->lineage);
	v[SINK_COMMON_n] = value_of(f->n);
	v[SINK_COMMON_sid] = number_of(x, f->sid, "sid", INT32_MIN, INT32_MAX);
	v[SINK_COMMON_seq] = number_of(x, f->seq, "seq", INT64_MIN, INT64_MAX);
	v[SINK_COMMON_recv_ns] = value_of(f->recv_ns);
	v[SINK_COMMON_mono_ns] = value_of(f->mono_ns);
	v[SINK_COMMON_sending_ts_ms] = number_of(x, none, "sending_ts_ms", INT64_MIN, INT64_MAX);
	v[SINK_COMMON_source] = sink_value_str(f->source);
	v[SINK_COMMON_kafka_partition] = sink_value_num(x->r->partition);
	v[SINK_COMMON_kafka_offset] = sink_value_num(x->r->offset);
}

struct kmd_str row_type(const struct row_ctx *x)
{
	struct kmd_str type = x->f->type;

	if (!type.p)
		type = kmd_json_text(kmd_json_get(x->root, "type"), &x->w->arena);
	return type.p && sink_text_holds(type) ? type : KMD_STR_NONE;
}

static bool tells_number(struct kmd_json_val v, const struct sink_value *column)
{
	int64_t n;

	return column->has && kmd_json_i64(v, &n) == 0 && n == column->num;
}

/* Is this member of the envelope told by a column, or by the table the row is in? */
static bool envelope_told(const struct row_ctx *x, struct kmd_str key, struct kmd_json_val v, const char *type)
{
	const struct sink_value *column = x->row->v;

	if (kmd_str_eqz(key, "msg"))
		return true;
	if (kmd_str_eqz(key, "type"))
		return type && kmd_str_eqz(kmd_json_text(v, &x->w->arena), type);
	if (kmd_str_eqz(key, "sid"))
		return kmd_json_is(v, KMD_JSON_NULL) || tells_number(v, &column[SINK_COMMON_sid]);
	if (kmd_str_eqz(key, "seq"))
		return kmd_json_is(v, KMD_JSON_NULL) || tells_number(v, &column[SINK_COMMON_seq]);
	if (kmd_str_eqz(key, "sending_ts_ms"))
		return kmd_json_is(v, KMD_JSON_NULL) || tells_number(v, &column[SINK_COMMON_sending_ts_ms]);
	return false;
}

static enum sink_fault add_envelope(const struct row_ctx *x, const char *type, struct kmd_buf *out)
{
	enum sink_fault fault = SINK_FAULT_NONE;
	struct kmd_json_val key, value;
	uint32_t it = 0;
	size_t kept = 0;

	while (!fault && kmd_json_each_member(x->root, &it, &key, &value)) {
		if (envelope_told(x, kmd_json_text(key, &x->w->arena), value, type))
			continue;
		if (kept++ == 0)
			kmd_buf_addz(out, out->n > 0 ? ",\"_envelope\":{" : "\"_envelope\":{");
		else
			kmd_buf_addc(out, ',');
		kmd_buf_add_str(out, kmd_json_raw(key));
		kmd_buf_addc(out, ':');
		kmd_buf_add_str(out, kmd_json_raw(value));
		fault = sink_text_jsonb(key, &x->w->arena);
		if (!fault)
			fault = sink_text_jsonb(value, &x->w->arena);
	}
	if (kept > 0)
		kmd_buf_addc(out, '}');
	return fault;
}

enum sink_fault row_extra(struct row_ctx *x, const struct sink_members *m, const char *type)
{
	struct kmd_buf *b = &x->w->extra;
	enum sink_fault fault = SINK_FAULT_NONE;

	kmd_buf_reset(b);
	if (m)
		fault = sink_members_rest(m, x->row, &x->w->arena, b);
	if (!fault && type)
		fault = add_envelope(x, type, b);
	if (!fault && b->n > 0)
		x->row->v[SINK_COMMON_extra] =
		    sink_value_str(kmd_arena_printf(&x->w->arena, "{%.*s}", (int)b->n, b->p));
	return fault;
}

enum sink_fault sink_row_time_fault(int64_t unix_ns, bool frames, const struct sink_clock *c)
{
	if (unix_ns < NS_2021 || unix_ns > c->now_ns + SINK_AHEAD_NS)
		return SINK_FAULT_TIME_OUT_OF_RANGE;
	return frames && kmd_time_day(unix_ns) < c->oldest_day ? SINK_FAULT_EXPIRED : SINK_FAULT_NONE;
}

struct sink_outcome row_received(const struct row_ctx *x)
{
	const struct sink_value *recv_ns = &x->row->v[SINK_COMMON_recv_ns];
	enum sink_fault fault = SINK_FAULT_MISSING_KEY;

	if (recv_ns->has)
		fault = sink_row_time_fault(recv_ns->num, sink_tables[x->row->table].frames, x->c);
	if (fault)
		return row_dead(fault);
	return (struct sink_outcome){.fate = SINK_IS_ROW, .day = kmd_time_day(recv_ns->num)};
}

bool row_has_text(const struct sink_row *row, int column)
{
	return row->v[column].has && row->v[column].str.n > 0;
}

static struct sink_outcome make(struct row_ctx *x)
{
	switch (x->r->topic) {
	case KMD_TOPIC_TRADES:
		return row_trade(x);
	case KMD_TOPIC_ORDERBOOK:
		return row_book(x);
	case KMD_TOPIC_TICKERS:
		return row_ticker(x);
	case KMD_TOPIC_LIFECYCLE:
		return row_lifecycle(x);
	case KMD_TOPIC_CONTROL:
		return row_frame(x, SINK_T_CONTROL);
	case KMD_TOPIC_OTHER:
		return row_frame(x, SINK_T_OTHER);
	case KMD_TOPIC_FEED:
		return row_feed(x);
	case KMD_TOPIC_SETTLEMENTS:
		return row_settlement(x);
	case KMD_TOPIC_MARKETS:
		return row_listing(x, SINK_T_MARKETS);
	case KMD_TOPIC_EVENTS:
		return row_listing(x, SINK_T_EVENTS);
	case KMD_TOPIC_SERIES:
		return row_listing(x, SINK_T_SERIES);
	case KMD_TOPIC_DLQ:
		return row_dead(SINK_FAULT_DLQ);
	case KMD_TOPIC_SHARDS:
	case KMD_TOPIC_COUNT:
		break;
	}
	return (struct sink_outcome){.fate = SINK_IS_NOTHING};
}

struct sink_outcome sink_row_make(const struct sink_record *r, const struct sink_facts *f, const struct sink_clock *c,
    struct sink_work *w, struct sink_row *row)
{
	const struct kmd_json_val none = {NULL, UINT32_MAX};
	struct row_ctx x = {.r = r, .f = f, .c = c, .w = w, .row = row, .root = none, .msg = none};

	memset(row, 0, sizeof(*row));
	kmd_arena_reset(&w->arena);
	return make(&x);
}

void sink_work_fini(struct sink_work *w)
{
	kmd_json_fini(&w->doc);
	kmd_arena_fini(&w->arena);
	kmd_buf_fini(&w->extra);
}
