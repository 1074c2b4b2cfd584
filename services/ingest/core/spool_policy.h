#ifndef INGEST_SPOOL_POLICY_H
#define INGEST_SPOOL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_time.h"

/*
 * When records take the way over the disk, and how much of it.
 *
 *   DIRECT --no acknowledgement for 1 s though something is outstanding, or the producer is full--> SPOOLING
 *   SPOOLING --everything that was spooled has been handed to the producer--> DIRECT
 *
 * While SPOOLING every new record goes behind the last one spooled, and the producer is fed from there: the order never
 * depends on the mode. Pure.
 */

#define INGEST_SPOOL_PATIENCE_NS (1 * KMD_NS_PER_S)    /* without an acknowledgement */
#define INGEST_SPOOL_BROKER_WAIT_NS (2 * KMD_NS_PER_S) /* at start: then capture begins without a broker */
#define INGEST_SPOOL_FLUSH_NS (50 * KMD_NS_PER_MS)     /* a record waits at most so long for the disk to be asked */
#define INGEST_SPOOL_FLUSH_BYTES (4 * 1024 * 1024)     /* or until so many of them wait */
#define INGEST_SPOOL_PENDING_BYTES (12 * 1024 * 1024)  /* so many wait for a slow disk, then the pipeline does */
#define INGEST_SPOOL_QUEUE_BYTES (16 * 1024 * 1024)    /* of the producer in front of a spool */
#define INGEST_SPOOL_SEGMENT_BYTES (64 * 1024 * 1024)  /* of one file, at most; small spools have smaller ones */
#define INGEST_SPOOL_SEGMENT_BYTES_MIN (256 * 1024)
#define INGEST_SPOOL_RESERVE_BYTES (INT64_C(96) * 1024 * 1024) /* kept for a stop: ring and pending bytes */

struct ingest_spool_policy {
	int64_t progress_ns; /* last time that something was acknowledged, or nothing was outstanding */
};

/** After each poll of the producer: records outstanding, and how many were reported by it. */
void ingest_spool_polled(struct ingest_spool_policy *p, struct kmd_mono now, uint64_t outstanding, int reported);
/** Has the broker acknowledged nothing for too long? */
bool ingest_spool_stalled(const struct ingest_spool_policy *p, struct kmd_mono now);

/** Size of one file in a spool of @max bytes; what waits for the disk, what waits for the broker, both in memory. */
int64_t ingest_spool_segment_bytes(int64_t max);
int64_t ingest_spool_pending_bytes(int64_t max);
int64_t ingest_spool_queue_bytes(int64_t max);
/**
 * May no more be read, with @bytes in a spool of @max? Some room is kept for a stop (@stopping), which has to put away
 * what was received; once @was_full, an eighth has to be free again.
 */
bool ingest_spool_full(int64_t bytes, int64_t max, bool was_full, bool stopping);

#endif
