#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "kmd_pg.h"
#include "sim_coro.h"
#include "sim_database.h"
#include "sim_proc.h"

/* kmd_pg.h against the simulated database: connections that break at any moment, a COMMIT whose answer is lost. */

struct kmd_pg {
	struct db_conn *conn;
	char state[6];
};

struct kmd_pg_result {
	const struct db_result *r;
};

int kmd_pg_check(const char *url, struct kmd_err *err)
{
	(void)url;
	(void)err;
	return 0;
}

int kmd_pg_open(struct kmd_pg **ret, const char *url, const char *application, int answer_ms, struct kmd_err *err)
{
	(void)url;
	(void)application;
	(void)answer_ms;
	proc_point();
	coro_sleep(sim->now_ns + sim_between(SIM_MS, 10 * SIM_MS), ret);
	proc_point();
	if (!database_is_up())
		return kmd_err_set(err, KMD_EAGAIN, "no database");
	*ret = kmd_calloc(1, sizeof(**ret));
	(*ret)->conn = db_connect(proc_self());
	return 0;
}

static void on_end(void *ctx, uint64_t arg)
{
	(void)arg;
	db_terminate(ctx);
}

void kmd_pg_close(struct kmd_pg *pg)
{
	if (!pg)
		return;
	if (!pg->conn->lost)
		sim_after(sim_between(0, SIM_MS), on_end, pg->conn, 0);
	pg->conn->lost = true;
	free(pg);
}

bool kmd_pg_alive(const struct kmd_pg *pg)
{
	return !pg->conn->lost;
}

const char *kmd_pg_state(const struct kmd_pg *pg)
{
	return pg->state;
}

int64_t kmd_pg_copy_row(const struct kmd_pg *pg)
{
	return pg->conn->result ? pg->conn->result->copy_row : 0;
}

static int broken(struct kmd_pg *pg, struct kmd_err *err)
{
	pg->conn->lost = true;
	pg->state[0] = '\0';
	return kmd_err_set(err, KMD_EAGAIN, "the connection broke");
}

/* The client has lost the connection; the server notices at once, or later, or not before it must. */
static void cut(struct kmd_pg *pg)
{
	pg->conn->lost = true;
	sim_after(sim_chance(700) ? sim_between(0, 10 * SIM_MS) : sim_between(0, 60 * SIM_S), on_end, pg->conn, 0);
}

static bool is_commit(const struct db_conn *c)
{
	return kmd_str_eqz(c->request.sql, "COMMIT");
}

static bool is_cut(const struct db_conn *c)
{
	return sim_strikes(is_commit(c) ? SIM_FAULT_pg_commit_cut : SIM_FAULT_pg_cut);
}

/* Sends the request and waits for its answer, as far as the fates allow. */
static int exchange(struct kmd_pg *pg, struct kmd_err *err)
{
	struct db_conn *c = pg->conn;
	const bool lost = is_cut(c);

	if (c->lost || c->closed)
		return broken(pg, err);
	if (lost && sim_chance(300)) { /* it never gets there */
		if (is_commit(c))
			sim_happened(SIM_HAPPENED_commit_undone_untold);
		cut(pg);
		return broken(pg, err);
	}
	if (lost && sim_chance(300)) { /* it gets there late */
		if (is_commit(c))
			sim_happened(SIM_HAPPENED_late_commit);
		db_send(c, sim_between(0, 10 * SIM_S));
		cut(pg);
		return broken(pg, err);
	}
	db_send(c, sim_between(100 * KMD_NS_PER_US, 4 * SIM_MS));
	while (!c->result && !c->closed)
		coro_sleep(sim->now_ns + 60 * SIM_S, c);
	if (lost && is_commit(c) && c->result)
		sim_happened(SIM_HAPPENED_commit_done_untold);
	if (lost && !c->closed)
		cut(pg);
	if (lost || c->closed)
		return broken(pg, err);
	proc_point();
	if (!c->result)
		return broken(pg, err);
	strcpy(pg->state, c->result->state);
	return c->result->rc == 0 ? 0 : kmd_err_set(err, c->result->rc, "%s: %s", c->result->state, c->result->text);
}

/* Trouble of the server's own, in place of an answer. */
static bool is_in_trouble(struct kmd_pg *pg)
{
	static const char *const states[] = {"53200", "57014", "40P01", "53100"};

	if (is_commit(pg->conn) || !sim_strikes(SIM_FAULT_pg_error))
		return false;
	strcpy(pg->state, states[sim_below(4)]);
	if (pg->conn->in_transaction)
		pg->conn->aborted = true;
	return true;
}

static int request(struct kmd_pg *pg, struct kmd_err *err)
{
	proc_point();
	if (!pg->conn->lost && !pg->conn->closed && is_in_trouble(pg))
		return kmd_err_set(err, KMD_EAGAIN, "%s: trouble", pg->state);
	return exchange(pg, err);
}

int kmd_pg_exec(struct kmd_pg *pg, const char *sql, const char *const *params, int params_count,
    struct kmd_pg_result **ret, struct kmd_err *err)
{
	struct db_request *q = &pg->conn->request;
	int rc;

	*q = (struct db_request){.sql = sim_dup(kmd_str_z(sql)), .params_count = params_count};
	for (int i = 0; i < params_count; i++)
		q->params[i] = sim_dup(kmd_str_z(params[i]));
	rc = request(pg, err);
	if (rc == 0 && ret) {
		*ret = kmd_calloc(1, sizeof(**ret));
		(*ret)->r = pg->conn->result;
	}
	return rc;
}

int kmd_pg_script(struct kmd_pg *pg, const char *sql, struct kmd_err *err)
{
	return kmd_pg_exec(pg, sql, NULL, 0, NULL, err);
}

int kmd_pg_copy(struct kmd_pg *pg, const char *sql, struct kmd_str data, int64_t *ret_rows, struct kmd_err *err)
{
	int rc;

	pg->conn->request = (struct db_request){.sql = sim_dup(kmd_str_z(sql)), .is_copy = true, .data = sim_dup(data)};
	rc = request(pg, err);
	if (rc == 0)
		*ret_rows = pg->conn->result->affected;
	return rc;
}

int kmd_pg_rows(const struct kmd_pg_result *r)
{
	return r->r->rows;
}

int64_t kmd_pg_affected(const struct kmd_pg_result *r)
{
	return r->r->affected;
}

const char *kmd_pg_value(const struct kmd_pg_result *r, int row, int column)
{
	return r->r->values[row * r->r->columns + column].p;
}

void kmd_pg_result_free(struct kmd_pg_result *r)
{
	free(r);
}
