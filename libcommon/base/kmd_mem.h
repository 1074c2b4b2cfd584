#ifndef KMD_MEM_H
#define KMD_MEM_H

#include <stddef.h>

/*
 * Heap memory that is there or the program ends: one line on stderr, then abort(). A capture that cannot allocate
 * cannot keep its promise; the orchestrator restarts it. So no caller has a path for NULL.
 */

void *kmd_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
/** Zeroed array; ends the program on overflow of count * bytes. */
void *kmd_calloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull));
void *kmd_realloc(void *p, size_t bytes) __attribute__((returns_nonnull));
/** Copy of @n bytes plus a NUL; free() it. */
char *kmd_strndup(const char *p, size_t n) __attribute__((returns_nonnull));

#endif
