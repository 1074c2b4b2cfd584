#include "kmd_arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

#define ARENA_BLOCK_MIN 4096
#define ARENA_ALIGN _Alignof(max_align_t)

/* Each block is larger than the one before it, so the head is the largest, and the one that reset keeps. */
struct kmd_arena_block {
	struct kmd_arena_block *older;
	size_t cap, used;
	_Alignas(max_align_t) char bytes[];
};

static size_t rounded(size_t bytes)
{
	size_t up;
	if (__builtin_add_overflow(bytes, ARENA_ALIGN - 1, &up))
		abort();
	return up & ~(ARENA_ALIGN - 1);
}

static void push_block(struct kmd_arena *a, size_t bytes)
{
	size_t cap = a->head ? a->head->cap * 2 : ARENA_BLOCK_MIN;
	if (cap < bytes)
		cap = bytes;
	struct kmd_arena_block *b = kmd_alloc(sizeof(*b) + cap);
	b->older = a->head;
	b->cap = cap;
	b->used = 0;
	a->head = b;
}

/* Room for @bytes, not zeroed. */
static char *take(struct kmd_arena *a, size_t bytes)
{
	bytes = rounded(bytes);
	if (!a->head || a->head->cap - a->head->used < bytes)
		push_block(a, bytes);
	char *p = a->head->bytes + a->head->used;
	a->head->used += bytes;
	a->used_bytes += bytes;
	return p;
}

void *kmd_arena_alloc(struct kmd_arena *a, size_t bytes)
{
	char *p = take(a, bytes);
	memset(p, 0, bytes);
	return p;
}

struct kmd_str kmd_arena_dup(struct kmd_arena *a, struct kmd_str s)
{
	if (!s.p)
		return KMD_STR_NONE;
	char *p = take(a, s.n + 1);
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct kmd_str){p, s.n};
}

struct kmd_str kmd_arena_printf(struct kmd_arena *a, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	const int wanted = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	const size_t n = wanted < 0 ? 0 : (size_t)wanted;
	char *p = kmd_arena_alloc(a, n + 1);
	(void)vsnprintf(p, n + 1, fmt, again);
	va_end(again);
	return (struct kmd_str){p, n};
}

static void free_blocks(struct kmd_arena_block *b)
{
	while (b) {
		struct kmd_arena_block *older = b->older;
		free(b);
		b = older;
	}
}

void kmd_arena_reset(struct kmd_arena *a)
{
	a->used_bytes = 0;
	if (!a->head)
		return;
	free_blocks(a->head->older);
	a->head->older = NULL;
	a->head->used = 0;
}

void kmd_arena_fini(struct kmd_arena *a)
{
	free_blocks(a->head);
	*a = (struct kmd_arena){0};
}
