#ifndef SINK_REVISE_H
#define SINK_REVISE_H

#include "sink_value.h"

/*
 * Revisions of one market's settlement: numbered from 1 in the order of the topic; the one with the greatest known_at
 * is the settlement; a record that says the same as that one is a duplicate. Pure.
 */

/* What is known of a market; its texts are owned by whoever keeps it. */
struct sink_settled {
	int32_t revisions; /* highest number given; 0: nothing is known and the rest is void */
	struct kmd_str status, result, settlement_value, expiration_value; /* NONE: NULL */
	struct sink_value determined_at, settled_at, known_at;             /* TIME */
};

enum sink_revision {
	SINK_REVISION_SAME,   /* a duplicate */
	SINK_REVISION_LATEST, /* a new revision that is the settlement from now on */
	SINK_REVISION_LATE,   /* a new revision, known earlier than the settlement */
};

/** What @row (of SINK_T_REVISIONS, without a number) is to a market of which @known is known. */
enum sink_revision sink_revise(const struct sink_settled *known, const struct sink_row *row);
/** What is compared of a row; borrows from it. */
struct sink_settled sink_settled_of(const struct sink_row *row, int32_t revisions);

#endif
