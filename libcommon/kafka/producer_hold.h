#ifndef KMD_PRODUCER_HOLD_H
#define KMD_PRODUCER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_backoff.h"

/*
 * Records of one topic that librdkafka gave back although they were not refused for good: the topic is away, its
 * metadata late, access denied for now, or a neighbour in their batch was refused. Pure: it says what to send and when.
 *
 *   OPEN --failure--> HELD: new records queue behind the failed ones, nothing is sent until all that librdkafka still
 *   has of the topic came back, then rounds go out in the order of the first sending, each awaited before the next.
 *   HELD --rounds went well, the queue fits into one--> OPEN
 *
 * A refused round is narrowed (a batch is refused as a whole) until the culprit is alone: only then it is refused
 * for good. Other trouble waits and sends the same again.
 */

struct hold_item {
	uint64_t seq; /* order of the first sending */
	void *record;
};

struct hold {
	struct hold_item *items;
	size_t head, tail, cap;
	bool held, unsorted;
	bool narrow, trouble; /* what the last round met */
	uint64_t in_flight;   /* of the topic, inside librdkafka */
	uint32_t round_max;   /* records of the next round */
	uint32_t round_sent;  /* of the present round */
	int64_t retry_ns;     /* not before (monotonic) */
	struct kmd_backoff backoff;
};

enum hold_fault {
	HOLD_REFUSED, /* the broker does not want the record, or a neighbour in its batch */
	HOLD_TROUBLE, /* nothing the record could help */
};

void hold_init(struct hold *h);
void hold_fini(struct hold *h);
/** Does a new record have to queue? */
bool hold_is_held(const struct hold *h);
/** Held, and by more than a refused batch? */
bool hold_in_trouble(const struct hold *h);
/** Queues a new record (largest seq so far). */
void hold_push(struct hold *h, uint64_t seq, void *record);
/** Gave one to librdkafka / it was acknowledged. */
void hold_sent(struct hold *h);
void hold_done(struct hold *h);
/** It came back. True: it was alone and is refused for good, the caller reports it; else it is queued. */
bool hold_failed(struct hold *h, enum hold_fault fault, uint64_t seq, void *record);
/** It was not even taken by librdkafka: queued again, the round ends. */
void hold_not_taken(struct hold *h, uint64_t seq, void *record);
/** Starts a round if it is time to: how many hold_take() the caller shall send now. @rng for the jitter. */
size_t hold_round(struct hold *h, int64_t now_ns, uint64_t *rng);
/** Takes the oldest. */
struct hold_item hold_take(struct hold *h);
size_t hold_count(const struct hold *h);

#endif
