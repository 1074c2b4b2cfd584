#ifndef SINK_WRITER_H
#define SINK_WRITER_H

#include "hub.h"
#include "queue.h"

/*
 * A writer: a thread with a Postgres connection of its own, that owns the partitions it was given. It takes records
 * from its queue into a batch and writes the batch in one transaction when it is due. Postgres away: it keeps the batch
 * and tries for ever; meanwhile its queue grows to the main loop's bound and its partitions are paused.
 */

struct writer;

/** @index from 1: its number among the connections of @hub. Starts the thread. */
struct writer *writer_start(struct hub *hub, size_t index);
/** Hands over items in order; records are given, and a part is referenced once by its CLAIM, once less by its RETIRE.
 */
void writer_push(struct writer *w, const struct queue_item *items, size_t n);
/** Bytes handed over and not committed or dropped. Any thread. */
int64_t writer_held_bytes(const struct writer *w);
/**
 * Ends the thread, which must have been told by hub.flush and hub.abandon, waiting at most @timeout_ms for it; false:
 * it hangs in a call to Postgres and is left behind. Adds what it held and had not written to @unwritten by topic.
 */
bool writer_stop(struct writer *w, int timeout_ms, uint64_t unwritten[KMD_TOPIC_COUNT]);

#endif
