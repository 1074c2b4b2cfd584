#ifndef INGEST_SPOOL_H
#define INGEST_SPOOL_H

#include "kmd_err.h"
#include "kmd_time.h"
#include "spool_policy.h"
#include "spool_record.h"

/*
 * The disk spool: one long row of records in segment files of one folder, written at its end, read at its front.
 *
 *   released | sent, not acknowledged | to be sent | appended
 *            ^ acked                  ^ handed                ^ appended     (positions: bytes since the start)
 *
 * A writer thread puts batches on disk and syncs them; until then records are read from memory, so a disk that fails
 * delays nothing that the broker takes. A record is settled when it is synced or acknowledged. A segment is removed
 * when all in it is acknowledged; segments of former lives come first. All calls from one thread, the owner's, unless
 * said.
 *
 * The folder:  lock (held while a process uses it), cursor (how far the first segment is acknowledged: saves sending
 * again, proves nothing), <number>.spool, and what else is kept there (ingest_spool_keep).
 */

struct ingest_spool;

struct ingest_spool_conf {
	const char *dir;     /* borrowed */
	int64_t max_bytes;   /* of all segments */
	struct kmd_wall now; /* names this life */
	uint64_t seed;
};

/** Is the folder there or can be made, and can be written? Makes nothing. KMD_ECONFIG. */
int ingest_spool_check(const char *dir, struct kmd_err *err) KMD_MUST_CHECK;
/** Makes and locks the folder, finds what former lives left. KMD_ECONFIG: it cannot be used, or another process does.
 */
int ingest_spool_open(
    struct ingest_spool **ret, const struct ingest_spool_conf *conf, struct kmd_err *err) KMD_MUST_CHECK;
/** What is not settled is gone. NULL is fine. */
void ingest_spool_close(struct ingest_spool *s);

/** @r NULL: records are lost here. Views live for the call. */
typedef void (*ingest_spool_scan_fn)(void *ctx, const struct ingest_spool_record *r);
/** Shows the records that tell which lineages of former lives there are and how they stood: not all, but in order. */
void ingest_spool_scan(struct ingest_spool *s, ingest_spool_scan_fn fn, void *ctx);

/** May one more record of that kind come? Frames not while it is full, none while too many wait for the disk. */
bool ingest_spool_accepts(struct ingest_spool *s, enum ingest_spool_kind kind);
/** From now on it may be filled to the last byte. */
void ingest_spool_stop(struct ingest_spool *s);
/** Is the next record the first of a batch, and of a segment? Marks belong there. */
bool ingest_spool_starts_batch(const struct ingest_spool *s);
bool ingest_spool_starts_segment(const struct ingest_spool *s);
/**
 * Appends; copies everything. Returns the record's position. @sent: the producer has it already (so must have all that
 * was appended before).
 */
int64_t ingest_spool_append(
    struct ingest_spool *s, const struct ingest_spool_record *r, bool sent, struct kmd_mono now);
/** Gives the batch to the disk if it is time to and the disk is idle; true: done, the next record starts another. */
bool ingest_spool_flush(struct ingest_spool *s, struct kmd_mono now);
/** True, once, when the batch that was given last is settled. */
bool ingest_spool_collect(struct ingest_spool *s);

/**
 * The next record to be sent and its position; false: none. Views live until the next call of any function here.
 * *ret_lost: bytes in front of it that were damaged.
 */
bool ingest_spool_next(
    struct ingest_spool *s, struct ingest_spool_record *ret, int64_t *ret_position, uint64_t *ret_lost);
/** The producer has taken the record that ingest_spool_next() showed. */
void ingest_spool_taken(struct ingest_spool *s);
/** The broker has acknowledged the record at @position, or refused it for good. */
void ingest_spool_done(struct ingest_spool *s, int64_t position);
/**
 * Removes segments that are acknowledged, notes where the first one stands. Each turn. True: the batch that was being
 * filled is acknowledged whole and need not be written; the next record starts another.
 */
bool ingest_spool_tidy(struct ingest_spool *s, struct kmd_mono now);

/**
 * A file beside the segments, of that name in the folder; one that is there is replaced, as a whole. Copied, written
 * with the next batch; failure is logged.
 */
void ingest_spool_keep(struct ingest_spool *s, const char *name, struct kmd_str bytes);
/** Appends the content of such a file; nothing where there is none, or it cannot be read. */
void ingest_spool_kept(const struct ingest_spool *s, const char *name, struct kmd_buf *out);

/** Has the producer been handed everything? */
bool ingest_spool_is_level(const struct ingest_spool *s);
/** Is everything settled? */
bool ingest_spool_is_settled(const struct ingest_spool *s);
/** Is nothing in it, sent or not? */
bool ingest_spool_is_empty(const struct ingest_spool *s);
/** Size of its segments, with what waits to be written. */
int64_t ingest_spool_bytes(const struct ingest_spool *s);
/** Of those, to be sent. */
int64_t ingest_spool_unsent_bytes(const struct ingest_spool *s);
bool ingest_spool_is_full(const struct ingest_spool *s);
/** Why the disk does not take what it was given; NULL: it does. */
const char *ingest_spool_trouble(const struct ingest_spool *s);

#endif
