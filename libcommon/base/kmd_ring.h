#ifndef KMD_RING_H
#define KMD_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "kmd_str.h"

/*
 * A bounded queue of byte records between exactly two threads, one writer and one reader, without locks. Records are
 * contiguous, 8-byte aligned and keep their order. It never drops: a full ring refuses, and the writer decides to wait.
 */

struct kmd_ring;

/** @capacity_bytes is rounded up to a power of two; the largest record is half of it less its 8-byte head. */
struct kmd_ring *kmd_ring_new(size_t capacity_bytes);
/** Neither thread may be inside another call. NULL is fine. */
void kmd_ring_free(struct kmd_ring *r);

/**
 * Room for one record of @n bytes, to be written in place and published by kmd_ring_commit(). NULL: no room now (wait
 * and ask again) -- for ever, if @n is more than kmd_ring_record_max(). Thread: writer.
 */
void *kmd_ring_reserve(struct kmd_ring *r, size_t n);
/** Publishes the record of the last reserve; wakes a reader that sleeps in kmd_ring_wait(). Thread: writer. */
void kmd_ring_commit(struct kmd_ring *r);
/** Oldest record, borrowed until kmd_ring_pop(); p == NULL when empty. Thread: reader. */
struct kmd_str kmd_ring_peek(struct kmd_ring *r);
/** Forgets the record that peek showed. Thread: reader. */
void kmd_ring_pop(struct kmd_ring *r);
/** Bytes held, heads included; exact for neither side while the other works. Any thread. */
size_t kmd_ring_used_bytes(const struct kmd_ring *r);
size_t kmd_ring_record_max(const struct kmd_ring *r);
/** Sleeps until a record is there or @timeout_ms has passed (negative: for ever). True: there is one. Thread: reader. */
bool kmd_ring_wait(struct kmd_ring *r, int timeout_ms);

#endif
