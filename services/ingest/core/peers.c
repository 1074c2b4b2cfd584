#include "peers.h"

#include <stdlib.h>

#include "kmd_mem.h"

void ingest_peers_fini(struct ingest_peers *p)
{
	free(p->all);
	*p = (struct ingest_peers){0};
}

static bool lives(const struct ingest_peer *peer, const struct ingest_now *now)
{
	int64_t silence_ns = peer->heard.ns ? now->mono.ns - peer->heard.ns : now->wall.ns - peer->at_ns;

	return silence_ns < INGEST_PEER_SILENT_NS;
}

static struct ingest_peer *find(struct ingest_peers *p, int64_t lineage)
{
	for (size_t i = p->count; i > 0; i--) {
		if (p->all[i - 1].lineage == lineage)
			return &p->all[i - 1];
	}
	return NULL;
}

static void drop(struct ingest_peers *p, struct ingest_peer *peer)
{
	if (peer)
		*peer = p->all[--p->count];
}

static void drop_silent(struct ingest_peers *p, const struct ingest_now *now)
{
	for (size_t i = 0; i < p->count;) {
		if (lives(&p->all[i], now))
			i++;
		else
			drop(p, &p->all[i]);
	}
}

static struct ingest_peer *add(struct ingest_peers *p, const struct kmd_feed_record *r, const struct ingest_now *now)
{
	drop_silent(p, now);
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->all = kmd_realloc(p->all, p->cap * sizeof(*p->all));
	}
	p->all[p->count] = (struct ingest_peer){.lineage = r->lineage, .shard = r->shard.v};
	return &p->all[p->count++];
}

void ingest_peers_learn(
    struct ingest_peers *p, const struct kmd_feed_record *r, bool following, bool dead, const struct ingest_now *now)
{
	struct ingest_peer *peer = find(p, r->lineage);

	if (r->kind == KMD_FEED_closed || dead || !r->shard.has) {
		drop(p, peer);
		return;
	}
	if (!following && now->wall.ns - r->at_ns >= INGEST_PEER_SILENT_NS)
		return;
	if (!peer)
		peer = add(p, r, now);
	if (r->at_ns > peer->at_ns)
		peer->at_ns = r->at_ns;
	if (following)
		peer->heard = now->mono;
	if ((r->kind == KMD_FEED_alive || r->kind == KMD_FEED_handover) && r->at_ns > peer->told_ns)
		peer->told_ns = r->at_ns;
	peer->synced |= r->kind == KMD_FEED_handover;
}

bool ingest_peers_capture(const struct ingest_peers *p, int64_t shard, const struct ingest_now *now)
{
	return ingest_peers_owe(p, shard, INT64_MAX, INT64_MAX, now);
}

bool ingest_peers_synced(const struct ingest_peers *p, int64_t shard, int64_t above, const struct ingest_now *now)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct ingest_peer *peer = &p->all[i];

		if (peer->shard == shard && peer->synced && peer->lineage > above && lives(peer, now))
			return true;
	}
	return false;
}

bool ingest_peers_owe(
    const struct ingest_peers *p, int64_t shard, int64_t below, int64_t wall_ns, const struct ingest_now *now)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct ingest_peer *peer = &p->all[i];

		if (peer->shard == shard && peer->lineage < below && peer->told_ns < wall_ns && lives(peer, now))
			return true;
	}
	return false;
}
