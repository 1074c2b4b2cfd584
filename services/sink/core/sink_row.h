#ifndef SINK_ROW_H
#define SINK_ROW_H

#include "kmd_arena.h"
#include "kmd_json.h"
#include "sink_fault.h"
#include "sink_record.h"
#include "sink_value.h"

/*
 * One record becomes one row of one table, or one dead letter with its reason, or nothing (a tombstone). The rules are
 * those of interfaces 4. Pure.
 */

/* A time further ahead of the clock is out of range. */
#define SINK_AHEAD_NS (2 * KMD_S_PER_DAY * KMD_NS_PER_S)

/* What "now" means to a row. */
struct sink_clock {
	int64_t now_ns;
	int32_t oldest_day; /* frames of an earlier day are expired; INT32_MIN: kept for ever */
};

/* Memory that is used again from record to record; zero-initialise, free by sink_work_fini. */
struct sink_work {
	struct kmd_json doc;
	struct kmd_arena arena;
	struct kmd_buf extra;
};

enum sink_fate { SINK_IS_ROW, SINK_IS_DEAD, SINK_IS_NOTHING };

struct sink_outcome {
	enum sink_fate fate;
	enum sink_fault fault; /* of IS_DEAD */
	int32_t day;           /* of IS_ROW in a partitioned table: the day that chooses the partition */
};

/** @r and what it borrows outlive the row; @w holds the rest until the next call. */
struct sink_outcome sink_row_make(const struct sink_record *r, const struct sink_facts *f, const struct sink_clock *c,
    struct sink_work *w, struct sink_row *row);
/** The dead letter of @r: @topic its full name, @reason text that Postgres can hold. Same lifetimes; never fails. */
struct sink_outcome sink_row_dead(const struct sink_record *r, const char *topic, struct kmd_str reason,
    const struct sink_clock *c, struct sink_work *w, struct sink_row *row);
void sink_work_fini(struct sink_work *w);

/* NONE, TIME_OUT_OF_RANGE (before 2021 or more than two days ahead) or, for frame tables, EXPIRED. */
enum sink_fault sink_row_time_fault(int64_t unix_ns, bool frames, const struct sink_clock *c);

#endif
