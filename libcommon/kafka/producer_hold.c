#include "producer_hold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "kmd_time.h"

#define ROUND_FIRST 256
#define ROUND_MAX 4096
#define RETRY_BASE_NS (100 * KMD_NS_PER_MS)
#define RETRY_CAP_NS (2 * KMD_NS_PER_S)

void hold_init(struct hold *h)
{
	*h = (struct hold){.round_max = ROUND_FIRST, .backoff = {.base_ns = RETRY_BASE_NS, .cap_ns = RETRY_CAP_NS}};
}

void hold_fini(struct hold *h)
{
	free(h->items);
	h->items = NULL;
	h->head = h->tail = h->cap = 0;
}

bool hold_is_held(const struct hold *h)
{
	return h->held;
}

bool hold_in_trouble(const struct hold *h)
{
	return h->trouble || (h->backoff.attempt > 0 && h->in_flight + hold_count(h) > 0);
}

size_t hold_count(const struct hold *h)
{
	return h->tail - h->head;
}

static void make_room(struct hold *h)
{
	if (h->tail < h->cap)
		return;
	if (h->head > h->cap / 2) {
		memmove(h->items, h->items + h->head, hold_count(h) * sizeof(*h->items));
		h->tail -= h->head;
		h->head = 0;
		return;
	}
	h->cap = h->cap ? h->cap * 2 : 64;
	h->items = kmd_realloc(h->items, h->cap * sizeof(*h->items));
}

void hold_push(struct hold *h, uint64_t seq, void *record)
{
	make_room(h);
	if (hold_count(h) > 0 && h->items[h->tail - 1].seq > seq)
		h->unsorted = true;
	h->items[h->tail++] = (struct hold_item){.seq = seq, .record = record};
}

void hold_sent(struct hold *h)
{
	h->in_flight++;
}

void hold_done(struct hold *h)
{
	assert(h->in_flight > 0);
	h->in_flight--;
}

/* The first failure of an open topic: how much is in flight with it is unknown, so it was no round of ours. */
static void hold(struct hold *h)
{
	if (h->held)
		return;
	h->held = true;
	h->round_sent = 0;
	h->round_max = ROUND_FIRST;
}

bool hold_failed(struct hold *h, enum hold_fault fault, uint64_t seq, void *record)
{
	hold_done(h);
	if (fault == HOLD_REFUSED && h->held && h->round_sent == 1)
		return true;
	hold(h);
	if (fault == HOLD_REFUSED)
		h->narrow = true;
	else
		h->trouble = true;
	hold_push(h, seq, record);
	return false;
}

void hold_not_taken(struct hold *h, uint64_t seq, void *record)
{
	hold(h);
	h->trouble = true;
	hold_push(h, seq, record);
}

static int by_seq(const void *a, const void *b)
{
	const struct hold_item *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void sort(struct hold *h)
{
	if (h->unsorted)
		qsort(h->items + h->head, hold_count(h), sizeof(*h->items), by_seq);
	h->unsorted = false;
}

/* Learns from the round that is over: how large the next one may be, and how long to wait for it. */
static void learn(struct hold *h, int64_t now_ns, uint64_t *rng)
{
	if (!h->narrow && !h->trouble && h->round_sent == 0)
		return;
	if (h->narrow)
		h->round_max = h->round_max > 4 ? h->round_max / 4 : 1;
	else if (!h->trouble && h->round_max < ROUND_MAX)
		h->round_max *= 2;
	if (h->trouble)
		h->retry_ns = now_ns + kmd_backoff_next(&h->backoff, rng);
	else
		kmd_backoff_reset(&h->backoff);
	h->narrow = h->trouble = false;
	h->round_sent = 0;
}

size_t hold_round(struct hold *h, int64_t now_ns, uint64_t *rng)
{
	size_t n;

	if (!h->held || h->in_flight > 0)
		return 0;
	learn(h, now_ns, rng);
	if (now_ns < h->retry_ns)
		return 0;
	sort(h);
	n = hold_count(h);
	if (n == 0 || (n <= h->round_max && h->round_max == ROUND_MAX))
		h->held = false;
	return n < h->round_max ? n : h->round_max;
}

struct hold_item hold_take(struct hold *h)
{
	const struct hold_item item = h->items[h->head++];

	if (h->head == h->tail)
		h->head = h->tail = 0;
	if (h->held)
		h->round_sent++;
	return item;
}
