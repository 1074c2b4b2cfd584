#include "sim_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_backoff.h"
#include "kmd_mem.h"
#include "sim_coro.h"
#include "sim_proc.h"

/* More turns than any sane history has: something goes round in circles. */
#define STEPS_MAX UINT64_C(6000000)

#define BLOCK_BYTES ((size_t)1024 * 1024)

struct sim *sim;

uint64_t sim_random(void)
{
	return kmd_rng_next(&sim->rng);
}

uint64_t sim_below(uint64_t n)
{
	return n ? sim_random() % n : 0;
}

int64_t sim_between(int64_t low, int64_t high)
{
	return low + (int64_t)sim_below((uint64_t)(high - low) + 1);
}

bool sim_chance(unsigned permille)
{
	return permille > 0 && sim_below(1000) < permille;
}

bool sim_healed(void)
{
	return sim->now_ns >= sim->heal_ns;
}

bool sim_strikes(enum sim_fault f)
{
	if (sim_healed() || !sim_chance(sim->fault[f]))
		return false;
	sim->hits[f]++;
	return true;
}

void sim_happened(enum sim_happening h)
{
	sim->happened[h]++;
}

void sim_mix(const void *bytes, size_t n)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++)
		sim->hash = (sim->hash ^ b[i]) * UINT64_C(0x100000001b3);
}

/* ---- events ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->tie < b->tie;
}

static void sift_up(size_t i)
{
	struct sim_event *e = sim->events, moved = e[i];

	for (; i > 0 && is_before(&moved, &e[(i - 1) / 2]); i = (i - 1) / 2)
		e[i] = e[(i - 1) / 2];
	e[i] = moved;
}

static void sift_down(size_t i)
{
	struct sim_event *e = sim->events, moved = e[i];
	size_t child;

	while ((child = 2 * i + 1) < sim->events_count) {
		if (child + 1 < sim->events_count && is_before(&e[child + 1], &e[child]))
			child++;
		if (!is_before(&e[child], &moved))
			break;
		e[i] = e[child];
		i = child;
	}
	e[i] = moved;
}

void sim_after(int64_t delay_ns, sim_fn fn, void *ctx, uint64_t arg)
{
	sim->events = sim_grow(sim->events, sim->events_count, &sim->events_cap, sizeof(*sim->events));
	/* What is due at the same moment happens in any order. */
	sim->events[sim->events_count] =
	    (struct sim_event){sim->now_ns + (delay_ns > 0 ? delay_ns : 0), sim_random(), fn, ctx, arg};
	sift_up(sim->events_count++);
}

static void run_first(void)
{
	const struct sim_event e = sim->events[0];

	sim->events[0] = sim->events[--sim->events_count];
	if (sim->events_count > 0)
		sift_down(0);
	if (e.at_ns > sim->now_ns)
		sim->now_ns = e.at_ns;
	sim->hash = (sim->hash ^ (uint64_t)e.at_ns ^ e.tie) * UINT64_C(0x100000001b3);
	SIM_CHECK(++sim->steps < STEPS_MAX, "it goes on and on: %llu turns", (unsigned long long)sim->steps);
	e.fn(e.ctx, e.arg);
}

bool sim_run(int64_t until_ns, bool (*done)(void))
{
	int64_t asked_ns = sim->now_ns;

	while (sim->events_count > 0 && sim->events[0].at_ns <= until_ns) {
		run_first();
		if (done && sim->now_ns - asked_ns >= 200 * SIM_MS) {
			asked_ns = sim->now_ns;
			if (done())
				return true;
		}
	}
	sim->now_ns = until_ns;
	return false;
}

/* ---- telling ---- */

void sim_fail(const char *fmt, ...)
{
	va_list args;

	sim->failed = true;
	va_start(args, fmt);
	vsnprintf(sim->failure, sizeof(sim->failure), fmt, args);
	va_end(args);
	if (sim->tracing)
		sim_trace("FAILED: %s", sim->failure);
	if (sim->cur)
		coro_leave_for_good();
	longjmp(sim->failed_jmp, 1);
}

void sim_trace(const char *fmt, ...)
{
	const int64_t us = (sim->now_ns - sim->began_ns) / KMD_NS_PER_US;
	va_list args;

	if (!sim->tracing)
		return;
	printf("%4lld.%06lld %-10s ", (long long)(us / 1000000), (long long)(us % 1000000),
	    sim->cur ? proc_name(coro_proc(sim->cur)) : "-");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* ---- memory ---- */

/* Blocks that are cut up and, at a history's end, used again by the next one. */
struct block {
	struct block *next;
	size_t bytes, used;
	max_align_t data[];
};

static struct block *block, *spare; /* in use, the newest first; to use again */

static struct block *take_block(size_t bytes)
{
	struct block **at = &spare, *b;

	while (*at && (*at)->bytes < bytes)
		at = &(*at)->next;
	b = *at;
	if (b) {
		*at = b->next;
		return b;
	}
	b = kmd_calloc(1, sizeof(*b) + bytes);
	b->bytes = bytes;
	return b;
}

void *sim_alloc(size_t bytes)
{
	const size_t n = (bytes + sizeof(max_align_t)) / sizeof(max_align_t) * sizeof(max_align_t);
	struct block *b = block;
	struct heap *former;

	if (!b || b->bytes - b->used < n) {
		former = heap_use(NULL);
		b = take_block(n > BLOCK_BYTES ? n : BLOCK_BYTES);
		heap_use(former);
		b->next = block;
		block = b;
	}
	b->used += n;
	return (char *)b->data + b->used - n;
}

void sim_free_all(void)
{
	struct block *b;

	while ((b = block)) {
		block = b->next;
		memset(b->data, 0, b->used);
		b->used = 0;
		b->next = spare;
		spare = b;
	}
}

void sim_give_memory_back(void)
{
	struct block *b;

	while ((b = spare)) {
		spare = b->next;
		free(b);
	}
}

void *sim_grow(void *p, size_t count, size_t *cap, size_t bytes)
{
	void *more;

	if (count < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 16;
	more = sim_alloc(*cap * bytes);
	if (count > 0)
		memcpy(more, p, count * bytes);
	return more;
}

struct kmd_str sim_dup(struct kmd_str s)
{
	char *copy;

	if (!s.p)
		return s;
	copy = sim_alloc(s.n + 1);
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	return (struct kmd_str){copy, s.n};
}
