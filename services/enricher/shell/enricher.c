#include "enricher.h"

#include <stdlib.h>
#include <unistd.h>

#include "enricher_int.h"
#include "kmd_kafka_metrics.h"
#include "kmd_mem.h"

/* The life of the service: boot, turn, drain, end. */

#define BOOT_RETRY_NS (INT64_C(1) * 1000000000)
#define BOOT_CALL_MS 500
#define PRUNE_EVERY_NS \
	(INT64_C(3600) * 1000000000) /* the first time after it, when lists have refreshed what lives \
				      */
#define REFRESH_EVERY_NS (INT64_C(1) * 1000000000)

#define BIT(topic) (1u << (topic))
#define OWN_TOPICS (BIT(KMD_TOPIC_SETTLEMENTS) | BIT(KMD_TOPIC_MARKETS) | BIT(KMD_TOPIC_EVENTS) | BIT(KMD_TOPIC_SERIES))
#define GROUP_TOPICS (BIT(KMD_TOPIC_LIFECYCLE) | BIT(KMD_TOPIC_FEED))
#define ALL_TOPICS (OWN_TOPICS | GROUP_TOPICS | BIT(KMD_TOPIC_TRADES) | BIT(KMD_TOPIC_DLQ))

static int open_clients(struct enricher *e, struct kmd_err *err)
{
	const struct enrich_settings *set = e->set;
	int rc = kmd_signer_new(&e->signer, set->key_id, set->key_file, err);

	if (rc == 0)
		rc = kmd_rest_new(&e->rest, set->rest_url, set->ca_file, e->signer, (int)set->max_in_flight,
		    ENRICH_CALL_TIMEOUT_NS, enrich_on_answer, e, err);
	if (rc == 0)
		rc = kmd_producer_new(&e->producer, &e->kafka, ENRICH_QUEUE_BYTES, enrich_on_delivery, e, err);
	return rc;
}

static void free_all(struct enricher *e)
{
	kmd_consumer_close(e->group); /* first: it commits, and what is let go of below is not done */
	enrich_repairs_stop(e);
	kmd_consumer_close(e->reader);
	kmd_rest_free(e->rest);
	kmd_producer_free(e->producer);
	kmd_kafka_metrics_free(e->kafka.producer_metrics);
	kmd_kafka_metrics_free(e->kafka.group_metrics);
	kmd_signer_free(e->signer);
	enrich_batches_fini(e);
	enrich_sched_fini(&e->sched);
	enrich_windows_fini(&e->windows);
	enrich_published_fini(&e->published);
	enrich_pager_fini(&e->listing.pager);
	enrich_causes_fini(&e->listing.causes);
	enrich_book_fini(&e->book);
	enrich_slots_fini(e);
	kmd_json_fini(&e->doc);
	kmd_arena_fini(&e->arena);
	kmd_buf_fini(&e->out);
	kmd_buf_fini(&e->path);
	free(e->calls);
	free(e);
}

int enricher_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err)
{
	const struct enrich_settings *set = settings;
	struct enricher *e = kmd_calloc(1, sizeof(*e));
	int rc;

	e->app = app;
	e->set = set;
	e->kafka = enrich_conf_kafka(set, conf);
	e->kafka.producer_metrics = kmd_kafka_metrics_new(kmd_app_metrics(app), "producer");
	e->kafka.group_metrics = kmd_kafka_metrics_new(kmd_app_metrics(app), "consumer");
	e->batches.next = e->batches.prev = &e->batches;
	e->calls = kmd_calloc((size_t)set->max_in_flight + 1, sizeof(*e->calls));
	enrich_sched_init(&e->sched, set->rate, (unsigned)set->max_in_flight,
	    (uint64_t)kmd_wall_now().ns ^ ((uint64_t)getpid() << 48));
	rc = open_clients(e, err);
	if (rc < 0) {
		free_all(e);
		return rc;
	}
	enrich_stats_init(e);
	*ret_service = e;
	return 0;
}

static int boot_topics(struct enricher *e, struct kmd_err *err)
{
	int rc = kmd_kafka_ensure_topics(&e->kafka, ALL_TOPICS, BOOT_CALL_MS, err);

	kmd_app_ready(e->app, "kafka", rc == 0, rc == 0 ? "" : err->text);
	return rc;
}

static int boot_join(struct enricher *e, struct kmd_err *err)
{
	int rc = kmd_consumer_join(&e->group, &e->kafka, e->set->group, GROUP_TOPICS, &enrich_rebalance, e, err);

	if (rc < 0)
		return rc;
	kmd_app_ready(e->app, "caught_up", true, "");
	kmd_log(KMD_LOG_INFO, "caught_up", "markets", "%zu", e->published.markets.count, "events", "%zu",
	    e->published.events.count, NULL);
	/* one call to see whether exchange and key are good, where frames and lists leave nothing to do */
	enrich_sched_want(&e->sched, ENRICH_JOB_CUTOFF, ENRICH_CUTOFF_KEY, ENRICH_LANE_NEW, e->mono);
	return 0;
}

/* One step of the way to work: topics, own topics read to their end, membership. Nothing is decided before. */
static void boot(struct enricher *e)
{
	struct kmd_err err = {""};
	uint64_t suppressed;
	int rc = 0;

	if (e->boot == ENRICH_BOOTED || e->mono.ns < e->boot_again.ns)
		return;
	if (e->boot == ENRICH_BOOT_TOPICS)
		rc = boot_topics(e, &err);
	else if (e->boot == ENRICH_BOOT_READ)
		rc = kmd_consumer_read(&e->reader, &e->kafka, OWN_TOPICS, KMD_OFFSET_BEGINNING, &err);
	else if (e->boot == ENRICH_BOOT_CATCH_UP && !kmd_consumer_caught_up(e->reader))
		return;
	else if (e->boot == ENRICH_BOOT_JOIN)
		rc = boot_join(e, &err);
	if (rc == 0) {
		e->boot++;
		return;
	}
	e->boot_again.ns = e->mono.ns + BOOT_RETRY_NS;
	if (kmd_burst_pass(&e->burst_boot, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "boot_waits", "why", "%s", err.text, "suppressed", "%llu",
		    (unsigned long long)suppressed, NULL);
}

static void keep_house(struct enricher *e)
{
	if (e->mono.ns >= e->commit_due.ns) {
		e->commit_due.ns = e->mono.ns + ENRICH_COMMIT_EVERY_NS;
		enrich_slots_commit(e, false);
	}
	if (e->mono.ns >= e->refresh_due.ns) {
		e->refresh_due.ns = e->mono.ns + REFRESH_EVERY_NS;
		enrich_key_refresh(e);
		enrich_slots_find_astray(e);
	}
	e->published.forget_ns = e->wall.ns - ENRICH_FORGET_AFTER_NS;
	if (e->boot != ENRICH_BOOTED || e->prune_due.ns == 0)
		e->prune_due.ns = e->mono.ns + PRUNE_EVERY_NS;
	if (e->mono.ns >= e->prune_due.ns) {
		e->prune_due.ns = e->mono.ns + PRUNE_EVERY_NS;
		enrich_published_prune(&e->published);
	}
}

/* Sleeps until something happens or is due; answers are handled in here. */
static void wait_and_answer(struct enricher *e)
{
	int64_t max_ns = e->more ? 0 : ENRICH_TURN_MS * KMD_NS_PER_MS;
	int64_t wait_ns = max_ns;
	int fds[3];
	size_t n = 0;

	e->more = false;
	if (e->boot == ENRICH_BOOTED && !e->drains)
		wait_ns = enrich_sched_wait_ns(&e->sched, e->mono, max_ns);
	fds[n++] = kmd_producer_fd(e->producer);
	if (e->reader)
		fds[n++] = kmd_consumer_fd(e->reader);
	if (e->group && !e->drains)
		fds[n++] = kmd_consumer_fd(e->group);
	kmd_rest_poll(e->rest, fds, n, (int)((wait_ns + KMD_NS_PER_MS - 1) / KMD_NS_PER_MS));
	e->mono = kmd_mono_now();
	e->wall = kmd_wall_now();
}

static void expire_parked(struct enricher *e)
{
	struct enrich_job *job;

	kmd_arena_reset(&e->arena);
	while ((job = enrich_sched_expired(&e->sched, e->mono)))
		enrich_unpark(e, job);
}

static enum kmd_verdict check_fatal(struct enricher *e)
{
	const char *why = "";

	if (e->fatal)
		why = "a consumer";
	else if (!kmd_producer_fatal(e->producer, &why))
		return KMD_APP_MORE;
	kmd_app_fail(e->app, KMD_EXIT_SOFTWARE, "the broker client failed for good: %s", why);
	return KMD_APP_FATAL;
}

/* No intake, no new calls; those under way are waited for a while, then what is produced is flushed and committed. */
static enum kmd_verdict drain(struct enricher *e, const struct kmd_tick *tick)
{
	if (!e->drains)
		e->drain_calls_until.ns = tick->mono.ns + ENRICH_DRAIN_CALLS_NS;
	e->drains = true;
	wait_and_answer(e);
	kmd_producer_poll(e->producer, 0);
	enrich_slots_settle(e);
	enrich_stats_turn(e);
	if (e->sched.in_flight > 0 && e->mono.ns < e->drain_calls_until.ns)
		return KMD_APP_MORE;
	if (kmd_producer_outstanding(e->producer, NULL) > 0)
		return check_fatal(e);
	return KMD_APP_DONE;
}

enum kmd_verdict enricher_step(void *service, const struct kmd_tick *tick)
{
	struct enricher *e = service;

	e->mono = tick->mono;
	e->wall = tick->wall;
	if (tick->phase == KMD_PHASE_DRAIN)
		return drain(e, tick);
	wait_and_answer(e);
	boot(e);
	if (e->reader)
		enrich_intake_own(e);
	if (e->group) {
		enrich_intake_group(e);
		expire_parked(e);
		enrich_fetch_start(e);
	}
	kmd_producer_poll(e->producer, 0);
	enrich_slots_settle(e);
	if (e->group)
		enrich_slots_pace(e);
	keep_house(e);
	enrich_stats_turn(e);
	return check_fatal(e);
}

/* What was sent and is not acknowledged, per topic, in one line. */
static bool tell_left(const struct enricher *e)
{
	struct kmd_buf line = {0};
	bool nothing;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (e->unreported[t] > 0)
			kmd_buf_addf(&line, "%s%s=%llu", line.n > 0 ? " " : "", kmd_topic_name((enum kmd_topic)t),
			    (unsigned long long)e->unreported[t]);
	nothing = line.n == 0;
	kmd_buf_addc(&line, '\0');
	if (!nothing)
		kmd_log(KMD_LOG_ERROR, "left_unflushed", "records", "%s", line.p, NULL);
	kmd_buf_fini(&line);
	return nothing;
}

bool enricher_fini(void *service)
{
	struct enricher *e = service;
	bool flushed = tell_left(e);

	enrich_slots_settle(e);
	enrich_slots_commit(e, false); /* the closing waits for it */
	free_all(e);
	return flushed;
}
