#ifndef SINK_NEWEST_H
#define SINK_NEWEST_H

#include "sink_value.h"

/*
 * Older content never overwrites newer: of two tellings of a market, event or series the one with the later update time
 * of the body counts, and where both or one lack it or they are the same, the one fetched later. Pure.
 */

struct sink_age {
	struct sink_value updated_at, fetched_at; /* TIME */
};

/** Is @a newer than @b? */
bool sink_age_newer(const struct sink_age *a, const struct sink_age *b);

#endif
