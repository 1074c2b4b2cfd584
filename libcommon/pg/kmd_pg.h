#ifndef KMD_PG_H
#define KMD_PG_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_err.h"
#include "kmd_str.h"

/*
 * One Postgres connection, blocking, for one thread at a time. A server that is silent for too long while it owes an
 * answer counts as a lost connection, however well TCP thinks of it. Errors are told by class (sqlstate.c, pure): RETRY
 * for connection, capacity, serialization, lock and login trouble, which are never a record's fault; REJECT for what
 * the data caused; FATAL for a schema that is not ours.
 */

struct kmd_pg;
struct kmd_pg_result;

/** Class of a SQLSTATE ("23505"); connection loss has no state: pass "" (RETRY). Pure. */
enum kmd_class kmd_sqlstate_class(const char *state);

/**
 * Looks at what a connection would be opened with, without opening one: the form of @url (may be NULL), port numbers
 * and sslmode, libpq's own variables included. KMD_ECONFIG names DATABASE_URL or the variable; no secret in it.
 */
int kmd_pg_check(const char *url, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * @url connection string or NULL (libpq's own variables). @answer_ms: silence borne while an answer is owed or data is
 * sent, to a second; 0: for ever. Blocks; KMD_EAGAIN or KMD_EREFUSED with the server's line, no password in it.
 */
int kmd_pg_open(
    struct kmd_pg **ret, const char *url, const char *application, int answer_ms, struct kmd_err *err) KMD_MUST_CHECK;
void kmd_pg_close(struct kmd_pg *pg); /* NULL is fine */
/** False after a connection loss: close and open again. */
bool kmd_pg_alive(const struct kmd_pg *pg);
/** SQLSTATE of the last failure, "" for a lost connection. */
const char *kmd_pg_state(const struct kmd_pg *pg);

/**
 * One statement with text parameters (NULL = SQL NULL); @ret may be NULL, else given: kmd_pg_result_free. Returns 0 or
 * KMD_EAGAIN / KMD_EREFUSED (class RETRY), KMD_EPARSE (REJECT), KMD_EFAULT (FATAL) by kmd_sqlstate_class.
 */
int kmd_pg_exec(struct kmd_pg *pg, const char *sql, const char *const *params, int params_count,
    struct kmd_pg_result **ret, struct kmd_err *err) KMD_MUST_CHECK;
/** Several statements without parameters, results thrown away (migrations). */
int kmd_pg_script(struct kmd_pg *pg, const char *sql, struct kmd_err *err) KMD_MUST_CHECK;
int kmd_pg_rows(const struct kmd_pg_result *r);
/** Rows that INSERT, UPDATE or DELETE touched. */
int64_t kmd_pg_affected(const struct kmd_pg_result *r);
/** NULL for SQL NULL; borrows from the result. */
const char *kmd_pg_value(const struct kmd_pg_result *r, int row, int column);
void kmd_pg_result_free(struct kmd_pg_result *r);

/** COPY ... FROM STDIN: @sql starts it, @data is the whole stream, in one go. Same codes as exec. */
int kmd_pg_copy(
    struct kmd_pg *pg, const char *sql, struct kmd_str data, int64_t *ret_rows, struct kmd_err *err) KMD_MUST_CHECK;
/** Row of the stream, from 1, at which the last failure was a COPY's; 0: not told. What the server says, unproven. */
int64_t kmd_pg_copy_row(const struct kmd_pg *pg);
/** The same of an error's CONTEXT (may be NULL). Pure. */
int64_t kmd_pg_copy_row_of(const char *context);

#endif
