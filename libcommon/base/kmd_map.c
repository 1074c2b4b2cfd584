#include "kmd_map.h"

#include <stdlib.h>

#include "kmd_mem.h"

#define MAP_SLOTS_MIN 16

/* Open addressing with linear probing; cap is a power of two, at most three quarters full. */
struct kmd_map_slot {
	uint64_t hash;
	struct kmd_str key; /* owned copy; p == NULL: free slot */
	void *value;
};

/* The slot that holds @key or, if none does, the free one where it would go. */
static struct kmd_map_slot *find(const struct kmd_map *m, struct kmd_str key, uint64_t hash)
{
	for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct kmd_map_slot *s = &m->slots[i];
		if (!s->key.p || (s->hash == hash && kmd_str_eq(s->key, key)))
			return s;
	}
}

void *kmd_map_get(const struct kmd_map *m, struct kmd_str key)
{
	return m->cap ? find(m, key, kmd_str_hash(key))->value : NULL;
}

static void grow(struct kmd_map *m)
{
	const struct kmd_map old = *m;
	m->cap = old.cap ? old.cap * 2 : MAP_SLOTS_MIN;
	m->slots = kmd_calloc(m->cap, sizeof(*m->slots));
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key.p)
			*find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

void *kmd_map_put(struct kmd_map *m, struct kmd_str key, void *value)
{
	if (m->count >= m->cap / 4 * 3)
		grow(m);
	const uint64_t hash = kmd_str_hash(key);
	struct kmd_map_slot *s = find(m, key, hash);
	void *former = s->value;
	if (!s->key.p) {
		s->hash = hash;
		s->key = (struct kmd_str){kmd_strndup(key.p, key.n), key.n};
		m->count++;
	}
	s->value = value;
	return former;
}

/* Moves later entries of the same run into the hole, so that no probe ends too early. */
static void close_hole(struct kmd_map *m, size_t hole)
{
	const size_t mask = m->cap - 1;
	for (size_t i = (hole + 1) & mask; m->slots[i].key.p; i = (i + 1) & mask) {
		const size_t home = (size_t)m->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct kmd_map_slot){0};
}

void *kmd_map_del(struct kmd_map *m, struct kmd_str key)
{
	if (!m->cap)
		return NULL;
	struct kmd_map_slot *s = find(m, key, kmd_str_hash(key));
	if (!s->key.p)
		return NULL;
	void *former = s->value;
	free((char *)s->key.p);
	close_hole(m, (size_t)(s - m->slots));
	m->count--;
	return former;
}

bool kmd_map_next(const struct kmd_map *m, size_t *it, struct kmd_str *ret_key, void **ret_value)
{
	for (; *it < m->cap; (*it)++) {
		const struct kmd_map_slot *s = &m->slots[*it];
		if (!s->key.p)
			continue;
		*ret_key = s->key;
		*ret_value = s->value;
		(*it)++;
		return true;
	}
	return false;
}

void kmd_map_fini(struct kmd_map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free((char *)m->slots[i].key.p);
	free(m->slots);
	*m = (struct kmd_map){0};
}
