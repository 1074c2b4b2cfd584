#ifndef READY_H
#define READY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "kmd_str.h"
#include "kmd_time.h"

/*
 * What stands between a program and being ready: named conditions, and the phase. Zero-initialise, ready_init, use from
 * any thread.
 */

struct condition {
	char *name, *why; /* owned; why NULL: nothing to say */
	bool ok;
	bool retold;     /* another why was told since ok changed */
	char *told;      /* the why that was worth a log line last, owned, NULL: none */
	int64_t told_ns; /* monotonic */
};

struct ready {
	pthread_mutex_t lock;
	struct condition *conditions;
	size_t count;
	const char *phase; /* static text of what comes before readiness ("starting", "draining"); NULL: running */
	char failure[512]; /* "": none */
};

void ready_init(struct ready *r);
void ready_fini(struct ready *r);
/**
 * True when that is worth a log line: the condition is new, its ok changed, or what is wrong with it did, numbers aside
 * and after 5 s the first time, then once a minute: two troubles may take turns for ever.
 */
bool ready_set(struct ready *r, const char *name, bool ok, const char *why, struct kmd_mono now);
void ready_phase(struct ready *r, const char *phase);
void ready_fail(struct ready *r, const char *text);
/** Appends the conditions as metrics kmd_ready{condition}: 1 met, 0 not. */
void ready_metrics(struct ready *r, struct kmd_buf *out);
/** Appends the JSON body of /readyz and tells whether it is ready. */
bool ready_body(struct ready *r, struct kmd_buf *out);

#endif
