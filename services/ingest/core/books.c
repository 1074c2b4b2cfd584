#include "books.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

static void unlink_book(struct ingest_books *b, struct ingest_book *k)
{
	struct ingest_book_list *q;

	if (k->queue == INGEST_BOOKS_REST)
		return;
	q = &b->queues[k->queue];
	*(k->prev ? &k->prev->next : &q->head) = k->next;
	*(k->next ? &k->next->prev : &q->tail) = k->prev;
	q->count--;
	k->prev = k->next = NULL;
	k->queue = INGEST_BOOKS_REST;
}

static void move(struct ingest_books *b, struct ingest_book *k, enum ingest_book_queue queue)
{
	struct ingest_book_list *q;

	unlink_book(b, k);
	if (queue == INGEST_BOOKS_REST)
		return;
	q = &b->queues[queue];
	k->prev = q->tail;
	*(q->tail ? &q->tail->next : &q->head) = k;
	q->tail = k;
	q->count++;
	k->queue = queue;
}

static void set_state(struct ingest_books *b, struct ingest_book *k, enum ingest_book_state state)
{
	b->held -= k->state >= INGEST_BOOK_HELD ? 1 : 0;
	b->held += state >= INGEST_BOOK_HELD ? 1 : 0;
	k->state = state;
}

static void set_suspect(struct ingest_books *b, struct ingest_book *k, bool suspect)
{
	b->suspects -= k->suspect ? 1 : 0;
	b->suspects += suspect ? 1 : 0;
	k->suspect = suspect;
}

static struct ingest_book *add_book(struct ingest_books *b, struct kmd_str ticker)
{
	struct ingest_book *k = kmd_calloc(1, sizeof(*k) + ticker.n + 1);

	memcpy(k + 1, ticker.p, ticker.n);
	k->ticker = (struct kmd_str){(const char *)(k + 1), ticker.n};
	k->queue = INGEST_BOOKS_REST;
	kmd_map_put(&b->map, ticker, k);
	return k;
}

static void forget(struct ingest_books *b, struct ingest_book *k)
{
	unlink_book(b, k);
	set_suspect(b, k, false);
	kmd_map_del(&b->map, k->ticker);
	free(k);
}

static void await(struct ingest_books *b, struct ingest_book *k, struct kmd_mono now)
{
	k->due_ns = now.ns + INGEST_BOOK_AWAIT_NS;
	move(b, k, INGEST_BOOKS_AWAIT);
}

/* Puts a book where its state and its being wanted belong. */
static void settle(struct ingest_books *b, struct ingest_book *k)
{
	switch (k->state) {
	case INGEST_BOOK_IDLE:
		if (k->wanted) {
			move(b, k, INGEST_BOOKS_ADD);
		} else if (k->untold) {
			set_state(b, k, INGEST_BOOK_HELD);
			move(b, k, INGEST_BOOKS_DELETE);
		} else {
			forget(b, k);
		}
		break;
	case INGEST_BOOK_HELD:
		if (!k->wanted) {
			set_suspect(b, k, false);
			move(b, k, INGEST_BOOKS_DELETE);
		} else if (k->queue == INGEST_BOOKS_DELETE) {
			move(b, k, INGEST_BOOKS_SNAPSHOT);
		}
		break;
	case INGEST_BOOK_ADDING:
	case INGEST_BOOK_DELETING:
		break; /* decided when the answer comes */
	}
}

void ingest_books_want(struct ingest_books *b, struct kmd_str ticker, bool wanted)
{
	struct ingest_book *k = kmd_map_get(&b->map, ticker);

	if (!k && !wanted)
		return;
	if (!k)
		k = add_book(b, ticker);
	else if (k->wanted == wanted)
		return;
	k->wanted = wanted;
	settle(b, k);
}

static void taken(struct ingest_books *b, struct ingest_book *k, enum ingest_book_queue queue, struct kmd_mono now)
{
	switch (queue) {
	case INGEST_BOOKS_ADD:
		move(b, k, INGEST_BOOKS_REST);
		k->untold = k->untold || k->state == INGEST_BOOK_HELD;
		set_state(b, k, INGEST_BOOK_ADDING);
		k->fresh = true;
		break;
	case INGEST_BOOKS_DELETE:
		move(b, k, INGEST_BOOKS_REST);
		set_state(b, k, INGEST_BOOK_DELETING);
		break;
	default:
		assert(queue == INGEST_BOOKS_SNAPSHOT);
		k->asks++;
		await(b, k, now);
	}
}

size_t ingest_books_take(struct ingest_books *b, enum ingest_book_queue queue, size_t max, size_t max_bytes,
    struct kmd_mono now, struct ingest_book **ret)
{
	size_t n = 0, bytes = 0;

	while (n < max && b->queues[queue].head) {
		struct ingest_book *k = b->queues[queue].head;

		bytes += k->ticker.n;
		if (n > 0 && bytes > max_bytes)
			break;
		taken(b, k, queue, now);
		ret[n++] = k;
	}
	return n;
}

void ingest_books_added(struct ingest_books *b, struct ingest_book **books, size_t n, struct kmd_mono now)
{
	for (size_t i = 0; i < n; i++) {
		struct ingest_book *k = books[i];

		if (k->state != INGEST_BOOK_ADDING)
			continue;
		set_state(b, k, INGEST_BOOK_HELD);
		k->refusals = 0;
		if (k->fresh || k->suspect)
			await(b, k, now);
		settle(b, k);
	}
}

static void wait_longer(struct ingest_books *b, struct ingest_book *k, struct kmd_mono now)
{
	int64_t delay_ns = INGEST_BOOK_LATER_BASE_NS << (k->refusals < 6 ? k->refusals : 6);

	k->refusals++;
	k->due_ns = now.ns + (delay_ns < INGEST_BOOK_LATER_CAP_NS ? delay_ns : INGEST_BOOK_LATER_CAP_NS);
	move(b, k, INGEST_BOOKS_LATER);
}

void ingest_books_add_failed(
    struct ingest_books *b, struct ingest_book **books, size_t n, bool alone, struct kmd_mono now)
{
	for (size_t i = 0; i < n; i++) {
		struct ingest_book *k = books[i];

		if (k->state != INGEST_BOOK_ADDING)
			continue;
		set_state(b, k, INGEST_BOOK_IDLE);
		if (alone && k->wanted)
			wait_longer(b, k, now);
		else
			settle(b, k);
	}
}

void ingest_books_add_unanswered(
    struct ingest_books *b, struct ingest_book **books, size_t n, bool has_sid, struct kmd_mono now)
{
	for (size_t i = 0; i < n; i++) {
		struct ingest_book *k = books[i];

		k->untold = true;
		if (k->state != INGEST_BOOK_ADDING || k->fresh || (k->wanted && !has_sid)) {
			ingest_books_add_failed(b, &books[i], 1, false, now);
			continue;
		}
		set_state(b, k, INGEST_BOOK_HELD);
		if (k->suspect)
			move(b, k, INGEST_BOOKS_SNAPSHOT);
		settle(b, k);
	}
}

void ingest_books_deleted(struct ingest_books *b, struct ingest_book **books, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (books[i]->state != INGEST_BOOK_DELETING)
			continue;
		set_state(b, books[i], INGEST_BOOK_IDLE);
		books[i]->untold = false;
		settle(b, books[i]);
	}
}

void ingest_books_delete_failed(struct ingest_books *b, struct ingest_book **books, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ingest_book *k = books[i];

		if (k->state != INGEST_BOOK_DELETING)
			continue;
		set_state(b, k, INGEST_BOOK_HELD);
		move(b, k, k->wanted ? INGEST_BOOKS_SNAPSHOT : INGEST_BOOKS_DELETE);
	}
}

void ingest_books_snapshot(struct ingest_books *b, struct kmd_str ticker, bool has_seq, int64_t seq)
{
	struct ingest_book *k = kmd_map_get(&b->map, ticker);

	if (!k) {
		k = add_book(b, ticker);
		set_state(b, k, INGEST_BOOK_HELD);
		settle(b, k);
		return;
	}
	k->fresh = false;
	if (k->suspect && has_seq && seq < b->clear_seq)
		return;
	set_suspect(b, k, false);
	k->asks = 0;
	if (k->queue == INGEST_BOOKS_AWAIT || k->queue == INGEST_BOOKS_SNAPSHOT)
		move(b, k, INGEST_BOOKS_REST);
}

void ingest_books_gap(struct ingest_books *b, int64_t got_seq)
{
	struct kmd_str ticker;
	void *value;
	size_t it = 0;

	b->clear_seq = got_seq;
	while (kmd_map_next(&b->map, &it, &ticker, &value)) {
		struct ingest_book *k = value;

		if ((k->state != INGEST_BOOK_HELD && k->state != INGEST_BOOK_ADDING) || !k->wanted)
			continue;
		set_suspect(b, k, true);
		if (k->state == INGEST_BOOK_HELD && k->queue == INGEST_BOOKS_REST)
			move(b, k, INGEST_BOOKS_SNAPSHOT);
	}
}

void ingest_books_lost(struct ingest_books *b)
{
	struct ingest_book **all = kmd_calloc(b->map.count + 1, sizeof(struct ingest_book *));
	struct kmd_str ticker;
	void *value;
	size_t it = 0, n = 0;

	while (kmd_map_next(&b->map, &it, &ticker, &value))
		all[n++] = value;
	for (size_t i = 0; i < n; i++) {
		set_state(b, all[i], INGEST_BOOK_IDLE);
		set_suspect(b, all[i], false);
		all[i]->untold = false;
		all[i]->asks = 0;
		if (all[i]->queue != INGEST_BOOKS_LATER)
			settle(b, all[i]);
	}
	free(all);
	b->clear_seq = 0;
}

/* Asked for in vain: back to where it came from, or from the start. */
static void unanswered(struct ingest_books *b, struct ingest_book *k, struct kmd_mono now)
{
	if (k->asks < INGEST_BOOK_ASKS_MAX) {
		move(b, k, INGEST_BOOKS_SNAPSHOT);
		return;
	}
	k->asks = 0;
	wait_longer(b, k, now);
}

static void tick_later(struct ingest_books *b, struct kmd_mono now)
{
	struct ingest_book *k = b->queues[INGEST_BOOKS_LATER].head, *next;

	for (; k; k = next) {
		next = k->next;
		if (k->due_ns > now.ns)
			continue;
		if (k->state == INGEST_BOOK_HELD)
			move(b, k, INGEST_BOOKS_ADD);
		else
			settle(b, k);
	}
}

void ingest_books_tick(struct ingest_books *b, struct kmd_mono now)
{
	struct ingest_book_list *waiting = &b->queues[INGEST_BOOKS_AWAIT];

	while (waiting->head && waiting->head->due_ns <= now.ns)
		unanswered(b, waiting->head, now);
	tick_later(b, now);
}

void ingest_books_fini(struct ingest_books *b)
{
	struct kmd_str ticker;
	void *value;
	size_t it = 0;

	while (kmd_map_next(&b->map, &it, &ticker, &value))
		free(value);
	kmd_map_fini(&b->map);
	*b = (struct ingest_books){0};
}
