#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "kmd_str.h"
#include "kmd_time.h"
#include "sim_heap.h"

/*
 * One history: a virtual clock, one random state from the seed, a queue of events, and the processes, broker, exchange
 * and database that live in it. Nothing reads the machine's clock or its randomness, so a seed is a history.
 *
 * There is one at a time, in a global, because the adapters that are stood in for have no handle of ours in every call.
 */

#define SIM_MS KMD_NS_PER_MS
#define SIM_S KMD_NS_PER_S

struct coro;
struct proc;
struct broker;
struct exchange;
struct database;
struct script;

typedef void (*sim_fn)(void *ctx, uint64_t arg);

struct sim_event {
	int64_t at_ns;
	uint64_t tie;
	sim_fn fn;
	void *ctx;
	uint64_t arg;
};

enum sim_mode { SIM_SINK, SIM_INGEST, SIM_ENRICHER, SIM_ALL, SIM_MODE_COUNT };

/* How often what goes wrong, in permille of its occasions, while faults are on; chosen anew for each history. */
#define SIM_FAULTS(X) \
	X(crash) \
	X(freeze) \
	X(drop) \
	X(repeat) \
	X(cut) \
	X(silent) \
	X(terminal) \
	X(command) \
	X(unanswered) \
	X(late_reply) \
	X(dial) \
	X(refuse) X(broker_down) X(commit_lost) X(pg_cut) X(pg_commit_cut) X(pg_error) X(pg_down) X(poison) X(stop) \
	    X(scale) X(rest_empty) X(rest_stale) X(rest_error) X(rest_throttle) X(rest_locked) X(rest_garbage) \
		X(rest_lost)

enum sim_fault {
#define SIM_FAULT_ENUM(name) SIM_FAULT_##name,
	SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
	    SIM_FAULT_COUNT,
};

/* What is to have happened in some history, or the histories tried nothing. Counted beside the faults. */
#define SIM_EVENTS(X) \
	X(duplicate_delivery) \
	X(reorder) \
	X(delay) \
	X(partial_write) X(commit_done_untold) X(commit_undone_untold) X(late_commit) X(rebalance) X(session_over)

enum sim_happening {
#define SIM_HAPPENING_ENUM(name) SIM_HAPPENED_##name,
	SIM_EVENTS(SIM_HAPPENING_ENUM)
#undef SIM_HAPPENING_ENUM
	    SIM_HAPPENING_COUNT,
};

struct sim {
	uint64_t seed, rng;
	uint64_t hash; /* of everything that happened, in its order: a seed tried again gives the same */
	enum sim_mode mode;
	bool tracing;

	int64_t began_ns, now_ns; /* the world's wall clock */
	int64_t heal_ns;          /* no fault begins from here on */
	uint64_t steps;
	struct sim_event *events; /* a binary heap */
	size_t events_count, events_cap;

	struct heap heap; /* the world's own memory, freed as a whole */
	struct coro *cur; /* running; NULL: the scheduler itself */
	jmp_buf failed_jmp;
	bool failed;
	char failure[1024];

	unsigned fault[SIM_FAULT_COUNT];
	uint64_t hits[SIM_FAULT_COUNT], happened[SIM_HAPPENING_COUNT];

	struct proc *procs; /* all there ever were, newest first */
	struct broker *broker;
	struct exchange *exchange;
	struct database *database;
	struct script *script;
};

extern struct sim *sim;

/* ---- chance ---- */
uint64_t sim_random(void);
/** 0 to @n - 1. */
uint64_t sim_below(uint64_t n);
int64_t sim_between(int64_t low, int64_t high); /* both included */
/** True with @permille of a thousand. */
bool sim_chance(unsigned permille);
/** Does the fault strike now? Never once the world is healed. */
bool sim_strikes(enum sim_fault f);
bool sim_healed(void);
void sim_happened(enum sim_happening h);
/** Mixes into the history's hash. */
void sim_mix(const void *bytes, size_t n);

/* ---- time ---- */
/** Calls @fn in @delay_ns, in the scheduler. @ctx lives in the world's memory, or outlives the history. */
void sim_after(int64_t delay_ns, sim_fn fn, void *ctx, uint64_t arg);
/** Runs events until @until_ns or until @done says so (asked now and then). False: the time was over. */
bool sim_run(int64_t until_ns, bool (*done)(void));

/* ---- what is told ---- */
#define SIM_FAIL_PRINTF __attribute__((format(printf, 1, 2), noreturn))
/** The history broke an invariant. Does not return. */
void sim_fail(const char *fmt, ...) SIM_FAIL_PRINTF;
void sim_trace(const char *fmt, ...) KMD_PRINTF(1, 2);

#define SIM_CHECK(cond, ...) \
	do { \
		if (!(cond)) \
			sim_fail(__VA_ARGS__); \
	} while (0)

/* ---- memory of the world, never freed before the history's end ---- */
void *sim_alloc(size_t bytes) __attribute__((returns_nonnull));
void *sim_grow(void *p, size_t count, size_t *cap, size_t bytes) __attribute__((returns_nonnull));
struct kmd_str sim_dup(struct kmd_str s);
/** At the history's end. */
void sim_free_all(void);
/** At the program's end. */
void sim_give_memory_back(void);

#endif
