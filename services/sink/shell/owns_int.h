#ifndef SINK_OWNS_INT_H
#define SINK_OWNS_INT_H

#include "owns.h"

/* Shared by owns.c and rebalance.c; main loop's thread. */

/** NULL: never heard of. */
struct own *own_find(struct owns *o, enum kmd_topic t, int32_t partition);
/** Made where it is not there; valid until the next call for the same topic. */
struct own *own_get(struct owns *o, enum kmd_topic t, int32_t partition);
/** Asks a writer to claim the partition; own->part stays NULL where the broker does not tell its watermarks. @again: it
 * was halted. */
void own_claim(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition, bool again);
/** True once it is known where to read from; claims where that is still to be done. */
bool own_has_start(struct owns *o, struct own *own, enum kmd_topic t, int32_t partition);
/** The last item of this claim; the writer lets go of it in its own time, or at once what it holds when @dropped. */
void own_let_go(struct owns *o, struct own *own, bool dropped);

#endif
