#ifndef ENRICH_SETTLE_H
#define ENRICH_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_settlement.h"

/*
 * What to do with an answer to the question how a market was settled. Pure.
 */

#define ENRICH_SETTLE_DELAY_MAX_NS (INT64_C(600) * 1000000000)

enum enrich_settle_act {
	ENRICH_SETTLE_WAIT, /* no result yet: ask again after enrich_settle_delay */
	ENRICH_SETTLE_PUBLISH,
};

struct enrich_settle {
	unsigned empties; /* answers without a result in a row */
	bool asked_again; /* a settled market without settlement_ts was given one more chance */
	unsigned behind;  /* answers in a row that were behind a frame */
};

/** @triggers the enum enrich_want_bits that are waiting for the answer. */
enum enrich_settle_act enrich_settle_decide(
    struct enrich_settle *s, const struct kmd_settlement_data *d, unsigned triggers);
/**
 * Wait before the next question: @retry_ns after the first empty answer, then twice as long each time (with up to a
 * tenth of jitter from @rng) up to ENRICH_SETTLE_DELAY_MAX_NS or @retry_ns if that is longer.
 */
int64_t enrich_settle_delay(const struct enrich_settle *s, int64_t retry_ns, uint64_t *rng);

/* A result and what it pays, each as a hash in which 0.50 equals 0.5; 0: not told. */
struct enrich_outcome {
	uint64_t result, value;
};
struct enrich_outcome enrich_outcome_of(struct kmd_str result, struct kmd_str value);

/** One number for status, result, value (0.50 equals 0.5) and expiration value; never 0. */
uint64_t enrich_outcome_hash(const struct kmd_settlement_data *d);

#endif
