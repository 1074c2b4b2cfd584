#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A session that stops in the middle of a transaction, its process frozen or its host gone, is ended by the server, so
 * that its locks do not keep its successor waiting for ever.
 */
static const char session_sql[] = "SET client_min_messages = warning; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';"
				  "SET idle_in_transaction_session_timeout = '30s'; SET synchronous_commit = on";

int db_do(struct db *db, const char *sql, struct kmd_err *err)
{
	return kmd_pg_exec(db->pg, sql, NULL, 0, NULL, err);
}

int db_exec(
    struct db *db, const char *sql, const char *const *params, int n, struct kmd_pg_result **ret, struct kmd_err *err)
{
	return kmd_pg_exec(db->pg, sql, params, n, ret, err);
}

static int end_former(struct db *db, struct kmd_err *err)
{
	const char *const params[] = {db->pid, db->start};

	if (!db->pid[0])
		return 0;
	return db_exec(db,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE pid = $1::int AND backend_start = $2::timestamptz AND pid <> pg_backend_pid()",
	    params, 2, NULL, err);
}

static int know_backend(struct db *db, struct kmd_err *err)
{
	struct kmd_pg_result *r;
	const int rc = db_exec(
	    db, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()", NULL, 0, &r, err);

	if (rc < 0)
		return rc;
	if (kmd_pg_rows(r) == 1) {
		snprintf(db->pid, sizeof(db->pid), "%s", kmd_pg_value(r, 0, 0));
		snprintf(db->start, sizeof(db->start), "%s", kmd_pg_value(r, 0, 1));
	}
	kmd_pg_result_free(r);
	return 0;
}

int db_open(struct db *db, struct kmd_err *err)
{
	int rc;

	if (db->pg && kmd_pg_alive(db->pg))
		return 0;
	db_close(db);
	rc = kmd_pg_open(&db->pg, db->url, "kmd-sink", db->answer_ms, err);
	if (rc < 0) {
		db->pg = NULL;
		return rc;
	}
	rc = kmd_pg_script(db->pg, session_sql, err);
	if (rc == 0)
		rc = end_former(db, err);
	if (rc == 0)
		rc = know_backend(db, err);
	if (rc < 0)
		db_close(db);
	return rc;
}

void db_close(struct db *db)
{
	kmd_pg_close(db->pg);
	db->pg = NULL;
}

bool db_is_rejection(const struct db *db, int rc)
{
	const char *state = db->pg ? kmd_pg_state(db->pg) : "";

	if (strcmp(state, "23505") == 0 || strcmp(state, "23514") == 0)
		return false;
	/* program_limit_exceeded: a row that no page or index can hold, nothing that waiting heals */
	return strncmp(state, "54", 2) == 0 || (state[0] && kmd_rc_class(rc) == KMD_REJECT);
}

void db_array_open(struct kmd_buf *a)
{
	kmd_buf_reset(a);
	kmd_buf_addc(a, '{');
}

static void separate(struct kmd_buf *a)
{
	if (a->n > 1)
		kmd_buf_addc(a, ',');
}

void db_array_text(struct kmd_buf *a, struct kmd_str s)
{
	separate(a);
	kmd_buf_addc(a, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			kmd_buf_addc(a, '\\');
		kmd_buf_addc(a, s.p[i]);
	}
	kmd_buf_addc(a, '"');
}

void db_array_i64(struct kmd_buf *a, int64_t v)
{
	separate(a);
	kmd_buf_add_i64(a, v);
}

void db_array_null(struct kmd_buf *a)
{
	separate(a);
	kmd_buf_addz(a, "NULL");
}

const char *db_array_close(struct kmd_buf *a)
{
	kmd_buf_add(a, "}", 2); /* the NUL with it */
	return a->p;
}

bool db_i64(const struct kmd_pg_result *r, int row, int column, int64_t *ret)
{
	const char *text = kmd_pg_value(r, row, column);

	return text && kmd_str_i64(kmd_str_z(text), ret) == 0;
}
