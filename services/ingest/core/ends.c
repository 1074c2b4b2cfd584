#include "ends.h"

#include <stdlib.h>

#include "kmd_mem.h"

void ingest_ends_fini(struct ingest_ends *e)
{
	free(e->own);
	*e = (struct ingest_ends){0};
}

void ingest_ends_reach(struct ingest_ends *e, enum ingest_channel channel, int64_t recv_ns)
{
	if (recv_ns > e->recv_ns[channel])
		e->recv_ns[channel] = recv_ns;
}

/* Most records are of the lineage that was met last. */
static bool is_own(const struct ingest_ends *e, int64_t lineage)
{
	for (size_t i = e->own_count; i > 0; i--) {
		if (e->own[i - 1] == lineage)
			return true;
	}
	return false;
}

static void add_own(struct ingest_ends *e, int64_t lineage)
{
	if (is_own(e, lineage))
		return;
	if (e->own_count == e->own_cap) {
		e->own_cap = e->own_cap ? e->own_cap * 2 : 16;
		e->own = kmd_realloc(e->own, e->own_cap * sizeof(*e->own));
	}
	e->own[e->own_count++] = lineage;
}

/* @covered_ns when it was said to be subscribed, 0: it is over. */
static void learn_sid(struct ingest_ends *e, const struct kmd_feed_sid *sid, int64_t covered_ns)
{
	enum ingest_channel channel;

	if (!ingest_channel_find(sid->channel, &channel))
		return;
	if (sid->subscribed_ns.has)
		ingest_ends_reach(e, channel, sid->subscribed_ns.v);
	if (sid->recv_ns.has)
		ingest_ends_reach(e, channel, sid->recv_ns.v);
	if (covered_ns > e->covered_ns[channel])
		e->covered_ns[channel] = covered_ns;
}

void ingest_ends_learn(struct ingest_ends *e, const struct kmd_feed_record *r, struct kmd_str group)
{
	enum ingest_channel channel;

	if (r->lineage > e->newest_lineage)
		e->newest_lineage = r->lineage;
	if (r->group.p && !kmd_str_eq(r->group, group))
		return;
	if (r->group.p)
		add_own(e, r->lineage);
	else if (!is_own(e, r->lineage))
		return;
	if (r->kind == KMD_FEED_subscribed && ingest_channel_find(r->channel, &channel))
		ingest_ends_reach(e, channel, r->to_recv_ns.has ? r->to_recv_ns.v : r->at_ns);
	for (int i = 0; r->kind == KMD_FEED_handover && i < INGEST_CHANNEL_COUNT; i++) {
		if (r->at_ns > e->covered_ns[i])
			e->covered_ns[i] = r->at_ns;
	}
	if (r->kind == KMD_FEED_alive || r->kind == KMD_FEED_closed) {
		for (uint32_t i = 0; i < r->sids_count; i++)
			learn_sid(e, &r->sids[i], r->kind == KMD_FEED_alive ? r->at_ns : 0);
	}
}

int64_t ingest_ends_hole(const struct ingest_ends *e, enum ingest_channel channel, int64_t to_ns)
{
	return e->covered_ns[channel] < to_ns && e->recv_ns[channel] < to_ns ? e->recv_ns[channel] : 0;
}
