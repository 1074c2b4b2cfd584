#include <stdio.h>

#include "enricher_int.h"

/* Metrics and readiness. */

#define STATS_EVERY_NS (INT64_C(500) * 1000000)

static void init_requests(struct enricher *e, struct kmd_metrics *m)
{
#define ENDPOINT_LABEL(name, label) label,
	static const char *const endpoints[] = {ENRICH_ENDPOINTS(ENDPOINT_LABEL)};
#undef ENDPOINT_LABEL
	_Static_assert(sizeof(endpoints) / sizeof(endpoints[0]) == ENRICH_EP_COUNT, "one label an endpoint");
	char labels[64];

	for (int ep = 0; ep < ENRICH_EP_COUNT; ep++)
		for (int code = 0; code < ENRICH_CODE_COUNT; code++) {
			snprintf(labels, sizeof(labels), "endpoint=\"%s\",code=\"%s\"", endpoints[ep],
			    enrich_code_labels[code]);
			e->stats.requests[ep][code] = kmd_metrics_counter(m, "kmd_enricher_requests_total", labels,
			    "Answers of the exchange, and calls without one.");
		}
}

static const enum kmd_topic written[] = {
    KMD_TOPIC_TRADES, KMD_TOPIC_SETTLEMENTS, KMD_TOPIC_MARKETS, KMD_TOPIC_EVENTS, KMD_TOPIC_SERIES, KMD_TOPIC_DLQ};
#define WRITTEN_COUNT (sizeof(written) / sizeof(written[0]))

static void init_records(struct kmd_counter **counters, struct kmd_metrics *m, const char *name, const char *help)
{
	char labels[64];

	for (size_t i = 0; i < WRITTEN_COUNT; i++) {
		snprintf(labels, sizeof(labels), "topic=\"%s\"", kmd_topic_name(written[i]));
		counters[written[i]] = kmd_metrics_counter(m, name, labels, help);
	}
}

void enrich_stats_init(struct enricher *e)
{
	struct kmd_metrics *m = kmd_app_metrics(e->app);
	struct enricher_stats *s = &e->stats;

	init_requests(e, m);
	init_records(s->records, m, "kmd_enricher_records_total", "Records acknowledged by the broker.");
	init_records(s->refused, m, "kmd_enricher_refused_total", "Records that the broker refuses for good.");
	s->empties = kmd_metrics_counter(
	    m, "kmd_enricher_empty_results_total", NULL, "Settlements asked for before there was a result.");
	s->tombstones =
	    kmd_metrics_counter(m, "kmd_enricher_tombstones_total", NULL, "Market records deleted after their time.");
	s->in_flight = kmd_metrics_gauge(m, "kmd_enricher_in_flight", NULL, "REST calls under way.");
	s->pending = kmd_metrics_gauge(
	    m, "kmd_enricher_pending", NULL, "Settlements, windows, lookups and lists that wait for their next call.");
	s->open = kmd_metrics_gauge(
	    m, "kmd_enricher_open_records", NULL, "Records of lifecycle and feed whose work is open.");
	s->settlement_wait = kmd_metrics_gauge(m, "kmd_enricher_settlement_wait_seconds", NULL,
	    "Age of the oldest frame whose settlement is not published yet; 0: none waits.");
	s->offset = kmd_metrics_gauge(
	    m, "kmd_enricher_clock_offset_seconds", NULL, "The exchange's clock minus ours, by its Date header.");
	kmd_app_ready(e->app, "kafka", false, "not connected yet");
	kmd_app_ready(e->app, "exchange", false, "not asked yet");
	kmd_app_ready(e->app, "caught_up", false, "own topics not read yet");
}

void enrich_exchange_ready(struct enricher *e, bool ok, const char *why)
{
	kmd_app_ready(e->app, "exchange", ok, why);
}

static void tell_kafka(struct enricher *e)
{
	const char *why = "";
	bool ok = kmd_producer_connected(e->producer, &why);

	if (ok && e->reader)
		ok = kmd_consumer_connected(e->reader, &why);
	if (ok && e->group)
		ok = kmd_consumer_connected(e->group, &why);
	kmd_app_ready(e->app, "kafka", ok, ok || !why ? "" : why);
}

/* A walk under way counts as one, and so does a reconciliation that left something out. */
static size_t pending(const struct enricher *e)
{
	return enrich_sched_pending(&e->sched) + (e->listing.running || e->deferrals > 0);
}

static double settlement_wait_s(const struct enricher *e)
{
	const int64_t oldest_ns = enrich_book_oldest_ns(&e->book, ENRICH_WANT_SETTLEMENT);

	return oldest_ns > 0 && e->wall.ns > oldest_ns ? (double)(e->wall.ns - oldest_ns) / 1e9 : 0;
}

void enrich_stats_turn(struct enricher *e)
{
	if (e->mono.ns < e->stats_due.ns)
		return;
	e->stats_due.ns = e->mono.ns + STATS_EVERY_NS;
	kmd_gauge_set(e->stats.in_flight, e->sched.in_flight);
	kmd_gauge_set(e->stats.pending, (double)pending(e));
	kmd_gauge_set(e->stats.open, (double)e->book.open);
	kmd_gauge_set(e->stats.settlement_wait, settlement_wait_s(e));
	if (e->boot != ENRICH_BOOT_TOPICS)
		tell_kafka(e);
}
