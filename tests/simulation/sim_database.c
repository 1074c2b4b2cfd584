#include "sim_database.h"

#include <stdio.h>
#include <string.h>

#include "kmd_err.h"
#include "sim_coro.h"
#include "sim_proc.h"

#define IDLE_IN_TRANSACTION_NS (30 * SIM_S) /* as db.c of the sink asks for */
#define DEADLOCK_NS SIM_S

static void serve(void *ctx, uint64_t statement);

void database_open(void)
{
	sim->database = sim_alloc(sizeof(*sim->database));
}

bool database_is_up(void)
{
	return sim->now_ns >= sim->database->down_until_ns;
}

void database_outage(int64_t for_ns)
{
	sim_trace("database away for %lld ms", (long long)(for_ns / SIM_MS));
	sim->database->down_until_ns = sim->now_ns + for_ns;
	for (struct db_conn *c = sim->database->conns; c; c = c->next)
		db_terminate(c);
}

/* ---- connections ---- */

struct close {
	struct db_conn *conn;
};

static void on_close(void *ctx, uint64_t arg)
{
	(void)arg;
	db_terminate(ctx);
}

/* What was sent arrives before the end of the connection does; a host that dies says nothing for long. */
static void on_gone(void *ctx)
{
	struct db_conn *c = ctx;
	int64_t at_ns = sim->now_ns + sim_between(0, 5 * SIM_MS);

	c->lost = true;
	if (sim_chance(100))
		at_ns += sim_between(0, 40 * SIM_S);
	if (at_ns <= c->arrives_ns)
		at_ns = c->arrives_ns + 1;
	sim_after(at_ns - sim->now_ns, on_close, c, 0);
}

struct db_conn *db_connect(struct proc *p)
{
	struct db_conn *c = sim_alloc(sizeof(*c));

	c->id = ++sim->database->last_id;
	c->proc = p;
	c->next = sim->database->conns;
	sim->database->conns = c;
	proc_on_end(p, on_gone, c);
	return c;
}

struct db_conn *db_find(uint64_t id)
{
	struct db_conn *c = sim->database->conns;

	while (c && c->id != id)
		c = c->next;
	return c;
}

void db_terminate(struct db_conn *c)
{
	if (c->closed)
		return;
	c->closed = true;
	db_end(c, false);
	if (!c->lost)
		coro_wake(c->proc, c);
}

/* ---- transactions ---- */

void db_remember(struct db_conn *c, void *at, size_t n)
{
	struct db_undo u = {at, sim_alloc(n), n};

	if (!c->in_transaction)
		return;
	memcpy(u.old, at, n);
	c->undo = sim_grow(c->undo, c->undo_count, &c->undo_cap, sizeof(*c->undo));
	c->undo[c->undo_count++] = u;
}

void db_undo_to(struct db_conn *c, size_t count)
{
	while (c->undo_count > count) {
		const struct db_undo *u = &c->undo[--c->undo_count];

		memcpy(u->at, u->old, u->n);
	}
}

static void release_locks(struct db_conn *c)
{
	struct database *d = sim->database;
	size_t kept = 0;

	for (size_t i = 0; i < d->locks_count; i++)
		if (d->locks[i].by != c)
			d->locks[kept++] = d->locks[i];
	d->locks_count = kept;
	for (struct db_conn *o = d->conns; o; o = o->next)
		if (o->waits_for && !o->closed)
			sim_after(sim_between(0, SIM_MS), serve, o, o->statements);
}

void db_end(struct db_conn *c, bool commit)
{
	if (commit && c->moved_count > 0)
		check_commit(c);
	if (!commit && c->closed && c->made.count > 0)
		sim_happened(SIM_HAPPENED_partial_write);
	if (!commit)
		db_undo_to(c, 0);
	for (size_t i = 0; i < c->made.count; i++) {
		c->made.of[i]->by = NULL;
		c->made.of[i]->at_ns = sim->now_ns;
	}
	if (commit)
		sim->database->commits++;
	sim_mix(&commit, sizeof(commit));
	c->undo_count = c->made.count = c->moved_count = 0;
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		c->temporary[t].count = 0;
	c->in_transaction = c->aborted = c->has_savepoint = false;
	c->lock_timeout_ns = 0;
	c->waits_for = NULL;
	release_locks(c);
}

/* ---- locks ---- */

static const struct db_lock *find_lock(const void *what)
{
	struct database *d = sim->database;

	for (size_t i = 0; i < d->locks_count; i++)
		if (d->locks[i].what == what)
			return &d->locks[i];
	return NULL;
}

bool db_lock(struct db_conn *c, const void *what)
{
	struct database *d = sim->database;
	const struct db_lock *l = find_lock(what);

	if (l && l->by != c) {
		if (c->waits_for != what) {
			c->waits_for = what;
			c->waits_since_ns = sim->now_ns;
		}
		return false;
	}
	c->waits_for = NULL;
	if (!l) {
		d->locks = sim_grow(d->locks, d->locks_count, &d->locks_cap, sizeof(*d->locks));
		d->locks[d->locks_count++] = (struct db_lock){what, c};
	}
	return true;
}

bool db_waits_in_circle(const struct db_conn *c)
{
	const struct db_conn *at = c;

	for (int i = 0; i < 20; i++) {
		const struct db_lock *l = at->waits_for ? find_lock(at->waits_for) : NULL;

		if (!l)
			return false;
		at = l->by;
		if (at == c)
			return true;
	}
	return false;
}

/* ---- requests ---- */

static void on_idle(void *ctx, uint64_t statement)
{
	struct db_conn *c = ctx;

	if (c->closed || !c->in_transaction || c->statements != statement || c->busy)
		return;
	sim_trace("database: backend %llu was idle in its transaction", (unsigned long long)c->id);
	db_terminate(c);
}

static void answer(struct db_conn *c, struct db_result *r)
{
	c->busy = false;
	c->waits_for = NULL;
	c->result = r;
	if (!c->in_transaction)
		release_locks(c); /* of a statement on its own */
	else
		sim_after(IDLE_IN_TRANSACTION_NS, on_idle, c, c->statements);
	if (r->rc != 0 && c->in_transaction)
		c->aborted = true;
	if (!c->lost)
		coro_wake(c->proc, c);
}

/* Why a statement that waits for a lock is given up, or NULL. */
static const char *out_of_patience(const struct db_conn *c)
{
	const int64_t waited_ns = sim->now_ns - c->waits_since_ns;

	if (c->lock_timeout_ns && waited_ns >= c->lock_timeout_ns)
		return "55P03";
	return waited_ns >= DEADLOCK_NS && db_waits_in_circle(c) ? "40P01" : NULL;
}

static void serve(void *ctx, uint64_t statement)
{
	struct db_conn *c = ctx;
	struct db_result *r;
	const char *state;

	if (c->closed || !c->busy || c->statements != statement)
		return;
	r = sim_alloc(sizeof(*r));
	if (sql_run(c, r)) {
		answer(c, r);
		return;
	}
	state = out_of_patience(c);
	if (state) {
		sql_fault(r, state, "waited too long for a lock");
		answer(c, r);
		return;
	}
	/* Looked at again when a lock is let go, and at these times. */
	sim_after(c->lock_timeout_ns ? c->lock_timeout_ns : DEADLOCK_NS, serve, c, statement);
}

void db_send(struct db_conn *c, int64_t latency_ns)
{
	c->busy = true;
	c->result = NULL;
	c->statements++;
	c->arrives_ns = sim->now_ns + latency_ns;
	sim_after(latency_ns, serve, c, c->statements);
}

/* ---- objects ---- */

struct db_offset *db_offset_of(struct kmd_str topic, int64_t partition)
{
	const struct kmd_str prefix = KMD_STR(BROKER_PREFIX);
	enum kmd_topic t;

	SIM_CHECK(kmd_str_has_prefix(topic, prefix), "a topic without prefix: %.*s", KMD_STR_ARG(topic));
	topic.p += prefix.n;
	topic.n -= prefix.n;
	SIM_CHECK(kmd_topic_find(topic, &t) && partition >= 0 && partition < BROKER_PARTITIONS_MAX,
	    "no such partition: %.*s [%lld]", KMD_STR_ARG(topic), (long long)partition);
	return &sim->database->offsets[t][partition];
}

struct db_keyed *db_keyed_of(enum sink_table t, struct kmd_str key)
{
	struct db_keyed *k = sim->database->keyed[t];

	while (k && !kmd_str_eq(k->key, key))
		k = k->next;
	if (k)
		return k;
	k = sim_alloc(sizeof(*k));
	k->table = t;
	k->key = sim_dup(key);
	k->next = sim->database->keyed[t];
	sim->database->keyed[t] = k;
	return k;
}

struct db_trade *db_trade_of(struct kmd_str id, struct kmd_str date, bool make)
{
	struct db_trade **bucket = &sim->database->trades[kmd_str_hash(id) % 1024];
	struct db_trade *t = *bucket;

	while (t && !(kmd_str_eq(t->id, id) && kmd_str_eq(t->date, date)))
		t = t->next;
	if (t || !make)
		return t;
	t = sim_alloc(sizeof(*t));
	t->id = id;
	t->date = date;
	t->next = *bucket;
	*bucket = t;
	return t;
}
