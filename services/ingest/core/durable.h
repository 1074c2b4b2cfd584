#ifndef INGEST_DURABLE_H
#define INGEST_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Up to where each sid of one lineage is safe. Frames begin in the order of their number n, end in any order; a sid's
 * mark moves over a frame when all earlier frames of that sid have ended. What `alive` and `closed` tell is read here,
 * so they never tell more than what is acknowledged. Pure; memory grows with what is in flight.
 */

#define INGEST_DURABLE_SIDS_MAX 64 /* further sids share no mark: their frames count for the lineage only */

/* One frame, as begun. */
struct ingest_durable_frame {
	int64_t n, recv_ns;
	bool has_sid, has_seq, has_ts;
	int64_t sid, seq, ts_ms;
};

/* The last frame up to which all of a sid are safe. */
struct ingest_durable_mark {
	int64_t sid;
	bool any; /* false: none yet, the rest is 0 */
	int64_t n, recv_ns;
	bool has_seq, has_ts; /* of the latest one that had it */
	int64_t seq, ts_ms;
	int64_t oldest_n, newest_n; /* in flight, 0: none */
};

struct ingest_durable_entry {
	struct ingest_durable_frame frame;
	int64_t next_n; /* next frame in flight of the same sid, 0: none */
	bool done;
};

struct ingest_durable {
	struct ingest_durable_entry *ring; /* entry of n at n % cap */
	size_t cap;                        /* power of two */
	int64_t head_n, tail_n;            /* in flight: head_n <= n < tail_n; some of them done */
	struct ingest_durable_mark marks[INGEST_DURABLE_SIDS_MAX];
	size_t marks_count;
};

/** Numbers start at 1. */
void ingest_durable_init(struct ingest_durable *d);
void ingest_durable_fini(struct ingest_durable *d);
/** @frame->n is one above the last one begun (asserted). */
void ingest_durable_begin(struct ingest_durable *d, const struct ingest_durable_frame *frame);
/** The fate of frame @n is final: acknowledged, or refused and told. Idempotent. */
void ingest_durable_end(struct ingest_durable *d, int64_t n);
/** The fate of every frame up to @n is final. */
void ingest_durable_end_until(struct ingest_durable *d, int64_t n);
/** A frame that was begun and is not below ingest_durable_below(); else NULL. Borrowed until the next one begins. */
const struct ingest_durable_frame *ingest_durable_frame(const struct ingest_durable *d, int64_t n);
/** Every frame below this number has ended; one above the last begun when nothing is in flight. */
int64_t ingest_durable_below(const struct ingest_durable *d);
/** NULL: no frame of that sid has been begun. */
const struct ingest_durable_mark *ingest_durable_sid(const struct ingest_durable *d, int64_t sid);
/** Moves a mark over @frame, which is newer than what it tells. */
void ingest_durable_mark_pass(struct ingest_durable_mark *m, const struct ingest_durable_frame *frame);

#endif
