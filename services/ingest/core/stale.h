#ifndef INGEST_STALE_H
#define INGEST_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_time.h"

/*
 * Silence. Pings are not liveness: a connection that should have data is judged by the age of its last data. Each
 * replacement that is silent too doubles the patience, so a quiet exchange makes no storm of reconnections; data resets
 * it.
 */

#define INGEST_STALE_CAP_NS (300 * KMD_NS_PER_S)

struct ingest_stale {
	int64_t base_ns, patience_ns;
	struct kmd_mono since; /* last data, or when data began to be due; ns 0: no data is due */
};

void ingest_stale_init(struct ingest_stale *s, int64_t base_ns);
/** A new connection: nothing is due yet. */
void ingest_stale_reset(struct ingest_stale *s);
/** From now on data is due (something is subscribed). Idempotent. */
void ingest_stale_arm(struct ingest_stale *s, struct kmd_mono now);
void ingest_stale_data(struct ingest_stale *s, struct kmd_mono now);
/** Silent for too long? If so the next connection gets twice the patience; call once per connection. */
bool ingest_stale_check(struct ingest_stale *s, struct kmd_mono now);

#endif
