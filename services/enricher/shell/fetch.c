#include <string.h>

#include "enricher_int.h"

/* Jobs become calls, answers find their way back. What an answer means for everything is decided here, once. */

#define THROTTLED_FLOOR_NS (INT64_C(500) * 1000000)
#define THROTTLED_CAP_NS (INT64_C(30) * 1000000000)
#define LOCKED_OUT_FLOOR_NS (INT64_C(1) * 1000000000)
#define LOCKED_OUT_CAP_NS (INT64_C(60) * 1000000000)
#define FAILURES_TILL_UNREADY 3
#define NOT_YET_NS (INT64_C(100) * 1000000)

static enum enrich_endpoint lookup_path(
    struct enricher *e, const char *folder, struct kmd_str ticker, enum enrich_endpoint ep)
{
	kmd_buf_addz(&e->path, folder);
	kmd_rest_encode(&e->path, ticker);
	return ep;
}

static enum enrich_endpoint list_path(struct enricher *e)
{
	const struct enrich_listing *l = &e->listing;
	bool markets = enrich_listing_is_markets(l->step);

	kmd_buf_addf(&e->path, "%s&limit=%d", enrich_listing_path(l->step), enrich_listing_limit(l->step));
	if (markets && !e->set->mve)
		kmd_buf_addz(&e->path, "&mve_filter=exclude");
	if (l->step == ENRICH_LIST_SETTLED)
		kmd_buf_addf(&e->path, "&min_settled_ts=%lld", (long long)(l->from_ns / KMD_NS_PER_S));
	if (l->pager.cursor.n > 0) {
		kmd_buf_addz(&e->path, "&cursor=");
		kmd_rest_encode(&e->path, kmd_buf_str(&l->pager.cursor));
	}
	return markets ? ENRICH_EP_MARKETS : ENRICH_EP_EVENTS;
}

/* Writes path and query of the job's next call to e->path. */
static enum enrich_endpoint path_of(struct enricher *e, const struct enrich_job *job)
{
	kmd_buf_reset(&e->path);
	switch (job->kind) {
	case ENRICH_JOB_MARKET:
		if (job->historical)
			return lookup_path(e, "/historical/markets/", job->key, ENRICH_EP_HISTORICAL_MARKET);
		return lookup_path(e, "/markets/", job->key, ENRICH_EP_MARKET);
	case ENRICH_JOB_EVENT:
		return lookup_path(e, "/events/", job->key, ENRICH_EP_EVENT);
	case ENRICH_JOB_SERIES:
		return lookup_path(e, "/series/", job->key, ENRICH_EP_SERIES);
	case ENRICH_JOB_WINDOW:
		return enrich_repair_path(e, job->data);
	case ENRICH_JOB_LIST:
		return list_path(e);
	case ENRICH_JOB_CUTOFF:
	default:
		kmd_buf_addz(&e->path, "/historical/cutoff");
		return ENRICH_EP_CUTOFF;
	}
}

static size_t free_call(const struct enricher *e)
{
	size_t i = 0;

	while (e->calls[i].job)
		i++;
	return i;
}

static void start(struct enricher *e, struct enrich_job *job)
{
	size_t i = free_call(e);
	enum enrich_endpoint ep = path_of(e, job);
	struct kmd_err err = {""};

	kmd_buf_addc(&e->path, '\0');
	if (kmd_rest_get(e->rest, e->wall, e->path.p, i, &err) < 0) {
		enrich_sched_answered(&e->sched);
		enrich_fetch_retry(e, job, err.text);
		return;
	}
	e->calls[i] = (struct enrich_call){job, ep, e->keys_read};
}

/* True when the job turned out to need no call now; it is gone or waits then. */
static bool is_spared(struct enricher *e, struct enrich_job *job)
{
	enum enrich_need need = ENRICH_NEEDED;

	if (job->kind == ENRICH_JOB_LIST)
		need = enrich_walk_begin(e) ? ENRICH_NEEDED : ENRICH_NEEDLESS;
	else if (job->kind == ENRICH_JOB_WINDOW)
		need = enrich_repair_begin(e, job->data) ? ENRICH_NEEDED : ENRICH_NOT_YET;
	else if (job->kind <= ENRICH_JOB_SERIES)
		need = enrich_lookup_need(e, job);
	if (need == ENRICH_NEEDED)
		return false;
	enrich_sched_unstart(&e->sched);
	if (need == ENRICH_NEEDLESS)
		enrich_sched_end(&e->sched, job);
	else
		enrich_sched_again(&e->sched, job, (struct kmd_mono){e->mono.ns + NOT_YET_NS});
	return true;
}

void enrich_fetch_start(struct enricher *e)
{
	struct enrich_job *job;
	uint64_t bytes;

	kmd_producer_outstanding(e->producer, &bytes);
	if (bytes > ENRICH_QUEUE_START_MAX)
		return;
	while ((job = enrich_sched_next(&e->sched, e->mono)))
		if (!is_spared(e, job))
			start(e, job);
}

void enrich_fetch_retry(struct enricher *e, struct enrich_job *job, const char *why)
{
	static const char *const kinds[ENRICH_JOB_KINDS] = {"market", "event", "series", "window", "list", "cutoff"};
	uint64_t suppressed;

	if (kmd_burst_pass(&e->burst_retry[job->kind], e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "call_failed", "of", "%s", kinds[job->kind], "key", "%.*s", KMD_STR_ARG(job->key),
		    "why", "%s", why, "suppressed", "%llu", (unsigned long long)suppressed, NULL);
	enrich_sched_retry(&e->sched, job, e->mono);
}

static void on_good(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns)
{
	if (a->verdict == ENRICH_OK)
		kmd_backoff_reset(&job->backoff);
	switch (job->kind) {
	case ENRICH_JOB_MARKET:
		enrich_on_market(e, job, a, received_ns);
		break;
	case ENRICH_JOB_EVENT:
	case ENRICH_JOB_SERIES:
		enrich_on_parent(e, job, a, received_ns);
		break;
	case ENRICH_JOB_WINDOW:
		enrich_on_trades(e, job, a, received_ns);
		break;
	case ENRICH_JOB_LIST:
		enrich_on_page(e, job, a, received_ns);
		break;
	case ENRICH_JOB_CUTOFF:
	default:
		enrich_on_cutoff(e, job, a);
		break;
	}
}

/* Nothing starts for a while; the job comes back as soon as something may. */
static void slow_down(struct enricher *e, struct enrich_job *job, int64_t floor_ns, int64_t cap_ns)
{
	enrich_sched_pause(&e->sched, e->mono, floor_ns, cap_ns);
	enrich_sched_again(&e->sched, job, e->mono);
}

void enrich_key_refresh(struct enricher *e)
{
	struct kmd_err err = {""};
	uint64_t suppressed;
	int rc = kmd_signer_refresh(e->signer, &err);

	if (rc < 0 && kmd_burst_pass(&e->burst_key_file, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "key_not_read", "why", "%s", err.text, "suppressed", "%llu",
		    (unsigned long long)suppressed, NULL);
	if (rc <= 0)
		return;
	kmd_log(KMD_LOG_INFO, "key_read_again", NULL);
	e->keys_read++;
	if (e->locked_out)
		enrich_sched_pause_end(&e->sched);
}

static void tell_locked_out(struct enricher *e, const struct enrich_answer *a)
{
	bool skew = a->verdict == ENRICH_CLOCK_SKEW;
	uint64_t suppressed;

	kmd_buf_reset(&e->out);
	if (skew)
		kmd_buf_addf(&e->out, "the exchange does not accept our clock (%.0f s apart): header_timestamp_expired",
		    kmd_gauge_value(e->stats.offset));
	else
		kmd_buf_addf(
		    &e->out, "the exchange refuses the key: %.*s %.*s", KMD_STR_ARG(a->code), KMD_STR_ARG(a->details));
	kmd_buf_addc(&e->out, '\0');
	enrich_exchange_ready(e, false, e->out.p);
	if (kmd_burst_pass(skew ? &e->burst_clock : &e->burst_key, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_ERROR, skew ? "clock_skew" : "key_refused", "why", "%s", e->out.p, "suppressed", "%llu",
		    (unsigned long long)suppressed, NULL);
}

/* A refusal of what a former key signed says nothing of the present one. */
static void on_locked_out(struct enricher *e, const struct enrich_call *call, const struct enrich_answer *a)
{
	enrich_key_refresh(e);
	if (call->key != e->keys_read) {
		enrich_sched_again(&e->sched, call->job, e->mono);
		return;
	}
	e->locked_out = true;
	tell_locked_out(e, a);
	slow_down(e, call->job, LOCKED_OUT_FLOOR_NS, LOCKED_OUT_CAP_NS);
}

static void on_throttled(struct enricher *e, struct enrich_job *job)
{
	uint64_t suppressed;

	if (kmd_burst_pass(&e->burst_throttled, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "throttled", "suppressed", "%llu", (unsigned long long)suppressed, NULL);
	e->locked_out = false; /* this pause no new key ends */
	slow_down(e, job, THROTTLED_FLOOR_NS, THROTTLED_CAP_NS);
}

static void on_failed(
    struct enricher *e, struct enrich_job *job, const struct kmd_rest_answer *r, enum enrich_verdict v)
{
	char why[256];

	if (r->rc != 0)
		snprintf(why, sizeof(why), "no answer: %s", r->reason ? r->reason : kmd_rc_text(r->rc));
	else
		snprintf(why, sizeof(why), v == ENRICH_GARBAGE ? "status %d without JSON" : "status %d", r->status);
	if (++e->failures >= FAILURES_TILL_UNREADY)
		enrich_exchange_ready(e, false, why);
	enrich_fetch_retry(e, job, why);
}

static void judge(struct enricher *e, const struct enrich_call *call, const struct kmd_rest_answer *r)
{
	struct enrich_job *job = call->job;
	struct enrich_answer a;

	enrich_answer_read(&e->doc, &e->arena, r->rc, r->status, r->body, &a);
	switch (a.verdict) {
	case ENRICH_OK:
	case ENRICH_NOT_FOUND:
	case ENRICH_REFUSED:
		e->failures = 0;
		e->locked_out = false;
		enrich_sched_unpause(&e->sched);
		enrich_exchange_ready(e, true, "");
		on_good(e, job, &a, r->received.ns);
		break;
	case ENRICH_THROTTLED:
		on_throttled(e, job);
		break;
	case ENRICH_CLOCK_SKEW:
	case ENRICH_BAD_KEY:
		on_locked_out(e, call, &a);
		break;
	case ENRICH_RETRY:
	case ENRICH_GARBAGE:
		on_failed(e, job, r, a.verdict);
		break;
	}
}

void enrich_on_answer(void *ctx, const struct kmd_rest_answer *r)
{
	struct enricher *e = ctx;
	struct enrich_call call = e->calls[r->ref];

	e->calls[r->ref].job = NULL;
	e->mono = kmd_mono_now(); /* waits count from the answer, not from the turn's beginning */
	e->wall = kmd_wall_now();
	enrich_sched_answered(&e->sched);
	kmd_counter_add(e->stats.requests[call.endpoint][enrich_code_index(r->rc, r->status)], 1);
	if (r->has_date)
		kmd_gauge_set(e->stats.offset, (double)r->clock_offset_ms / 1e3);
	kmd_arena_reset(&e->arena);
	judge(e, &call, r);
}
