#ifndef SINK_BATCH_H
#define SINK_BATCH_H

#include "kmd_time.h"
#include "sink_keys.h"
#include "sink_part.h"
#include "sink_quick.h"
#include "sink_row.h"

/*
 * What one transaction will write: the records in hand, each decoded as it comes, their rows as COPY streams by table.
 * Repetitions are dropped here: frames by (lineage, n), trades by their key within the batch (the first one counts).
 * The records stay in hand until the commit, so a batch can be built anew without one partition, or with a record that
 * Postgres refused as a dead letter. Pure.
 *
 *   open -> add, add, ... (due?) -> seal -> written -> clear
 *                     ^---- rebuild: unseal, add all that stay
 */

struct sink_limits {
	size_t rows;
	int64_t bytes, age_ns;
};

struct sink_entry {
	void *handle;                   /* the record, the caller's */
	struct sink_progress *progress; /* of its partition, the caller's */
	uint8_t table;                  /* enum sink_table of its row; SINK_TABLE_COUNT: it has none */
	uint8_t counted;                /* enum sink_counted */
	uint8_t refused;                /* enum sink_fault with which Postgres refused it; NONE: it did not */
	size_t at, length;              /* of its row in the stream of the table */
	int64_t recv_ns;                /* receipt of a frame that has a row, for latency; INT64_MIN: none */
};

enum sink_counted { SINK_COUNTED_ROW, SINK_COUNTED_DEAD, SINK_COUNTED_DUPLICATE };

/* A market, event or series in the batch: whether it is written is decided when the database has been asked. */
struct sink_listing_entry {
	size_t entry;
	struct kmd_str ticker; /* in the batch's arena */
	int64_t updated_at, fetched_at;
	bool has_updated_at, has_fetched_at;
};

/* A partition that must be there. */
struct sink_need {
	uint8_t table;
	int32_t first_day;
};

struct sink_counts {
	uint64_t rows[SINK_TABLE_COUNT], duplicates[SINK_TABLE_COUNT], dead[SINK_FAULT_COUNT];
};

struct sink_batch {
	struct sink_entry *entries;
	size_t count, cap;
	int64_t bytes;                           /* of the records in hand */
	struct kmd_mono opened;                  /* when the first came */
	struct kmd_buf stream[SINK_TABLE_COUNT]; /* head and rows; sealed: the tail too */
	size_t stream_rows[SINK_TABLE_COUNT];
	struct sink_listing_entry *listings;
	size_t listings_count, listings_cap;
	struct sink_need *needs;
	size_t needs_count, needs_cap;
	struct sink_counts counts;
	struct sink_keys trades; /* keys of the trades in it */
	bool rest_trades;        /* trades fetched by REST are in it: likely repetitions */
	bool sealed;             /* the streams have their ends */
	struct kmd_arena arena;
	struct sink_work work;
};

/** Is it time to write? */
bool sink_batch_due(const struct sink_batch *b, const struct sink_limits *limits, struct kmd_mono now);
/**
 * Adds one record, which the progress wants. @handle is kept in the entry. @topic full name of its topic. @refused
 * reason for which it becomes a dead letter whatever it holds, or NONE. Counts in the progress's tally and the batch's
 * counts.
 */
void sink_batch_add(struct sink_batch *b, struct sink_progress *p, void *handle, const struct sink_record *r,
    const char *topic, enum sink_fault refused, const struct sink_clock *clock, struct kmd_mono now);
/**
 * Place in the batch, from 1, of the record whose row is number @row, from 1, in the stream of @table; 0: none is.
 */
size_t sink_batch_place(const struct sink_batch *b, enum sink_table table, int64_t row);
/** Ends the streams: they can be sent; nothing can be added. Once or more often. */
void sink_batch_seal(struct sink_batch *b);
/** Forgets rows and counts but not the entries, for building anew: take them with sink_batch_take_entries first. */
struct sink_entry *sink_batch_take_entries(struct sink_batch *b, size_t *ret_count);
/** Empties it; the handles are the caller's business, before. */
void sink_batch_clear(struct sink_batch *b);
void sink_batch_fini(struct sink_batch *b);
/** Bytes a record weighs in queue and batch. */
int64_t sink_batch_weight(struct kmd_str key, struct kmd_str value);

#endif
