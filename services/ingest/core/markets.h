#ifndef INGEST_MARKETS_H
#define INGEST_MARKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "glob.h"
#include "kmd_map.h"
#include "kmd_str.h"

/*
 * The book universe: every market whose ticker the globs let through that is known from topic `markets` or from a
 * lifecycle frame, and whether its book is wanted. A settled market stays settled, whatever is told later, until its
 * tombstone forgets it. Each call says what changed, so that connections follow step by step; nothing here scans.
 */

struct ingest_markets {
	const struct ingest_globs *globs;
	struct kmd_map map;
	size_t wanted, remembered;
	uint64_t changes; /* grows whenever a market is learnt, settled or forgotten */
};

enum ingest_want { INGEST_WANT_SAME, INGEST_WANT, INGEST_WANT_NOT };

/** @globs borrowed. */
void ingest_markets_init(struct ingest_markets *m, const struct ingest_globs *globs);
void ingest_markets_fini(struct ingest_markets *m);
/** A record of topic `markets`; @status as it stands there, NONE if it has none. */
enum ingest_want ingest_markets_record(struct ingest_markets *m, struct kmd_str ticker, struct kmd_str status);
/** A tombstone of topic `markets`. */
enum ingest_want ingest_markets_forget(struct ingest_markets *m, struct kmd_str ticker);
/** A lifecycle frame of a market. */
enum ingest_want ingest_markets_event(struct ingest_markets *m, struct kmd_str ticker, struct kmd_str event_type);
/**
 * A market that a former life of the program wanted, for as long as topic `markets` cannot be read: wanted, until that
 * or a frame says what it is.
 */
enum ingest_want ingest_markets_remember(struct ingest_markets *m, struct kmd_str ticker);
/** The topic has been read to its end: one that is only remembered, which is to be forgotten. False: none is left. */
bool ingest_markets_unconfirmed(const struct ingest_markets *m, struct kmd_str *ret_ticker);
/** Those whose books are wanted, one by one: size_t it = 0; while (...). */
bool ingest_markets_each(const struct ingest_markets *m, size_t *it, struct kmd_str *ret_ticker);

#endif
