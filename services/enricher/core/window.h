#ifndef ENRICH_WINDOW_H
#define ENRICH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cause.h"
#include "kmd_feed.h"
#include "kmd_str.h"

/*
 * Which stretches of time have no trade coverage, from the records of topic `feed` in their order (interfaces 3): after
 * the end of a lineage up to the next trade `subscribed` of its group, and around a gap of the trade channel.
 * Also notes holes in the lifecycle channels, which a reconciliation repairs.
 *
 * What a lineage's end will need is held open by its anchor: the last record from which it could be rebuilt (its last
 * alive or closed, or its subscribed where those do not name the group). So the committed offset is at most one
 * alive behind. Pure.
 */

#define ENRICH_WINDOW_MARGIN_NS (INT64_C(5) * 1000000000)
#define ENRICH_LINEAGES_MAX 256 /* that wait for a successor; the oldest is given up */
/* A lineage that has missed so many `alive` (one every 5 s) while a mate lives is dead. More than two clocks that the
 * exchange lets in can differ. */
#define ENRICH_SILENT_NS (INT64_C(30) * 1000000000)

/* A lineage whose group has shown no sign of life for so long, by the records of others, is let go of: when the group
 * comes back, its `subscribed` tells itself where the former one ended. */
#define ENRICH_AWAIT_NS (INT64_C(3600) * 1000000000)

struct enrich_lineage {
	int64_t id; /* grows with time, whatever the clocks say */
	struct kmd_buf group;
	int64_t sid;           /* of its trade subscription; 0: not known */
	int64_t subscribed_ns; /* its trade `subscribed` */
	int64_t last_ns;       /* exchange time of its last durable trade; 0: none */
	int64_t end_ns;        /* its last sign of life: subscribed, alive, closed */
	bool ended;
	bool after_hole;             /* its `subscribed` told that nothing of its group covered the time before */
	struct enrich_cause *anchor; /* held; NULL: none */
};

struct enrich_window {
	int64_t lineage;      /* whose hole it fills */
	int64_t from_s, to_s; /* Unix seconds */
	struct enrich_causes causes;
};

struct enrich_windows {
	struct enrich_lineage *lineages;
	size_t count, cap;
	struct enrich_window *due; /* found, not yet taken */
	size_t due_count, due_cap;
	uint64_t given_up; /* lineages forgotten at ENRICH_LINEAGES_MAX or after ENRICH_AWAIT_NS */
	bool has_hole;     /* lifecycle was not covered from hole_ns on */
	int64_t hole_ns;
	struct enrich_causes hole_causes;
};

/** Takes in one record; @c is held as long as the state needs it (the caller drops its own hold). */
void enrich_windows_feed(
    struct enrich_windows *w, struct enrich_book *b, const struct kmd_feed_record *r, struct enrich_cause *c);
/** The next window to fetch, given: free its causes by enrich_causes_fini. False: none. */
bool enrich_windows_take(struct enrich_windows *w, struct enrich_window *ret);
/** Takes the lifecycle hole, if there is one: @ret_causes are moved. */
bool enrich_windows_take_hole(struct enrich_windows *w, int64_t *ret_from_ns, struct enrich_causes *ret_causes);
/** Forgets everything (the partition went away) and drops what is held. */
void enrich_windows_reset(struct enrich_windows *w, struct enrich_book *b);
/** Frees the memory; held causes belong to the book. */
void enrich_windows_fini(struct enrich_windows *w);

#endif
