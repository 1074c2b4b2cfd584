#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What the programs of this folder share: an end with a word, a clock, numbers from the command line. */

_Noreturn static inline void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static inline double bench_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline long long bench_number(const char *text)
{
	char *end;
	const long long n = strtoll(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		bench_die(text, "not a number");
	return n;
}

#endif
