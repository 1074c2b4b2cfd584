#ifndef SINK_DB_H
#define SINK_DB_H

#include "kmd_pg.h"
#include "kmd_str.h"

/*
 * One connection of the sink: session settings, who we are to the server, and arrays as parameters. One thread.
 */

struct db {
	const char *url; /* NULL: libpq's own variables */
	int answer_ms;   /* as kmd_pg_open */
	struct kmd_pg *pg;
	char pid[24], start[64]; /* of our backend, to end it should it outlive us; "" before the first connection */
};

/** Opens the connection unless it stands. On success the former backend of ours, if any is left, has been told to end.
 */
int db_open(struct db *db, struct kmd_err *err) KMD_MUST_CHECK;
void db_close(struct db *db);
/** A statement without parameters and results. */
int db_do(struct db *db, const char *sql, struct kmd_err *err) KMD_MUST_CHECK;
int db_exec(struct db *db, const char *sql, const char *const *params, int n, struct kmd_pg_result **ret,
    struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Was it the data's fault? Trouble of connection, login, capacity, locks, schema is not, and neither are a key or a
 * partition that another writer made or dropped at the same moment.
 */
bool db_is_rejection(const struct db *db, int rc);

/* An array literal, NUL-terminated once closed. Zero-initialise, open, add, close; free by kmd_buf_fini. */
void db_array_open(struct kmd_buf *a);
void db_array_text(struct kmd_buf *a, struct kmd_str s);
void db_array_i64(struct kmd_buf *a, int64_t v);
void db_array_null(struct kmd_buf *a);
const char *db_array_close(struct kmd_buf *a);

/** Column of a result as a number; false for NULL. */
bool db_i64(const struct kmd_pg_result *r, int row, int column, int64_t *ret);

#endif
