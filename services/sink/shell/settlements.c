#include <stdlib.h>
#include <string.h>

#include "kmd_map.h"
#include "sink_revise.h"
#include "writer_int.h"

/*
 * Settlements: what is known of the batch's markets is locked and read, the core numbers the revisions in the order of
 * the topic, then all revisions go in by COPY and the latest of each market by one upsert.
 */

#define US_OF(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* One market of the batch. */
struct market {
	struct sink_settled settled;
	bool changed;          /* it has a new revision */
	struct kmd_str latest; /* its row for `settlements`, encoded; NONE: that table's row stays */
};

struct markets {
	struct kmd_map by_ticker;
	struct kmd_arena arena;
	struct kmd_buf revisions; /* COPY stream */
};

static struct market *market_of(struct markets *m, struct kmd_str ticker)
{
	struct market *k = kmd_map_get(&m->by_ticker, ticker);

	if (!k) {
		k = kmd_arena_alloc(&m->arena, sizeof(*k));
		kmd_map_put(&m->by_ticker, ticker, k);
	}
	return k;
}

static struct kmd_str text_at(struct markets *m, const struct kmd_pg_result *r, int row, int column)
{
	return kmd_arena_dup(&m->arena, kmd_str_z(kmd_pg_value(r, row, column)));
}

static struct sink_value time_at(const struct kmd_pg_result *r, int row, int column)
{
	struct sink_value v = {0};

	v.has = db_i64(r, row, column, &v.num);
	return v;
}

static void take_known(struct markets *m, const struct kmd_pg_result *r, int row)
{
	struct market *k = market_of(m, kmd_str_z(kmd_pg_value(r, row, 0)));
	int64_t revisions = 0;

	(void)db_i64(r, row, 1, &revisions); /* NOT NULL */
	k->settled = (struct sink_settled){
	    .revisions = (int32_t)revisions,
	    .status = text_at(m, r, row, 2),
	    .result = text_at(m, r, row, 3),
	    .settlement_value = text_at(m, r, row, 4),
	    .expiration_value = text_at(m, r, row, 5),
	    .determined_at = time_at(r, row, 6),
	    .settled_at = time_at(r, row, 7),
	    .known_at = time_at(r, row, 8),
	};
}

/* The row of a settlement is made anew from its record: its revision was not known when it came. */
static bool row_of(struct writer *w, const struct sink_entry *e, struct sink_row *ret)
{
	const struct sink_record r = view_of(e->handle, &w->headers);
	const struct sink_facts f = sink_record_facts(&r);
	const struct sink_clock clock = hub_clock(w->hub);

	return sink_row_make(&r, &f, &clock, &w->batch.work, ret).fate == SINK_IS_ROW;
}

static int read_known(struct writer *w, struct markets *m, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	struct sink_row row;
	const char *params[1];
	int rc;

	db_array_open(&w->array[0]);
	for (size_t i = 0; i < w->batch.count; i++)
		if (w->batch.entries[i].table == SINK_T_REVISIONS && row_of(w, &w->batch.entries[i], &row))
			db_array_text(&w->array[0], row.v[SINK_REVISIONS_market_ticker].str);
	params[0] = db_array_close(&w->array[0]);
	rc = db_exec(&w->db,
	    "SELECT market_ticker, revisions, status, result, settlement_value, expiration_value, " US_OF(
		"determined_at") ", " US_OF("settled_at") ", " US_OF("known_at") " FROM kalshi.settlements WHERE "
										 "market_ticker = ANY ($1::text[])"
										 " ORDER BY market_ticker FOR UPDATE",
	    params, 1, &r, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < kmd_pg_rows(r); i++)
		take_known(m, r, i);
	kmd_pg_result_free(r);
	return 0;
}

/* The market's latest settlement is this row from now on. */
static void keep_latest(struct markets *m, struct market *k, const struct sink_row *row, int32_t revision)
{
	struct sink_settled s = sink_settled_of(row, revision);
	struct kmd_buf bytes = {0};

	s.status = kmd_arena_dup(&m->arena, s.status);
	s.result = kmd_arena_dup(&m->arena, s.result);
	s.settlement_value = kmd_arena_dup(&m->arena, s.settlement_value);
	s.expiration_value = kmd_arena_dup(&m->arena, s.expiration_value);
	k->settled = s;
	sink_encode_row(row, &bytes);
	k->latest = kmd_arena_dup(&m->arena, kmd_buf_str(&bytes));
	kmd_buf_fini(&bytes);
}

static void revise(struct writer *w, struct markets *m, const struct sink_entry *e)
{
	struct sink_row row;
	struct market *k;
	enum sink_revision what;

	if (!row_of(w, e, &row))
		return;
	k = market_of(m, row.v[SINK_REVISIONS_market_ticker].str);
	what = sink_revise(&k->settled, &row);
	if (what == SINK_REVISION_SAME) {
		writer_move(w, e->progress, SINK_T_REVISIONS, 1);
		return;
	}
	k->changed = true;
	k->settled.revisions++;
	row.v[SINK_REVISIONS_revision] = sink_value_num(k->settled.revisions);
	sink_encode_row(&row, &m->revisions);
	if (what == SINK_REVISION_LATEST)
		keep_latest(m, k, &row, k->settled.revisions);
}

static int insert_latest(struct writer *w, const struct markets *m, struct kmd_err *err)
{
	struct kmd_buf stream = {0}, columns = {0};
	struct kmd_str ticker;
	void *value;
	size_t it = 0;
	int rc = tables_temporary(w, SINK_T_REVISIONS, "kmd_settlements", err);

	sink_encode_head(&stream);
	while (kmd_map_next(&m->by_ticker, &it, &ticker, &value))
		kmd_buf_add_str(&stream, ((const struct market *)value)->latest);
	sink_encode_tail(&stream);
	if (rc == 0)
		rc = tables_send(w, SINK_T_REVISIONS, "pg_temp.kmd_settlements", &stream, err);
	sink_table_columns(SINK_T_REVISIONS, &columns);
	kmd_buf_reset(&w->sql);
	kmd_buf_addf(&w->sql,
	    "INSERT INTO kalshi.settlements (%.*s, revisions) SELECT %.*s, revision FROM pg_temp.kmd_settlements"
	    " ON CONFLICT (market_ticker) DO UPDATE SET ",
	    (int)columns.n, columns.p, (int)columns.n, columns.p);
	for (uint8_t i = 0; i < sink_tables[SINK_T_REVISIONS].columns_count; i++)
		kmd_buf_addf(&w->sql, "%s%s = EXCLUDED.%s", i > 0 ? ", " : "",
		    sink_tables[SINK_T_REVISIONS].columns[i].name, sink_tables[SINK_T_REVISIONS].columns[i].name);
	kmd_buf_addc(&w->sql, '\0');
	if (rc == 0)
		rc = db_do(&w->db, w->sql.p, err);
	kmd_buf_fini(&stream);
	kmd_buf_fini(&columns);
	return rc;
}

/* The highest number given, also where the revision was a late one. */
static int store_numbers(struct writer *w, const struct markets *m, struct kmd_err *err)
{
	struct kmd_str ticker;
	const char *params[2];
	void *value;
	size_t it = 0;

	db_array_open(&w->array[0]);
	db_array_open(&w->array[1]);
	while (kmd_map_next(&m->by_ticker, &it, &ticker, &value)) {
		const struct market *k = value;

		if (!k->changed)
			continue;
		db_array_text(&w->array[0], ticker);
		db_array_i64(&w->array[1], k->settled.revisions);
	}
	params[0] = db_array_close(&w->array[0]);
	params[1] = db_array_close(&w->array[1]);
	return db_exec(&w->db,
	    "UPDATE kalshi.settlements s SET revisions = v.n FROM unnest($1::text[], $2::int[]) AS v(ticker, n)"
	    " WHERE s.market_ticker = v.ticker AND s.revisions <> v.n",
	    params, 2, NULL, err);
}

static int write_settlements(struct writer *w, struct markets *m, struct kmd_err *err)
{
	int rc = tables_take_turns(w, SINK_T_REVISIONS, err);

	if (rc == 0)
		rc = read_known(w, m, err);
	if (rc < 0)
		return rc;
	sink_encode_head(&m->revisions);
	for (size_t i = 0; i < w->batch.count; i++)
		if (w->batch.entries[i].table == SINK_T_REVISIONS)
			revise(w, m, &w->batch.entries[i]);
	sink_encode_tail(&m->revisions);
	rc = tables_send(w, SINK_T_REVISIONS, NULL, &m->revisions, err);
	if (rc == 0)
		rc = insert_latest(w, m, err);
	return rc == 0 ? store_numbers(w, m, err) : rc;
}

int records_settlements(struct writer *w, struct kmd_err *err)
{
	struct markets m = {0};
	int rc;

	if (w->batch.stream_rows[SINK_T_REVISIONS] == 0)
		return 0;
	rc = write_settlements(w, &m, err);
	kmd_map_fini(&m.by_ticker);
	kmd_arena_fini(&m.arena);
	kmd_buf_fini(&m.revisions);
	return rc < 0 ? kmd_err_prefix(err, rc, "settlements") : 0;
}
