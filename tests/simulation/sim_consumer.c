#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "sim_broker.h"
#include "sim_coro.h"
#include "sim_proc.h"

/* kmd_consumer.h against the simulated broker. */

struct part {
	bool assigned, paused;
	int64_t next;
	int64_t mark; /* reader: where it ended when it was opened */
};

struct kmd_consumer {
	struct kmd_consumer *next;
	struct proc *proc;
	bool is_reader, looked, closed, woken;
	unsigned mask;
	const char *group;
	struct broker_member *member;
	const struct kmd_rebalance_ops *ops;
	void *ctx;
	struct kmd_tp pending[BROKER_TPS_MAX];
	size_t pending_count;
	int64_t pending_retry_ns, commit_ns;
	struct part parts[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	size_t turn; /* where the next poll begins */
};

struct kmd_record {
	const struct broker_record *r;
};

struct proc *consumer_proc(const struct kmd_consumer *c)
{
	return c->proc;
}

struct kmd_consumer *consumer_next(const struct kmd_consumer *c)
{
	return c->next;
}

const struct broker_record *consumer_record(const struct kmd_record *r)
{
	return r->r;
}

static void on_wake(void *ctx, uint64_t arg)
{
	struct kmd_consumer *c = ctx;

	(void)arg;
	c->woken = false;
	if (!c->closed)
		coro_wake(c->proc, c);
}

void consumer_wake(struct kmd_consumer *c)
{
	if (c->woken || c->closed)
		return;
	c->woken = true;
	sim_after(sim_between(SIM_MS, 20 * SIM_MS), on_wake, c, 0);
}

void consumer_on_append(struct kmd_consumer *c, const struct broker_record *r)
{
	const struct part *p = &c->parts[r->topic][r->partition];

	if (p->assigned && !p->paused)
		consumer_wake(c);
}

static void forget(struct kmd_consumer *c)
{
	struct kmd_consumer **at = &sim->broker->consumers;

	if (c->closed)
		return;
	c->closed = true;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void on_gone(void *ctx)
{
	forget(ctx); /* the group finds out by itself */
}

static struct kmd_consumer *consumer_new(unsigned mask)
{
	struct kmd_consumer *c = sim_alloc(sizeof(*c));

	c->proc = proc_self();
	c->mask = mask;
	c->next = sim->broker->consumers;
	sim->broker->consumers = c;
	proc_on_end(c->proc, on_gone, c);
	return c;
}

int kmd_consumer_join(struct kmd_consumer **ret, const struct kmd_kafka *k, const char *group, unsigned mask,
    const struct kmd_rebalance_ops *ops, void *ctx, struct kmd_err *err)
{
	struct kmd_consumer *c = consumer_new(mask);

	(void)k;
	(void)err;
	c->group = sim_dup(kmd_str_z(group)).p;
	c->ops = ops;
	c->ctx = ctx;
	c->member = broker_join(c->group, mask, c);
	*ret = c;
	return 0;
}

int kmd_consumer_read(
    struct kmd_consumer **ret, const struct kmd_kafka *k, unsigned mask, int64_t start, struct kmd_err *err)
{
	(void)k;
	(void)err;
	SIM_CHECK(start == KMD_OFFSET_BEGINNING, "a reader that does not begin at the beginning");
	*ret = consumer_new(mask);
	(*ret)->is_reader = true;
	return 0;
}

/* ---- group ---- */

static bool settle_pending(struct kmd_consumer *c)
{
	for (size_t i = 0; i < c->pending_count; i++)
		c->pending[i].offset = broker_committed(c->member, c->pending[i].topic, c->pending[i].partition);
	if (!broker_is_up() || c->ops->assigned(c->ctx, c->pending, c->pending_count) != 0)
		return false;
	for (size_t i = 0; i < c->pending_count; i++) {
		const struct kmd_tp *tp = &c->pending[i];
		struct part *p = &c->parts[tp->topic][tp->partition];
		int64_t next = tp->offset;

		if (next == KMD_OFFSET_BEGINNING)
			next = 0;
		else if (next == KMD_OFFSET_END)
			next = (int64_t)broker_log(tp->topic, tp->partition)->count;
		SIM_CHECK(next >= 0, "assigned at %lld", (long long)next);
		*p = (struct part){.assigned = true, .next = next};
	}
	c->pending_count = 0;
	return true;
}

static void unpend(struct kmd_consumer *c, const struct kmd_tp *tp)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->pending_count; i++)
		if (c->pending[i].topic != tp->topic || c->pending[i].partition != tp->partition)
			c->pending[kept++] = c->pending[i];
	c->pending_count = kept;
}

static void give_up(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct kmd_tp live[BROKER_TPS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		unpend(c, &tps[i]);
		if (c->parts[tps[i].topic][tps[i].partition].assigned)
			live[count++] = tps[i];
	}
	if (count > 0)
		c->ops->revoked(c->ctx, live, count, lost);
	for (size_t i = 0; i < count; i++)
		c->parts[live[i].topic][live[i].partition].assigned = false;
}

static size_t all_of(const struct kmd_consumer *c, struct kmd_tp *ret)
{
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
			if (c->parts[t][i].assigned)
				ret[n++] = (struct kmd_tp){(enum kmd_topic)t, i, 0};
	for (size_t i = 0; i < c->pending_count; i++)
		ret[n++] = c->pending[i];
	return n;
}

static void rejoin(struct kmd_consumer *c)
{
	struct kmd_tp tps[2 * BROKER_TPS_MAX];
	const size_t n = all_of(c, tps);

	sim_trace("was thrown out of group %s", c->group);
	give_up(c, tps, n, true);
	c->pending_count = 0;
	c->member = broker_join(c->group, c->mask, c);
}

static void serve_group(struct kmd_consumer *c)
{
	struct kmd_tp tps[BROKER_TPS_MAX];
	bool give = false;
	size_t n;

	if (!broker_is_member(c->member)) {
		if (broker_is_up())
			rejoin(c);
		return;
	}
	n = broker_asks(c->member, tps, &give);
	if (n > 0 && give) {
		give_up(c, tps, n, false);
		broker_done(c->member, tps, n, true);
	} else if (n > 0) {
		broker_done(c->member, tps, n, false);
		memcpy(c->pending + c->pending_count, tps, n * sizeof(*tps));
		c->pending_count += n;
		c->pending_retry_ns = 0;
	}
	if (c->pending_count > 0 && sim->now_ns >= c->pending_retry_ns && !settle_pending(c))
		c->pending_retry_ns = sim->now_ns + 200 * SIM_MS;
}

/* ---- reader ---- */

static void serve_reader(struct kmd_consumer *c)
{
	if (c->looked || !broker_is_up())
		return;
	c->looked = true;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; c->mask & 1u << t && i < sim->broker->topics[t].partitions; i++)
			c->parts[t][i] =
			    (struct part){.assigned = true, .mark = (int64_t)broker_log((enum kmd_topic)t, i)->count};
}

bool kmd_consumer_caught_up(struct kmd_consumer *c)
{
	if (!c->looked || !broker_is_up())
		return false;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
			if (c->parts[t][i].assigned && c->parts[t][i].next < c->parts[t][i].mark)
				return false;
	return true;
}

int kmd_consumer_mark(struct kmd_consumer *c, int timeout_ms, struct kmd_err *err)
{
	(void)timeout_ms;
	proc_point();
	if (!c->looked || !broker_is_up())
		return kmd_err_set(err, KMD_EAGAIN, "broker away");
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
			c->parts[t][i].mark = (int64_t)broker_log((enum kmd_topic)t, i)->count;
	return 0;
}

/* ---- records ---- */

static int fetch_part(struct kmd_consumer *c, int t, int32_t i, struct kmd_record **ret, int max)
{
	struct part *p = &c->parts[t][i];
	const struct broker_log *l = broker_log((enum kmd_topic)t, i);
	int n = 0, most = (int)sim_between(1, 60);

	if (!p->assigned || p->paused)
		return 0;
	for (; n < max && n < most && (size_t)p->next < l->count; n++) {
		ret[n] = kmd_calloc(1, sizeof(**ret));
		ret[n]->r = l->records[p->next++];
	}
	return n;
}

static int fetch(struct kmd_consumer *c, struct kmd_record **ret, int max)
{
	int n = 0;

	if (!broker_is_up())
		return 0;
	c->turn = (size_t)sim_below(BROKER_TPS_MAX);
	for (size_t k = 0; k < BROKER_TPS_MAX && n < max; k++) {
		const size_t place = (c->turn + k) % BROKER_TPS_MAX;
		const int t = (int)(place / BROKER_PARTITIONS_MAX);
		const int32_t i = (int32_t)(place % BROKER_PARTITIONS_MAX);

		if (c->mask & 1u << t)
			n += fetch_part(c, t, i, ret + n, max - n);
	}
	return n;
}

int kmd_consumer_poll(struct kmd_consumer *c, struct kmd_record **ret, int max, int timeout_ms)
{
	int n;

	proc_point();
	if (c->is_reader)
		serve_reader(c);
	else
		serve_group(c);
	n = fetch(c, ret, max);
	if (n == 0 && timeout_ms > 0) {
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS * (int64_t)(1 + sim_below(4)), c);
		proc_point();
		n = fetch(c, ret, max);
	}
	return n;
}

void kmd_consumer_close(struct kmd_consumer *c)
{
	struct kmd_tp tps[2 * BROKER_TPS_MAX];

	if (!c)
		return;
	proc_point();
	if (!c->is_reader && broker_is_member(c->member)) {
		const size_t n = all_of(c, tps);

		give_up(c, tps, n, false);
		broker_leave(c->member);
	}
	forget(c);
}

int kmd_consumer_fd(const struct kmd_consumer *c)
{
	(void)c;
	return -1;
}

int kmd_consumer_pause(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c->parts[tps[i].topic][tps[i].partition].paused = true;
	return 0;
}

int kmd_consumer_resume(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c->parts[tps[i].topic][tps[i].partition].paused = false;
	consumer_wake(c);
	return 0;
}

int kmd_consumer_seek(struct kmd_consumer *c, const struct kmd_tp *tp, struct kmd_err *err)
{
	struct part *p = &c->parts[tp->topic][tp->partition];

	proc_point();
	if (!p->assigned)
		return kmd_err_set(err, KMD_EAGAIN, "not assigned");
	p->next = tp->offset == KMD_OFFSET_BEGINNING ? 0 : tp->offset;
	consumer_wake(c);
	return 0;
}

/* ---- commits ---- */

struct commit {
	struct kmd_consumer *consumer;
	struct broker_member *member;
	size_t n;
	struct kmd_tp tps[BROKER_TPS_MAX];
	bool done, good;
};

static void on_commit(void *ctx, uint64_t arg)
{
	struct commit *m = ctx;

	(void)arg;
	m->done = true;
	m->good = broker_is_up();
	for (size_t i = 0; i < m->n && m->good; i++)
		m->good = broker_commit(m->member, &m->tps[i]);
	coro_wake(m->consumer->proc, m);
}

int kmd_consumer_commit(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, bool sync, struct kmd_err *err)
{
	struct commit *m = sim_alloc(sizeof(*m));
	int64_t at_ns = sim->now_ns + sim_between(SIM_MS, 30 * SIM_MS);

	proc_point();
	if (sim_strikes(SIM_FAULT_commit_lost))
		return sync ? kmd_err_set(err, KMD_EAGAIN, "commit lost") : 0;
	*m = (struct commit){.consumer = c, .member = c->member, .n = n};
	memcpy(m->tps, tps, n * sizeof(*tps));
	if (at_ns <= c->commit_ns)
		at_ns = c->commit_ns + 1;
	c->commit_ns = at_ns;
	sim_after(at_ns - sim->now_ns, on_commit, m, 0);
	while (sync && !m->done)
		coro_sleep(sim->now_ns + 10 * SIM_S, m);
	return !sync || m->good ? 0 : kmd_err_set(err, KMD_EAGAIN, "commit refused");
}

int kmd_consumer_watermarks(struct kmd_consumer *c, const struct kmd_tp *tp, int timeout_ms, int64_t *ret_low,
    int64_t *ret_high, struct kmd_err *err)
{
	(void)c;
	proc_point();
	if (!broker_is_up()) {
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS, c);
		return kmd_err_set(err, KMD_EAGAIN, "broker away");
	}
	coro_sleep(sim->now_ns + sim_between(SIM_MS, 10 * SIM_MS), c);
	*ret_low = 0;
	*ret_high = (int64_t)broker_log(tp->topic, tp->partition)->count;
	return 0;
}

void kmd_consumer_bounds(
    struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, int timeout_ms, int64_t *ret_low, int64_t *ret_high)
{
	for (size_t i = 0; i < n; i++)
		ret_high[i] = -1;
	proc_point();
	if (!broker_is_up()) {
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS, c);
		return;
	}
	coro_sleep(sim->now_ns + sim_between(SIM_MS, 10 * SIM_MS), c);
	for (size_t i = 0; i < n; i++) {
		ret_low[i] = 0;
		ret_high[i] = (int64_t)broker_log(tps[i].topic, tps[i].partition)->count;
	}
}

bool kmd_consumer_ends(struct kmd_consumer *c, struct kmd_tp *tps, size_t n, int timeout_ms)
{
	proc_point();
	if (!broker_is_up()) {
		coro_sleep(sim->now_ns + timeout_ms * SIM_MS, c);
		return false;
	}
	coro_sleep(sim->now_ns + sim_between(SIM_MS, 10 * SIM_MS), c);
	for (size_t i = 0; i < n; i++)
		tps[i].offset = (int64_t)broker_log(tps[i].topic, tps[i].partition)->count;
	return true;
}

int kmd_consumer_cached_watermarks(struct kmd_consumer *c, const struct kmd_tp *tp, int64_t *ret_low, int64_t *ret_high)
{
	(void)c;
	*ret_low = 0;
	*ret_high = (int64_t)broker_log(tp->topic, tp->partition)->count;
	return 0;
}

bool kmd_consumer_connected(const struct kmd_consumer *c, const char **ret_why)
{
	(void)c;
	if (ret_why)
		*ret_why = "away";
	return broker_is_up();
}

/* ---- a record ---- */

enum kmd_topic kmd_record_topic(const struct kmd_record *r)
{
	return r->r->topic;
}

int32_t kmd_record_partition(const struct kmd_record *r)
{
	return r->r->partition;
}

int64_t kmd_record_offset(const struct kmd_record *r)
{
	return r->r->offset;
}

int64_t kmd_record_timestamp_ms(const struct kmd_record *r)
{
	return r->r->timestamp_ms;
}

struct kmd_str kmd_record_key(const struct kmd_record *r)
{
	return r->r->key;
}

struct kmd_str kmd_record_value(const struct kmd_record *r)
{
	return r->r->value;
}

struct kmd_str kmd_record_header(const struct kmd_record *r, const char *name)
{
	return broker_header(r->r, name);
}

bool kmd_record_header_at(const struct kmd_record *r, size_t i, const char **ret_name, struct kmd_str *ret_value)
{
	if (i >= r->r->headers_count)
		return false;
	*ret_name = r->r->headers[i].name;
	*ret_value = r->r->headers[i].value;
	return true;
}

void kmd_record_free(struct kmd_record *r)
{
	free(r);
}
