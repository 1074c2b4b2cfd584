#include <string.h>

#include "behind.h"
#include "content.h"
#include "enricher_int.h"
#include "record.h"

/* One market: its record, and its settlement records from the same body. */

void enrich_want_market(struct enricher *e, struct enrich_cause *c, struct kmd_str ticker)
{
	bool settlement = (c->what & ENRICH_WANT_SETTLEMENT) != 0;
	struct enrich_job *job = enrich_sched_find(&e->sched, ENRICH_JOB_MARKET, ticker);
	struct kmd_mono due = e->mono;

	if (settlement && job && job->settle.empties > 0)
		due.ns += e->set->settlement_retry_ns; /* an empty answer is young: the frame joins the next question */
	job = enrich_sched_want(
	    &e->sched, ENRICH_JOB_MARKET, ticker, settlement ? ENRICH_LANE_SETTLEMENT : ENRICH_LANE_NEW, due);
	enrich_job_add(job, c);
}

bool enrich_send_market(struct enricher *e, struct enrich_batch *b, struct kmd_json_val body, int64_t received_ns)
{
	struct enrich_record r = {
	    .ticker = kmd_json_text(kmd_json_get(body, "ticker"), &e->arena),
	    .event_ticker = kmd_json_text(kmd_json_get(body, "event_ticker"), &e->arena),
	    .fetched_ns = received_ns,
	    .body = kmd_json_raw(body),
	};
	uint64_t hash = enrich_content_hash(body, &e->arena), mark;

	r.series_ticker = enrich_published_series_of(&e->published, r.event_ticker);
	mark = enrich_market_mark(hash, r.series_ticker.n > 0);
	if (!enrich_published_market_changed(&e->published, r.ticker, hash, r.series_ticker.n > 0, received_ns) ||
	    enrich_was_listed(e, b, KMD_TOPIC_MARKETS, r.ticker, mark))
		return true;
	kmd_buf_reset(&e->out);
	enrich_record_encode(KMD_TOPIC_MARKETS, &r, &e->out);
	return enrich_send_own(e, b, KMD_TOPIC_MARKETS, r.ticker, mark, received_ns);
}

static struct kmd_str time_text(struct enricher *e, int64_t ns)
{
	struct kmd_buf text = {0};
	struct kmd_str copy;

	kmd_time_format(&text, ns, ns % KMD_NS_PER_S ? 9 : 0);
	copy = kmd_arena_dup(&e->arena, kmd_buf_str(&text));
	kmd_buf_fini(&text);
	return copy;
}

bool enrich_send_settlement(
    struct enricher *e, struct enrich_batch *b, struct kmd_settlement_data *d, const char *trigger, int64_t received_ns)
{
	const struct enrich_market *m = enrich_published_market(&e->published, d->market_ticker);
	struct kmd_buf known = {0};
	bool sent;

	if (!d->determined_at.p && m && m->determined_ns)
		d->determined_at = time_text(e, m->determined_ns);
	if (d->series_ticker.n == 0)
		d->series_ticker = enrich_published_series_of(&e->published, d->event_ticker);
	kmd_time_format(&known, received_ns, 9);
	d->known_at = kmd_buf_str(&known);
	d->trigger = kmd_str_z(trigger);
	kmd_buf_reset(&e->out);
	kmd_settlement_encode(d, &e->out);
	sent = enrich_send_own(e, b, KMD_TOPIC_SETTLEMENTS, d->market_ticker, 0, received_ns);
	kmd_buf_fini(&known);
	return sent;
}

/* The determination of the last determined frame that this call covers, else what is known otherwise. */
static struct kmd_str determined_at(struct enricher *e, const struct enrich_job *job)
{
	int64_t ns = 0;

	for (size_t i = 0; i < job->covered; i++)
		if (job->causes.p[i]->determined_ns && !(job->causes.p[i]->what & ENRICH_BEHIND))
			ns = job->causes.p[i]->determined_ns;
	return ns ? time_text(e, ns) : KMD_STR_NONE;
}

static bool send_settlements(struct enricher *e, struct enrich_batch *b, struct enrich_job *job,
    struct kmd_settlement_data *d, unsigned triggers, int64_t received_ns)
{
	d->determined_at = determined_at(e, job);
	if ((triggers & ENRICH_WANT_DETERMINED) && !enrich_send_settlement(e, b, d, "determined", received_ns))
		return false;
	return !(triggers & ENRICH_WANT_SETTLED) || enrich_send_settlement(e, b, d, "settled", received_ns);
}

/* Causes that the body satisfied go on to event and series, and wait for the records. */
static void release(
    struct enricher *e, struct enrich_batch *b, struct enrich_job *job, struct kmd_str event, unsigned mask)
{
	size_t first = b->causes.count;

	enrich_job_take(job, mask, &b->causes);
	for (size_t i = first; i < b->causes.count; i++)
		enrich_want_event(e, b->causes.p[i], event, job->lane);
}

/* What is left of the job: nothing, frames that came during the call, or a settlement without a result. */
static void go_on(struct enricher *e, struct enrich_job *job)
{
	unsigned late = 0;

	job->absences = 0;
	job->historical = false;
	for (size_t i = job->covered; i < job->causes.count; i++)
		late |= job->causes.p[i]->what;
	if (job->causes.count == 0)
		enrich_sched_end(&e->sched, job);
	else if (job->settle.empties == 0 || (late & ENRICH_WANT_MARKET))
		enrich_sched_again(&e->sched, job, e->mono);
	else
		enrich_sched_again(&e->sched, job,
		    (struct kmd_mono){
			e->mono.ns + enrich_settle_delay(&job->settle, e->set->settlement_retry_ns, &e->sched.rng)});
}

/* Frames that tell a newer result than REST shows wait on, a while; what is final is never behind. */
static bool is_behind(struct enricher *e, struct enrich_job *job, const struct kmd_settlement_data *d)
{
	const struct enrich_outcome shown = enrich_outcome_of(d->result, d->settlement_value_dollars);
	const struct enrich_market *m = enrich_published_market(&e->published, job->key);

	enrich_behind_clear(&job->causes);
	return d->settled_at.n == 0 && job->settle.behind < ENRICH_BEHIND_MAX &&
	       enrich_behind_mark(&job->causes, job->covered, &shown, m);
}

/* What the answer settles of what it was asked for. */
static unsigned settles(struct enricher *e, struct enrich_job *job, const struct kmd_settlement_data *d)
{
	unsigned asked = enrich_causes_what(&job->causes, job->covered) & ENRICH_WANT_SETTLEMENT;
	unsigned behind = job->settle.behind, answered = 0;

	if (asked == 0)
		return 0;
	if (enrich_settle_decide(&job->settle, d, asked) == ENRICH_SETTLE_PUBLISH) {
		behind = is_behind(e, job, d) ? behind + 1 : 0;
		job->settle = (struct enrich_settle){.empties = behind, .behind = behind};
		for (size_t i = 0; i < job->covered; i++)
			if (!(job->causes.p[i]->what & ENRICH_BEHIND))
				answered |= job->causes.p[i]->what & ENRICH_WANT_SETTLEMENT;
	}
	if (job->settle.empties > 0)
		kmd_counter_add(e->stats.empties, 1);
	return answered;
}

/* A lookup for no frame is one of the walk's: what it finds settled is a reconciliation. */
static bool reconcile(struct enricher *e, struct enrich_batch *b, const struct enrich_job *job,
    struct kmd_settlement_data *d, int64_t received_ns)
{
	int64_t settled_ns;

	if (job->causes.count > 0 || !e->leads || !kmd_settlement_is_complete(d))
		return true;
	if (kmd_time_parse(d->settled_at, &settled_ns) < 0)
		settled_ns = 0;
	if (settled_ns > e->wall.ns - ENRICH_RECONCILE_GRACE_NS ||
	    !enrich_published_outcome_differs(&e->published, d, settled_ns))
		return true;
	return enrich_send_settlement(e, b, d, "reconcile", received_ns);
}

static void publish(struct enricher *e, struct enrich_job *job, struct kmd_json_val body, struct kmd_settlement_data *d,
    int64_t received_ns)
{
	unsigned triggers = settles(e, job, d);
	struct enrich_batch *b = enrich_batch_open(e);

	if ((triggers && !send_settlements(e, b, job, d, triggers, received_ns)) ||
	    !reconcile(e, b, job, d, received_ns) || !enrich_send_market(e, b, body, received_ns)) {
		enrich_batch_close(e, b);
		enrich_fetch_retry(e, job, "the producer's queue is full");
		return;
	}
	release(e, b, job, d->event_ticker, ENRICH_WANT_MARKET | triggers);
	enrich_batch_close(e, b);
	go_on(e, job);
}

/* Does the record have to wait for its event, to name the series? */
static bool must_park(const struct enricher *e, struct kmd_str event)
{
	const struct enrich_parent *p;

	if (event.n == 0)
		return false;
	p = enrich_published_parent(&e->published, KMD_TOPIC_EVENTS, event);
	return !p || (!p->series_ticker && !p->hash);
}

static void park(
    struct enricher *e, struct enrich_job *job, struct kmd_json_val root, struct kmd_str event, int64_t received_ns)
{
	kmd_buf_reset(&job->body);
	kmd_buf_add_str(&job->body, kmd_json_raw(root));
	job->received_ns = received_ns;
	enrich_want_parent(e, ENRICH_JOB_EVENT, event, job->lane);
	enrich_sched_park(&e->sched, job, event, (struct kmd_mono){e->mono.ns + ENRICH_PARK_NS});
}

static int read_market(
    struct enricher *e, const struct enrich_job *job, struct kmd_json_val root, struct kmd_settlement_data *ret)
{
	int rc = kmd_settlement_from_market(kmd_json_get(root, "market"), &e->arena, ret);

	return rc == 0 && !kmd_str_eq(ret->market_ticker, job->key) ? KMD_EPARSE : rc;
}

void enrich_on_market(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns)
{
	struct kmd_settlement_data d;

	if (a->verdict != ENRICH_OK) {
		enrich_lookup_absent(e, job, a);
		return;
	}
	if (read_market(e, job, a->root, &d) < 0) {
		enrich_fetch_retry(e, job, "the answer is not the market asked for");
		return;
	}
	if (must_park(e, d.event_ticker))
		park(e, job, a->root, d.event_ticker, received_ns);
	else
		publish(e, job, kmd_json_get(a->root, "market"), &d, received_ns);
}

void enrich_unpark(struct enricher *e, struct enrich_job *job)
{
	struct kmd_json doc = {0};
	struct kmd_settlement_data d;
	struct kmd_buf body = job->body;

	job->body = (struct kmd_buf){0};
	if (kmd_json_parse(&doc, kmd_buf_str(&body)) == 0 && read_market(e, job, kmd_json_root(&doc), &d) == 0)
		publish(e, job, kmd_json_get(kmd_json_root(&doc), "market"), &d, job->received_ns);
	else
		enrich_fetch_retry(e, job, "a kept answer cannot be read"); /* it was read before: not reached */
	kmd_json_fini(&doc);
	kmd_buf_fini(&body);
}
