#include <stdio.h>
#include <string.h>

#include "kmd_mem.h"
#include "writer_int.h"

/* The tables that are filled by COPY alone. */

/* After a repeated trade so many batches go the careful way at once: repetitions come in runs. */
#define SLOW_BATCHES 16

static bool is_known(const struct writer *w, struct sink_need need)
{
	for (size_t i = w->known_count; i-- > 0;)
		if (w->known[i].table == need.table && w->known[i].first_day == need.first_day)
			return true;
	return false;
}

static void note_known(struct writer *w, struct sink_need need)
{
	if (w->known_count == w->known_cap) {
		w->known_cap = w->known_cap ? w->known_cap * 2 : 64;
		w->known = kmd_realloc(w->known, w->known_cap * sizeof(*w->known));
	}
	w->known[w->known_count++] = need;
}

int tables_ensure(struct writer *w, struct kmd_err *err)
{
	for (size_t i = 0; i < w->batch.needs_count; i++) {
		const struct sink_need need = w->batch.needs[i];
		char day[24];
		const char *const params[] = {sink_tables[need.table].name, day};
		int year, month, mday, rc;

		if (is_known(w, need))
			continue;
		kmd_time_civil(need.first_day, &year, &month, &mday);
		snprintf(day, sizeof(day), "%04d-%02d-%02d", year, month, mday);
		rc = db_exec(&w->db, "SELECT kalshi.ensure_partition($1, $2::date)", params, 2, NULL, err);
		if (rc < 0)
			return kmd_err_prefix(err, rc, "partition of %s for %s", sink_tables[need.table].name, day);
		note_known(w, need);
	}
	return 0;
}

int tables_send(
    struct writer *w, enum sink_table t, const char *target, const struct kmd_buf *stream, struct kmd_err *err)
{
	int64_t rows;
	int rc;

	kmd_buf_reset(&w->sql);
	sink_table_copy_sql(t, target, &w->sql);
	kmd_buf_addc(&w->sql, '\0');
	rc = kmd_pg_copy(w->db.pg, w->sql.p, kmd_buf_str(stream), &rows, err);
	return rc < 0 ? kmd_err_prefix(err, rc, "%s", sink_tables[t].name) : 0;
}

int tables_temporary(struct writer *w, enum sink_table t, const char *name, struct kmd_err *err)
{
	kmd_buf_reset(&w->sql);
	sink_table_temporary_sql(t, name, &w->sql);
	kmd_buf_addc(&w->sql, '\0');
	return db_do(&w->db, w->sql.p, err);
}

int tables_take_turns(struct writer *w, enum sink_table t, struct kmd_err *err)
{
	const char *const params[] = {sink_tables[t].name};

	return db_exec(
	    &w->db, "SELECT pg_advisory_xact_lock(hashtext('kalshi.keyed'), hashtext($1))", params, 1, NULL, err);
}

static int copy(struct writer *w, enum sink_table t, const char *target, struct kmd_err *err)
{
	const int rc = tables_send(w, t, target, &w->batch.stream[t], err);

	w->told = rc < 0 ? sink_batch_place(&w->batch, t, kmd_pg_copy_row(w->db.pg)) : 0;
	return rc;
}

static int64_t trades_of(const struct writer *w, int32_t partition)
{
	int64_t n = 0;

	for (size_t i = 0; i < w->batch.count; i++)
		n += w->batch.entries[i].table == SINK_T_TRADES && w->batch.entries[i].progress->partition == partition;
	return n;
}

static struct sink_progress *trades_progress(const struct writer *w, size_t i)
{
	struct part *p = w->parts[i];

	return p->topic == KMD_TOPIC_TRADES && sink_progress_pending(&p->progress) ? &p->progress : NULL;
}

/* What was not inserted was there before. */
static void count_inserted(struct writer *w, const struct kmd_pg_result *r)
{
	for (size_t i = 0; i < w->parts_count; i++) {
		struct sink_progress *p = trades_progress(w, i);
		int64_t partition, n, inserted = 0;

		for (int row = 0; p && row < kmd_pg_rows(r); row++)
			if (db_i64(r, row, 0, &partition) && db_i64(r, row, 1, &n) && partition == p->partition)
				inserted = n;
		if (p)
			writer_move(w, p, SINK_T_TRADES, trades_of(w, p->partition) - inserted);
	}
}

static int insert_new_trades(struct writer *w, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	struct kmd_buf columns = {0};
	int rc;

	sink_table_columns(SINK_T_TRADES, &columns);
	kmd_buf_reset(&w->sql);
	kmd_buf_addf(&w->sql,
	    "WITH new AS (INSERT INTO kalshi.trades (%.*s) SELECT %.*s FROM pg_temp.kmd_trades"
	    " ON CONFLICT DO NOTHING RETURNING kafka_partition)"
	    " SELECT kafka_partition, count(*) FROM new GROUP BY kafka_partition",
	    (int)columns.n, columns.p, (int)columns.n, columns.p);
	kmd_buf_addc(&w->sql, '\0');
	kmd_buf_fini(&columns);
	rc = db_exec(&w->db, w->sql.p, NULL, 0, &r, err);
	if (rc < 0)
		return rc;
	count_inserted(w, r);
	kmd_pg_result_free(r);
	return 0;
}

static int copy_trades_carefully(struct writer *w, struct kmd_err *err)
{
	int rc = tables_temporary(w, SINK_T_TRADES, "kmd_trades", err);

	kmd_counter_add(w->hub->stats.slow_trades, 1);
	if (rc == 0)
		rc = copy(w, SINK_T_TRADES, "pg_temp.kmd_trades", err);
	return rc == 0 ? insert_new_trades(w, err) : rc;
}

/* Straight in, which is more than twice as fast; only a batch that holds a repetition goes the careful way. */
static int copy_trades(struct writer *w, struct kmd_err *err)
{
	int rc;

	if (w->batch.rest_trades)
		w->slow_trades = 1;
	if (w->slow_trades > 0) {
		w->slow_trades--;
		return copy_trades_carefully(w, err);
	}
	rc = db_do(&w->db, "SAVEPOINT trades", err);
	if (rc < 0)
		return rc;
	rc = copy(w, SINK_T_TRADES, NULL, err);
	if (rc == 0 || strcmp(kmd_pg_state(w->db.pg), "23505") != 0)
		return rc;
	w->slow_trades = SLOW_BATCHES;
	rc = db_do(&w->db, "ROLLBACK TO SAVEPOINT trades", err);
	return rc == 0 ? copy_trades_carefully(w, err) : rc;
}

static bool is_frames(enum sink_table t)
{
	return sink_tables[t].frames || t == SINK_T_DEAD;
}

int tables_copy(struct writer *w, struct kmd_err *err)
{
	int rc = 0;

	for (int t = 0; t < SINK_TABLE_COUNT && rc == 0; t++) {
		if (w->batch.stream_rows[t] == 0 || !is_frames((enum sink_table)t))
			continue;
		rc = t == SINK_T_TRADES ? copy_trades(w, err) : copy(w, (enum sink_table)t, NULL, err);
	}
	return rc;
}
