#ifndef ENRICH_LISTING_H
#define ENRICH_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "cause.h"
#include "kmd_json.h"
#include "kmd_str.h"

/*
 * A walk through the lists of the exchange, page by page: events and markets that live, then the markets settled since
 * the last known settlement. And the pages of a trade window, whose cursor works alike. Pure.
 */

enum enrich_list_step {
	ENRICH_LIST_EVENTS_OPEN,
	ENRICH_LIST_EVENTS_UNOPENED,
	ENRICH_LIST_MARKETS_OPEN,
	ENRICH_LIST_MARKETS_UNOPENED,
	ENRICH_LIST_MARKETS_PAUSED,
	ENRICH_LIST_SETTLED,
	ENRICH_LIST_STEPS,
};

#define ENRICH_PAGES_MAX 100000 /* of one list: a cursor that never ends is cut here */

struct enrich_pager {
	struct kmd_buf cursor; /* of the next page; empty: the first */
	unsigned pages;
};

/* Which markets are looked up one by one, that were open when they were last seen and that no list of the walk shows:
 * closed ones, and what was settled so long ago that the lists have it no more. */
enum enrich_sweep {
	ENRICH_SWEEP_NONE,
	ENRICH_SWEEP_LOST,      /* those not seen for ENRICH_LOST_NS */
	ENRICH_SWEEP_UNDECIDED, /* and those without a settlement record: its frame may be lost */
	ENRICH_SWEEP_ALL,       /* nobody knows how long we were away */
};

struct enrich_listing {
	enum enrich_list_step step;
	struct enrich_pager pager;
	enum enrich_sweep sweep;
	bool running;
	bool cut;                    /* a list was refused or did not end: what it did not show may be there */
	int64_t from_ns, until_ns;   /* settled since then; and before then, the rest is the next walk's */
	int64_t started_ns;          /* Unix ns */
	int64_t reconciled_ns;       /* a reconciliation that ended well began then; 0: none yet */
	bool left_out;               /* a settlement was: it is young, or its event is not known yet */
	struct enrich_causes causes; /* lifecycle holes that this walk repairs */
};

/** Takes note of a page's `cursor`. True: there is another page; false: that was the last, or with @ret_cut the list
 * goes on for ever. */
bool enrich_pager_next(struct enrich_pager *p, struct kmd_json_val page, struct kmd_arena *arena, bool *ret_cut);
void enrich_pager_reset(struct enrich_pager *p);
void enrich_pager_fini(struct enrich_pager *p);

#define ENRICH_RECONCILE_MARGIN_NS (INT64_C(900) * 1000000000)
#define ENRICH_RECONCILE_FIRST_NS (INT64_C(86400) * 1000000000) /* back from now where nothing is known */
#define ENRICH_RECONCILE_GRACE_NS (INT64_C(10) * 1000000000)    /* a settlement so young is left to its frames */
#define ENRICH_LOST_NS (INT64_C(86400) * 1000000000)            /* a market so long in no list is asked for */

/**
 * Begins a walk through everything. @last_settled_ns greatest settled_at that was known when walks began, 0: none.
 * @hole_ns start of a lifecycle hole, 0: none.
 */
void enrich_listing_begin(struct enrich_listing *l, int64_t now_ns, int64_t last_settled_ns, int64_t hole_ns);
/** Begins a reconciliation alone, for what the last walk left out. */
void enrich_listing_repeat(struct enrich_listing *l, int64_t now_ns);
/** Goes to the next list. False: the walk is over; the next one begins where this one did if it is not complete. */
bool enrich_listing_advance(struct enrich_listing *l);
/** Path and query of the present list without limit and cursor, e.g. "/markets?status=open". */
const char *enrich_listing_path(enum enrich_list_step step);
/** Name of the array in its pages. */
const char *enrich_listing_array(enum enrich_list_step step);
/** Largest page. */
int enrich_listing_limit(enum enrich_list_step step);
/** Is it a list of markets (else of events)? */
bool enrich_listing_is_markets(enum enrich_list_step step);

#endif
