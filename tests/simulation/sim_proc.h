#ifndef SIM_PROC_H
#define SIM_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_app.h"

/*
 * A simulated process: one of the three programs as it is, its main loop and threads as coroutines, its memory in a
 * heap of its own. It can be killed between any two calls to the outside, frozen for a while, or told to stop.
 */

struct proc;
struct coro;

/* What stands for `main`: settings as kmd_conf would have filled them, and the service's functions. */
struct proc_program {
	const char *name;
	const void *settings; /* alive as long as the history */
	int (*init)(struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service,
	    struct kmd_err *err);
	enum kmd_verdict (*step)(void *service, const struct kmd_tick *tick);
	bool (*fini)(void *service);
	int64_t shutdown_timeout_ns;
	int64_t pause_ns; /* between two turns, about */
};

/* Something of the world's that a process holds: it is told when the process is gone. */
struct proc_link {
	struct proc_link *next;
	void (*gone)(void *ctx);
	void *ctx;
};

/** Starts it. @number tells instances of one program apart. */
struct proc *proc_start(const struct proc_program *program, int number);
/** SIGKILL. */
void proc_kill(struct proc *p);
/** SIGSTOP, and SIGCONT after @for_ns. */
void proc_freeze(struct proc *p, int64_t for_ns);
/** SIGTERM. */
void proc_stop(struct proc *p);
bool proc_is_alive(const struct proc *p);
bool proc_is_stopping(const struct proc *p);
/** Is it alive and not frozen? Sockets of a frozen process stay open, its background threads stand still too. */
bool proc_runs(const struct proc *p);
/** Exit code of one that ended by itself; -1: killed or alive. */
int proc_exit_code(const struct proc *p);
const struct proc_program *proc_program(const struct proc *p);
void *proc_service(const struct proc *p);
int proc_number(const struct proc *p);
/** Calls @gone when the process has ended, however; in the order of the last first. */
void proc_on_end(struct proc *p, void (*gone)(void *ctx), void *ctx);
struct proc *proc_next(const struct proc *p);

/** The running process; asserts that there is one. */
struct proc *proc_self(void);
/** A call to the outside begins: here a process may die or freeze. */
void proc_point(void);

const char *proc_name(const struct proc *p);
/** Its wall and monotonic clocks. */
int64_t proc_wall_ns(const struct proc *p);
int64_t proc_mono_ns(const struct proc *p);
/** World time of a deadline on its monotonic clock. */
int64_t proc_world_ns(const struct proc *p, int64_t mono_ns);

/** At the history's end: frees what it holds. */
void proc_bury(struct proc *p);

/* For sim_coro.c */
struct heap *proc_heap(struct proc *p);
int64_t proc_frozen_until(const struct proc *p);
void proc_add_coro(struct proc *p, struct coro *c);
struct coro *proc_coro(const struct proc *p, size_t i);
/** After one of its coroutines ran: buries it if it died. */
void proc_look(struct proc *p);

#endif
