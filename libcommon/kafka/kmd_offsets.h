#ifndef KMD_OFFSETS_H
#define KMD_OFFSETS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The highest position below which everything is done, of one partition (or of one stream of frames): positions are
 * begun in rising order, done in any order. Pure. Holes in the numbering (compaction) are fine.
 */

struct kmd_offsets_entry {
	int64_t position;
	bool done;
};
struct kmd_offsets {
	struct kmd_offsets_entry *entries; /* a circular buffer */
	uint64_t head, tail, cap;
	uint64_t open; /* begun, not done */
	int64_t next;  /* one above the last begun */
};

/** @next the position that everything below counts as done. */
void kmd_offsets_init(struct kmd_offsets *o, int64_t next);
void kmd_offsets_fini(struct kmd_offsets *o);
/** @position is above every one begun before (asserted). */
void kmd_offsets_begin(struct kmd_offsets *o, int64_t position);
/** Idempotent; a position that is not open is ignored. Amortised O(log n). */
void kmd_offsets_done(struct kmd_offsets *o, int64_t position);
/** Lowest position not done, or one above the last begun: what may be committed. */
int64_t kmd_offsets_next(const struct kmd_offsets *o);
/** Begun and not done. */
uint64_t kmd_offsets_open(const struct kmd_offsets *o);

#endif
