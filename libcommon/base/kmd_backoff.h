#ifndef KMD_BACKOFF_H
#define KMD_BACKOFF_H

#include <stdint.h>

/*
 * Capped exponential back-off with full jitter: the delay of attempt k (0, 1, ...) is uniform in
 * [0, min(cap, base * 2^k)]. Pure: the random state is the caller's, so a seed reproduces a run.
 */

struct kmd_backoff {
	int64_t base_ns, cap_ns;
	uint32_t attempt; /* failures since the last reset */
};

/** Delay before the next attempt, and counts it. @rng advances (splitmix64; any seed). */
int64_t kmd_backoff_next(struct kmd_backoff *b, uint64_t *rng);
void kmd_backoff_reset(struct kmd_backoff *b);
/** splitmix64 step, for other uses of the same random state. */
uint64_t kmd_rng_next(uint64_t *rng);

#endif
