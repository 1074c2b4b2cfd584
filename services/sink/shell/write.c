#include <stdio.h>
#include <string.h>

#include "kmd_log.h"
#include "kmd_mem.h"
#include "writer_int.h"

/*
 * One batch, one transaction:
 *
 *   [partitions of tables] BEGIN, positions (fenced?), listings, settlements, COPYs, lineages, repetitions found,
 * COMMIT
 *
 * The positions come first: their row locks make a successor wait for the end of this transaction, and an owner that
 * was replaced finds out before it writes anything.
 */

enum {
	A_TOPIC,
	A_PARTITION,
	A_EPOCH,
	A_EXPECTED,
	A_NEXT,
	A_ROWS,
	A_DEAD,
	A_DUPLICATES,
	A_TIMESTAMP,
	A_HASH,
	A_RECV,
	A_COUNT
};

void writer_move(struct writer *w, struct sink_progress *p, enum sink_table table, int64_t rows)
{
	if (rows == 0)
		return;
	for (size_t i = 0; i < w->moves_count; i++) {
		if (w->moves[i].progress == p && w->moves[i].table == table) {
			w->moves[i].rows += rows;
			return;
		}
	}
	if (w->moves_count == w->moves_cap) {
		w->moves_cap = w->moves_cap ? w->moves_cap * 2 : 16;
		w->moves = kmd_realloc(w->moves, w->moves_cap * sizeof(*w->moves));
	}
	w->moves[w->moves_count++] = (struct writer_move){p, table, rows};
}

static bool takes_part(const struct part *p)
{
	return part_state(p) == PART_CLAIMED && sink_progress_pending(&p->progress);
}

static void add_position(struct writer *w, const struct part *p)
{
	const struct sink_progress *g = &p->progress;

	db_array_text(&w->array[A_TOPIC], kmd_str_z(p->name));
	db_array_i64(&w->array[A_PARTITION], p->partition);
	db_array_i64(&w->array[A_EPOCH], g->epoch);
	db_array_i64(&w->array[A_EXPECTED], g->stored_next);
	db_array_i64(&w->array[A_NEXT], g->next);
	db_array_i64(&w->array[A_ROWS], g->tally.rows);
	db_array_i64(&w->array[A_DEAD], g->tally.dead_letters);
	db_array_i64(&w->array[A_DUPLICATES], g->tally.duplicates);
	db_array_i64(&w->array[A_TIMESTAMP], g->last_timestamp_ms);
	db_array_i64(&w->array[A_HASH], sink_progress_last_hash(g));
	if (g->last_recv_ns == INT64_MIN)
		db_array_null(&w->array[A_RECV]);
	else
		db_array_i64(&w->array[A_RECV], g->last_recv_ns);
}

/* Array parameters of all partitions in the batch. Returns how many there are. */
static int position_params(struct writer *w, const char *params[A_COUNT])
{
	int n = 0;

	for (int i = 0; i < A_COUNT; i++)
		db_array_open(&w->array[i]);
	for (size_t i = 0; i < w->parts_count; i++) {
		if (takes_part(w->parts[i])) {
			add_position(w, w->parts[i]);
			n++;
		}
	}
	for (int i = 0; i < A_COUNT; i++)
		params[i] = db_array_close(&w->array[i]);
	return n;
}

static bool is_among(const struct kmd_pg_result *r, const struct part *p)
{
	int64_t partition;

	for (int i = 0; i < kmd_pg_rows(r); i++)
		if (db_i64(r, i, 1, &partition) && partition == p->partition &&
		    strcmp(kmd_pg_value(r, i, 0), p->name) == 0)
			return true;
	return false;
}

static void fence(struct writer *w, struct part *p)
{
	part_set_state(p, PART_FENCED);
	kmd_counter_add(w->hub->stats.fenced, 1);
	kmd_log(KMD_LOG_WARN, "partition_fenced", "topic", "%s", p->name, "partition", "%d", (int)p->partition, "epoch",
	    "%lld", (long long)p->progress.epoch, NULL);
}

static int move_positions(struct writer *w, struct kmd_err *err)
{
	static const char sql[] = "UPDATE kalshi.sink_offsets o SET next_offset = v.next, rows = o.rows + v.r, "
				  "dead_letters = o.dead_letters + v.d,"
				  " duplicates = o.duplicates + v.u, last_timestamp_ms = v.ts, last_hash = v.hash,"
				  " last_recv_ns = greatest(o.last_recv_ns, v.recv), updated_at = now()"
				  " FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], "
				  "$6::bigint[], $7::bigint[], $8::bigint[],"
				  " $9::bigint[], $10::bigint[], $11::bigint[]) AS v(topic, part, epoch, expected, "
				  "next, r, d, u, ts, hash, recv)"
				  " WHERE o.topic = v.topic AND o.kafka_partition = v.part AND o.epoch = v.epoch AND "
				  "o.next_offset = v.expected"
				  " AND o.stopped IS NULL AND NOT o.accepted RETURNING o.topic, o.kafka_partition";
	const char *params[A_COUNT];
	const int n = position_params(w, params);
	struct kmd_pg_result *r;
	int rc = db_exec(&w->db, sql, params, A_COUNT, &r, err);

	if (rc < 0)
		return rc;
	if (kmd_pg_rows(r) != n) {
		rc = KMD_EFENCED;
		for (size_t i = 0; i < w->parts_count; i++)
			if (takes_part(w->parts[i]) && !is_among(r, w->parts[i]))
				fence(w, w->parts[i]);
	}
	kmd_pg_result_free(r);
	return rc;
}

static int store_lineages(struct writer *w, struct kmd_err *err)
{
	const char *params[5];
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		db_array_open(&w->array[i]);
	for (size_t i = 0; i < w->parts_count; i++) {
		const struct part *p = w->parts[i];

		for (size_t k = 0; takes_part(p) && k < p->progress.lineages.count; k++) {
			const struct sink_lineage *l = &p->progress.lineages.of[k];

			if (l->last_n == l->committed_n)
				continue;
			db_array_text(&w->array[0], kmd_str_z(p->name));
			db_array_i64(&w->array[1], p->partition);
			db_array_i64(&w->array[2], l->lineage);
			db_array_i64(&w->array[3], l->last_n);
			if (l->last_recv_ns == INT64_MIN)
				db_array_null(&w->array[4]);
			else
				db_array_i64(&w->array[4], l->last_recv_ns);
			n++;
		}
	}
	for (int i = 0; i < 5; i++)
		params[i] = db_array_close(&w->array[i]);
	if (n == 0)
		return 0;
	return db_exec(&w->db,
	    "INSERT INTO kalshi.sink_lineages AS l (topic, kafka_partition, lineage, last_n, last_recv_ns)"
	    " SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])"
	    " ON CONFLICT (topic, kafka_partition, lineage) DO UPDATE SET last_n = EXCLUDED.last_n,"
	    " last_recv_ns = coalesce(EXCLUDED.last_recv_ns, l.last_recv_ns), seen_at = now()",
	    params, 5, NULL, err);
}

/* Rows that turned out to be repetitions, put right in the counters. */
static int store_moves(struct writer *w, struct kmd_err *err)
{
	const char *params[3];

	if (w->moves_count == 0)
		return 0;
	for (int i = 0; i < 3; i++)
		db_array_open(&w->array[i]);
	for (size_t i = 0; i < w->moves_count; i++) {
		const struct part *p = part_of(w->moves[i].progress);

		db_array_text(&w->array[0], kmd_str_z(p->name));
		db_array_i64(&w->array[1], p->partition);
		db_array_i64(&w->array[2], w->moves[i].rows);
	}
	for (int i = 0; i < 3; i++)
		params[i] = db_array_close(&w->array[i]);
	return db_exec(&w->db,
	    "UPDATE kalshi.sink_offsets o SET rows = o.rows - v.n, duplicates = o.duplicates + v.n"
	    " FROM (SELECT topic, part, sum(n)::bigint AS n FROM unnest($1::text[], $2::int[], $3::bigint[]) AS "
	    "u(topic, part, n)"
	    " GROUP BY topic, part) v WHERE o.topic = v.topic AND o.kafka_partition = v.part",
	    params, 3, NULL, err);
}

static int transact(struct writer *w, struct kmd_err *err)
{
	int rc = db_do(&w->db, "BEGIN", err);

	w->moves_count = 0;
	if (rc == 0)
		rc = move_positions(w, err);
	if (rc == 0)
		rc = records_listings(w, err);
	if (rc == 0)
		rc = records_settlements(w, err);
	if (rc == 0)
		rc = tables_copy(w, err);
	if (rc == 0)
		rc = store_lineages(w, err);
	if (rc == 0)
		rc = store_moves(w, err);
	if (rc < 0)
		return rc;
	rc = db_do(&w->db, "COMMIT", err);
	w->uncertain = rc < 0 && !kmd_pg_alive(w->db.pg);
	return rc;
}

/* Keys or partitions in each other's way heal by themselves, unless they do not. */
#define ODD_FAILURES_MAX 3

static bool is_odd(const struct writer *w)
{
	const char *state = kmd_pg_state(w->db.pg);

	return strcmp(state, "23505") == 0 || strcmp(state, "23514") == 0;
}

static enum write_result judge(struct writer *w, int rc)
{
	struct kmd_err ignored;
	bool rejected = db_is_rejection(&w->db, rc);

	if (is_odd(w)) {
		w->known_count = 0;
		rejected = ++w->odd_failures >= ODD_FAILURES_MAX;
	}
	if (kmd_pg_alive(w->db.pg) && db_do(&w->db, "ROLLBACK", &ignored) < 0)
		db_close(&w->db);
	return rejected ? WRITE_REJECTED : WRITE_RETRY;
}

static enum write_result write_now(struct writer *w, char state[8], struct kmd_err *err)
{
	struct kmd_err ignored;
	int rc = tables_ensure(w, err);

	w->told = 0;
	if (rc == 0)
		rc = transact(w, err);
	if (rc == 0) {
		w->odd_failures = 0;
		return WRITE_DONE;
	}
	if (rc == KMD_EFENCED) {
		if (db_do(&w->db, "ROLLBACK", &ignored) < 0)
			db_close(&w->db);
		return WRITE_FENCED;
	}
	snprintf(state, 8, "%s", kmd_pg_state(w->db.pg));
	return judge(w, rc);
}

enum write_result write_batch(struct writer *w, char state[8], struct kmd_err *err)
{
	bool done = false;

	if (db_open(&w->db, err) < 0)
		return WRITE_RETRY;
	if (w->uncertain) {
		if (claim_settle(w, &done, err) < 0)
			return WRITE_RETRY;
		w->uncertain = false;
		/* Settling may have fenced a partition, which the caller sheds first. */
		return done ? WRITE_DONE : WRITE_FENCED;
	}
	sink_batch_seal(&w->batch);
	return write_now(w, state, err);
}
