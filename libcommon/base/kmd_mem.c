#include "kmd_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p, size_t bytes)
{
	if (p)
		return p;
	(void)fprintf(stderr, "out of memory: %zu bytes\n", bytes);
	abort();
}

/* malloc(0) may give NULL, which would look like a failure */
static size_t at_least_one(size_t bytes)
{
	return bytes ? bytes : 1;
}

void *kmd_alloc(size_t bytes)
{
	return must(malloc(at_least_one(bytes)), bytes);
}

void *kmd_calloc(size_t count, size_t bytes)
{
	return must(calloc(at_least_one(count), at_least_one(bytes)), bytes);
}

void *kmd_realloc(void *p, size_t bytes)
{
	return must(realloc(p, at_least_one(bytes)), bytes);
}

char *kmd_strndup(const char *p, size_t n)
{
	char *z = kmd_alloc(n + 1);
	if (n)
		memcpy(z, p, n);
	z[n] = '\0';
	return z;
}
