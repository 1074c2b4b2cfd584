#ifndef ENRICH_SCHED_H
#define ENRICH_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cause.h"
#include "kmd_backoff.h"
#include "kmd_map.h"
#include "kmd_str.h"
#include "kmd_time.h"
#include "settle.h"

/*
 * What is to be fetched and when: a due queue a lane, bounded in rate and in calls at a time. One job a key, so nothing
 * is fetched twice at once; causes that join a job before it starts are covered by that call, later ones by the next.
 *
 *   want ─► QUEUED ─ next ─► RUNNING ─ again/retry ─► QUEUED
 *                               ├──── park ─► PARKED ─ unpark, expired ─► (in the shell's hands) again | end
 *                               └──── end ─► gone
 */

enum enrich_kind {
	ENRICH_JOB_MARKET,
	ENRICH_JOB_EVENT,
	ENRICH_JOB_SERIES,
	ENRICH_JOB_WINDOW,
	ENRICH_JOB_LIST,
	ENRICH_JOB_CUTOFF,
	ENRICH_JOB_KINDS,
};

/* In order of priority. */
enum enrich_lane { ENRICH_LANE_SETTLEMENT, ENRICH_LANE_WINDOW, ENRICH_LANE_NEW, ENRICH_LANE_LIST, ENRICH_LANE_COUNT };

enum enrich_job_state { ENRICH_QUEUED, ENRICH_RUNNING, ENRICH_PARKED };

#define ENRICH_RETRY_BASE_NS (INT64_C(1) * 1000000000)
#define ENRICH_RETRY_CAP_NS (INT64_C(60) * 1000000000)
#define ENRICH_RETRY_FLOOR_NS (INT64_C(100) * 1000000)
#define ENRICH_ABSENT_CAP_NS (INT64_C(600) * 1000000000)     /* longest wait after a 404 */
#define ENRICH_ABSENT_GIVE_UP_NS (INT64_C(600) * 1000000000) /* of a lookup; a settlement is never given up */
#define ENRICH_ABSENT_GIVE_UP_TRIES 5
#define ENRICH_RATE_SLACK_NS (INT64_C(10) * 1000000) /* lateness of the loop that the rate makes up for */
/* No more calls than the rate start in any stretch so long: a second, what is made up for, and what the way to the
 * exchange may shift them. */
#define ENRICH_RATE_SPAN_NS (INT64_C(1050) * 1000000)

struct enrich_job {
	enum enrich_kind kind;
	enum enrich_lane lane;
	enum enrich_job_state state;
	struct kmd_str key; /* ticker, owned by the job */
	int64_t due_ns;     /* mono */
	uint64_t order;
	size_t at; /* place in its heap */

	struct enrich_causes causes;
	size_t covered; /* the first so many were there when the call started */

	struct kmd_backoff backoff;
	unsigned absences;       /* answers 404 in a row */
	int64_t absent_since_ns; /* mono, of the first of them */
	bool historical;         /* the next call asks the historical twin */
	struct enrich_settle settle;
	struct kmd_buf body;   /* of a parked job: the answer */
	int64_t received_ns;   /* its last byte, Unix ns */
	struct kmd_buf awaits; /* of a parked job: the event it waits for */
	void *data;            /* window, listing: the shell's */
};

struct enrich_heap {
	struct enrich_job **p;
	size_t count, cap;
};

struct enrich_sched {
	struct kmd_map jobs;
	struct enrich_heap lanes[ENRICH_LANE_COUNT], parked;
	int64_t interval_ns; /* between two starts */
	int64_t next_start_ns, paused_until_ns;
	struct kmd_backoff pause;
	unsigned max_in_flight, in_flight;
	uint64_t order, rng;
	struct kmd_buf scratch;
};

void enrich_sched_init(struct enrich_sched *s, double rate, unsigned max_in_flight, uint64_t seed);
/** Frees all jobs; their causes belong to the book. */
void enrich_sched_fini(struct enrich_sched *s);

/** The job of that key: made if it is not there, due at @due_ns; if it is there, moved up to @lane and to @due_ns where
 * that is sooner. */
struct enrich_job *enrich_sched_want(
    struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key, enum enrich_lane lane, struct kmd_mono due);
struct enrich_job *enrich_sched_find(struct enrich_sched *s, enum enrich_kind kind, struct kmd_str key);
/** @c waits for the job (once, however often it is added). */
void enrich_job_add(struct enrich_job *job, struct enrich_cause *c);
/** Moves the covered causes for which (what & @mask), and which the answer is not behind, to @to. */
void enrich_job_take(struct enrich_job *job, unsigned mask, struct enrich_causes *to);

/** The job to start now, RUNNING and covered; NULL: none is due, or rate, room or a pause forbid it. */
struct enrich_job *enrich_sched_next(struct enrich_sched *s, struct kmd_mono now);
/** The started job needs no call after all: gives its place in rate and room back. */
void enrich_sched_unstart(struct enrich_sched *s);
/** The call of a job is over. Once for each next that was not unstarted. */
void enrich_sched_answered(struct enrich_sched *s);
/** How long until next could return something, at most @max_ns. */
int64_t enrich_sched_wait_ns(const struct enrich_sched *s, struct kmd_mono now, int64_t max_ns);

void enrich_sched_again(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono due);
/** Again after capped exponential back-off with jitter. */
void enrich_sched_retry(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono now);
/** After a 404: later and later up to ENRICH_ABSENT_CAP_NS. */
void enrich_sched_absent(struct enrich_sched *s, struct enrich_job *job, struct kmd_mono now);
/** Has a lookup been absent so long that it is given up? */
bool enrich_job_is_hopeless(const struct enrich_job *job, struct kmd_mono now);
/** Waits for event @awaits until @due. */
void enrich_sched_park(struct enrich_sched *s, struct enrich_job *job, struct kmd_str awaits, struct kmd_mono due);
/** A parked job that awaits @event, taken out; NULL: none (more). State stays PARKED until again, park or end. */
struct enrich_job *enrich_sched_unpark(struct enrich_sched *s, struct kmd_str event);
/** A parked job whose time is over, taken out. */
struct enrich_job *enrich_sched_expired(struct enrich_sched *s, struct kmd_mono now);
/** The job is over; frees it. Its causes were taken, or are dropped by the caller before. */
void enrich_sched_end(struct enrich_sched *s, struct enrich_job *job);

/** Nothing starts before now + delay: @floor_ns plus back-off with jitter up to @cap_ns. Ignored while a pause is on.
 */
void enrich_sched_pause(struct enrich_sched *s, struct kmd_mono now, int64_t floor_ns, int64_t cap_ns);
/** An answer was good: the next pause is short again. */
void enrich_sched_unpause(struct enrich_sched *s);
/** What the pause waits for has come: it is over, and the next one is short again. */
void enrich_sched_pause_end(struct enrich_sched *s);

/** Drops the causes of a partition; queued lookups that nobody waits for any more go. */
void enrich_sched_purge(struct enrich_sched *s, struct enrich_book *b, uint32_t slot);
/** Jobs that wait for their (next) call; the walk through the lists is not one of them. */
size_t enrich_sched_pending(const struct enrich_sched *s);

#endif
