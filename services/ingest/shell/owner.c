#include <stdio.h>

#include "ingest_int.h"
#include "instance.h"
#include "sync.h"

#define LOOK_NS (50 * KMD_NS_PER_MS)

static const char *const states[] = {
    [INGEST_SHARD_IDLE] = "given_up",
    [INGEST_SHARD_CLAIMED] = "claimed",
    [INGEST_SHARD_OWNED] = "owned",
    [INGEST_SHARD_LEAVING] = "leaving",
};

static struct ingest_now now_of(const struct ingest *g)
{
	return (struct ingest_now){g->now, g->wall};
}

static enum ingest_shard_state state_of(const struct ingest *g, const struct ingest_line *line)
{
	return g->owner.shards.all[line->shard].state;
}

int ingest_owner_start(struct ingest *g, struct kmd_err *err)
{
	return ingest_group_start(&g->owner.group, g->app, g->setup, &g->conf.kafka, err);
}

void ingest_owner_stop(struct ingest *g)
{
	ingest_group_stop(g->owner.group);
	ingest_shards_fini(&g->owner.shards);
	ingest_peers_fini(&g->owner.peers);
}

/* Numbers of lineages grow, so a former life under our name has lower ones. */
bool ingest_owner_is_ours(const struct ingest *g, const struct kmd_feed_record *r)
{
	return g->owner.first_lineage && r->lineage >= g->owner.first_lineage && kmd_str_eqz(r->instance, g->instance);
}

void ingest_owner_learn(struct ingest *g, const struct kmd_feed_record *r)
{
	const struct ingest_now now = now_of(g);
	const bool recent = g->feed_known || g->wall.ns - r->at_ns < INGEST_PEER_SILENT_NS;
	const bool dead = recent && ingest_instance_is_gone(g->instance, r->instance);

	if (kmd_str_eqz(r->group, g->settings->group) && !ingest_owner_is_ours(g, r))
		ingest_peers_learn(&g->owner.peers, r, g->feed_known, dead, &now);
}

/* What the group says of a partition that is no shard of ours comes of a former or another number of shards. */
static bool is_shard(struct ingest *g, size_t shard)
{
	struct ingest_owner *o = &g->owner;

	if (shard < o->shards.count)
		return true;
	if (!o->stranger_told)
		kmd_log(KMD_LOG_WARN, "shards_differ", "partition", "%zu", shard, "shards", "%zu", o->shards.count,
		    "why", "%s", "topic shards has more partitions than KMD_INGEST_SHARDS says", NULL);
	o->stranger_told = true;
	return false;
}

static void leave(struct ingest *g, bool others)
{
	const int64_t left_ns = g->deadline.ns - g->now.ns;

	/* The last quarter is for what has been received. */
	ingest_shards_left(&g->owner.shards, others, g->now, (struct kmd_mono){g->now.ns + left_ns - left_ns / 4});
}

static void obey(struct ingest *g, const struct ingest_group_event *e)
{
	struct ingest_shards *s = &g->owner.shards;

	switch (e->kind) {
	case INGEST_GROUP_ASSIGNED:
		if (is_shard(g, e->shard))
			ingest_shards_assigned(s, e->shard);
		break;
	case INGEST_GROUP_REVOKED:
	case INGEST_GROUP_LOST:
		if (is_shard(g, e->shard))
			ingest_shards_revoked(s, e->shard, e->kind == INGEST_GROUP_LOST, g->now);
		break;
	case INGEST_GROUP_SETTLED:
		ingest_shards_settled(s, g->now);
		break;
	case INGEST_GROUP_ALONE:
	case INGEST_GROUP_OTHERS:
		leave(g, e->kind == INGEST_GROUP_OTHERS);
		break;
	case INGEST_GROUP_FATAL:
		g->fatal = true;
		break;
	}
}

/* Until the group has spoken: what nobody captures, as far as is known. */
static void claim(struct ingest *g)
{
	const struct ingest_now now = now_of(g);

	for (size_t i = 0; i < g->lines_count; i++) {
		if (!ingest_peers_capture(&g->owner.peers, (int64_t)i, &now))
			ingest_shards_claim(&g->owner.shards, i);
	}
}

/* Is there another that has everything? Not one that we took over from ourselves. */
static bool has_successor(const struct ingest *g, const struct ingest_line *line)
{
	const struct ingest_now now = now_of(g);
	const int64_t above = g->owner.shards.all[line->shard].was_owned ? line->first_lineage : 0;

	return ingest_peers_synced(&g->owner.peers, line->shard, above, &now);
}

static void look_around(struct ingest *g)
{
	g->owner.look_due.ns = g->now.ns + LOOK_NS;
	if (!g->owner.shards.settled && ingest_intake_ready(g))
		claim(g);
	for (size_t i = 0; i < g->lines_count; i++) {
		if (ingest_owner_is_leaving(g, &g->lines[i]) && has_successor(g, &g->lines[i]))
			ingest_shards_handed_over(&g->owner.shards, i);
	}
}

/* Only an owner says that it has everything: of two that have a shard for a while, one must go on. */
static void announce(struct ingest *g, const struct ingest_line *line)
{
	struct ingest_conn *conn = line->conn;

	if (!conn || conn->state != INGEST_CONN_OPEN || conn->giving_up || conn->handed_over || conn->notes.head ||
	    state_of(g, line) != INGEST_SHARD_OWNED)
		return;
	if (g->conf.channels & 1u << INGEST_CHANNEL_BOOK && !g->markets_known)
		return;
	if (!ingest_sync_is_reached(&conn->session))
		return;
	conn->handed_over = true;
	ingest_note_add(g, conn, KMD_FEED_handover, g->wall.ns);
	kmd_log(KMD_LOG_INFO, "synced", "shard", "%lld", (long long)line->shard, "lineage", "%lld",
	    (long long)conn->lineage, NULL);
}

static void log_change(const struct ingest *g, struct ingest_line *line)
{
	const enum ingest_shard_state state = state_of(g, line);

	if (state == line->told_state)
		return;
	line->told_state = state;
	kmd_log(KMD_LOG_INFO, "shard", "shard", "%lld", (long long)line->shard, "state", "%s", states[state], NULL);
}

void ingest_owner_step(struct ingest *g)
{
	struct ingest_shards *s = &g->owner.shards;
	struct ingest_group_event e;

	while (ingest_group_next(g->owner.group, &e))
		obey(g, &e);
	if (g->now.ns >= g->owner.look_due.ns)
		look_around(g);
	for (size_t i = 0; i < g->lines_count; i++)
		announce(g, &g->lines[i]);
	ingest_shards_tick(s, g->now);
	for (size_t i = 0; i < g->lines_count; i++)
		log_change(g, &g->lines[i]);
}

/* Where the broker does not answer nobody can be asked, nor take over. */
void ingest_owner_leave(struct ingest *g)
{
	const bool ask = !g->fatal && kmd_producer_connected(g->producer, NULL);

	g->owner.leaving = true;
	ingest_group_leave(g->owner.group, ask);
	if (!ask)
		ingest_owner_abandon(g);
}

void ingest_owner_abandon(struct ingest *g)
{
	leave(g, false);
}

bool ingest_owner_is_done(const struct ingest *g)
{
	const struct ingest_shards *s = &g->owner.shards;

	for (size_t i = 0; i < s->count; i++) {
		if (ingest_shards_captures(s, i))
			return false;
	}
	return s->leaving;
}

bool ingest_owner_captures(const struct ingest *g, const struct ingest_line *line)
{
	return ingest_shards_captures(&g->owner.shards, (size_t)line->shard);
}

bool ingest_owner_is_leaving(const struct ingest *g, const struct ingest_line *line)
{
	return state_of(g, line) == INGEST_SHARD_LEAVING;
}

bool ingest_owner_must_wait(const struct ingest *g, const struct ingest_conn *conn, int64_t at_ns)
{
	const struct ingest_now now = now_of(g);

	return ingest_peers_owe(&g->owner.peers, conn->line->shard, conn->lineage, at_ns, &now);
}

/* "0-2,5"; as far as it fits. */
static void list_held(const struct ingest_shards *s, char *ret, size_t cap)
{
	size_t n = 0;

	*ret = '\0';
	for (size_t i = 0; i < s->count && n + 24 < cap; i++) {
		size_t last = i;

		if (!ingest_shards_captures(s, i))
			continue;
		while (last + 1 < s->count && ingest_shards_captures(s, last + 1))
			last++;
		n += (size_t)snprintf(ret + n, cap - n, last > i ? "%s%zu-%zu" : "%s%zu", n > 0 ? "," : "", i, last);
		i = last;
	}
}

void ingest_owner_look(struct ingest *g)
{
	const struct ingest_shards *s = &g->owner.shards;
	size_t counts[INGEST_SHARD_LEAVING + 1] = {0};
	char held[128], why[256];

	for (size_t i = 0; i < s->count; i++) {
		counts[s->all[i].state]++;
		kmd_gauge_set(g->lines[i].held, ingest_shards_captures(s, i) ? 1 : 0);
	}
	kmd_gauge_set(g->stats.shards_owned, (double)counts[INGEST_SHARD_OWNED]);
	kmd_gauge_set(g->stats.shards_claimed, (double)counts[INGEST_SHARD_CLAIMED]);
	kmd_gauge_set(g->stats.shards_leaving, (double)counts[INGEST_SHARD_LEAVING]);
	if (!s->settled)
		return; /* shell/group says why */
	list_held(s, held, sizeof(held));
	snprintf(why, sizeof(why), "%s of %zu%s%s", *held ? held : "none", s->count,
	    counts[INGEST_SHARD_LEAVING] > 0 ? ", some until another has them" : "",
	    g->owner.leaving ? ", leaving the group" : "");
	kmd_app_ready(g->app, "shards", ingest_shards_is_even(s), why);
}
