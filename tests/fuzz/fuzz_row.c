/*
 * The sink: a Kafka record becomes a row, and the row COPY BINARY bytes. Input: one record, as kafka_record.h has them.
 *
 * - The tuple has as many fields as the table has columns, lengths add up, each field is one that Postgres takes: text
 *   without NUL, jsonb that it can hold, numeric in its canonical form, times in their range.
 * - Each field reads back as the value of the row: numbers, and decimals digit for digit with their scale.
 * - Headers and coordinates are told as they are; what the record does not tell is NULL.
 * - Members of msg that no column can know (their names begin with zz) stand in extra, the value byte for byte.
 * - A dead letter can be made of any record, keeps key and value byte for byte, and tells every header.
 * - What the short way takes it makes the same bytes of.
 * - Only a record without a value, or of a topic that has no table, is nothing.
 */
#include "copy_check.h"
#include "kafka_record.h"
#include "kmd_num.h"
#include "sink_quick.h"
#include "sink_row.h"

static const struct sink_clock clock_ = {.now_ns = INT64_C(1795341600123456789), .oldest_day = 18700};

static void check_decimal(struct kmd_str text, struct kmd_str field)
{
	struct kmd_buf told = {0};
	struct kmd_dec a, b;

	copy_numeric_text(field, &told);
	HOLDS(kmd_dec_parse(text, &a) == 0 && kmd_dec_parse(kmd_buf_str(&told), &b) == 0);
	HOLDS(kmd_dec_cmp(&a, &b) == 0 && a.frac.n == b.frac.n);
	kmd_buf_fini(&told);
}

static void check_value(enum sink_type type, const struct sink_value *v, struct kmd_str field)
{
	const int64_t days = 10957;
	struct kmd_str rest = field;

	HOLDS(v->has == (field.p != NULL));
	if (!v->has)
		return;
	copy_check_field(type, field);
	switch (type) {
	case SINK_NUMERIC:
		check_decimal(v->str, field);
		break;
	case SINK_JSONB:
		HOLDS(kmd_str_eq((struct kmd_str){field.p + 1, field.n - 1}, v->str));
		break;
	case SINK_TIME:
		HOLDS((int64_t)copy_take(&rest, 8) == v->num - days * 86400 * 1000000);
		break;
	case SINK_DATE:
		HOLDS((int32_t)copy_take(&rest, 4) == v->num - days);
		break;
	case SINK_INT4:
		HOLDS((int32_t)copy_take(&rest, 4) == v->num);
		break;
	case SINK_INT8:
		HOLDS((int64_t)copy_take(&rest, 8) == v->num);
		break;
	case SINK_BOOL:
		HOLDS(field.p[0] == (v->num != 0));
		break;
	default:
		HOLDS(kmd_str_eq(field, v->str));
	}
}

static void check_copy(const struct sink_row *row)
{
	const struct sink_table_def *t = &sink_tables[row->table];
	struct kmd_buf b = {0};
	struct kmd_str rest;

	sink_encode_row(row, &b);
	rest = kmd_buf_str(&b);
	HOLDS(copy_take(&rest, 2) == t->columns_count);
	for (size_t i = 0; i < t->columns_count; i++)
		check_value(t->columns[i].type, &row->v[i], copy_take_field(&rest));
	HOLDS(rest.n == 0);
	kmd_buf_fini(&b);
}

static void check_common(const struct sink_record *r, const struct sink_facts *f, const struct sink_row *row)
{
	const struct sink_value *v = row->v;
	const bool feed = row->table == SINK_T_FEED;

	HOLDS(v[SINK_COMMON_kafka_partition].num == r->partition && v[SINK_COMMON_kafka_offset].num == r->offset);
	HOLDS(v[SINK_COMMON_n].has == (f->n.has && !feed));
	HOLDS(v[SINK_COMMON_mono_ns].has == (f->mono_ns.has && !feed));
	HOLDS(!f->lineage.has || v[SINK_COMMON_lineage].num == f->lineage.v);
	HOLDS(!f->sid.has || v[SINK_COMMON_sid].num == f->sid.v);
	HOLDS(!f->seq.has || v[SINK_COMMON_seq].num == f->seq.v);
	HOLDS(feed || v[SINK_COMMON_recv_ns].has == f->recv_ns.has);
	HOLDS(feed || !f->recv_ns.has || v[SINK_COMMON_recv_ns].num == f->recv_ns.v);
	HOLDS(fuzz_same(v[SINK_COMMON_source].has ? v[SINK_COMMON_source].str : KMD_STR_NONE, f->source));
}

static bool keeps_extra(enum sink_table t)
{
	return t == SINK_T_TRADES || t == SINK_T_SNAPSHOTS || t == SINK_T_DELTAS || t == SINK_T_TICKERS;
}

/* A name with a NUL cannot be asked for. */
static void check_extra(struct kmd_str value, const struct sink_row *row)
{
	const struct sink_value *extra = &row->v[SINK_COMMON_extra];
	struct kmd_json doc = {0}, told = {0};
	struct kmd_json_val msg, key, v;
	struct kmd_arena arena = {0};

	HOLDS(kmd_json_parse(&doc, value) == 0);
	if (extra->has) {
		HOLDS(kmd_json_parse(&told, extra->str) == 0 && kmd_json_root(&told).doc->tokens[0].count > 0);
		HOLDS(kmd_json_is(kmd_json_root(&told), KMD_JSON_OBJECT));
	}
	msg = kmd_json_get(kmd_json_root(&doc), "msg");
	for (uint32_t it = 0; kmd_json_each_member(msg, &it, &key, &v);) {
		const struct kmd_str name = kmd_arena_dup(&arena, kmd_json_text(key, &arena));

		if (kmd_str_has_prefix(name, KMD_STR("zz")) && !memchr(name.p, 0, name.n))
			HOLDS(extra->has && kmd_str_eq(kmd_json_raw(kmd_json_get(kmd_json_root(&told), name.p)),
						kmd_json_raw(kmd_json_get(msg, name.p))));
	}
	kmd_json_fini(&doc);
	kmd_json_fini(&told);
	kmd_arena_fini(&arena);
}

static void check_row(
    const struct sink_record *r, const struct sink_facts *f, const struct sink_row *row, const struct sink_outcome *o)
{
	HOLDS(row->table < SINK_TABLE_COUNT);
	check_copy(row);
	if (sink_tables[row->table].frames)
		check_common(r, f, row);
	if (keeps_extra(row->table))
		check_extra(r->value, row);
	if (sink_tables[row->table].period != SINK_BY_NOTHING) {
		HOLDS(sink_table_period_start(row->table, o->day) <= o->day);
		HOLDS(o->day >= clock_.oldest_day || !sink_tables[row->table].frames);
	}
}

static void check_dead(const struct sink_record *r, enum sink_fault fault, struct sink_work *w)
{
	struct sink_row row;
	struct kmd_json doc = {0};
	const struct sink_outcome o =
	    sink_row_dead(r, "kalshi.other", kmd_str_z(sink_fault_name(fault)), &clock_, w, &row);

	HOLDS(o.fate == SINK_IS_ROW && row.table == SINK_T_DEAD);
	HOLDS(fuzz_same(row.v[SINK_DEAD_key].str, r->key) && fuzz_same(row.v[SINK_DEAD_value].str, r->value));
	HOLDS(kmd_json_parse(&doc, row.v[SINK_DEAD_headers].str) == 0);
	HOLDS(doc.tokens[0].count == r->headers_count);
	check_copy(&row);
	kmd_json_fini(&doc);
}

static void check_quick(const struct sink_record *r, const struct sink_row *row, const struct sink_outcome *o)
{
	struct kmd_buf scratch = {0}, b = {0};
	struct sink_quick *q = sink_quick_new(r, &clock_, &scratch);

	if (q) {
		HOLDS(o->fate == SINK_IS_ROW && o->day == q->day && row->table == q->table);
		sink_encode_row(row, &b);
		HOLDS(b.n == q->length && memcmp(b.p, q->row, b.n) == 0);
	}
	free(q);
	kmd_buf_fini(&scratch);
	kmd_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink_work w = {0};
	struct sink_facts f;
	struct sink_row row;
	struct sink_outcome o;
	struct record rec;

	record_read(&rec, fuzz_text(data, size), 42);
	f = sink_record_facts(&rec.r);
	o = sink_row_make(&rec.r, &f, &clock_, &w, &row);
	if (o.fate == SINK_IS_ROW)
		check_row(&rec.r, &f, &row, &o);
	check_quick(&rec.r, &row, &o);
	HOLDS(o.fate != SINK_IS_NOTHING || !rec.r.value.p || rec.r.topic == KMD_TOPIC_SHARDS);
	HOLDS(o.fate != SINK_IS_DEAD || o.fault != SINK_FAULT_NONE);
	check_dead(&rec.r, o.fate == SINK_IS_DEAD ? o.fault : SINK_FAULT_REJECTED, &w);
	sink_work_fini(&w);
	record_free(&rec);
	return 0;
}
