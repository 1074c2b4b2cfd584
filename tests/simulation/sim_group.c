#include <string.h>

#include "sim_broker.h"
#include "sim_check.h"
#include "sim_proc.h"

/*
 * The coordinator of consumer groups, cooperative and sticky: a partition stays where it is unless its owner is gone or
 * has too many; a living owner gives up before another one takes. A member whose process stands still or is dead is
 * thrown out after the session timeout, and learns so when it comes back.
 */

#define LOOK_NS (250 * SIM_MS)

struct broker_member {
	struct broker_member *next;
	struct broker_group *group;
	struct kmd_consumer *consumer;
	struct proc *proc;
	unsigned mask;
	bool gone;
	int64_t heard_ns;
};

struct place {
	struct broker_member *owner, *target, *former;
	bool has_committed;
	int64_t committed;
	int64_t ready_ns; /* a change of target takes its time to get through */
};

struct broker_group {
	struct broker_group *next;
	const char *name;
	struct broker_member *members;
	struct place places[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	bool looking;
};

static struct broker_group *find_group(const char *name)
{
	struct broker_group *g = sim->broker->groups;

	while (g && strcmp(g->name, name) != 0)
		g = g->next;
	if (g)
		return g;
	g = sim_alloc(sizeof(*g));
	g->name = sim_dup(kmd_str_z(name)).p;
	g->next = sim->broker->groups;
	sim->broker->groups = g;
	return g;
}

static size_t count_of(const struct broker_group *g, const struct broker_member *m)
{
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int i = 0; i < BROKER_PARTITIONS_MAX; i++)
			n += g->places[t][i].target == m;
	return n;
}

static struct broker_member *least(const struct broker_group *g, int t)
{
	struct broker_member *best = NULL;

	for (struct broker_member *m = g->members; m; m = m->next)
		if (m->mask & 1u << t && (!best || count_of(g, m) < count_of(g, best)))
			best = m;
	return best;
}

static bool is_too_many(const struct broker_group *g, const struct broker_member *m, int t)
{
	const struct broker_member *other = least(g, t);

	return other && count_of(g, m) > count_of(g, other) + 1;
}

static void retarget(struct broker_group *g, int t, struct place *p)
{
	struct broker_member *former = p->target;

	if (p->target && p->target->gone)
		p->target = NULL;
	if (p->target && is_too_many(g, p->target, t))
		p->target = NULL;
	if (!p->target)
		p->target = least(g, t);
	if (p->target != former)
		p->ready_ns = sim->now_ns + sim_between(50 * SIM_MS, 3 * SIM_S);
}

static void rebalance(struct broker_group *g)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < sim->broker->topics[t].partitions; i++) {
			struct place *p = &g->places[t][i];

			if (p->owner && p->owner->gone)
				p->owner = NULL;
			retarget(g, t, p);
		}
	for (struct broker_member *m = g->members; m; m = m->next)
		consumer_wake(m->consumer);
}

static void drop(struct broker_member *m)
{
	struct broker_group *g = m->group;
	struct broker_member **at = &g->members;

	if (m->gone)
		return;
	m->gone = true;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	rebalance(g);
}

/* Background threads of a living process keep its session. */
static void look(void *ctx, uint64_t arg)
{
	struct broker_group *g = ctx;
	bool again = true;

	(void)arg;
	for (struct broker_member *m = g->members; m; m = m->next)
		if (proc_runs(m->proc) || !broker_is_up())
			m->heard_ns = sim->now_ns;
	while (again) {
		struct broker_member *m = g->members;

		while (m && sim->now_ns - m->heard_ns <= BROKER_SESSION_NS)
			m = m->next;
		again = m != NULL;
		if (m) {
			sim_happened(SIM_HAPPENED_session_over);
			sim_trace("group %s: session of %s is over", g->name, proc_name(m->proc));
			drop(m);
		}
	}
	g->looking = g->members != NULL;
	if (g->looking)
		sim_after(LOOK_NS, look, g, 0);
}

struct broker_member *broker_join(const char *group, unsigned mask, struct kmd_consumer *c)
{
	struct broker_member *m = sim_alloc(sizeof(*m));
	struct broker_group *g = find_group(group);

	*m = (struct broker_member){.group = g, .consumer = c, .proc = consumer_proc(c), .mask = mask};
	m->heard_ns = sim->now_ns;
	m->next = g->members;
	g->members = m;
	rebalance(g);
	if (!g->looking)
		sim_after(LOOK_NS, look, g, 0);
	g->looking = true;
	return m;
}

void broker_leave(struct broker_member *m)
{
	drop(m);
}

bool broker_is_member(const struct broker_member *m)
{
	return !m->gone;
}

static bool is_asked(const struct broker_member *m, const struct place *p, bool give)
{
	if (sim->now_ns < p->ready_ns)
		return false;
	return give ? p->owner == m && p->target != m : !p->owner && p->target == m;
}

static size_t collect(const struct broker_member *m, struct kmd_tp *ret, bool give)
{
	size_t n = 0;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		for (int32_t i = 0; i < sim->broker->topics[t].partitions; i++)
			if (is_asked(m, &m->group->places[t][i], give))
				ret[n++] = (struct kmd_tp){(enum kmd_topic)t, i, 0};
	return n;
}

size_t broker_asks(struct broker_member *m, struct kmd_tp *ret, bool *ret_give)
{
	size_t n;

	if (m->gone || !broker_is_up())
		return 0;
	*ret_give = true;
	n = collect(m, ret, true);
	if (n > 0)
		return n;
	*ret_give = false;
	return collect(m, ret, false);
}

void broker_done(struct broker_member *m, const struct kmd_tp *tps, size_t n, bool give)
{
	if (m->gone)
		return;
	for (size_t i = 0; i < n; i++) {
		struct place *p = &m->group->places[tps[i].topic][tps[i].partition];

		p->owner = give ? NULL : m;
		if (!give && p->former && p->former != m)
			sim_happened(SIM_HAPPENED_rebalance);
		p->former = m;
		if (give)
			p->ready_ns = sim->now_ns + sim_between(0, SIM_S);
	}
}

int64_t broker_committed(const struct broker_member *m, enum kmd_topic t, int32_t partition)
{
	const struct place *p = &m->group->places[t][partition];

	return p->has_committed ? p->committed : -1001;
}

bool broker_commit(struct broker_member *m, const struct kmd_tp *tp)
{
	struct place *p = &m->group->places[tp->topic][tp->partition];

	if (m->gone || p->owner != m)
		return false;
	if (tp->topic == KMD_TOPIC_LIFECYCLE && strcmp(m->group->name, "kmd-enricher") == 0)
		check_enricher_commit(tp->partition, tp->offset);
	p->has_committed = true;
	p->committed = tp->offset;
	return true;
}
