#ifndef SINK_START_H
#define SINK_START_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Where a partition that was just assigned goes on, from what Postgres stored of it and what the broker says it has.
 * Pure.
 */

struct sink_stored {
	bool exists;
	int64_t first, next;
	bool accepted; /* kmd-sink --accept-topic was given */
	bool stopped;  /* it was found to be another topic before */
	bool has_last; /* timestamp and hash of the record at next - 1 are known */
};

enum sink_start_kind {
	SINK_START_NEW,      /* nothing is stored: begin at the low watermark */
	SINK_START_ACCEPTED, /* begin anew there, counters at 0 */
	SINK_START_ON,       /* go on at next */
	SINK_START_EXPIRED,  /* what stood between next and the low watermark is gone: go on there */
	SINK_START_SHRUNK,   /* the topic ends before next: it was made anew or rewound */
	SINK_START_STOPPED,  /* it was stopped and nobody has accepted it */
};

struct sink_start {
	enum sink_start_kind kind;
	int64_t first, next; /* what is to be stored */
	int64_t expired;     /* offsets that are gone */
	int64_t from;        /* where to read from; next - 1 to see whether that record is still the same */
};

struct sink_start sink_start_decide(const struct sink_stored *s, int64_t low, int64_t high);

#endif
