#ifndef KMD_MAP_H
#define KMD_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "kmd_str.h"

/*
 * Hash map from text (tickers, names) to a pointer of the caller's. Owns copies of its keys, never the values.
 * Zero-initialise, then use. Not thread-safe. Iteration order is unspecified but the same for the same history.
 */

struct kmd_map_slot;
struct kmd_map {
	struct kmd_map_slot *slots;
	size_t count, cap;
};

/** Value of @key, NULL where there is none. */
void *kmd_map_get(const struct kmd_map *m, struct kmd_str key);
/** Sets (@value not NULL); gives back the value that was there before, or NULL. */
void *kmd_map_put(struct kmd_map *m, struct kmd_str key, void *value);
/** Removes; gives back the value, or NULL. Must not be called while iterating. */
void *kmd_map_del(struct kmd_map *m, struct kmd_str key);
/**
 * Walks all entries: size_t it = 0; while (kmd_map_next(&m, &it, &key, &value)) ... The key borrows from the map.
 * Values may be replaced while walking; entries neither added nor removed.
 */
bool kmd_map_next(const struct kmd_map *m, size_t *it, struct kmd_str *ret_key, void **ret_value);
/** Frees keys and slots; values are the caller's business, before. */
void kmd_map_fini(struct kmd_map *m);

#endif
