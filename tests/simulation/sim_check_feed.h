#ifndef SIM_CHECK_FEED_H
#define SIM_CHECK_FEED_H

#include "kmd_feed.h"
#include "sim_broker.h"
#include "sim_exchange.h"

/* What topic `feed` tells, against what the exchange knows: lineages, gaps, holes, how far everything is safe. */

struct told_gap {
	int64_t sid, expected, got;
};

/* One lineage as broker and feed have it. */
struct seen {
	struct ex_conn *conn;
	const struct broker_record **stored; /* by n - 1 */
	bool *refused;                       /* by n - 1 */
	int64_t last_n;                      /* of the last `alive` or `closed` */
	bool opened, closed;
	bool late; /* some of its records came in when a successor had read `feed` already: its process was dead by then
		    */
	struct told_gap *gaps;
	size_t gaps_count, gaps_cap;
};

/* A hole between two lineages, as a `subscribed` told it. */
struct told_hole {
	struct seen *seen;
	enum ingest_channel channel;
	int64_t at_ns;
	bool has;
	int64_t from_ns, to_ns;
	int64_t sid, end_ns; /* of its subscription: the last that was told safe */
};

struct told_alive {
	struct seen *seen;
	const struct broker_record *record;
	int64_t last_n;
	struct kmd_feed_sid *sids;
	size_t sids_count;
};

struct seens {
	struct seen *of;
	size_t count;
	struct told_hole *holes;
	size_t holes_count, holes_cap;
	struct told_alive *alives;
	size_t alives_count, alives_cap;
};

/** Reads topic `feed`. Checks that lineages begin with `opened` and end with `closed`. */
void feed_read(struct seens *ret);
struct seen *seen_find(struct seens *all, int64_t lineage);
/** Holes and `alive`, once .stored is known. */
void feed_check(const struct seens *all);
/** World time from which on a channel should be covered; INT64_MAX: it never was. */
int64_t feed_began(const struct seens *all, enum ingest_channel channel);
/** When the first `subscribed` of a channel was received; INT64_MAX: never. */
int64_t feed_received(const struct seens *all, enum ingest_channel channel);
/** Is the channel subscribed in the old shape, whose sid nobody knows before its first frame? Then nothing is told. */
bool feed_waits_for_data(const struct seens *all, enum ingest_channel channel);
bool feed_tells_hole(const struct seens *all, const struct ex_pub *p);
bool seen_tells_gap(const struct seen *s, const struct ex_frame *f);
/** Did nothing numbered of its sid arrive behind the frame sent as number @k (from 0)? */
bool seen_is_last(const struct seen *s, size_t k);
/** The gaps told are those there were; @whole: all of them. */
void seen_check_gaps(const struct seen *s, bool whole);

#endif
