#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "kmd_pg.h"
#include "sim_database.h"
#include "sim_proc.h"

/*
 * What the sink's statements do. They are known by a piece of their text; a condition is applied where the text has it,
 * so that a statement that lost its condition behaves like one. A text that is not known ends the history.
 */

#define US_PER_S INT64_C(1000000)

void sql_fault(struct db_result *r, const char *state, const char *text)
{
	const enum kmd_class class = kmd_sqlstate_class(state);

	snprintf(r->state, sizeof(r->state), "%s", state);
	snprintf(r->text, sizeof(r->text), "%s", text);
	r->rc = class == KMD_RETRY ? KMD_EAGAIN : class == KMD_REJECT ? KMD_EPARSE : KMD_EFAULT;
}

/* ---- results and parameters ---- */

static struct kmd_str *add_row(struct db_result *r, int columns)
{
	struct kmd_str *all = sim_alloc((size_t)((r->rows + 1) * columns) * sizeof(*all));

	r->columns = columns;
	if (r->rows > 0)
		memcpy(all, r->values, (size_t)(r->rows * columns) * sizeof(*all));
	r->values = all;
	return &all[r->rows++ * columns];
}

static struct kmd_str text_of(int64_t v)
{
	char digits[24];

	return sim_dup((struct kmd_str){digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)v)});
}

static int64_t number(struct kmd_str s)
{
	int64_t v = 0;

	SIM_CHECK(kmd_str_i64(s, &v) == 0, "no number: %.*s", KMD_STR_ARG(s));
	return v;
}

static int64_t param_i64(const struct db_conn *c, int i)
{
	return number(c->request.params[i]);
}

/* Takes one element off an array literal; NULL gives NONE. */
static bool next_element(struct kmd_str *rest, struct kmd_str *ret)
{
	struct kmd_buf b = {0};
	bool quoted, more = false;

	if (rest->n > 0 && (rest->p[0] == '{' || rest->p[0] == ','))
		*rest = (struct kmd_str){rest->p + 1, rest->n - 1};
	if (rest->n == 0 || rest->p[0] == '}')
		return false;
	quoted = rest->p[0] == '"';
	for (size_t i = quoted; i < rest->n && !more; i++) {
		const char ch = rest->p[i];

		if (quoted ? ch == '"' : ch == ',' || ch == '}') {
			*rest = (struct kmd_str){rest->p + i + quoted, rest->n - i - quoted};
			more = true;
		} else {
			i += ch == '\\';
			kmd_buf_addc(&b, rest->p[i]);
		}
	}
	*ret = !quoted && kmd_str_eqz(kmd_buf_str(&b), "NULL") ? KMD_STR_NONE : sim_dup(kmd_buf_str(&b));
	if (ret->p == NULL && quoted)
		*ret = KMD_STR("");
	kmd_buf_fini(&b);
	return more;
}

static bool has(const struct db_conn *c, const char *piece)
{
	return strstr(c->request.sql.p, piece) != NULL;
}

/* ---- sink_offsets ---- */

static bool read_offset(struct db_conn *c, struct db_result *r)
{
	struct db_offset *o = db_offset_of(c->request.params[0], param_i64(c, 1));
	struct kmd_str *v;

	if (has(c, "FOR UPDATE") && !db_lock(c, o))
		return false;
	if (!o->exists)
		return true;
	v = add_row(r, 8);
	v[0] = text_of(o->first);
	v[1] = text_of(o->next);
	v[2] = text_of(o->epoch);
	v[3] = o->has_last ? text_of(o->last_timestamp_ms) : KMD_STR_NONE;
	v[4] = o->has_last ? text_of(o->last_hash) : KMD_STR_NONE;
	v[5] = o->accepted ? KMD_STR("t") : KMD_STR("f");
	v[6] = o->stopped;
	v[7] = KMD_STR_NONE;
	return true;
}

static bool read_lineages(struct db_conn *c, struct db_result *r)
{
	const struct db_offset *o = db_offset_of(c->request.params[0], param_i64(c, 1));

	for (const struct db_lineage *l = o->lineages; l; l = l->next) {
		struct kmd_str *v;

		if (!l->exists)
			continue;
		v = add_row(r, 2);
		v[0] = text_of(l->lineage);
		v[1] = text_of(l->last_n);
	}
	return true;
}

/* A claim: a new epoch. */
static bool store_offset(struct db_conn *c, struct db_result *r)
{
	struct db_offset *o = db_offset_of(c->request.params[0], param_i64(c, 1));

	if (!db_lock(c, o))
		return false;
	db_remember(c, o, offsetof(struct db_offset, lineages));
	o->epoch = o->exists ? o->epoch + (has(c, "epoch = o.epoch + 1") ? 1 : 0) : 1;
	o->exists = true;
	o->first = param_i64(c, 2);
	o->next = param_i64(c, 3);
	o->owner = (uint64_t)param_i64(c, 7);
	o->claimed_by = c->proc;
	*add_row(r, 1) = text_of(o->epoch);
	return true;
}

static bool stop_offset(struct db_conn *c, struct db_result *r)
{
	struct db_offset *o = db_offset_of(c->request.params[0], param_i64(c, 1));

	(void)r;
	if (!db_lock(c, o))
		return false;
	db_remember(c, o, offsetof(struct db_offset, lineages));
	o->stopped = c->request.params[2];
	return true;
}

static bool move_one(struct db_conn *c, struct db_result *r, const struct kmd_str *v)
{
	struct db_offset *o = db_offset_of(v[0], number(v[1]));
	struct kmd_str *out;

	if (!db_lock(c, o))
		return false;
	if ((has(c, "o.epoch = v.epoch") && o->epoch != number(v[2])) ||
	    (has(c, "o.next_offset = v.expected") && o->next != number(v[3])) ||
	    (has(c, "o.stopped IS NULL") && o->stopped.p) || (has(c, "NOT o.accepted") && o->accepted))
		return true;
	db_remember(c, o, offsetof(struct db_offset, lineages));
	o->next = number(v[4]);
	o->rows += number(v[5]);
	o->dead += number(v[6]);
	o->duplicates += number(v[7]);
	o->has_last = true;
	o->last_timestamp_ms = number(v[8]);
	o->last_hash = number(v[9]);
	c->moved[c->moved_count++] = o;
	out = add_row(r, 2);
	out[0] = v[0];
	out[1] = v[1];
	return true;
}

/* Runs @fn on each line of the array parameters, again from the beginning after it had to wait. */
static bool each_line(
    struct db_conn *c, struct db_result *r, bool (*fn)(struct db_conn *c, struct db_result *r, const struct kmd_str *v))
{
	const size_t undo = c->undo_count, moved = c->moved_count;
	const int n = c->request.params_count;
	struct kmd_str rest[12], v[12];

	memcpy(rest, c->request.params, sizeof(rest));
	while (next_element(&rest[0], &v[0])) {
		for (int i = 1; i < n; i++)
			SIM_CHECK(next_element(&rest[i], &v[i]), "arrays of different lengths");
		if (fn(c, r, v))
			continue;
		db_undo_to(c, undo);
		c->moved_count = moved;
		return false;
	}
	return true;
}

static bool move_rows(struct db_conn *c, struct db_result *r, const struct kmd_str *v)
{
	struct db_offset *o = db_offset_of(v[0], number(v[1]));

	(void)r;
	if (!db_lock(c, o))
		return false;
	db_remember(c, o, offsetof(struct db_offset, lineages));
	o->rows -= number(v[2]);
	o->duplicates += number(v[2]);
	return true;
}

static bool store_lineage(struct db_conn *c, struct db_result *r, const struct kmd_str *v)
{
	struct db_offset *o = db_offset_of(v[0], number(v[1]));
	struct db_lineage *l = o->lineages;

	(void)r;
	while (l && l->lineage != number(v[2]))
		l = l->next;
	if (!l) {
		l = sim_alloc(sizeof(*l));
		l->lineage = number(v[2]);
		l->next = o->lineages;
		o->lineages = l;
	}
	/* All but its place in the list, which may have grown since. */
	db_remember(c, &l->lineage, sizeof(*l) - offsetof(struct db_lineage, lineage));
	l->exists = true;
	l->last_n = number(v[3]);
	return true;
}

/* ---- rows ---- */

static bool is_poison(const struct db_row *row)
{
	return row->table != SINK_T_DEAD && memmem(row->bytes.p, row->bytes.n, "poison", 6) != NULL;
}

/* The row at fault is told for one record, not for the next, wrongly for the third. */
static void refuse(struct db_result *r, const struct db_rows *rows, size_t i)
{
	const int64_t told[] = {(int64_t)i + 1, 0, (int64_t)((i + rows->count / 2) % (rows->count + 1)) + 1};

	sql_fault(r, "22003", "numeric field overflow");
	r->copy_row = told[rows->of[i]->offset % 3];
}

static void insert(struct db_conn *c, struct db_row *row)
{
	struct db_offset *o;

	if (row->table == SINK_T_DEAD) {
		o = db_offset_of(row_field(row, "topic"), row->partition);
	} else {
		o = &sim->database->offsets[table_topic(row->table)][row->partition];
	}
	db_remember(c, &row->live, sizeof(row->live));
	row->live = true;
	row->by = c;
	row->at_ns = sim->now_ns;
	o->in.of = sim_grow(o->in.of, o->in.count, &o->in.cap, sizeof(struct db_row *));
	o->in.of[o->in.count++] = row;
	c->made.of = sim_grow(c->made.of, c->made.count, &c->made.cap, sizeof(struct db_row *));
	c->made.of[c->made.count++] = row;
}

enum fate { INSERTED, CONFLICT, MUST_WAIT };

static enum fate insert_trade(struct db_conn *c, struct db_row *row)
{
	struct db_trade *t = db_trade_of(row_field(row, "trade_id"), row_field(row, "trade_date"), true);

	if (!db_lock(c, t))
		return MUST_WAIT;
	if (t->row && t->row->live)
		return CONFLICT;
	db_remember(c, &t->row, sizeof(struct db_row *));
	t->row = row;
	insert(c, row);
	return INSERTED;
}

/* Straight into a table. */
static bool copy_into(struct db_conn *c, struct db_result *r, enum sink_table t, const struct db_rows *rows)
{
	const size_t undo = c->undo_count, made = c->made.count;

	for (size_t i = 0; i < rows->count; i++) {
		enum fate f = INSERTED;

		if (is_poison(rows->of[i])) {
			refuse(r, rows, i);
			return true;
		}
		if (t == SINK_T_TRADES)
			f = insert_trade(c, rows->of[i]);
		else
			insert(c, rows->of[i]);
		if (f == MUST_WAIT) {
			db_undo_to(c, undo);
			c->made.count = made;
			return false;
		}
		if (f == CONFLICT) {
			sql_fault(r, "23505", "duplicate key value violates unique constraint");
			return true;
		}
	}
	r->affected = (int64_t)rows->count;
	return true;
}

static bool find_table(struct kmd_str name, enum sink_table *ret)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		if (kmd_str_eqz(name, sink_tables[t].name)) {
			*ret = (enum sink_table)t;
			return true;
		}
	return false;
}

static struct kmd_str word_behind(const struct db_conn *c, const char *piece)
{
	const char *at = strstr(c->request.sql.p, piece);
	struct kmd_str word = {NULL, 0};

	if (!at)
		return KMD_STR_NONE;
	word.p = at + strlen(piece);
	while (word.p[word.n] && !strchr(" (,;", word.p[word.n]))
		word.n++;
	return word;
}

static enum sink_table table_of(const struct db_conn *c, const char *piece)
{
	struct kmd_str name = word_behind(c, piece);
	enum sink_table t;

	if (kmd_str_eqz(name, "settlements"))
		return SINK_T_REVISIONS;
	SIM_CHECK(name.p && find_table(name, &t), "no table in: %s", c->request.sql.p);
	return t;
}

static bool run_copy(struct db_conn *c, struct db_result *r)
{
	struct db_rows rows = {0};
	enum sink_table t;

	if (has(c, "COPY kalshi.")) {
		t = table_of(c, "COPY kalshi.");
		copy_read(t, c->request.data, &rows);
		return copy_into(c, r, t, &rows);
	}
	t = table_of(c, has(c, "pg_temp.kmd_") ? "COPY pg_temp.kmd_" : "COPY kmd_");
	copy_read(t, c->request.data, &rows);
	for (size_t i = 0; i < rows.count && r->rc == 0; i++)
		if (is_poison(rows.of[i]))
			refuse(r, &rows, i);
	if (r->rc == 0)
		c->temporary[t] = rows;
	return true;
}

static void count_partition(struct db_result *r, int32_t partition)
{
	for (int i = 0; i < r->rows; i++)
		if (number(r->values[i * 2]) == partition) {
			r->values[i * 2 + 1] = text_of(number(r->values[i * 2 + 1]) + 1);
			return;
		}
	add_row(r, 2);
	r->values[(r->rows - 1) * 2] = text_of(partition);
	r->values[(r->rows - 1) * 2 + 1] = text_of(1);
}

static bool insert_new_trades(struct db_conn *c, struct db_result *r)
{
	const struct db_rows *rows = &c->temporary[SINK_T_TRADES];
	const size_t undo = c->undo_count, made = c->made.count;

	for (size_t i = 0; i < rows->count; i++) {
		const enum fate f = insert_trade(c, rows->of[i]);

		if (f == INSERTED)
			count_partition(r, rows->of[i]->partition);
		if (f == MUST_WAIT) {
			db_undo_to(c, undo);
			c->made.count = made;
			return false;
		}
	}
	return true;
}

/* ---- settlements, markets, events, series ---- */

static struct kmd_str time_text(struct kmd_str field)
{
	return field.p ? text_of(copy_time_us(field)) : KMD_STR_NONE;
}

static void add_settled(struct db_result *r, const struct db_keyed *k)
{
	struct kmd_str *v = add_row(r, 9);
	const struct kmd_str value = row_field(k->row, "settlement_value");

	v[0] = k->key;
	v[1] = text_of(k->revisions);
	v[2] = row_field(k->row, "status");
	v[3] = row_field(k->row, "result");
	v[4] = value.p ? copy_numeric(value) : KMD_STR_NONE;
	v[5] = row_field(k->row, "expiration_value");
	v[6] = time_text(row_field(k->row, "determined_at"));
	v[7] = time_text(row_field(k->row, "settled_at"));
	v[8] = time_text(row_field(k->row, "known_at"));
	for (int i = 0; i < 9; i++)
		v[i] = sim_dup(v[i]); /* with a NUL behind it */
}

static void add_age(struct db_result *r, const struct db_keyed *k)
{
	struct kmd_str *v = add_row(r, 3);

	v[0] = k->key;
	v[1] = time_text(row_field(k->row, "updated_at"));
	v[2] = time_text(row_field(k->row, "fetched_at"));
}

static bool read_keyed(struct db_conn *c, struct db_result *r)
{
	const enum sink_table t = table_of(c, "FROM kalshi.");
	struct kmd_str rest = c->request.params[0], key;

	while (next_element(&rest, &key)) {
		struct db_keyed *k = db_keyed_of(t, key);
		bool again = false;

		for (int i = 0; i < r->rows; i++)
			again = again || kmd_str_eq(r->values[i * r->columns], key);
		if (again || (k->exists && has(c, "FOR UPDATE") && !db_lock(c, k))) {
			if (!again)
				return false;
			continue;
		}
		if (!k->exists)
			continue;
		if (t == SINK_T_REVISIONS)
			add_settled(r, k);
		else
			add_age(r, k);
	}
	return true;
}

static bool upsert(struct db_conn *c, struct db_result *r)
{
	const enum sink_table t = table_of(c, "INSERT INTO kalshi.");
	const struct db_rows *rows = &c->temporary[t];

	(void)r;
	for (size_t i = 0; i < rows->count; i++) {
		struct db_row *row = rows->of[i];
		struct db_keyed *k = db_keyed_of(t, row_field(row, t == SINK_T_REVISIONS ? "market_ticker" : "ticker"));

		if (!db_lock(c, k))
			return false;
		db_remember(c, &k->exists, sizeof(*k) - offsetof(struct db_keyed, exists));
		k->exists = true;
		k->row = row;
		if (t == SINK_T_REVISIONS)
			k->revisions = copy_int(row_field(row, "revision"));
		else
			insert(c, row);
	}
	return true;
}

static bool store_number(struct db_conn *c, struct db_result *r, const struct kmd_str *v)
{
	struct db_keyed *k = db_keyed_of(SINK_T_REVISIONS, v[0]);

	(void)r;
	if (!k->exists)
		return true;
	if (!db_lock(c, k))
		return false;
	db_remember(c, &k->exists, sizeof(*k) - offsetof(struct db_keyed, exists));
	k->revisions = number(v[1]);
	return true;
}

/* ---- the rest ---- */

static bool terminate(struct db_conn *c, struct db_result *r)
{
	struct db_conn *other;

	(void)r;
	if (has(c, "kalshi.sink_offsets"))
		other = db_find(db_offset_of(c->request.params[0], param_i64(c, 1))->owner);
	else
		other = db_find((uint64_t)param_i64(c, 0));
	if (other && other != c)
		db_terminate(other);
	return true;
}

static bool know_backend(struct db_conn *c, struct db_result *r)
{
	struct kmd_str *v = add_row(r, 2);

	v[0] = text_of((int64_t)c->id);
	v[1] = KMD_STR("2026-11-22 10:00:00+00");
	return true;
}

static bool run_control(struct db_conn *c, struct db_result *r)
{
	if (has(c, "ROLLBACK TO SAVEPOINT")) {
		db_undo_to(c, c->savepoint);
		c->aborted = false;
	} else if (has(c, "ROLLBACK")) {
		db_end(c, false);
	} else if (has(c, "COMMIT")) {
		const bool aborted = c->aborted;

		db_end(c, !aborted);
	} else if (has(c, "BEGIN")) {
		c->in_transaction = true;
	} else if (has(c, "SET LOCAL lock_timeout")) {
		c->lock_timeout_ns = 2 * SIM_S;
	} else {
		c->savepoint = c->undo_count;
		c->has_savepoint = true;
	}
	(void)r;
	return true;
}

static bool run_lines(struct db_conn *c, struct db_result *r)
{
	if (has(c, "INSERT INTO kalshi.sink_lineages"))
		return each_line(c, r, store_lineage);
	if (has(c, "UPDATE kalshi.settlements"))
		return each_line(c, r, store_number);
	return each_line(c, r, has(c, "SET next_offset") ? move_one : move_rows);
}

static bool nothing(struct db_conn *c, struct db_result *r)
{
	(void)c;
	(void)r;
	return true;
}

static const struct {
	const char *begins;
	bool (*run)(struct db_conn *c, struct db_result *r);
} known[] = {
    {"ROLLBACK", run_control},
    {"COMMIT", run_control},
    {"BEGIN", run_control},
    {"SAVEPOINT", run_control},
    {"SET LOCAL lock_timeout", run_control},
    {"SET client_min_messages", nothing},
    {"SELECT pg_terminate_backend", terminate},
    {"SELECT pid, backend_start", know_backend},
    {"SELECT first_offset, next_offset, epoch", read_offset},
    {"SELECT lineage, last_n FROM kalshi.sink_lineages", read_lineages},
    {"SELECT kalshi.ensure_partition", nothing},
    {"SELECT pg_advisory_xact_lock", nothing}, /* no key of a history comes in two partitions */
    {"SELECT market_ticker, revisions", read_keyed},
    {"SELECT ticker, ", read_keyed},
    {"INSERT INTO kalshi.sink_offsets", store_offset},
    {"INSERT INTO kalshi.sink_lineages", run_lines},
    {"INSERT INTO kalshi.", upsert},
    {"UPDATE kalshi.sink_offsets SET stopped", stop_offset},
    {"UPDATE kalshi.", run_lines},
    {"CREATE TEMPORARY TABLE IF NOT EXISTS", nothing},
    {"WITH new AS (INSERT INTO kalshi.trades", insert_new_trades},
    {"COPY ", run_copy},
};

bool sql_run(struct db_conn *c, struct db_result *r)
{
	if (c->aborted && strncmp(c->request.sql.p, "ROLLBACK", 8) != 0 &&
	    strncmp(c->request.sql.p, "COMMIT", 6) != 0) {
		sql_fault(r, "25P02", "current transaction is aborted");
		return true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(c->request.sql.p, known[i].begins, strlen(known[i].begins)) == 0)
			return known[i].run(c, r);
	sim_fail("the simulated database does not know this statement (sim_sql.c): %.200s", c->request.sql.p);
}
