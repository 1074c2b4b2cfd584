#include "sink_keys.h"

#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

#define SLOTS_MIN 1024

/* Eight bytes at a time: it never leaves the process, so it need not be the one that may be stored. */
static uint64_t hash_of(const char *p, size_t n)
{
	uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15);

	for (; n > 0;) {
		const size_t take = n < sizeof(h) ? n : sizeof(h);
		uint64_t w = 0;

		memcpy(&w, p, take);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		p += take;
		n -= take;
	}
	return h;
}

/* The slot that holds the key, or the free one where it would go. */
static struct sink_keys_slot *find(const struct sink_keys *k, const char *p, size_t n, uint64_t hash)
{
	for (size_t i = (size_t)hash & (k->cap - 1);; i = (i + 1) & (k->cap - 1)) {
		struct sink_keys_slot *s = &k->slots[i];

		if (s->round != k->round || (s->hash == hash && s->n == n && memcmp(k->bytes.p + s->at, p, n) == 0))
			return s;
	}
}

static void grow(struct sink_keys *k)
{
	const struct sink_keys old = *k;

	k->cap = old.cap ? old.cap * 2 : SLOTS_MIN;
	k->slots = kmd_calloc(k->cap, sizeof(*k->slots));
	k->round = old.round ? old.round : 1;
	for (size_t i = 0; i < old.cap; i++) {
		const struct sink_keys_slot *s = &old.slots[i];

		if (s->round == k->round)
			*find(k, k->bytes.p + s->at, s->n, s->hash) = *s;
	}
	free(old.slots);
}

bool sink_keys_add(struct sink_keys *k, struct kmd_str text, int32_t day)
{
	const size_t at = k->bytes.n;
	struct sink_keys_slot *s;
	uint64_t hash;
	size_t n;

	if (k->count >= k->cap / 4 * 3) /* also the first time */
		grow(k);
	kmd_buf_add_str(&k->bytes, text);
	kmd_buf_add(&k->bytes, &day, sizeof(day));
	n = k->bytes.n - at;
	hash = hash_of(k->bytes.p + at, n);
	s = find(k, k->bytes.p + at, n, hash);
	if (s->round == k->round) {
		k->bytes.n = at;
		return false;
	}
	*s = (struct sink_keys_slot){hash, at, n, k->round};
	k->count++;
	return true;
}

void sink_keys_clear(struct sink_keys *k)
{
	k->count = 0;
	k->round++;
	kmd_buf_reset(&k->bytes);
}

void sink_keys_fini(struct sink_keys *k)
{
	free(k->slots);
	kmd_buf_fini(&k->bytes);
	*k = (struct sink_keys){0};
}
