#include "queue.h"

#include <stdlib.h>
#include <time.h>

#include "kmd_mem.h"
#include "kmd_time.h"

void queue_init(struct queue *q)
{
	pthread_condattr_t attr;

	*q = (struct queue){.cap = 1024};
	q->items = kmd_calloc(q->cap, sizeof(*q->items));
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->filled, &attr);
	pthread_condattr_destroy(&attr);
}

void queue_fini(struct queue *q)
{
	pthread_cond_destroy(&q->filled);
	pthread_mutex_destroy(&q->lock);
	free(q->items);
}

static void grow(struct queue *q, size_t wanted)
{
	size_t cap = q->cap;
	struct queue_item *items;

	while (cap < wanted)
		cap *= 2;
	if (cap == q->cap)
		return;
	items = kmd_calloc(cap, sizeof(*items));
	for (size_t i = 0; i < q->count; i++)
		items[i] = q->items[(q->head + i) & (q->cap - 1)];
	free(q->items);
	q->items = items;
	q->head = 0;
	q->cap = cap;
}

void queue_push(struct queue *q, const struct queue_item *items, size_t n)
{
	pthread_mutex_lock(&q->lock);
	grow(q, q->count + n);
	for (size_t i = 0; i < n; i++)
		q->items[(q->head + q->count++) & (q->cap - 1)] = items[i];
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

static struct timespec deadline_in(int64_t ns)
{
	const int64_t at = kmd_mono_now().ns + ns;

	return (struct timespec){.tv_sec = at / KMD_NS_PER_S, .tv_nsec = at % KMD_NS_PER_S};
}

size_t queue_pop(struct queue *q, struct queue_item *ret, size_t max, int64_t timeout_ns)
{
	const struct timespec deadline = deadline_in(timeout_ns);
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	/* One wait is enough: who is woken without an item looks at its clock and comes again. */
	if (q->count == 0 && timeout_ns > 0)
		pthread_cond_timedwait(&q->filled, &q->lock, &deadline);
	for (; n < max && q->count > 0; q->count--) {
		ret[n++] = q->items[q->head];
		q->head = (q->head + 1) & (q->cap - 1);
	}
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_wake(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	pthread_cond_broadcast(&q->filled);
	pthread_mutex_unlock(&q->lock);
}
