#include <stdlib.h>
#include <string.h>

#include "kmd_map.h"
#include "kmd_mem.h"
#include "sink_newest.h"
#include "sink_revise.h"
#include "writer_int.h"

/*
 * Records that are compared with what is there: the rows of their keys are locked and read, the core decides in the
 * order of the topic, and what won is written in one statement.
 */

/* Unix us of a timestamptz column, exact. */
#define US_OF(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* ---- markets, events, series ---- */

/* The newest that is known of one key; from the table or from the batch. */
struct newest {
	struct sink_age age;
	const struct sink_listing_entry *winner; /* NULL: what is in the table stays */
};

static struct sink_age age_of(const struct sink_listing_entry *l)
{
	return (struct sink_age){
	    {.has = l->has_updated_at, .num = l->updated_at}, {.has = l->has_fetched_at, .num = l->fetched_at}};
}

static bool is_of(const struct writer *w, const struct sink_listing_entry *l, enum sink_table t)
{
	return w->batch.entries[l->entry].table == t;
}

static const char *keys_of(struct writer *w, enum sink_table t)
{
	db_array_open(&w->array[0]);
	for (size_t i = 0; i < w->batch.listings_count; i++)
		if (is_of(w, &w->batch.listings[i], t))
			db_array_text(&w->array[0], w->batch.listings[i].ticker);
	return db_array_close(&w->array[0]);
}

static int read_ages(struct writer *w, enum sink_table t, struct kmd_map *known, struct kmd_err *err)
{
	const char *const params[] = {keys_of(w, t)};
	struct kmd_pg_result *r;
	int rc;

	kmd_buf_reset(&w->sql);
	kmd_buf_addf(&w->sql,
	    "SELECT ticker, " US_OF("updated_at") ", " US_OF(
		"fetched_at") " FROM kalshi.%s WHERE ticker = ANY ($1::text[])"
			      " ORDER BY ticker FOR UPDATE",
	    sink_tables[t].name);
	kmd_buf_addc(&w->sql, '\0');
	rc = db_exec(&w->db, w->sql.p, params, 1, &r, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < kmd_pg_rows(r); i++) {
		struct newest *n = kmd_arena_alloc(&w->batch.work.arena, sizeof(*n));

		n->age.updated_at.has = db_i64(r, i, 1, &n->age.updated_at.num);
		n->age.fetched_at.has = db_i64(r, i, 2, &n->age.fetched_at.num);
		kmd_map_put(known, kmd_str_z(kmd_pg_value(r, i, 0)), n);
	}
	kmd_pg_result_free(r);
	return 0;
}

/* In the order of the topic: each that is newer than what came before it counts as a row, the others as repetitions. */
static void choose(struct writer *w, enum sink_table t, struct kmd_map *known)
{
	for (size_t i = 0; i < w->batch.listings_count; i++) {
		const struct sink_listing_entry *l = &w->batch.listings[i];
		const struct sink_age age = age_of(l);
		struct newest *n;

		if (!is_of(w, l, t))
			continue;
		n = kmd_map_get(known, l->ticker);
		if (n && !sink_age_newer(&age, &n->age)) {
			writer_move(w, w->batch.entries[l->entry].progress, t, 1);
			continue;
		}
		if (!n) {
			n = kmd_arena_alloc(&w->batch.work.arena, sizeof(*n));
			kmd_map_put(known, l->ticker, n);
		}
		n->age = age;
		n->winner = l;
	}
}

static void stream_winners(struct writer *w, enum sink_table t, const struct kmd_map *known, struct kmd_buf *out)
{
	struct kmd_str ticker;
	void *value;
	size_t it = 0;

	sink_encode_head(out);
	while (kmd_map_next(known, &it, &ticker, &value)) {
		const struct newest *n = value;
		const struct sink_entry *e = n->winner ? &w->batch.entries[n->winner->entry] : NULL;

		if (e)
			kmd_buf_add(out, w->batch.stream[t].p + e->at, e->length);
	}
	sink_encode_tail(out);
}

static void add_assignments(enum sink_table t, struct kmd_buf *out)
{
	for (uint8_t i = 0; i < sink_tables[t].columns_count; i++)
		kmd_buf_addf(out, "%s%s = EXCLUDED.%s", i > 0 ? ", " : "", sink_tables[t].columns[i].name,
		    sink_tables[t].columns[i].name);
}

static int upsert(struct writer *w, enum sink_table t, const struct kmd_buf *stream, struct kmd_err *err)
{
	const char *name = sink_tables[t].name;
	struct kmd_buf columns = {0};
	char temporary[64];
	int rc;

	snprintf(temporary, sizeof(temporary), "kmd_%s", name);
	rc = tables_temporary(w, t, temporary, err);
	if (rc == 0)
		rc = tables_send(w, t, temporary, stream, err);
	if (rc < 0)
		return rc;
	sink_table_columns(t, &columns);
	kmd_buf_reset(&w->sql);
	kmd_buf_addf(&w->sql,
	    "INSERT INTO kalshi.%s (%.*s) SELECT %.*s FROM pg_temp.%s ON CONFLICT (ticker) DO UPDATE SET ", name,
	    (int)columns.n, columns.p, (int)columns.n, columns.p, temporary);
	add_assignments(t, &w->sql);
	kmd_buf_addc(&w->sql, '\0');
	kmd_buf_fini(&columns);
	return db_do(&w->db, w->sql.p, err);
}

static int write_listing(struct writer *w, enum sink_table t, struct kmd_err *err)
{
	struct kmd_map known = {0};
	struct kmd_buf stream = {0};
	int rc;

	if (w->batch.stream_rows[t] == 0)
		return 0;
	rc = tables_take_turns(w, t, err);
	if (rc == 0)
		rc = read_ages(w, t, &known, err);
	if (rc == 0) {
		choose(w, t, &known);
		stream_winners(w, t, &known, &stream);
		rc = upsert(w, t, &stream, err);
	}
	kmd_map_fini(&known);
	kmd_buf_fini(&stream);
	return rc < 0 ? kmd_err_prefix(err, rc, "%s", sink_tables[t].name) : 0;
}

int records_listings(struct writer *w, struct kmd_err *err)
{
	int rc = write_listing(w, SINK_T_MARKETS, err);

	if (rc == 0)
		rc = write_listing(w, SINK_T_EVENTS, err);
	return rc == 0 ? write_listing(w, SINK_T_SERIES, err) : rc;
}
