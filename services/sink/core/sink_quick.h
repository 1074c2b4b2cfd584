#ifndef SINK_QUICK_H
#define SINK_QUICK_H

#include "sink_row.h"

/*
 * The short way of the commonest frames, trades, book deltas and tickers, from the record to COPY BINARY bytes: one
 * pass over the text. It takes what looks as the exchange sends it: known members, each once, compact, without escapes,
 * in ASCII, values of the type that is expected, twins that agree; and headers as ingest writes them. What it takes
 * becomes the bytes that sink_row_make and sink_encode_row give, which a test holds against each other; everything else
 * it leaves to them. It knows nothing of the batch, so any thread may do it ahead. Pure.
 */

struct sink_quick {
	int64_t lineage, n, recv_ns;
	struct kmd_str trade_id; /* of a trade; borrows from the record */
	int32_t day;             /* that chooses the partition */
	uint8_t table;           /* enum sink_table */
	uint32_t length;
	char row[]; /* COPY BINARY */
};

/** NULL: the record goes the long way. Given: free(). @scratch is used again from call to call. */
struct sink_quick *sink_quick_new(const struct sink_record *r, const struct sink_clock *c, struct kmd_buf *scratch);

#endif
