#ifndef ENRICH_PUBLISHED_H
#define ENRICH_PUBLISHED_H

#include <stdbool.h>
#include <stdint.h>

#include "cause.h"
#include "kmd_arena.h"
#include "kmd_json.h"
#include "kmd_map.h"
#include "kmd_settlement.h"
#include "kmd_topic.h"
#include "listing.h"

/*
 * What our own topics hold: learnt from them at start, then from each record the broker acknowledged. It answers
 * whether a frame's want was satisfied already and whether a body is worth a record. About 150 bytes a market. Pure: no
 * clock.
 */

#define ENRICH_DAY_NS (INT64_C(86400) * 1000000000)
#define ENRICH_TOMBSTONE_AFTER_NS (7 * ENRICH_DAY_NS)      /* after settlement a market record is deleted */
#define ENRICH_FORGET_PARENT_AFTER_NS (35 * ENRICH_DAY_NS) /* an event or series that no list has shown since */
#define ENRICH_FORGET_AFTER_NS (8 * ENRICH_DAY_NS)         /* and its settlement is no longer kept in memory */
/* The exchange's lists may be this old when they are served (its CDN), and two machines' clocks differ. */
#define ENRICH_STALE_NS (INT64_C(15) * 1000000000)
#define ENRICH_EVENT_FRESH_NS \
	(INT64_C(60) * 1000000000)           /* an event fetched so shortly before a market's frame will do */
#define ENRICH_SERIES_AGAIN_NS ENRICH_DAY_NS /* after so long a series of a listed event is fetched again */
#define ENRICH_SERIES_FRESH_NS (INT64_C(600) * 1000000000) /* idem a series; 60 s for a frame about the event */

struct enrich_market {
	uint64_t hash;         /* content of the record in `markets`; 0: none */
	uint64_t sent;         /* mark of the last record sent, acknowledged or not; 0: none, or no longer */
	int64_t fetched_ns;    /* when that content was last seen at the exchange */
	int64_t seen_ns;       /* when any content was: its record may still be on its way */
	int64_t finalized_ns;  /* 0: not finalized */
	int64_t determined_ns; /* the latest determination that a frame or a record told; 0: none */
	int64_t recorded_ns;   /* the latest determination that a record triggered by `determined` told */
	uint64_t outcome;      /* enrich_outcome_hash of the settlement record of the greatest known_at; 0: none */
	struct enrich_outcome shown; /* by that record */
	int64_t known_ns;
	int64_t settled_ns;                            /* 0: none in that record */
	bool has_series;                               /* the record in `markets` names its series */
	int64_t known_determined_ns, known_settled_ns; /* known_at of the last record of that trigger */
};

struct enrich_parent {
	uint64_t hash;       /* content of the record in its topic; 0: none */
	uint64_t sent;       /* mark of the last record sent, acknowledged or not; 0: none, or no longer */
	int64_t fetched_ns;  /* when that content was last seen at the exchange */
	int64_t seen_ns;     /* when any content was: its record may still be on its way */
	int64_t listed_ns;   /* of a series: when a list last showed an event of it */
	char *series_ticker; /* of an event, NULL: not known; owned */
};

struct enrich_published {
	struct kmd_map markets, events, series;
	int64_t last_settled_ns; /* greatest settled_at of all settlement records; 0: none */
	int64_t forget_ns;       /* settlements before this are not kept: the shell's now less ENRICH_FORGET_AFTER_NS */
	struct kmd_json doc;     /* scratch */
	struct kmd_arena arena;
};

void enrich_published_fini(struct enrich_published *p);

/** A record of MARKETS, EVENTS, SERIES or SETTLEMENTS that is in Kafka; @value p == NULL: a tombstone. What cannot be
 * read is skipped. */
void enrich_published_apply(struct enrich_published *p, enum kmd_topic topic, struct kmd_str key, struct kmd_str value);

/** NULL where nothing is known. Borrowed until the next apply. */
struct enrich_market *enrich_published_market(const struct enrich_published *p, struct kmd_str ticker);
struct enrich_parent *enrich_published_parent(
    const struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker);
/** Series of an event; NONE: not known. */
struct kmd_str enrich_published_series_of(const struct enrich_published *p, struct kmd_str event_ticker);
/** Facts that hold before a record says so: the series of an event, the determination of a market. */
void enrich_published_learn_series(
    struct enrich_published *p, struct kmd_str event_ticker, struct kmd_str series_ticker);
void enrich_published_learn_determined(struct enrich_published *p, struct kmd_str ticker, int64_t determined_ns);

/** Is the body worth a record? When its content was seen is noted either way. */
bool enrich_published_market_changed(
    struct enrich_published *p, struct kmd_str ticker, uint64_t hash, bool has_series, int64_t fetched_ns);
bool enrich_published_parent_changed(
    struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t hash, int64_t fetched_ns);
/**
 * What the producer took, before it is acknowledged: what a list shows twice is sent once. @mark tells one content from
 * another, never 0. For that alone; what waits for a record waits for its acknowledgement.
 */
void enrich_published_note_sent(struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t mark);
/** The record of MARKETS, EVENTS or SERIES was refused for good: its content may be sent again. */
void enrich_published_refused(struct enrich_published *p, enum kmd_topic topic, struct kmd_str value);
/** Mark of a market record: it changes where a series is named that was not. */
uint64_t enrich_market_mark(uint64_t hash, bool has_series);
bool enrich_published_was_sent(
    const struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t mark);
/** Does a settled market of a list tell something else than its last settlement record? */
bool enrich_published_outcome_differs(
    const struct enrich_published *p, const struct kmd_settlement_data *d, int64_t settled_ns);

/** Is there already what the frame asked for? */
bool enrich_published_has_market(const struct enrich_published *p, const struct enrich_cause *c, struct kmd_str ticker);
bool enrich_published_has_parent(
    const struct enrich_published *p, enum kmd_topic topic, const struct enrich_cause *c, struct kmd_str ticker);
/** Idem of an event or series, counting a record that is not acknowledged yet. */
bool enrich_published_saw_parent(
    const struct enrich_published *p, enum kmd_topic topic, const struct enrich_cause *c, struct kmd_str ticker);
bool enrich_published_has_settlement(
    const struct enrich_published *p, const struct enrich_cause *c, struct kmd_str ticker);

/** Up to @max tickers of market records that are due for deletion at @now_ns; text in @arena. Returns the count. */
size_t enrich_published_expired(
    const struct enrich_published *p, int64_t now_ns, struct kmd_arena *arena, struct kmd_str *ret, size_t max);
/** Up to @max tickers of market records that are not final and were not seen since @walk_ns, the beginning of a walk,
 * as far as @sweep goes; text in @arena. Returns the count. */
size_t enrich_published_unseen(const struct enrich_published *p, enum enrich_sweep sweep, int64_t walk_ns,
    struct kmd_arena *arena, struct kmd_str *ret, size_t max);
/** A list showed an event of the series. */
void enrich_published_list_series(struct enrich_published *p, struct kmd_str series, int64_t now_ns);
/** Is a known series due to be fetched again? */
bool enrich_published_series_is_old(const struct enrich_published *p, struct kmd_str series, int64_t now_ns);
/** Up to @max tickers of series that are, and that a list showed since @walk_ns; text in @arena. Returns the count. */
size_t enrich_published_old_series(const struct enrich_published *p, int64_t walk_ns, int64_t now_ns,
    struct kmd_arena *arena, struct kmd_str *ret, size_t max);
/** Forgets markets that have no record and no recent settlement, and events and series long not seen. */
void enrich_published_prune(struct enrich_published *p);

#endif
