#ifndef SINK_KEYS_H
#define SINK_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * The keys of the trades in one batch: a set that is emptied without giving its memory back, so that a steady state
 * allocates nothing. Zero-initialise; free by sink_keys_fini. Pure.
 */

struct sink_keys_slot {
	uint64_t hash;
	size_t at, n;   /* of the key in bytes */
	uint64_t round; /* of another round: free */
};

struct sink_keys {
	struct sink_keys_slot *slots;
	size_t count, cap;
	uint64_t round;
	struct kmd_buf bytes;
};

/** Adds @text with @day; false: it is there already. */
bool sink_keys_add(struct sink_keys *k, struct kmd_str text, int32_t day);
void sink_keys_clear(struct sink_keys *k);
void sink_keys_fini(struct sink_keys *k);

#endif
