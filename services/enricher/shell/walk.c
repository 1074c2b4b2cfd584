#include <stdlib.h>

#include "enricher_int.h"
#include "event.h"
#include "kmd_mem.h"

/* The leader's walk through the lists of the exchange: what changed is published, settlements are reconciled. */

#define TOMBSTONES_MAX 10000 /* a walk */
#define LOOKUPS_MAX 10000    /* of markets that no list shows, a walk */
#define SERIES_MAX 200       /* fetched again, a walk */
#define DEFERRALS_MAX 5      /* then a settlement is published without its series */
#define WALK_KEY KMD_STR("")
#define DEFER_BASE_NS (INT64_C(10) * 1000000000) /* until a reconciliation that left something out is repeated */

void enrich_walk_due(struct enricher *e, int64_t delay_ns, bool full)
{
	struct kmd_mono due = {e->mono.ns + delay_ns};

	if (full && (e->full_due.ns == 0 || due.ns < e->full_due.ns))
		e->full_due = due;
	enrich_sched_want(&e->sched, ENRICH_JOB_LIST, WALK_KEY, ENRICH_LANE_LIST, due);
}

/* What is published from now on says nothing of what was missed before. */
void enrich_walk_lead(struct enricher *e)
{
	struct enrich_listing *l = &e->listing;

	e->reconcile_from_ns = l->reconciled_ns ? l->reconciled_ns : e->published.last_settled_ns;
	l->reconciled_ns = 0;
	enrich_walk_due(e, 0, true);
}

bool enrich_walk_begin(struct enricher *e)
{
	struct enrich_listing *l = &e->listing;
	int64_t hole_ns = 0;
	bool full = e->mono.ns >= e->full_due.ns;

	if (!e->leads)
		return false;
	if (l->running)
		return true;
	if (enrich_windows_take_hole(&e->windows, &hole_ns, &l->causes))
		full = true;
	if (full) {
		enrich_listing_begin(l, e->wall.ns, e->reconcile_from_ns, hole_ns);
		e->full_due.ns = e->mono.ns + e->set->list_every_ns;
	} else {
		enrich_listing_repeat(l, e->wall.ns);
	}
	e->listing_batch = enrich_batch_open(e);
	return true;
}

void enrich_walk_stop(struct enricher *e)
{
	struct enrich_job *job = enrich_sched_find(&e->sched, ENRICH_JOB_LIST, WALK_KEY);

	if (job && job->state == ENRICH_QUEUED)
		enrich_sched_end(&e->sched, job);
	if (e->listing_batch)
		enrich_batch_close(e, e->listing_batch);
	e->listing_batch = NULL;
	enrich_causes_drop(&e->book, &e->listing.causes);
	e->listing.running = false;
	e->full_due.ns = 0;
	e->deferrals = 0;
}

bool enrich_was_listed(
    const struct enricher *e, const struct enrich_batch *b, enum kmd_topic topic, struct kmd_str ticker, uint64_t mark)
{
	return b == e->listing_batch && enrich_published_was_sent(&e->published, topic, ticker, mark);
}

static bool is_event_known(const struct enricher *e, struct kmd_str event)
{
	return event.n == 0 || enrich_published_series_of(&e->published, event).n > 0 ||
	       enrich_published_parent(&e->published, KMD_TOPIC_EVENTS, event) != NULL;
}

static bool take_event(struct enricher *e, struct kmd_json_val body, int64_t received_ns)
{
	struct kmd_str event = kmd_json_text(kmd_json_get(body, "event_ticker"), &e->arena);
	struct kmd_str series;
	bool sent;

	if (event.n == 0 || (!e->set->mve && enrich_is_mve(event)))
		return true;
	sent = enrich_send_parent(e, e->listing_batch, KMD_TOPIC_EVENTS, body, received_ns);
	series = enrich_published_series_of(&e->published, event);
	enrich_published_list_series(&e->published, series, e->wall.ns);
	enrich_want_parent(e, ENRICH_JOB_SERIES, series, ENRICH_LANE_LIST);
	enrich_unpark_all(e, event);
	return sent;
}

/* A market of an event that no list showed is looked up on its own: that call waits for the event. */
static bool take_market(struct enricher *e, struct kmd_json_val body, int64_t received_ns)
{
	struct kmd_str ticker = kmd_json_text(kmd_json_get(body, "ticker"), &e->arena);
	struct kmd_str event = kmd_json_text(kmd_json_get(body, "event_ticker"), &e->arena);
	const struct enrich_market *m = enrich_published_market(&e->published, ticker);

	if (ticker.n == 0 || (!e->set->mve && enrich_is_mve(ticker)))
		return true;
	if ((m && m->hash) || is_event_known(e, event))
		return enrich_send_market(e, e->listing_batch, body, received_ns);
	enrich_sched_want(&e->sched, ENRICH_JOB_MARKET, ticker, ENRICH_LANE_LIST, e->mono);
	return true;
}

/* Frames of its own are on their way: they will lead to its record. */
static bool is_awaited(struct enricher *e, struct kmd_str ticker)
{
	const struct enrich_job *job = enrich_sched_find(&e->sched, ENRICH_JOB_MARKET, ticker);

	return job && (enrich_causes_what(&job->causes, job->causes.count) & ENRICH_WANT_SETTLEMENT);
}

/* Left for the next reconciliation: it settled just now, or its event is not known yet. */
static bool is_deferred(struct enricher *e, const struct kmd_settlement_data *d, int64_t settled_ns)
{
	const struct enrich_job *job;

	if (settled_ns > e->wall.ns - ENRICH_RECONCILE_GRACE_NS)
		return true;
	if (is_event_known(e, d->event_ticker))
		return false;
	enrich_want_parent(e, ENRICH_JOB_EVENT, d->event_ticker, ENRICH_LANE_LIST);
	job = enrich_sched_find(&e->sched, ENRICH_JOB_EVENT, d->event_ticker);
	/* not to be had: published without its series */
	return e->deferrals < DEFERRALS_MAX && (!job || job->absences < 3);
}

static bool take_settled(struct enricher *e, struct kmd_json_val body, int64_t received_ns)
{
	struct kmd_settlement_data d;
	int64_t settled_ns;

	if (kmd_settlement_from_market(body, &e->arena, &d) < 0 || !kmd_settlement_is_complete(&d))
		return true;
	if (!e->set->mve && enrich_is_mve(d.market_ticker))
		return true;
	if (kmd_time_parse(d.settled_at, &settled_ns) < 0)
		settled_ns = 0;
	if (settled_ns > e->listing.until_ns)
		return true;
	if (!enrich_published_outcome_differs(&e->published, &d, settled_ns))
		return enrich_send_market(e, e->listing_batch, body, received_ns);
	if (is_awaited(e, d.market_ticker))
		return true;
	if (is_deferred(e, &d, settled_ns)) {
		e->listing.left_out = true;
		return true;
	}
	return enrich_send_settlement(e, e->listing_batch, &d, "reconcile", received_ns) &&
	       enrich_send_market(e, e->listing_batch, body, received_ns);
}

static bool take_all(struct enricher *e, struct kmd_json_val items, int64_t received_ns)
{
	enum enrich_list_step step = e->listing.step;
	struct kmd_json_val item;
	bool sent = true;

	for (uint32_t it = 0; sent && kmd_json_each(items, &it, &item);) {
		if (step == ENRICH_LIST_SETTLED)
			sent = take_settled(e, item, received_ns);
		else if (enrich_listing_is_markets(step))
			sent = take_market(e, item, received_ns);
		else
			sent = take_event(e, item, received_ns);
	}
	return sent;
}

/* Market records whose time is over. */
static void bury_markets(struct enricher *e, struct enrich_batch *b)
{
	struct kmd_str *gone = kmd_calloc(TOMBSTONES_MAX, sizeof(*gone));
	const struct kmd_header type = {"type", kmd_str_z(kmd_topic_name(KMD_TOPIC_MARKETS))};
	size_t n;

	n = enrich_published_expired(&e->published, e->wall.ns, &e->arena, gone, TOMBSTONES_MAX);
	for (size_t i = 0; i < n; i++)
		if (enrich_send(e, b, KMD_TOPIC_MARKETS, gone[i], KMD_STR_NONE, &type, 1, e->wall.ns))
			kmd_counter_add(e->stats.tombstones, 1);
	free(gone);
}

/* Markets that should have been in a list and were not. A list that was cut says nothing about them. */
static void ask_for_unseen(struct enricher *e)
{
	struct kmd_str *unseen = kmd_calloc(LOOKUPS_MAX, sizeof(*unseen));
	size_t n = 0;

	if (!e->listing.cut)
		n = enrich_published_unseen(
		    &e->published, e->listing.sweep, e->listing.started_ns, &e->arena, unseen, LOOKUPS_MAX);
	for (size_t i = 0; i < n; i++)
		enrich_sched_want(&e->sched, ENRICH_JOB_MARKET, unseen[i], ENRICH_LANE_LIST, e->mono);
	if (n > 0)
		kmd_log(KMD_LOG_INFO, "not_listed", "markets", "%zu", n, NULL);
	free(unseen);
}

/* Nothing tells that a series changed. */
static void ask_for_old_series(struct enricher *e)
{
	struct kmd_str old[SERIES_MAX];
	size_t n =
	    enrich_published_old_series(&e->published, e->listing.started_ns, e->wall.ns, &e->arena, old, SERIES_MAX);

	for (size_t i = 0; i < n; i++)
		enrich_sched_want(&e->sched, ENRICH_JOB_SERIES, old[i], ENRICH_LANE_LIST, e->mono);
}

/* The holes of lifecycle that the walk repairs are done when nothing was left out. */
static void finish(struct enricher *e, struct enrich_job *job)
{
	int64_t delay_ns = e->full_due.ns - e->mono.ns;
	struct enrich_batch *b = e->listing_batch;

	bury_markets(e, b);
	ask_for_unseen(e);
	ask_for_old_series(e);
	e->listing_batch = NULL;
	if (!e->listing.left_out)
		enrich_causes_move(&b->causes, &e->listing.causes);
	enrich_batch_close(e, b);
	if (e->listing.left_out) {
		int64_t sooner_ns = DEFER_BASE_NS << (e->deferrals < 6 ? e->deferrals : 6);

		e->deferrals++;
		if (sooner_ns < delay_ns)
			delay_ns = sooner_ns;
	} else {
		e->deferrals = 0;
	}
	enrich_sched_again(&e->sched, job, (struct kmd_mono){e->mono.ns + (delay_ns > 0 ? delay_ns : 0)});
	if (e->windows.has_hole)
		enrich_walk_due(e, 0, true);
}

static void next(struct enricher *e, struct enrich_job *job, bool more)
{
	if (more || enrich_listing_advance(&e->listing))
		enrich_sched_again(&e->sched, job, e->mono);
	else
		finish(e, job);
}

static void tell_incomplete(struct enricher *e, const char *event)
{
	uint64_t suppressed;

	if (kmd_burst_pass(&e->burst_list, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, event, "list", "%s", enrich_listing_path(e->listing.step), "suppressed", "%llu",
		    (unsigned long long)suppressed, NULL);
}

void enrich_on_page(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns)
{
	struct kmd_json_val items = kmd_json_get(a->root, enrich_listing_array(e->listing.step));
	bool more, cut;

	if (!e->leads || !e->listing.running) {
		enrich_sched_end(&e->sched, job);
		if (e->leads) /* lost and gained while the call was under way */
			enrich_walk_due(e, 0, true);
		return;
	}
	if (a->verdict != ENRICH_OK) {
		tell_incomplete(e, "list_refused");
		e->listing.cut = true;
		next(e, job, false);
		return;
	}
	if (!kmd_json_is(items, KMD_JSON_ARRAY)) {
		enrich_fetch_retry(e, job, "a page without its list");
		return;
	}
	if (!take_all(e, items, received_ns)) {
		enrich_fetch_retry(e, job, "the producer's queue is full");
		return;
	}
	more = enrich_pager_next(&e->listing.pager, a->root, &e->arena, &cut);
	if (cut)
		tell_incomplete(e, "list_cut");
	e->listing.cut |= cut;
	next(e, job, more);
}
