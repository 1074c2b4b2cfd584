#ifndef SINK_VALUE_H
#define SINK_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_arena.h"
#include "kmd_str.h"
#include "sink_table.h"

/*
 * One row on its way to Postgres: typed values by column number, NULL until set, and their COPY BINARY form. Bytes
 * borrow from the record or from the arena that lives as long as the row. Pure.
 */

struct sink_value {
	bool has; /* false: SQL NULL */
	struct kmd_str
	    str;     /* TEXT, JSONB, BYTEA: the bytes; NUMERIC: decimal text that kmd_dec_parse takes; UUID: 16 bytes */
	int64_t num; /* TIME: Unix us; DATE: Unix day; BOOL, INT4, INT8 */
};

struct sink_row {
	enum sink_table table;
	struct sink_value v[SINK_COLUMNS_MAX];
};

static inline struct sink_value sink_value_str(struct kmd_str s)
{
	return (struct sink_value){.has = s.p != NULL, .str = s};
}

static inline struct sink_value sink_value_num(int64_t num)
{
	return (struct sink_value){.has = true, .num = num};
}

/* What timestamptz can hold, as Unix us: 4713 BC to 294276 AD. */
#define SINK_TIME_MIN_US INT64_C(-210866803200000000)
#define SINK_TIME_MAX_US INT64_C(9223371331199999999)

/** Appends the head of a COPY BINARY stream. */
void sink_encode_head(struct kmd_buf *out);
/** Appends the row: field count, then each field with its length. */
void sink_encode_row(const struct sink_row *row, struct kmd_buf *out);
/** Appends the trailer. */
void sink_encode_tail(struct kmd_buf *out);

/** Appends the binary form of numeric of a decimal text, scale kept (what numeric_recv reads). The text is valid and at
 * most KMD_DEC_DIGITS_MAX digits. */
void sink_encode_numeric(struct kmd_str decimal, struct kmd_buf *out);

#endif
