#include "shards.h"

#include <stdlib.h>

#include "kmd_mem.h"

void ingest_shards_init(struct ingest_shards *s, size_t count)
{
	*s = (struct ingest_shards){.all = kmd_calloc(count, sizeof(*s->all)), .count = count};
}

void ingest_shards_fini(struct ingest_shards *s)
{
	free(s->all);
	*s = (struct ingest_shards){0};
}

static void become(struct ingest_shard *k, enum ingest_shard_state state)
{
	*k = (struct ingest_shard){.state = state};
}

static void leave(struct ingest_shard *k, struct kmd_mono until)
{
	bool was_owned = k->state == INGEST_SHARD_OWNED;

	if (k->state != INGEST_SHARD_CLAIMED && k->state != INGEST_SHARD_OWNED)
		return;
	become(k, INGEST_SHARD_LEAVING);
	k->was_owned = was_owned;
	k->until = until;
}

static struct kmd_mono patience(struct kmd_mono now)
{
	return (struct kmd_mono){now.ns + INGEST_HANDOVER_NS};
}

void ingest_shards_claim(struct ingest_shards *s, size_t shard)
{
	if (!s->settled && !s->leaving && s->all[shard].state == INGEST_SHARD_IDLE)
		become(&s->all[shard], INGEST_SHARD_CLAIMED);
}

void ingest_shards_assigned(struct ingest_shards *s, size_t shard)
{
	if (!s->leaving)
		become(&s->all[shard], INGEST_SHARD_OWNED);
}

void ingest_shards_revoked(struct ingest_shards *s, size_t shard, bool lost, struct kmd_mono now)
{
	struct ingest_shard *k = &s->all[shard];

	if (lost && k->state == INGEST_SHARD_OWNED)
		k->lost = true;
	else
		leave(k, patience(now));
}

void ingest_shards_settled(struct ingest_shards *s, struct kmd_mono now)
{
	s->settled = true;
	for (size_t i = 0; i < s->count; i++) {
		struct ingest_shard *k = &s->all[i];

		if (k->state == INGEST_SHARD_CLAIMED || k->lost)
			leave(k, patience(now));
	}
}

void ingest_shards_left(struct ingest_shards *s, bool others, struct kmd_mono now, struct kmd_mono limit)
{
	s->leaving = true;
	for (size_t i = 0; i < s->count; i++) {
		struct ingest_shard *k = &s->all[i];

		leave(k, patience(now));
		if (!others)
			become(k, INGEST_SHARD_IDLE);
		else if (k->until.ns > limit.ns)
			k->until = limit;
	}
}

void ingest_shards_handed_over(struct ingest_shards *s, size_t shard)
{
	if (s->all[shard].state == INGEST_SHARD_LEAVING)
		become(&s->all[shard], INGEST_SHARD_IDLE);
}

void ingest_shards_tick(struct ingest_shards *s, struct kmd_mono now)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->all[i].state == INGEST_SHARD_LEAVING && now.ns >= s->all[i].until.ns)
			become(&s->all[i], INGEST_SHARD_IDLE);
	}
}

bool ingest_shards_captures(const struct ingest_shards *s, size_t shard)
{
	return s->all[shard].state != INGEST_SHARD_IDLE;
}

bool ingest_shards_is_even(const struct ingest_shards *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->all[i].state == INGEST_SHARD_CLAIMED || s->all[i].state == INGEST_SHARD_LEAVING)
			return false;
	}
	return s->settled;
}
