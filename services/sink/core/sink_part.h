#ifndef SINK_PART_H
#define SINK_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_topic.h"
#include "sink_lineage.h"
#include "sink_record.h"

/*
 * Progress of one topic-partition in one writer: what Postgres has, and what the batch in hand adds to it. Pure.
 *
 *   begin -> take, take, ... -> commit | rollback -> take ...
 */

/* What records were counted as since the last commit. */
struct sink_tally {
	int64_t rows, dead_letters, duplicates;
};

struct sink_progress {
	enum kmd_topic topic;
	int32_t partition;
	int64_t epoch;
	int64_t stored_next; /* next_offset in Postgres */
	int64_t next;        /* with the batch in hand */
	struct sink_tally tally;
	int64_t last_timestamp_ms;           /* of the record at next - 1, */
	struct kmd_str last_key, last_value; /* borrowed from it: good while the batch in hand is */
	int64_t last_recv_ns;                /* greatest receipt of the batch in hand; INT64_MIN: none */
	struct sink_lineages lineages;
};

/** As claimed from Postgres; lineages are loaded by the caller. */
void sink_progress_begin(struct sink_progress *p, int64_t epoch, int64_t next);
/** Is the record one that is still to come? False: it lies below next. */
bool sink_progress_wants(const struct sink_progress *p, int64_t offset);
/**
 * The record is part of the batch in hand; the caller has counted it in the tally. A receipt later than @latest_ns is
 * not believed.
 */
void sink_progress_take(
    struct sink_progress *p, const struct sink_record *r, const struct sink_facts *f, int64_t latest_ns);
/** sink_record_hash of the record at next - 1, once something is in hand. */
int64_t sink_progress_last_hash(const struct sink_progress *p);
/** Has the batch in hand anything of this partition? */
bool sink_progress_pending(const struct sink_progress *p);
void sink_progress_commit(struct sink_progress *p);
void sink_progress_rollback(struct sink_progress *p);
void sink_progress_fini(struct sink_progress *p);

#endif
