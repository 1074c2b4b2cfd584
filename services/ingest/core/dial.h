#ifndef INGEST_DIAL_H
#define INGEST_DIAL_H

#include <stdint.h>

#include "kmd_backoff.h"
#include "kmd_time.h"

/*
 * When to dial again. Two lanes of capped exponential back-off with full jitter: the ordinary one, and a slow one for
 * an exchange that says no (401, 403, 429). Only a connection that delivered data resets them: one that is accepted and
 * dropped at once is a failure.
 */

#define INGEST_DIAL_BASE_NS (250 * KMD_NS_PER_MS)
#define INGEST_DIAL_CAP_NS (30 * KMD_NS_PER_S)
#define INGEST_DIAL_REFUSED_BASE_NS (5 * KMD_NS_PER_S)
#define INGEST_DIAL_REFUSED_CAP_NS (300 * KMD_NS_PER_S)

struct ingest_dial {
	struct kmd_backoff ordinary, refused;
	uint64_t rng;
	struct kmd_mono due;  /* the next dial */
	int64_t last_lineage; /* largest number that was ever used or seen */
};

/** The first dial is due at once. @seed any number that differs from process to process. */
void ingest_dial_init(struct ingest_dial *d, uint64_t seed);
/** A lineage number above every one used or seen: wall ns with its low bits random. */
int64_t ingest_dial_lineage(struct ingest_dial *d, struct kmd_wall now);
/** Another instance used @lineage. */
void ingest_dial_seen(struct ingest_dial *d, int64_t lineage);
/** Data arrived: what failed before is over. */
void ingest_dial_delivered(struct ingest_dial *d);
/** The connection failed or ended; sets .due. @http_status of the refused handshake, 0 where there was none. Returns
 * the delay. */
int64_t ingest_dial_again(struct ingest_dial *d, struct kmd_mono now, int http_status);

#endif
