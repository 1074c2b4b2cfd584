#ifndef SINK_WRITER_INT_H
#define SINK_WRITER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "db.h"
#include "kmd_backoff.h"
#include "part.h"
#include "sink_batch.h"
#include "sink_narrow.h"
#include "view.h"
#include "writer.h"

/* What the files of the writer share; all of it belongs to the writer's thread unless said otherwise. */

/* Records put back while a batch is narrowed to the one that Postgres refuses. */
struct writer_later {
	struct sink_entry *entries;
	size_t at, count, cap;
};

/* Rows that turned out to be repetitions when the database was asked. */
struct writer_move {
	struct sink_progress *progress;
	enum sink_table table;
	int64_t rows;
};

struct writer {
	struct hub *hub;
	size_t index;
	pthread_t thread;
	struct queue queue;   /* main pushes */
	_Atomic int64_t held; /* bytes; main adds, the writer takes away */
	atomic_bool ended;    /* the thread is over */

	struct db db;
	bool uncertain; /* a COMMIT had no answer: read what became of it before anything else */
	struct kmd_backoff backoff;
	uint64_t rng;
	int odd_failures; /* keys or partitions in each other's way, in a row */

	struct part **parts; /* claimed by this writer, each referenced */
	size_t parts_count, parts_cap;

	struct sink_limits limits;
	struct sink_batch batch;
	struct writer_later later;
	struct sink_narrow narrow;
	size_t told; /* place in the batch, from 1, of the record at which the last COPY failed; 0: not told */
	struct writer_move *moves;
	size_t moves_count, moves_cap;

	struct sink_need *known; /* partitions of tables that are there */
	size_t known_count, known_cap;
	int slow_trades; /* so many batches more take the way that drops repeated trades */

	struct kmd_mono now; /* when what is in hand was taken from the queue */
	struct view_headers headers;
	struct kmd_buf sql, array[12];
};

static inline struct part *part_of(struct sink_progress *p)
{
	return (struct part *)((char *)p - offsetof(struct part, progress));
}

/** The record is done with, one way or another. */
void writer_release(struct writer *w, struct kmd_record *r);
/** Is the partition claimed by us and not given up? */
bool writer_is_ours(const struct part *p);
/** Adds a record of a partition that is ours to the batch. @quick its row if it was made ahead, borrowed; @refused as
 * sink_batch_add. */
void writer_add(struct writer *w, struct sink_progress *p, struct kmd_record *r, const struct sink_quick *quick,
    enum sink_fault refused);
/** Empties the batch into `later` and takes back what it did to the progress of its partitions. */
void writer_undo(struct writer *w);
/** Fills the batch from `later`; what is not ours any more is let go. */
void writer_refill(struct writer *w);
/** Until all that is held is written or is not ours any more: for ever while Postgres is away, unless the drain is
 * over. */
void writer_flush(struct writer *w);
/** After trouble with Postgres: tells /readyz and waits before the next attempt. */
void writer_pause(struct writer *w, const struct kmd_err *err);

enum write_result {
	WRITE_DONE,
	WRITE_FENCED,   /* some partition is another's now: its state says so */
	WRITE_REJECTED, /* a row was refused; the SQLSTATE tells why */
	WRITE_RETRY,
};
/** One transaction for the batch. @ret_state SQLSTATE of REJECTED. Opens the connection where needed; settles what
 * became of an uncertain commit first. */
enum write_result write_batch(struct writer *w, char ret_state[8], struct kmd_err *err);

/** Claims @p in Postgres and moves its state; 0, or a code of class RETRY: try again. */
int claim_part(struct writer *w, struct part *p, struct kmd_err *err) KMD_MUST_CHECK;
/** Notes in Postgres that the partition is stopped, best effort. */
void claim_mark_stopped(struct writer *w, const struct part *p);
/**
 * After a COMMIT without an answer: did the batch in hand get there? 0, with *@ret_done, or RETRY. Partitions that are
 * another's meanwhile are fenced.
 */
int claim_settle(struct writer *w, bool *ret_done, struct kmd_err *err) KMD_MUST_CHECK;

/** Partitions of tables that the batch needs, each in a transaction of its own. */
int tables_ensure(struct writer *w, struct kmd_err *err) KMD_MUST_CHECK;
/** Sends a COPY stream to @target (NULL: the table itself). */
int tables_send(struct writer *w, enum sink_table t, const char *target, const struct kmd_buf *stream,
    struct kmd_err *err) KMD_MUST_CHECK;
/** A temporary table with the columns of @t, emptied at commit. */
int tables_temporary(struct writer *w, enum sink_table t, const char *name, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Inside the transaction: nobody else compares records with what is in @t until its end. Rows that are not there yet
 * cannot be locked, and one key may come in two partitions, as after their number was raised.
 */
int tables_take_turns(struct writer *w, enum sink_table t, struct kmd_err *err) KMD_MUST_CHECK;
/** Inside the transaction: COPY of frames and dead letters; trades past their repetitions. */
int tables_copy(struct writer *w, struct kmd_err *err) KMD_MUST_CHECK;
/** Inside the transaction: markets, events and series that are newer than what is there. */
int records_listings(struct writer *w, struct kmd_err *err) KMD_MUST_CHECK;
/** Inside the transaction: settlements and their revisions. */
int records_settlements(struct writer *w, struct kmd_err *err) KMD_MUST_CHECK;
/** @rows records of @p that were counted as rows of @table are repetitions. */
void writer_move(struct writer *w, struct sink_progress *p, enum sink_table table, int64_t rows);

#endif
