#ifndef SINK_MEMBERS_H
#define SINK_MEMBERS_H

#include "kmd_arena.h"
#include "kmd_json.h"
#include "sink_fault.h"
#include "sink_read.h"

/*
 * The members of a JSON object against the columns of a table. A list of known members says which column each tells and
 * how; of several that tell one fact the first in the list that can be read fills the column. What no column tells then
 * goes to `extra`, the rules of which are in interfaces 4. Pure.
 *
 *   bind (who is there) -> fill (columns) -> rest (extra)
 */

struct sink_member {
	const char *name;
	uint8_t column;
	uint8_t kind; /* enum sink_kind */
	/* What the column cannot take costs a dead letter of this reason; NONE: the column stays NULL and extra keeps
	 * it. */
	uint8_t fault; /* enum sink_fault */
};

#define SINK_MEMBERS_MAX 32

struct sink_loose {
	struct kmd_json_val key, value;
	struct sink_loose *next;
};

struct sink_members {
	const struct sink_member *known;
	size_t known_count;
	struct kmd_json_val val[SINK_MEMBERS_MAX]; /* of known[i]; NONE where absent */
	int8_t filler[SINK_COLUMNS_MAX];       /* known member that filled the column; -1: not by sink_members_fill */
	struct sink_loose *loose, **loose_end; /* members that no column knows, in order */
};

/** @known at most SINK_MEMBERS_MAX, borrowed. @object may be NONE or no object: then nothing is there. */
void sink_members_bind(struct sink_members *m, const struct sink_member *known, size_t known_count,
    struct kmd_json_val object, struct kmd_arena *arena);
/** Fills the columns that are still NULL. NONE, or the reason for a dead letter. */
enum sink_fault sink_members_fill(struct sink_members *m, struct sink_row *row, struct kmd_arena *arena);
/**
 * Appends `"name":value` of what no column of @row tells, a comma in front of all but the first in @out. A
 * market_id of "" is left out. NONE; BAD_TEXT or BAD_NUMBER where jsonb cannot hold it.
 */
enum sink_fault sink_members_rest(
    const struct sink_members *m, const struct sink_row *row, struct kmd_arena *arena, struct kmd_buf *out);
/** Value of the known member @name, NONE where absent. */
struct kmd_json_val sink_members_get(const struct sink_members *m, const char *name);

#endif
