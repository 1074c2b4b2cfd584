#include <stdlib.h>

#include "kmd_mem.h"
#include "published.h"

/* What is due: to be deleted, asked for again, forgotten. */

#define PRUNE_MAX 65536 /* forgotten in one pass */

size_t enrich_published_expired(
    const struct enrich_published *p, int64_t now_ns, struct kmd_arena *arena, struct kmd_str *ret, size_t max)
{
	struct kmd_str key;
	void *value;
	size_t n = 0;

	for (size_t it = 0; n < max && kmd_map_next(&p->markets, &it, &key, &value);) {
		const struct enrich_market *m = value;

		if (m->hash && m->finalized_ns && m->finalized_ns + ENRICH_TOMBSTONE_AFTER_NS < now_ns)
			ret[n++] = kmd_arena_dup(arena, key);
	}
	return n;
}

static bool is_unseen(const struct enrich_market *m, enum enrich_sweep sweep, int64_t walk_ns)
{
	int64_t seen_ns = m->seen_ns > m->fetched_ns ? m->seen_ns : m->fetched_ns;

	if (!m->hash || m->finalized_ns || seen_ns >= walk_ns || sweep == ENRICH_SWEEP_NONE)
		return false;
	return seen_ns < walk_ns - ENRICH_LOST_NS || sweep == ENRICH_SWEEP_ALL ||
	       (sweep == ENRICH_SWEEP_UNDECIDED && !m->outcome);
}

size_t enrich_published_unseen(const struct enrich_published *p, enum enrich_sweep sweep, int64_t walk_ns,
    struct kmd_arena *arena, struct kmd_str *ret, size_t max)
{
	struct kmd_str key;
	void *value;
	size_t n = 0;

	for (size_t it = 0; n < max && kmd_map_next(&p->markets, &it, &key, &value);)
		if (is_unseen(value, sweep, walk_ns))
			ret[n++] = kmd_arena_dup(arena, key);
	return n;
}

void enrich_published_list_series(struct enrich_published *p, struct kmd_str series, int64_t now_ns)
{
	struct enrich_parent *e = enrich_published_parent(p, KMD_TOPIC_SERIES, series);

	if (e)
		e->listed_ns = now_ns;
}

static bool is_due_again(const struct enrich_parent *e, int64_t now_ns)
{
	return e->hash && e->fetched_ns < now_ns - ENRICH_SERIES_AGAIN_NS;
}

bool enrich_published_series_is_old(const struct enrich_published *p, struct kmd_str series, int64_t now_ns)
{
	const struct enrich_parent *e = enrich_published_parent(p, KMD_TOPIC_SERIES, series);

	return e && is_due_again(e, now_ns);
}

size_t enrich_published_old_series(const struct enrich_published *p, int64_t walk_ns, int64_t now_ns,
    struct kmd_arena *arena, struct kmd_str *ret, size_t max)
{
	struct kmd_str key;
	void *value;
	size_t n = 0;

	for (size_t it = 0; n < max && kmd_map_next(&p->series, &it, &key, &value);) {
		const struct enrich_parent *e = value;

		if (e->listed_ns >= walk_ns && is_due_again(e, now_ns))
			ret[n++] = kmd_arena_dup(arena, key);
	}
	return n;
}

static bool is_old_market(const struct enrich_published *p, const void *value)
{
	const struct enrich_market *m = value;

	return m->hash == 0 && m->settled_ns != 0 && m->settled_ns < p->forget_ns;
}

static bool is_old_parent(const struct enrich_published *p, const void *value)
{
	const struct enrich_parent *e = value;
	int64_t forget_ns = p->forget_ns + ENRICH_FORGET_AFTER_NS - ENRICH_FORGET_PARENT_AFTER_NS;

	return e->fetched_ns < forget_ns && e->seen_ns < forget_ns;
}

static size_t find_old(struct enrich_published *p, const struct kmd_map *map,
    bool (*is_old)(const struct enrich_published *, const void *), struct kmd_str *ret)
{
	struct kmd_str key;
	void *value;
	size_t n = 0;

	kmd_arena_reset(&p->arena);
	for (size_t it = 0; n < PRUNE_MAX && kmd_map_next(map, &it, &key, &value);)
		if (is_old(p, value))
			ret[n++] = kmd_arena_dup(&p->arena, key);
	return n;
}

static void prune_parents(struct enrich_published *p, struct kmd_map *map, struct kmd_str *scratch)
{
	size_t n = find_old(p, map, is_old_parent, scratch);

	for (size_t i = 0; i < n; i++) {
		struct enrich_parent *e = kmd_map_del(map, scratch[i]);

		free(e->series_ticker);
		free(e);
	}
}

void enrich_published_prune(struct enrich_published *p)
{
	struct kmd_str *scratch = kmd_calloc(PRUNE_MAX, sizeof(*scratch));
	size_t n = find_old(p, &p->markets, is_old_market, scratch);

	for (size_t i = 0; i < n; i++)
		free(kmd_map_del(&p->markets, scratch[i]));
	prune_parents(p, &p->events, scratch);
	prune_parents(p, &p->series, scratch);
	free(scratch);
}
