#include "sim_heap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker turns every malloc of the linked objects into __wrap_malloc (see CMakeLists.txt). */
void *__real_malloc(size_t bytes);
void __real_free(void *p);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void __wrap_free(void *p);

#define MAGIC UINT64_C(0x6b6d642d68656170)

struct heap_block {
	struct heap_block *prev, *next;
	struct heap *owner;
	size_t bytes;
	uint64_t magic, pad; /* keeps what follows aligned for any type */
};

static struct heap *current;

struct heap *heap_use(struct heap *h)
{
	struct heap *former = current;

	current = h;
	return former;
}

static void link_block(struct heap_block *b)
{
	b->owner = current;
	b->prev = b->next = NULL;
	if (!current)
		return;
	b->next = current->first;
	if (b->next)
		b->next->prev = b;
	current->first = b;
	current->bytes += b->bytes;
}

static void unlink_block(struct heap_block *b)
{
	if (!b->owner)
		return;
	if (b->next)
		b->next->prev = b->prev;
	if (b->prev)
		b->prev->next = b->next;
	else
		b->owner->first = b->next;
	b->owner->bytes -= b->bytes;
}

static struct heap_block *block_of(void *p)
{
	struct heap_block *b = (struct heap_block *)p - 1;

	if (b->magic != MAGIC) {
		fputs("free of what the simulation did not allocate\n", stderr);
		abort();
	}
	return b;
}

void *__wrap_malloc(size_t bytes)
{
	struct heap_block *b = __real_malloc(sizeof(*b) + bytes);

	if (!b)
		return NULL;
	b->bytes = bytes;
	b->magic = MAGIC;
	link_block(b);
	return b + 1;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	void *p = count && bytes > SIZE_MAX / count ? NULL : __wrap_malloc(count * bytes);

	return p ? memset(p, 0, count * bytes) : NULL;
}

void *__wrap_realloc(void *p, size_t bytes)
{
	void *q = __wrap_malloc(bytes);

	if (p && q) {
		const size_t had = block_of(p)->bytes;

		memcpy(q, p, had < bytes ? had : bytes);
		__wrap_free(p);
	}
	return q;
}

void __wrap_free(void *p)
{
	struct heap_block *b;

	if (!p)
		return;
	b = block_of(p);
	unlink_block(b);
	b->magic = 0;
	__real_free(b);
}

void heap_free_all(struct heap *h)
{
	while (h->first) {
		struct heap_block *b = h->first;

		h->first = b->next;
		b->magic = 0;
		__real_free(b);
	}
	h->bytes = 0;
}
