#ifndef SINK_READ_H
#define SINK_READ_H

#include "kmd_arena.h"
#include "kmd_json.h"
#include "sink_value.h"

/* One JSON value as a value of a column, by the kind of member it is; and whether two tellings of one fact agree. Pure.
 */

enum sink_kind {
	SINK_K_TEXT,
	SINK_K_UUID,
	SINK_K_DECIMAL,      /* decimal text, in a string or a number */
	SINK_K_CENTS,        /* a number of cents, becomes dollars; text with a point in it is no cents field
			      */
	SINK_K_MS,           /* Unix ms */
	SINK_K_S,            /* Unix s */
	SINK_K_RFC3339,      /* a string */
	SINK_K_S_OR_RFC3339, /* either */
	SINK_K_BOOL,
	SINK_K_OBJECT,       /* verbatim, for jsonb */
	SINK_K_LADDER,       /* [[price, count], ...] in dollars; becomes JSON text of ["price","count"] strings */
	SINK_K_LADDER_CENTS, /* the same, prices in cents */
};

enum sink_read_status {
	SINK_READ_OK,
	SINK_READ_ABSENT,     /* no such member, or null */
	SINK_READ_EMPTY,      /* "" where the column holds no text */
	SINK_READ_BAD,        /* what the column cannot take */
	SINK_READ_FOREIGN,    /* not that field at all: an amount where old frames had cents */
	SINK_READ_UNHOLDABLE, /* text that nothing in Postgres can hold */
};

struct sink_reading {
	enum sink_read_status status;
	struct sink_value value; /* of OK */
	int64_t unit_us;         /* of times: how exactly it was told */
};

/** Reads @v as @kind. @v is part of well-formed UTF-8; bytes borrow from the document or @arena. */
struct sink_reading sink_read(enum sink_kind kind, struct kmd_json_val v, struct kmd_arena *arena);
/** Do two tellings of one fact, both OK and for the same column, agree at the coarser of their two precisions? */
bool sink_read_agree(enum sink_type type, const struct sink_reading *a, const struct sink_reading *b);
/** The same for two ladders, level by level. */
bool sink_read_ladders_agree(enum sink_kind a_kind, struct kmd_json_val a, enum sink_kind b_kind, struct kmd_json_val b,
    struct kmd_arena *arena);
/** 8-4-4-4-12 hexadecimal digits as 16 bytes; false: not that form. */
bool sink_read_uuid(struct kmd_str text, char ret[16]);
/** RFC 3339 text of any year as Unix us, cut; @ret_unit_us by its fraction digits. 0 or KMD_EPARSE. */
int sink_read_rfc3339(struct kmd_str text, int64_t *ret_us, int64_t *ret_unit_us) KMD_MUST_CHECK;

#endif
