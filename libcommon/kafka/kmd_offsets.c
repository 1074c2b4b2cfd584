#include "kmd_offsets.h"

#include <assert.h>
#include <stdlib.h>

#include "kmd_mem.h"

/* head and tail only grow; an entry lies at its number modulo cap, a power of two. */
static struct kmd_offsets_entry *entry_at(const struct kmd_offsets *o, uint64_t i)
{
	return &o->entries[i & (o->cap - 1)];
}

void kmd_offsets_init(struct kmd_offsets *o, int64_t next)
{
	*o = (struct kmd_offsets){.next = next};
}

void kmd_offsets_fini(struct kmd_offsets *o)
{
	free(o->entries);
	*o = (struct kmd_offsets){.next = o->next};
}

static void grow(struct kmd_offsets *o)
{
	const uint64_t cap = o->cap ? o->cap * 2 : 64;
	struct kmd_offsets_entry *entries = kmd_calloc(cap, sizeof(*entries));

	for (uint64_t i = o->head; i != o->tail; i++)
		entries[i & (cap - 1)] = *entry_at(o, i);
	free(o->entries);
	o->entries = entries;
	o->cap = cap;
}

void kmd_offsets_begin(struct kmd_offsets *o, int64_t position)
{
	assert(position >= o->next);
	if (o->tail - o->head == o->cap)
		grow(o);
	*entry_at(o, o->tail++) = (struct kmd_offsets_entry){.position = position};
	o->next = position + 1;
	o->open++;
}

/* Number of the first entry whose position is not below @position, maybe tail. */
static uint64_t lower_bound(const struct kmd_offsets *o, int64_t position)
{
	uint64_t lo = o->head, hi = o->tail;

	while (lo < hi) {
		const uint64_t mid = lo + (hi - lo) / 2;
		if (entry_at(o, mid)->position < position)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void kmd_offsets_done(struct kmd_offsets *o, int64_t position)
{
	const uint64_t i = lower_bound(o, position);

	if (i == o->tail || entry_at(o, i)->position != position || entry_at(o, i)->done)
		return;
	entry_at(o, i)->done = true;
	o->open--;
	while (o->head != o->tail && entry_at(o, o->head)->done)
		o->head++;
}

int64_t kmd_offsets_next(const struct kmd_offsets *o)
{
	return o->head == o->tail ? o->next : entry_at(o, o->head)->position;
}

uint64_t kmd_offsets_open(const struct kmd_offsets *o)
{
	return o->open;
}
