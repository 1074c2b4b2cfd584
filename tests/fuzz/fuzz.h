#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "kmd_str.h"

/*
 * What all fuzz targets share. A target says in its head which properties it checks and how an input is built; one that
 * does not hold ends the process with its text, which libFuzzer and ctest both take for a failure.
 *
 * Built with -DKMD_FUZZ=ON (clang) a target is a libFuzzer program; without, replay.c feeds it the files of its corpus.
 */

/** Called once an input; @data is an allocation of exactly @size bytes. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(property) ((property) ? (void)0 : fuzz_broken(#property, __FILE__, __LINE__))

_Noreturn static inline void fuzz_broken(const char *property, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, property);
	abort();
}

static inline struct kmd_str fuzz_text(const uint8_t *data, size_t size)
{
	return (struct kmd_str){(const char *)data, size};
}

/** Takes what stands before the first @sep off the front of @rest, or all of it. Unlike kmd_str_split, empty pieces
 * count. */
static inline struct kmd_str fuzz_piece(struct kmd_str *rest, char sep)
{
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	const struct kmd_str piece = {rest->p, at ? (size_t)(at - rest->p) : rest->n};
	const size_t used = piece.n + (at ? 1 : 0);

	*rest = (struct kmd_str){rest->p + used, rest->n - used};
	return piece;
}

/** Copy in an allocation of its exact size, so that a read behind its end is seen. Free .p. */
static inline struct kmd_str fuzz_exact(struct kmd_str s)
{
	char *p = kmd_alloc(s.n ? s.n : 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct kmd_str){p, s.n};
}

/** Same bytes, and absent only where the other is. */
static inline int fuzz_same(struct kmd_str a, struct kmd_str b)
{
	return !a.p == !b.p && kmd_str_eq(a, b);
}

#endif
