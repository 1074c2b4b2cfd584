#ifndef SIM_CORO_H
#define SIM_CORO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Coroutines: the threads of the simulated processes. One runs at a time, until it waits in one of the adapters;
 * whoever is due next runs then. A process that dies in such a call never comes back from it.
 */

struct coro;
struct proc;

/** A new one of @p, to run soon. */
struct coro *coro_new(struct proc *p, void *(*fn)(void *arg), void *arg);
/** Forgets it; not the running one. */
void coro_free(struct coro *c);
struct proc *coro_proc(const struct coro *c);
bool coro_is_done(const struct coro *c);

/**
 * The running one sleeps until @until_ns of the world's clock or until coro_wake with the same @what (or with NULL on
 * either side). True: it was woken.
 */
bool coro_sleep(int64_t until_ns, const void *what);
/** Wakes the sleepers of @p that wait for @what. */
void coro_wake(struct proc *p, const void *what);
/** Back to the scheduler, never to return. */
void coro_leave_for_good(void) __attribute__((noreturn));
/** At the program's end. */
void coro_free_stacks(void);

#endif
