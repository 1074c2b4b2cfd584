#include <stdio.h>
#include <string.h>

#include "kmd_log.h"
#include "sink_start.h"
#include "writer_int.h"

/*
 * Claims: a new epoch on a partition's row of sink_offsets, so that whoever owned it before can no longer commit; and
 * what became of a commit that had no answer.
 */

/* A former owner that commits at this moment is waited for so long; one that is frozen with its transaction open is
 * ended. */
#define LOCK_TIMEOUT "SET LOCAL lock_timeout = '2s'"
#define LOCK_NOT_AVAILABLE "55P03"

static void key_of(const struct part *p, char partition[16], const char *params[2])
{
	snprintf(partition, 16, "%d", (int)p->partition);
	params[0] = p->name;
	params[1] = partition;
}

/* What sink_offsets holds of the partition. */
struct stored {
	struct sink_stored s;
	int64_t epoch, timestamp_ms, hash;
	char topic_id[64], why[160];
};

static void text_at(const struct kmd_pg_result *r, int column, char *ret, size_t size)
{
	const char *text = kmd_pg_value(r, 0, column);

	snprintf(ret, size, "%s", text ? text : "");
}

static bool truth_at(const struct kmd_pg_result *r, int column)
{
	const char *text = kmd_pg_value(r, 0, column);

	return text && text[0] == 't';
}

static int read_stored(struct writer *w, const struct part *p, struct stored *ret, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	char partition[16];
	const char *params[2];
	int rc;

	key_of(p, partition, params);
	rc = db_exec(&w->db,
	    "SELECT first_offset, next_offset, epoch, last_timestamp_ms, last_hash, accepted, stopped, topic_id"
	    " FROM kalshi.sink_offsets WHERE topic = $1 AND kafka_partition = $2::int FOR UPDATE",
	    params, 2, &r, err);
	if (rc < 0)
		return rc;
	*ret = (struct stored){.s.exists = kmd_pg_rows(r) == 1};
	if (ret->s.exists) {
		(void)(db_i64(r, 0, 0, &ret->s.first) && db_i64(r, 0, 1, &ret->s.next) && db_i64(r, 0, 2, &ret->epoch));
		ret->s.has_last = db_i64(r, 0, 3, &ret->timestamp_ms) && db_i64(r, 0, 4, &ret->hash);
		ret->s.accepted = truth_at(r, 5);
		ret->s.stopped = kmd_pg_value(r, 0, 6) != NULL;
		text_at(r, 6, ret->why, sizeof(ret->why));
		text_at(r, 7, ret->topic_id, sizeof(ret->topic_id));
	}
	kmd_pg_result_free(r);
	return 0;
}

static int load_lineages(struct writer *w, struct part *p, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	char partition[16];
	const char *params[2];
	int64_t lineage, n;
	int rc;

	key_of(p, partition, params);
	rc = db_exec(&w->db,
	    "SELECT lineage, last_n FROM kalshi.sink_lineages WHERE topic = $1 AND kafka_partition = $2::int ORDER BY "
	    "lineage",
	    params, 2, &r, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < kmd_pg_rows(r); i++)
		if (db_i64(r, i, 0, &lineage) && db_i64(r, i, 1, &n))
			sink_lineages_load(&p->progress.lineages, lineage, n);
	kmd_pg_result_free(r);
	return 0;
}

/* One statement for what is new and for what goes on: $3 first, $4 next, $5 expired, $6 anew, $7 topic id. */
static const char store_sql[] =
    "INSERT INTO kalshi.sink_offsets AS o (topic, kafka_partition, first_offset, next_offset, topic_id, owner_pid, "
    "owner_start)"
    " VALUES ($1, $2::int, $3::bigint, $4::bigint, nullif($7, ''), $8::int, $9::timestamptz)"
    " ON CONFLICT (topic, kafka_partition) DO UPDATE SET epoch = o.epoch + 1, first_offset = $3::bigint, next_offset = "
    "$4::bigint,"
    " expired = CASE WHEN $6::boolean THEN 0 ELSE o.expired + $5::bigint END,"
    " rows = CASE WHEN $6::boolean THEN 0 ELSE o.rows END,"
    " dead_letters = CASE WHEN $6::boolean THEN 0 ELSE o.dead_letters END,"
    " duplicates = CASE WHEN $6::boolean THEN 0 ELSE o.duplicates END,"
    " last_timestamp_ms = CASE WHEN $6::boolean OR $5::bigint > 0 THEN NULL ELSE o.last_timestamp_ms END,"
    " last_hash = CASE WHEN $6::boolean OR $5::bigint > 0 THEN NULL ELSE o.last_hash END,"
    " stopped = CASE WHEN $6::boolean THEN NULL ELSE o.stopped END, accepted = false,"
    " topic_id = CASE WHEN $6::boolean THEN NULL ELSE coalesce(nullif($7, ''), o.topic_id) END,"
    " owner_pid = EXCLUDED.owner_pid, owner_start = EXCLUDED.owner_start, updated_at = now() RETURNING epoch";

static int store_claim(
    struct writer *w, const struct part *p, const struct sink_start *start, int64_t *ret_epoch, struct kmd_err *err)
{
	char partition[16], first[24], next[24], expired[24];
	const bool anew = start->kind == SINK_START_ACCEPTED;
	const char *const params[] = {
	    p->name, partition, first, next, expired, anew ? "true" : "false", p->topic_id, w->db.pid, w->db.start};
	struct kmd_pg_result *r;
	int rc;

	snprintf(partition, sizeof(partition), "%d", (int)p->partition);
	snprintf(first, sizeof(first), "%lld", (long long)start->first);
	snprintf(next, sizeof(next), "%lld", (long long)start->next);
	snprintf(expired, sizeof(expired), "%lld", (long long)start->expired);
	rc = db_exec(&w->db, store_sql, params, 9, &r, err);
	if (rc < 0)
		return rc;
	(void)db_i64(r, 0, 0, ret_epoch); /* NOT NULL */
	kmd_pg_result_free(r);
	return 0;
}

void claim_mark_stopped(struct writer *w, const struct part *p)
{
	char partition[16];
	const char *const params[] = {p->name, partition, p->why};
	struct kmd_err err;

	snprintf(partition, sizeof(partition), "%d", (int)p->partition);
	if (db_open(&w->db, &err) < 0 || db_exec(&w->db,
					     "UPDATE kalshi.sink_offsets SET stopped = $3 WHERE topic = $1 AND "
					     "kafka_partition = $2::int AND NOT accepted",
					     params, 3, NULL, &err) < 0)
		kmd_log(KMD_LOG_WARN, "stop_not_noted", "topic", "%s", p->name, "partition", "%d", (int)p->partition,
		    "why", "%s", err.text, NULL);
}

static void stop(struct writer *w, struct part *p, bool is_new)
{
	if (is_new)
		claim_mark_stopped(w, p);
	if (is_new || !p->again)
		kmd_log(KMD_LOG_ERROR, "partition_stopped", "topic", "%s", p->name, "partition", "%d",
		    (int)p->partition, "why", "%s", p->why, "cure", "%s", "kmd-sink --accept-topic", NULL);
	part_set_state(p, PART_STOPPED);
}

/* What is decided from the stored row; @ret_go: it is claimed. */
static int decide(struct writer *w, struct part *p, const struct stored *st, struct sink_start *start, bool *ret_go,
    struct kmd_err *err)
{
	*start = sink_start_decide(&st->s, p->low, p->high);
	*ret_go = false;
	if (start->kind == SINK_START_STOPPED) {
		snprintf(p->why, sizeof(p->why), "%s", st->why);
		return 0;
	}
	if (start->kind == SINK_START_SHRUNK) {
		snprintf(p->why, sizeof(p->why), "it ends at %lld, below the stored next offset %lld",
		    (long long)p->high, (long long)st->s.next);
		return 0;
	}
	if (start->kind != SINK_START_ACCEPTED && st->topic_id[0] && p->topic_id[0] &&
	    strcmp(st->topic_id, p->topic_id) != 0) {
		snprintf(p->why, sizeof(p->why), "its topic id was %s and is %s", st->topic_id, p->topic_id);
		start->kind = SINK_START_SHRUNK;
		return 0;
	}
	*ret_go = true;
	return store_claim(w, p, start, &p->progress.epoch, err);
}

/* The transaction is over: the partition goes where the decision says. */
static void settle(struct writer *w, struct part *p, const struct stored *st, const struct sink_start *start)
{
	if (start->kind == SINK_START_SHRUNK && !p->sure) {
		part_set_state(p, PART_RECHECK);
		return;
	}
	if (start->kind == SINK_START_SHRUNK || start->kind == SINK_START_STOPPED) {
		stop(w, p, start->kind == SINK_START_SHRUNK);
		return;
	}
	if (start->expired > 0) {
		kmd_counter_add(w->hub->stats.expired[p->topic], (uint64_t)start->expired);
		kmd_log(KMD_LOG_WARN, "records_expired", "topic", "%s", p->name, "partition", "%d", (int)p->partition,
		    "from", "%lld", (long long)st->s.next, "count", "%lld", (long long)start->expired, NULL);
	}
	sink_progress_begin(&p->progress, p->progress.epoch, start->next);
	p->from = start->from;
	p->check.wanted = start->from < start->next;
	p->check.offset = start->from;
	p->check.timestamp_ms = st->timestamp_ms;
	p->check.hash = st->hash;
	atomic_store(&p->stored_next, start->next);
	part_set_state(p, PART_CLAIMED);
	kmd_log(p->again ? KMD_LOG_INFO : KMD_LOG_DEBUG, "partition_claimed", "topic", "%s", p->name, "partition", "%d",
	    (int)p->partition, "epoch", "%lld", (long long)p->progress.epoch, "next_offset", "%lld",
	    (long long)start->next, NULL);
}

/* Ends the backend of a former owner that holds the row. */
static void end_owner(struct writer *w, const struct part *p)
{
	char partition[16];
	const char *params[2];
	struct kmd_err err;

	key_of(p, partition, params);
	kmd_log(KMD_LOG_WARN, "former_owner_hangs", "topic", "%s", p->name, "partition", "%d", (int)p->partition, NULL);
	if (db_exec(&w->db,
		"SELECT pg_terminate_backend(a.pid) FROM kalshi.sink_offsets o JOIN pg_stat_activity a ON a.pid = "
		"o.owner_pid"
		" AND a.backend_start = o.owner_start WHERE o.topic = $1 AND o.kafka_partition = $2::int AND a.pid <> "
		"pg_backend_pid()",
		params, 2, NULL, &err) < 0)
		kmd_log(KMD_LOG_WARN, "former_owner_stays", "why", "%s", err.text, NULL);
}

static int claim(struct writer *w, struct part *p, struct stored *st, struct sink_start *start, struct kmd_err *err)
{
	bool go = false;
	int rc = db_do(&w->db, "BEGIN", err);

	if (rc == 0)
		rc = db_do(&w->db, LOCK_TIMEOUT, err);
	if (rc == 0)
		rc = read_stored(w, p, st, err);
	if (rc == 0)
		rc = decide(w, p, st, start, &go, err);
	if (rc == 0 && go)
		rc = load_lineages(w, p, err);
	return rc == 0 ? db_do(&w->db, go ? "COMMIT" : "ROLLBACK", err) : rc;
}

int claim_part(struct writer *w, struct part *p, struct kmd_err *err)
{
	struct stored st;
	struct sink_start start;
	int rc = db_open(&w->db, err);

	if (rc < 0)
		return rc;
	sink_lineages_fini(&p->progress.lineages);
	rc = claim(w, p, &st, &start, err);
	if (rc == 0) {
		settle(w, p, &st, &start);
		return 0;
	}
	if (kmd_pg_alive(w->db.pg)) {
		const bool locked = strcmp(kmd_pg_state(w->db.pg), LOCK_NOT_AVAILABLE) == 0;
		struct kmd_err ignored;

		if (db_do(&w->db, "ROLLBACK", &ignored) == 0 && locked)
			end_owner(w, p);
	}
	return kmd_err_prefix(err, KMD_EAGAIN, "claiming %s [%d]", p->name, (int)p->partition);
}

/* Which of the batch's partitions are where: another's, there, or not there. */
static int look_at(struct writer *w, struct part *p, bool *ret_there, struct kmd_err *err)
{
	struct stored st;
	const int rc = read_stored(w, p, &st, err);

	*ret_there = false;
	if (rc < 0)
		return rc;
	if (!st.s.exists || st.epoch != p->progress.epoch ||
	    (st.s.next != p->progress.next && st.s.next != p->progress.stored_next))
		part_set_state(p, PART_FENCED);
	else
		*ret_there = st.s.next == p->progress.next;
	return 0;
}

int claim_settle(struct writer *w, bool *ret_done, struct kmd_err *err)
{
	bool there;

	*ret_done = false;
	for (size_t i = 0; i < w->parts_count; i++) {
		struct part *p = w->parts[i];
		int rc;

		if (part_state(p) != PART_CLAIMED || !sink_progress_pending(&p->progress))
			continue;
		rc = look_at(w, p, &there, err);
		if (rc < 0)
			return rc;
		*ret_done = *ret_done || there;
	}
	kmd_log(KMD_LOG_INFO, "commit_settled", "stored", "%s", *ret_done ? "yes" : "no", NULL);
	return 0;
}
