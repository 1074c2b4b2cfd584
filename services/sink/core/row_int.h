#ifndef ROW_INT_H
#define ROW_INT_H

#include "sink_members.h"
#include "sink_row.h"

/* One frame or record on its way to a row: what the row_*.c files share. Private to them. */

struct row_ctx {
	const struct sink_record *r;
	const struct sink_facts *f;
	const struct sink_clock *c;
	struct sink_work *w;
	struct sink_row *row;
	struct kmd_json_val root, msg; /* NONE where there is none */
};

#define ROW_COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct sink_outcome row_dead(enum sink_fault fault);

/** Parses the value as one JSON object: NONE, NOT_JSON or BAD_TEXT. */
enum sink_fault row_parse(struct row_ctx *x);
/** The columns that all frame tables have, from headers, coordinates and envelope. */
void row_common(struct row_ctx *x, enum sink_table table);
/** Type of the frame: header, else envelope; NONE if neither tells. */
struct kmd_str row_type(const struct row_ctx *x);
/**
 * Writes column extra from what @m leaves over (may be NULL) and from what the envelope has besides @type and the
 * common columns: NONE, BAD_TEXT or BAD_NUMBER.
 */
enum sink_fault row_extra(struct row_ctx *x, const struct sink_members *m, const char *type);
/** The last step for tables partitioned by recv_ns: a row of its day, or missing_key, time_out_of_range, expired. */
struct sink_outcome row_received(const struct row_ctx *x);
/** Is the text column there and not ""? */
bool row_has_text(const struct sink_row *row, int column);

struct sink_outcome row_trade(struct row_ctx *x);
struct sink_outcome row_book(struct row_ctx *x);
struct sink_outcome row_ticker(struct row_ctx *x);
struct sink_outcome row_lifecycle(struct row_ctx *x);
struct sink_outcome row_frame(struct row_ctx *x, enum sink_table table);
struct sink_outcome row_feed(struct row_ctx *x);
struct sink_outcome row_settlement(struct row_ctx *x);
struct sink_outcome row_listing(struct row_ctx *x, enum sink_table table);

#endif
