#include "kmd_pg.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

/* libpq keeps what it is given until it is sent; pieces bound that. */
#define COPY_PIECE_BYTES ((size_t)256 * 1024)
/* libpq is asked so often at least, also while the socket is silent: TLS may hold bytes that the socket does not show.
 */
#define LOOK_MS 1000

struct kmd_pg {
	PGconn *conn;
	int answer_ms; /* 0: for ever */
	bool silent;   /* waited in vain: as good as lost */
	char state[6];
	int64_t copy_row;
};

/* A result is libpq's own; the name is ours so that its header stays here. */
static PGresult *of_result(const struct kmd_pg_result *r)
{
	return (PGresult *)(uintptr_t)r;
}

/* Cuts every occurrence of @secret out of @text. */
static void scrub_one(char *text, const char *secret)
{
	const size_t n = secret ? strlen(secret) : 0;
	char *at;

	if (n == 0)
		return;
	while ((at = strstr(text, secret)) != NULL) {
		memmove(at + (n < 3 ? n : 3), at + n, strlen(at + n) + 1);
		memset(at, '*', n < 3 ? n : 3);
	}
}

/* libpq quotes the connection string in some of its complaints, the server's detail lines may hold data. */
static int set_err(struct kmd_err *err, int rc, const char *message, const char *url, const char *password)
{
	const size_t n = strcspn(message, "\n");
	char *text = kmd_strndup(message, n);

	scrub_one(text, password);
	scrub_one(text, url);
	kmd_err_set(err, rc, "%s", *text ? text : "no answer from the database");
	free(text);
	return rc;
}

static int rc_of(const char *state)
{
	switch (kmd_sqlstate_class(state)) {
	case KMD_REJECT:
		return KMD_EPARSE;
	case KMD_FATAL:
		return KMD_EFAULT;
	default:
		return strncmp(state, "28", 2) == 0 || strcmp(state, "42501") == 0 || strcmp(state, "3D000") == 0
			   ? KMD_EREFUSED
			   : KMD_EAGAIN;
	}
}

/* What a connection is opened with: the caller's string wins over our defaults, and we over it at the end. */
struct keywords {
	const char *names[16], *values[16];
	size_t n;
};

static void add_keyword(struct keywords *k, const char *name, const char *value)
{
	k->names[k->n] = name;
	k->values[k->n++] = value;
}

static void fill_keywords(struct keywords *k, const char *url, const char *application)
{
	if (!getenv("PGCONNECT_TIMEOUT"))
		add_keyword(k, "connect_timeout", "10");
	/* A peer that is gone without a word is noticed within half a minute, idle or not. */
	add_keyword(k, "keepalives_idle", "10");
	add_keyword(k, "keepalives_interval", "5");
	add_keyword(k, "keepalives_count", "3");
	add_keyword(k, "tcp_user_timeout", "30000");
	add_keyword(k, "fallback_application_name", application);
	if (url)
		add_keyword(k, "dbname", url);
	add_keyword(k, "client_encoding", "UTF8");
}

static bool are_ports(const char *text)
{
	struct kmd_str rest = kmd_str_z(text), port;
	uint64_t number;

	while (kmd_str_split(&rest, ',', &port))
		if (port.n > 0 && (kmd_str_u64(kmd_str_trim(port), &number) < 0 || number < 1 || number > 65535))
			return false;
	return true;
}

static bool is_sslmode(const char *text)
{
	static const char *const modes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(text, modes[i]) == 0)
			return true;
	return false;
}

/* @where NULL: the environment variable of each option. */
static int check_options(const PQconninfoOption *o, const char *where, struct kmd_err *err)
{
	for (; o && o->keyword; o++) {
		const char *name = where ? where : o->envvar;

		if (!o->val || !*o->val)
			continue;
		if (strcmp(o->keyword, "port") == 0 && !are_ports(o->val))
			return kmd_err_set(err, KMD_ECONFIG, "%s: the port is no number from 1 to 65535", name);
		if (strcmp(o->keyword, "sslmode") == 0 && !is_sslmode(o->val))
			return kmd_err_set(err, KMD_ECONFIG, "%s: libpq knows no sslmode %s", name, o->val);
	}
	return 0;
}

int kmd_pg_check(const char *url, struct kmd_err *err)
{
	PQconninfoOption *given = NULL, *defaults = PQconndefaults();
	char *complaint = NULL;
	int rc = check_options(defaults, NULL, err);

	if (rc == 0 && url) {
		given = PQconninfoParse(url, &complaint);
		/* The complaint may quote the string, password and all. */
		rc = given ? check_options(given, "DATABASE_URL", err)
			   : kmd_err_set(err, KMD_ECONFIG, "DATABASE_URL: not a connection string of libpq");
	}
	PQfreemem(complaint);
	PQconninfoFree(given);
	PQconninfoFree(defaults);
	return rc;
}

static void ignore_notice(void *arg, const char *message)
{
	(void)arg, (void)message;
}

/* Refused by a server that is there and well: nothing that waiting alone would cure. */
static int open_rc(const char *message)
{
	static const char *const passing[] = {"the database system is", "too many clients", "connection slots"};

	if (!strstr(message, "FATAL:"))
		return KMD_EAGAIN;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (strstr(message, passing[i]))
			return KMD_EAGAIN;
	return KMD_EREFUSED;
}

int kmd_pg_open(struct kmd_pg **ret, const char *url, const char *application, int answer_ms, struct kmd_err *err)
{
	struct keywords k = {.n = 0};
	struct kmd_pg *pg;
	PGconn *conn;
	int rc;

	fill_keywords(&k, url, application);
	conn = PQconnectdbParams(k.names, k.values, 1);
	if (PQstatus(conn) != CONNECTION_OK) {
		const char *message = conn ? PQerrorMessage(conn) : "";

		rc = set_err(err, open_rc(message), message, url, conn ? PQpass(conn) : NULL);
		PQfinish(conn);
		return rc;
	}
	PQsetNoticeProcessor(conn, ignore_notice, NULL);
	(void)PQsetnonblocking(conn, 1); /* fails on a lost connection alone, which the next statement finds */
	pg = kmd_calloc(1, sizeof(*pg));
	pg->conn = conn;
	pg->answer_ms = answer_ms;
	*ret = pg;
	return 0;
}

void kmd_pg_close(struct kmd_pg *pg)
{
	if (!pg)
		return;
	PQfinish(pg->conn);
	free(pg);
}

bool kmd_pg_alive(const struct kmd_pg *pg)
{
	return !pg->silent && PQstatus(pg->conn) == CONNECTION_OK;
}

const char *kmd_pg_state(const struct kmd_pg *pg)
{
	return pg->state;
}

int64_t kmd_pg_copy_row(const struct kmd_pg *pg)
{
	return pg->copy_row;
}

/* The code of a failed result (NULL: there was none), its state and its line. The result is freed. */
static int failed(struct kmd_pg *pg, PGresult *result, struct kmd_err *err)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	int rc;

	snprintf(pg->state, sizeof(pg->state), "%s", state ? state : "");
	pg->copy_row = kmd_pg_copy_row_of(result ? PQresultErrorField(result, PG_DIAG_CONTEXT) : NULL);
	if (pg->silent) {
		PQclear(result);
		return kmd_err_set(err, KMD_EAGAIN, "no answer from the database for %d ms", pg->answer_ms);
	}
	rc = set_err(err, rc_of(pg->state), primary ? primary : PQerrorMessage(pg->conn), NULL, PQpass(pg->conn));
	if (*pg->state)
		kmd_err_prefix(err, rc, "%s", pg->state);
	PQclear(result);
	return rc;
}

static bool succeeded(const PGresult *result)
{
	const ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/*
 * Waits for the socket and lets libpq read; @writing: or until more can be sent. False: silent for too long, or reading
 * failed, which the next result tells. The peer may be alive as far as TCP can tell, its process frozen or something
 * between us and it: only its silence shows that.
 */
static bool wait_socket(struct kmd_pg *pg, bool writing)
{
	struct pollfd fd = {.fd = PQsocket(pg->conn), .events = (short)(writing ? POLLIN | POLLOUT : POLLIN)};

	for (int silence_ms = 0;;) {
		const int n = poll(&fd, 1, LOOK_MS);

		if (n > 0 && fd.revents == POLLOUT)
			return true;
		if (PQconsumeInput(pg->conn) != 1)
			return false;
		if (n != 0 || (!writing && !PQisBusy(pg->conn)))
			return true;
		silence_ms += LOOK_MS;
		pg->silent = pg->answer_ms > 0 && silence_ms >= pg->answer_ms;
		if (pg->silent)
			return false;
	}
}

/* All that libpq holds is with the kernel; false: the connection is lost. */
static bool flush(struct kmd_pg *pg)
{
	int left;

	while ((left = PQflush(pg->conn)) > 0 && wait_socket(pg, true))
		;
	return left == 0;
}

static PGresult *next_result(struct kmd_pg *pg)
{
	while (!pg->silent && PQisBusy(pg->conn) && wait_socket(pg, false))
		;
	return pg->silent ? NULL : PQgetResult(pg->conn);
}

/* All results of what was sent; the first failure counts, without one the last result. NULL: they did not all come. */
static PGresult *finish(struct kmd_pg *pg)
{
	PGresult *kept = NULL, *next;

	while ((next = next_result(pg)) != NULL) {
		const bool copies = PQresultStatus(next) == PGRES_COPY_IN;

		if (kept && !succeeded(kept)) {
			PQclear(next);
		} else {
			PQclear(kept);
			kept = next;
		}
		if (copies)
			break; /* begun; or the end of one could not be sent: the connection is lost */
	}
	if (!pg->silent)
		return kept;
	PQclear(kept);
	return NULL;
}

/* @sent: as PQsend... returned. */
static PGresult *answer(struct kmd_pg *pg, int sent)
{
	return sent == 1 && flush(pg) ? finish(pg) : NULL;
}

int kmd_pg_exec(struct kmd_pg *pg, const char *sql, const char *const *params, int params_count,
    struct kmd_pg_result **ret, struct kmd_err *err)
{
	PGresult *result = answer(pg, PQsendQueryParams(pg->conn, sql, params_count, NULL, params, NULL, NULL, 0));

	if (!succeeded(result))
		return failed(pg, result, err);
	if (ret)
		*ret = (struct kmd_pg_result *)result;
	else
		PQclear(result);
	return 0;
}

int kmd_pg_script(struct kmd_pg *pg, const char *sql, struct kmd_err *err)
{
	PGresult *result = answer(pg, PQsendQuery(pg->conn, sql));

	if (!succeeded(result))
		return failed(pg, result, err);
	PQclear(result);
	return 0;
}

int kmd_pg_rows(const struct kmd_pg_result *r)
{
	return PQntuples(of_result(r));
}

static int64_t touched(PGresult *result)
{
	return strtoll(PQcmdTuples(result), NULL, 10);
}

int64_t kmd_pg_affected(const struct kmd_pg_result *r)
{
	return touched(of_result(r));
}

const char *kmd_pg_value(const struct kmd_pg_result *r, int row, int column)
{
	return PQgetisnull(of_result(r), row, column) ? NULL : PQgetvalue(of_result(r), row, column);
}

void kmd_pg_result_free(struct kmd_pg_result *r)
{
	PQclear(of_result(r));
}

static bool put_data(struct kmd_pg *pg, struct kmd_str data)
{
	for (size_t at = 0; at < data.n;) {
		const size_t n = data.n - at < COPY_PIECE_BYTES ? data.n - at : COPY_PIECE_BYTES;

		if (PQputCopyData(pg->conn, data.p + at, (int)n) != 1 || !flush(pg))
			return false;
		at += n;
	}
	return PQputCopyEnd(pg->conn, NULL) == 1 && flush(pg);
}

int kmd_pg_copy(struct kmd_pg *pg, const char *sql, struct kmd_str data, int64_t *ret_rows, struct kmd_err *err)
{
	PGresult *result = answer(pg, PQsendQuery(pg->conn, sql));
	bool sent;

	if (succeeded(result)) {
		PQclear(result);
		return kmd_err_set(err, KMD_EFAULT, "not a COPY ... FROM STDIN");
	}
	if (PQresultStatus(result) != PGRES_COPY_IN)
		return failed(pg, result, err);
	PQclear(result);
	sent = put_data(pg, data);
	result = finish(pg);
	if (!sent || !result || PQresultStatus(result) != PGRES_COMMAND_OK)
		return failed(pg, result, err);
	if (ret_rows)
		*ret_rows = touched(result);
	PQclear(result);
	return 0;
}
