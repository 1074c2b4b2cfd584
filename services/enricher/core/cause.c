#include "cause.h"

#include <assert.h>
#include <stdlib.h>

#include "kmd_mem.h"

struct enrich_cause *enrich_cause_open(struct enrich_book *b, uint32_t slot, uint32_t generation, int64_t offset)
{
	struct enrich_cause *c = kmd_calloc(1, sizeof(*c));

	c->slot = slot;
	c->generation = generation;
	c->offset = offset;
	c->holds = 1;
	c->next = b->first;
	if (b->first)
		b->first->prev = c;
	b->first = c;
	b->open++;
	return c;
}

void enrich_cause_letter(struct enrich_book *b, struct enrich_cause *c, void *letter, size_t bytes)
{
	assert(!c->letter);
	c->letter = letter;
	c->bytes = bytes;
	b->bytes += bytes;
}

void enrich_cause_hold(struct enrich_cause *c)
{
	c->holds++;
}

void enrich_cause_drop(struct enrich_book *b, struct enrich_cause *c)
{
	assert(c->holds > 0);
	if (--c->holds > 0)
		return;
	c->next_done = b->done;
	b->done = c;
}

struct enrich_cause *enrich_cause_take_done(struct enrich_book *b)
{
	struct enrich_cause *c = b->done;

	if (c)
		b->done = c->next_done;
	return c;
}

void enrich_cause_free(struct enrich_book *b, struct enrich_cause *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		b->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	b->open--;
	b->bytes -= c->bytes;
	free(c->letter);
	free(c);
}

int64_t enrich_book_oldest_ns(const struct enrich_book *b, unsigned mask)
{
	int64_t oldest_ns = 0;

	for (const struct enrich_cause *c = b->first; c; c = c->next)
		if ((c->what & mask) && c->recv_ns > 0 && (oldest_ns == 0 || c->recv_ns < oldest_ns))
			oldest_ns = c->recv_ns;
	return oldest_ns;
}

void enrich_book_fini(struct enrich_book *b)
{
	while (b->first)
		enrich_cause_free(b, b->first);
	*b = (struct enrich_book){0};
}

void enrich_causes_take(struct enrich_causes *l, struct enrich_cause *c)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 2;
		l->p = kmd_realloc(l->p, l->cap * sizeof(*l->p));
	}
	l->p[l->count++] = c;
}

void enrich_causes_add(struct enrich_causes *l, struct enrich_cause *c)
{
	enrich_cause_hold(c);
	enrich_causes_take(l, c);
}

void enrich_causes_move(struct enrich_causes *to, struct enrich_causes *from)
{
	for (size_t i = 0; i < from->count; i++)
		enrich_causes_take(to, from->p[i]);
	from->count = 0;
}

void enrich_causes_drop(struct enrich_book *b, struct enrich_causes *l)
{
	for (size_t i = 0; i < l->count; i++)
		enrich_cause_drop(b, l->p[i]);
	l->count = 0;
}

size_t enrich_causes_purge(struct enrich_book *b, struct enrich_causes *l, uint32_t slot, size_t covered)
{
	size_t kept = 0, gone = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (l->p[i]->slot != slot) {
			l->p[kept++] = l->p[i];
			continue;
		}
		gone += i < covered;
		enrich_cause_drop(b, l->p[i]);
	}
	l->count = kept;
	return gone;
}

void enrich_causes_fini(struct enrich_causes *l)
{
	free(l->p);
	*l = (struct enrich_causes){0};
}

unsigned enrich_causes_what(const struct enrich_causes *l, size_t n)
{
	unsigned what = 0;

	for (size_t i = 0; i < n && i < l->count; i++)
		what |= l->p[i]->what;
	return what;
}
