#ifndef SINK_QUEUE_H
#define SINK_QUEUE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_consumer.h"
#include "sink_quick.h"

/*
 * What the main loop hands to a writer, in order: records, and what is to be done with a partition before and after
 * them. Not bounded by itself: the main loop pauses partitions by the bytes it has handed over.
 */

struct part;

enum queue_kind {
	QUEUE_RECORD, /* of a partition that was claimed */
	QUEUE_CLAIM,  /* claim the partition in Postgres */
	QUEUE_RETIRE, /* the last item of a partition: write what is held of it and forget it */
};

struct queue_item {
	enum queue_kind kind;
	struct part *part;
	struct kmd_record *record; /* of RECORD: given */
	struct sink_quick *quick;  /* of RECORD: its row made ahead, given; NULL: it goes the long way */
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct queue_item *items; /* a circle of cap, a power of two */
	size_t head, count, cap;
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);
/** Appends @n items. Any thread. */
void queue_push(struct queue *q, const struct queue_item *items, size_t n);
/** Takes up to @max items, waiting at most @timeout_ns for the first; 0: none came. Thread: the writer. */
size_t queue_pop(struct queue *q, struct queue_item *ret, size_t max, int64_t timeout_ns);
/** Ends the wait of a queue_pop. Any thread. */
void queue_wake(struct queue *q);

#endif
