#ifndef INGEST_STALE_H
#define INGEST_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_time.h"

/*
 * Silence. Pings are not liveness: a connection that should have data is judged by the age of its last data.
 *
 *   data -- half the patience --> ask -- a quarter more --> ask again -- the patience is over --> stale
 *
 * A connection that holds books is asked for one (core/probe), and the snapshot that comes is data: a quiet exchange
 * answers, a frozen one does not. It is not called stale before a question had a quarter of the patience to be
 * answered, so waking up late is no silence. A connection that cannot be asked is judged by silence alone; each
 * replacement that is silent too doubles the patience, so a quiet exchange makes no storm of reconnections.
 */

#define INGEST_STALE_CAP_NS (300 * KMD_NS_PER_S)

struct ingest_stale {
	int64_t base_ns, patience_ns;
	struct kmd_mono since; /* last data, or when data began to be due; ns 0: no data is due */
	struct kmd_mono asked; /* the first question in this silence, ns 0: none was sent */
	int asks;
};

enum ingest_stale_verdict { INGEST_STALE_FINE, INGEST_STALE_ASK, INGEST_STALE_DEAD };

void ingest_stale_init(struct ingest_stale *s, int64_t base_ns);
/** A new connection: nothing is due yet. */
void ingest_stale_reset(struct ingest_stale *s);
/** From now on data is due (something is subscribed). Idempotent. */
void ingest_stale_arm(struct ingest_stale *s, struct kmd_mono now);
void ingest_stale_data(struct ingest_stale *s, struct kmd_mono now);
/**
 * DEAD: silent for too long; the next connection gets twice the patience; call no more on this one.
 * ASK, if @can_ask: send a question and say so by _asked.
 */
enum ingest_stale_verdict ingest_stale_check(struct ingest_stale *s, struct kmd_mono now, bool can_ask);
void ingest_stale_asked(struct ingest_stale *s, struct kmd_mono now);

#endif
