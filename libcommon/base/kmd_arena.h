#ifndef KMD_ARENA_H
#define KMD_ARENA_H

#include <stddef.h>

#include "kmd_str.h"

/*
 * Memory for one message or one batch: allocated piece by piece, given back all at once. Zero-initialise, then use;
 * reset keeps the largest block, so a steady state allocates nothing.
 */

struct kmd_arena_block;
struct kmd_arena {
	struct kmd_arena_block *head;
	size_t used_bytes; /* handed out since the last reset */
};

/** @bytes zeroed, aligned for any type, valid until reset. */
void *kmd_arena_alloc(struct kmd_arena *a, size_t bytes) __attribute__((returns_nonnull));
/** Copy of @s in the arena, NUL added behind it; KMD_STR_NONE stays so. */
struct kmd_str kmd_arena_dup(struct kmd_arena *a, struct kmd_str s);
struct kmd_str kmd_arena_printf(struct kmd_arena *a, const char *fmt, ...) KMD_PRINTF(2, 3);
void kmd_arena_reset(struct kmd_arena *a);
void kmd_arena_fini(struct kmd_arena *a);

#endif
