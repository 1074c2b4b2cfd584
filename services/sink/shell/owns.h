#ifndef SINK_OWNS_H
#define SINK_OWNS_H

#include "keeper.h"
#include "part.h"
#include "view.h"
#include "writer.h"

/*
 * The partitions that the group gave to this instance, from the main loop's side: who writes them, where they start,
 * whether they are paused. Main loop's thread only, rebalance callbacks included.
 *
 *   assigned -> claim asked -> claimed: read from its start -> records to the writer -> revoked: retired
 *                                  fenced, stopped, position lost: halted, and claimed anew after a while
 */

struct own {
	struct part *part;     /* NULL: nothing is claimed or asked */
	size_t writer;         /* index from 0 */
	bool assigned;         /* the consumer reads it */
	int paused;            /* as the consumer was told: 0, 1; -1: not told since it was assigned */
	bool halted;           /* fenced, stopped or out of range: no records until it is claimed anew */
	bool seek;             /* claimed anew while assigned: the consumer must be moved to its start */
	struct kmd_mono asked; /* when the group last asked for its start */
	struct kmd_mono retry; /* when to claim a halted one anew */
	int64_t hinted;        /* offset last committed to Kafka */
	int64_t end;           /* where the partition ended when it was asked, for the lag of one that is not read */
};

struct owns {
	struct hub *hub;
	struct keeper *keeper;
	struct kmd_consumer *consumer;
	struct writer **writers;
	size_t *writer_parts; /* partitions of each writer */
	bool *writer_full;    /* its partitions are paused until it holds less */
	size_t writers_count;
	struct kmd_mono full_since;      /* when waiting for room began; 0: there is room */
	struct own *of[KMD_TOPIC_COUNT]; /* by partition */
	int32_t count[KMD_TOPIC_COUNT];
	struct kmd_mono ends;        /* when to ask next where partitions end that are paused */
	struct view_headers headers; /* of the record in hand */
	struct kmd_buf scratch;      /* of its row */
	bool closing;   /* keeper and writers are gone: nothing is claimed, and what is revoked is nobody's business */
	size_t stopped; /* partitions that wait for --accept-topic */
	char stopped_why[200];
};

extern const struct kmd_rebalance_ops owns_rebalance; /* ctx: struct owns */

/** Hands records to their writers; those of partitions that are not ours are freed. Takes them. */
void owns_dispatch(struct owns *o, struct kmd_record **records, int n);
/** Does a writer hold so much that it is better to wait than to take more? Not for longer than @patience_ns at a time.
 */
bool owns_wait(struct owns *o, struct kmd_mono now, int64_t patience_ns);
/** Pauses, resumes, claims anew: what changed since the last turn. */
void owns_turn(struct owns *o, struct kmd_mono now);
/** Sets the lag of each topic; asks the broker where paused partitions end now. */
void owns_measure(struct owns *o, struct kmd_mono now);
/** Commits what is stored as the group's offsets, in the background; kmd_consumer_close waits for it within bounds. */
void owns_hint(struct owns *o);
void owns_fini(struct owns *o);

#endif
