#include <stdio.h>

#include "content.h"
#include "enricher_int.h"
#include "record.h"

/* Events and series, and the ends that a lookup can come to. */

static struct enrich_job *want(struct enricher *e, enum enrich_kind kind, struct kmd_str ticker, enum enrich_lane lane)
{
	return enrich_sched_want(&e->sched, kind, ticker, lane, e->mono);
}

void enrich_want_event(struct enricher *e, struct enrich_cause *c, struct kmd_str event, enum enrich_lane lane)
{
	if (!(c->what & ENRICH_WANT_EVENT) || (c->what & ENRICH_DID_EVENT) || event.n == 0)
		return;
	c->what |= ENRICH_DID_EVENT;
	if (enrich_published_has_parent(&e->published, KMD_TOPIC_EVENTS, c, event))
		enrich_want_series(e, c, enrich_published_series_of(&e->published, event), lane);
	else
		enrich_job_add(want(e, ENRICH_JOB_EVENT, event, lane), c);
}

void enrich_want_series(struct enricher *e, struct enrich_cause *c, struct kmd_str series, enum enrich_lane lane)
{
	if (!(c->what & ENRICH_WANT_SERIES) || (c->what & ENRICH_DID_SERIES) || series.n == 0)
		return;
	c->what |= ENRICH_DID_SERIES;
	if (!enrich_published_has_parent(&e->published, KMD_TOPIC_SERIES, c, series))
		enrich_job_add(want(e, ENRICH_JOB_SERIES, series, lane), c);
}

static bool is_known(const struct enricher *e, enum enrich_kind kind, struct kmd_str ticker)
{
	enum kmd_topic topic = kind == ENRICH_JOB_EVENT ? KMD_TOPIC_EVENTS : KMD_TOPIC_SERIES;
	const struct enrich_parent *p = enrich_published_parent(&e->published, topic, ticker);

	return p && p->hash;
}

void enrich_want_parent(struct enricher *e, enum enrich_kind kind, struct kmd_str ticker, enum enrich_lane lane)
{
	if (ticker.n > 0 && !is_known(e, kind, ticker))
		want(e, kind, ticker, lane);
}

static enum kmd_topic topic_of(const struct enrich_job *job)
{
	return job->kind == ENRICH_JOB_EVENT ? KMD_TOPIC_EVENTS : KMD_TOPIC_SERIES;
}

static bool is_satisfied(const struct enricher *e, const struct enrich_job *job, const struct enrich_cause *c)
{
	if (job->kind == ENRICH_JOB_MARKET)
		return (c->what & ENRICH_WANT_MARKET) && enrich_published_has_market(&e->published, c, job->key);
	return enrich_published_has_parent(&e->published, topic_of(job), c, job->key);
}

/* Causes that are satisfied go; true if all the others wait for a record that is on its way to Kafka. */
static bool drop_satisfied(struct enricher *e, struct enrich_job *job)
{
	bool on_its_way = job->kind != ENRICH_JOB_MARKET && kmd_producer_outstanding(e->producer, NULL) > 0;
	size_t kept = 0;

	for (size_t i = 0; i < job->causes.count; i++) {
		struct enrich_cause *c = job->causes.p[i];

		if (!is_satisfied(e, job, c)) {
			job->causes.p[kept++] = c;
			on_its_way =
			    on_its_way && enrich_published_saw_parent(&e->published, topic_of(job), c, job->key);
			continue;
		}
		if (job->kind == ENRICH_JOB_EVENT)
			enrich_want_series(e, c, enrich_published_series_of(&e->published, job->key), job->lane);
		enrich_cause_drop(&e->book, c);
	}
	job->causes.count = job->covered = kept;
	return on_its_way;
}

enum enrich_need enrich_lookup_need(struct enricher *e, struct enrich_job *job)
{
	const struct enrich_market *m;
	bool on_its_way;

	if (job->causes.count == 0 && job->kind == ENRICH_JOB_MARKET) {
		m = enrich_published_market(&e->published, job->key);
		return m && m->seen_ns >= e->listing.started_ns ? ENRICH_NEEDLESS : ENRICH_NEEDED;
	}
	if (job->causes.count == 0) {
		bool old = job->kind == ENRICH_JOB_SERIES &&
			   enrich_published_series_is_old(&e->published, job->key, e->wall.ns);

		return is_known(e, job->kind, job->key) && !old ? ENRICH_NEEDLESS : ENRICH_NEEDED;
	}
	on_its_way = drop_satisfied(e, job);
	if (job->causes.count == 0)
		return ENRICH_NEEDLESS;
	return on_its_way ? ENRICH_NOT_YET : ENRICH_NEEDED;
}

bool enrich_send_parent(
    struct enricher *e, struct enrich_batch *b, enum kmd_topic topic, struct kmd_json_val body, int64_t received_ns)
{
	bool event = topic == KMD_TOPIC_EVENTS;
	struct enrich_record r = {
	    .ticker = kmd_json_text(kmd_json_get(body, event ? "event_ticker" : "ticker"), &e->arena),
	    .fetched_ns = received_ns,
	    .body = kmd_json_raw(body),
	};
	uint64_t hash = enrich_content_hash(body, &e->arena);

	if (event) {
		r.series_ticker = kmd_json_text(kmd_json_get(body, "series_ticker"), &e->arena);
		enrich_published_learn_series(&e->published, r.ticker, r.series_ticker);
	}
	if (!enrich_published_parent_changed(&e->published, topic, r.ticker, hash, received_ns) ||
	    enrich_was_listed(e, b, topic, r.ticker, hash))
		return true;
	kmd_buf_reset(&e->out);
	enrich_record_encode(topic, &r, &e->out);
	return enrich_send_own(e, b, topic, r.ticker, hash, received_ns);
}

/* Covered frames are satisfied by the record; those of an event want its series too. */
static void release(struct enricher *e, struct enrich_batch *b, struct enrich_job *job, struct kmd_str series)
{
	size_t first = b->causes.count;

	enrich_job_take(job, ~0u, &b->causes);
	if (job->kind != ENRICH_JOB_EVENT)
		return;
	for (size_t i = first; i < b->causes.count; i++)
		enrich_want_series(e, b->causes.p[i], series, job->lane);
	if (b->causes.count == first)
		enrich_want_parent(e, ENRICH_JOB_SERIES, series, ENRICH_LANE_LIST);
}

void enrich_unpark_all(struct enricher *e, struct kmd_str event)
{
	struct enrich_job *parked;

	while ((parked = enrich_sched_unpark(&e->sched, event)))
		enrich_unpark(e, parked);
}

void enrich_on_parent(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns)
{
	bool event = job->kind == ENRICH_JOB_EVENT;
	struct kmd_json_val body = kmd_json_get(a->root, event ? "event" : "series");
	struct kmd_str ticker = kmd_json_text(kmd_json_get(body, event ? "event_ticker" : "ticker"), &e->arena);
	struct enrich_batch *b;

	if (a->verdict != ENRICH_OK) {
		enrich_lookup_absent(e, job, a);
		return;
	}
	if (!kmd_str_eq(ticker, job->key)) {
		enrich_fetch_retry(e, job, "the answer is not what was asked for");
		return;
	}
	b = enrich_batch_open(e);
	if (!enrich_send_parent(e, b, event ? KMD_TOPIC_EVENTS : KMD_TOPIC_SERIES, body, received_ns)) {
		enrich_batch_close(e, b);
		enrich_fetch_retry(e, job, "the producer's queue is full");
		return;
	}
	release(e, b, job, kmd_json_text(kmd_json_get(body, "series_ticker"), &e->arena));
	enrich_batch_close(e, b);
	job->absences = 0;
	if (job->causes.count > 0)
		enrich_sched_again(&e->sched, job, e->mono);
	else
		enrich_sched_end(&e->sched, job);
	if (event)
		enrich_unpark_all(e, ticker);
}

static void bury(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a)
{
	struct enrich_causes gone = {0};
	char reason[256];

	snprintf(reason, sizeof(reason), "%s %.*s: %s", job->kind == ENRICH_JOB_MARKET ? "market" : "event or series",
	    KMD_STR_ARG(job->key), a->verdict == ENRICH_NOT_FOUND ? "not found" : "refused");
	enrich_job_take(job, ~(unsigned)ENRICH_WANT_SETTLEMENT, &gone);
	for (size_t i = 0; i < gone.count; i++)
		enrich_dead_letter(e, gone.p[i], "TRANSFORMATION", reason);
	enrich_causes_fini(&gone);
}

/* Created a moment ago: REST may not know it yet. */
static bool is_young(const struct enricher *e, const struct enrich_job *job)
{
	for (size_t i = 0; i < job->covered; i++) {
		const struct enrich_cause *c = job->causes.p[i];

		if ((c->what & ENRICH_WANT_YOUNG) && e->wall.ns - c->recv_ns < ENRICH_YOUNG_NS)
			return true;
	}
	return false;
}

/* Not there (yet), or not to be had: ask the historical twin of a market that is not young, else wait. */
void enrich_lookup_absent(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a)
{
	if (job->kind == ENRICH_JOB_MARKET && !job->historical && !is_young(e, job)) {
		job->historical = true;
		enrich_sched_again(&e->sched, job, e->mono);
		return;
	}
	job->historical = false;
	if (enrich_job_is_hopeless(job, e->mono))
		bury(e, job, a);
	else if (job->causes.count == 0 && job->absences + 1 >= ENRICH_ABSENT_GIVE_UP_TRIES)
		job->absences = 0; /* nobody waits for it; a listing finds it when it is there */
	else {
		enrich_sched_absent(&e->sched, job, e->mono);
		return;
	}
	if (job->causes.count == 0)
		enrich_sched_end(&e->sched, job);
	else
		enrich_sched_absent(&e->sched, job, e->mono);
}
