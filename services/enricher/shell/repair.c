#include <stdlib.h>

#include "enricher_int.h"
#include "kmd_mem.h"
#include "kmd_trade.h"

/* Trades of the windows that the WebSocket missed. */

#define FIRST_AFTER_NS (INT64_C(5) * 1000000000)  /* after the window's end */
#define AGAIN_AFTER_NS (INT64_C(60) * 1000000000) /* after the first time */
#define CUTOFF_FRESH_NS (INT64_C(600) * 1000000000)
#define WINDOW_AHEAD_MAX_S 60

/* Exchange times may be anything: a window lies between 1970 and a minute from now. */
static void bound(const struct enricher *e, struct enrich_window *win)
{
	int64_t max_s = e->wall.ns / KMD_NS_PER_S + WINDOW_AHEAD_MAX_S;

	win->to_s = win->to_s > max_s ? max_s : win->to_s < 0 ? 0 : win->to_s;
	win->from_s = win->from_s > win->to_s ? win->to_s : win->from_s < 0 ? 0 : win->from_s;
}

static void add_job(struct enricher *e, struct enrich_window *win)
{
	int64_t wait_ns = win->to_s * KMD_NS_PER_S + FIRST_AFTER_NS - e->wall.ns;
	struct kmd_mono due = {e->mono.ns + (wait_ns > 0 ? wait_ns : 0)};
	struct enrich_job *job;
	struct enrich_repair *r;
	struct kmd_buf key = {0};

	kmd_buf_addf(&key, "%lld:%lld:%lld", (long long)win->lineage, (long long)win->from_s, (long long)win->to_s);
	job = enrich_sched_want(&e->sched, ENRICH_JOB_WINDOW, kmd_buf_str(&key), ENRICH_LANE_WINDOW, due);
	kmd_buf_fini(&key);
	if (!job->data) {
		r = kmd_calloc(1, sizeof(*r));
		r->window = *win;
		r->window.causes = (struct enrich_causes){0};
		r->batch = enrich_batch_open(e);
		job->data = r;
		kmd_log(KMD_LOG_INFO, "window", "lineage", "%lld", (long long)win->lineage, "from", "%lld",
		    (long long)win->from_s, "to", "%lld", (long long)win->to_s, NULL);
	}
	r = job->data;
	enrich_causes_move(&r->batch->causes, &win->causes);
	enrich_causes_fini(&win->causes);
}

void enrich_repair_new(struct enricher *e)
{
	struct enrich_window win;

	while (enrich_windows_take(&e->windows, &win)) {
		bound(e, &win);
		add_job(e, &win);
	}
	if (e->windows.has_hole && !e->listing.running)
		enrich_walk_due(e, KMD_NS_PER_S, true);
}

void enrich_repair_end(struct enricher *e, struct enrich_job *job)
{
	struct enrich_repair *r = job->data;

	enrich_batch_close(e, r->batch);
	enrich_pager_fini(&r->pager);
	free(r);
	job->data = NULL;
	enrich_sched_end(&e->sched, job);
}

void enrich_repairs_stop(struct enricher *e)
{
	struct kmd_str key;
	void *value;

	/* entries may not go while the map is walked, so one at a time */
	for (bool found = true; found;) {
		found = false;
		for (size_t it = 0; !found && kmd_map_next(&e->sched.jobs, &it, &key, &value);) {
			struct enrich_job *job = value;

			found = job->kind == ENRICH_JOB_WINDOW && job->state == ENRICH_QUEUED;
			if (found)
				enrich_repair_end(e, job);
		}
	}
}

static bool cutoff_is_fresh(const struct enricher *e)
{
	return e->cutoff_known.ns && e->mono.ns - e->cutoff_known.ns < CUTOFF_FRESH_NS;
}

/* The live list ends at the cutoff, without saying so. One call asks for it, for all windows. */
bool enrich_repair_begin(struct enricher *e, struct enrich_repair *r)
{
	const struct enrich_job *asking = enrich_sched_find(&e->sched, ENRICH_JOB_CUTOFF, ENRICH_CUTOFF_KEY);

	if (r->phase != ENRICH_REPAIR_START)
		return true;
	if (!cutoff_is_fresh(e)) { /* one that waits after a failure is not hurried */
		enrich_sched_want(&e->sched, ENRICH_JOB_CUTOFF, ENRICH_CUTOFF_KEY, ENRICH_LANE_WINDOW,
		    (struct kmd_mono){asking ? asking->due_ns : e->mono.ns});
		return false;
	}
	r->phase = ENRICH_REPAIR_LIVE;
	return true;
}

enum enrich_endpoint enrich_repair_path(struct enricher *e, const struct enrich_repair *r)
{
	bool live = r->phase == ENRICH_REPAIR_LIVE;

	kmd_buf_addf(&e->path, "%s?min_ts=%lld&max_ts=%lld&limit=1000", live ? "/markets/trades" : "/historical/trades",
	    (long long)r->window.from_s, (long long)r->window.to_s);
	if (r->pager.cursor.n > 0) {
		kmd_buf_addz(&e->path, "&cursor=");
		kmd_rest_encode(&e->path, kmd_buf_str(&r->pager.cursor));
	}
	return live ? ENRICH_EP_TRADES : ENRICH_EP_HISTORICAL_TRADES;
}

void enrich_on_cutoff(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a)
{
	int64_t ns;

	e->cutoff_known = e->mono;
	if (a->verdict != ENRICH_OK)
		e->cutoff_ns = 0;
	else if (kmd_time_parse(kmd_json_text(kmd_json_get(a->root, "trades_created_ts"), &e->arena), &ns) == 0)
		e->cutoff_ns = ns;
	enrich_sched_end(&e->sched, job);
}

static void tell_unreadable(struct enricher *e, const struct enrich_repair *r)
{
	uint64_t suppressed;

	if (kmd_burst_pass(&e->burst_trade, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "trade_not_read", "from", "%lld", (long long)r->window.from_s, "suppressed",
		    "%llu", (unsigned long long)suppressed, NULL);
}

static bool send_trade(struct enricher *e, struct enrich_repair *r, struct kmd_json_val trade, int64_t received_ns)
{
	struct kmd_str ticker = kmd_json_text(kmd_json_get(trade, "ticker"), &e->arena);
	char recv[24], lineage[24];
	const struct kmd_header headers[] = {
	    {"type", KMD_STR("trade")},
	    {"source", KMD_STR("rest")},
	    {"recv_ns", {recv, (size_t)snprintf(recv, sizeof(recv), "%lld", (long long)received_ns)}},
	    {"repairs", {lineage, (size_t)snprintf(lineage, sizeof(lineage), "%lld", (long long)r->window.lineage)}},
	};

	kmd_buf_reset(&e->out);
	if (ticker.n == 0 || kmd_trade_frame_from_rest(trade, &e->out) < 0) {
		tell_unreadable(e, r);
		return true;
	}
	return enrich_send(e, r->batch, KMD_TOPIC_TRADES, ticker, kmd_buf_str(&e->out), headers, 4, received_ns);
}

/* The last page of a phase is in: on to the archive, to the second time, or done. */
static void advance(struct enricher *e, struct enrich_job *job, struct enrich_repair *r)
{
	enrich_pager_reset(&r->pager);
	job->absences = 0;
	if (r->phase == ENRICH_REPAIR_LIVE && r->window.from_s * KMD_NS_PER_S < e->cutoff_ns) {
		r->phase = ENRICH_REPAIR_HISTORICAL;
		enrich_sched_again(&e->sched, job, e->mono);
		return;
	}
	if (r->round++ > 0) {
		enrich_repair_end(e, job);
		return;
	}
	r->phase = ENRICH_REPAIR_START;
	enrich_sched_again(&e->sched, job, (struct kmd_mono){e->mono.ns + AGAIN_AFTER_NS});
}

static void take_page(struct enricher *e, struct enrich_job *job, struct enrich_repair *r,
    const struct enrich_answer *a, int64_t received_ns)
{
	struct kmd_json_val trades = kmd_json_get(a->root, "trades"), trade;
	uint64_t suppressed;
	bool more, cut;

	if (!kmd_json_is(trades, KMD_JSON_ARRAY)) {
		enrich_fetch_retry(e, job, "a page without trades");
		return;
	}
	for (uint32_t it = 0; kmd_json_each(trades, &it, &trade);)
		if (!send_trade(e, r, trade, received_ns)) {
			enrich_fetch_retry(e, job, "the producer's queue is full");
			return;
		}
	more = enrich_pager_next(&r->pager, a->root, &e->arena, &cut);
	if (cut && kmd_burst_pass(&e->burst_cut, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "trades_cut", "from", "%lld", (long long)r->window.from_s, "to", "%lld",
		    (long long)r->window.to_s, "suppressed", "%llu", (unsigned long long)suppressed, NULL);
	if (more)
		enrich_sched_again(&e->sched, job, e->mono);
	else
		advance(e, job, r);
}

void enrich_on_trades(struct enricher *e, struct enrich_job *job, const struct enrich_answer *a, int64_t received_ns)
{
	struct enrich_repair *r = job->data;

	if (!e->leads) {
		enrich_repair_end(e, job);
	} else if (a->verdict == ENRICH_OK) {
		take_page(e, job, r, a, received_ns);
	} else if (r->phase == ENRICH_REPAIR_HISTORICAL) {
		advance(e, job, r); /* an exchange without archive */
	} else {
		enrich_sched_absent(&e->sched, job, e->mono);
	}
}
