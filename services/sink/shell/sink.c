#include "sink.h"

#include <stdlib.h>

#include "kmd_left.h"
#include "kmd_log.h"
#include "kmd_mem.h"
#include "owns.h"

#define POLL_MAX 1000
#define POLL_MS 50
/*
 * A writer that holds enough is waited for so long, and looked at so often, before its partitions are paused: a paused
 * partition is fetched anew from where it stood, all that the client had of it in advance is thrown away.
 */
#define ROOM_NS KMD_NS_PER_S
#define ROOM_LOOK_NS (5 * KMD_NS_PER_MS)
#define LOOK_NS (200 * KMD_NS_PER_MS)
#define MEASURE_NS KMD_NS_PER_S
/* A thread that hangs in a call is waited for so long at the end. */
#define STOP_MS 2000

struct sink {
	struct kmd_app *app;
	struct hub hub;
	struct keeper *keeper;
	struct owns owns;
	unsigned mask;
	bool writers_started;
	struct kmd_mono look, measure; /* when to do so next */
};

int sink_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err)
{
	const struct sink_settings *set = settings;
	const struct kmd_kafka kafka = sink_conf_kafka(set, conf);
	struct sink *s;
	unsigned mask;
	const int rc = sink_conf_topics(set, &mask, err);

	if (rc < 0)
		return rc;
	s = kmd_calloc(1, sizeof(*s));
	s->app = app;
	s->mask = mask;
	hub_init(&s->hub, set, &kafka, kmd_app_metrics(app));
	s->owns.hub = &s->hub;
	s->owns.writers_count = (size_t)set->writers;
	s->owns.writers = kmd_calloc(s->owns.writers_count, sizeof(struct writer *));
	s->owns.writer_parts = kmd_calloc(s->owns.writers_count, sizeof(size_t));
	s->owns.writer_full = kmd_calloc(s->owns.writers_count, sizeof(bool));
	kmd_app_ready(app, "database", false, "not connected yet");
	kmd_app_ready(app, "kafka", false, "not connected yet");
	s->owns.keeper = s->keeper = keeper_start(&s->hub, app, mask);
	for (size_t i = 0; i < s->owns.writers_count; i++)
		s->owns.writers[i] = writer_start(&s->hub, i + 1);
	*ret_service = s;
	return 0;
}

static void tell_readiness(struct sink *s)
{
	char why[HUB_WHY_MAX];
	const char *kafka_why = NULL;
	bool ok = hub_database_ok(&s->hub, why);

	kmd_app_ready(s->app, "database", ok, ok ? NULL : why);
	if (!s->owns.consumer)
		return; /* the keeper tells about the broker */
	ok = kmd_consumer_connected(s->owns.consumer, &kafka_why);
	kmd_app_ready(s->app, "kafka", ok, ok ? NULL : kafka_why);
	kmd_app_ready(s->app, "partitions", s->owns.stopped == 0, s->owns.stopped ? s->owns.stopped_why : NULL);
}

static void look(struct sink *s, struct kmd_mono now)
{
	if (now.ns < s->look.ns)
		return;
	s->look.ns = now.ns + LOOK_NS;
	tell_readiness(s);
	if (!s->owns.consumer || now.ns < s->measure.ns)
		return;
	s->measure.ns = now.ns + MEASURE_NS;
	owns_measure(&s->owns, now);
	owns_hint(&s->owns);
}

/* The group is joined when there is a place to write to. */
static bool join(struct sink *s)
{
	struct kmd_err err = {0};

	if (!keeper_ready(s->keeper)) {
		hub_wait(&s->hub, POLL_MS * KMD_NS_PER_MS);
		return true;
	}
	if (kmd_consumer_join(
		&s->owns.consumer, &s->hub.kafka, s->hub.set->group, s->mask, &owns_rebalance, &s->owns, &err) == 0)
		return true;
	kmd_app_fail(s->app, KMD_EXIT_CONFIG, "joining group %s: %s", s->hub.set->group, err.text);
	return false;
}

static enum kmd_verdict run(struct sink *s, struct kmd_mono now)
{
	struct kmd_record *records[POLL_MAX];
	const char *text;
	int n;

	if (keeper_foreign(s->keeper, &text)) {
		kmd_app_fail(s->app, KMD_EXIT_CONFIG, "%s", text);
		return KMD_APP_FATAL;
	}
	look(s, now);
	if (!s->owns.consumer)
		return join(s) ? KMD_APP_MORE : KMD_APP_FATAL;
	if (owns_wait(&s->owns, now, ROOM_NS)) {
		hub_wait(&s->hub, ROOM_LOOK_NS);
		return KMD_APP_MORE;
	}
	n = kmd_consumer_poll(s->owns.consumer, records, POLL_MAX, POLL_MS);
	if (n < 0) {
		kmd_app_fail(s->app, KMD_EXIT_SOFTWARE, "the broker client has failed for good");
		return KMD_APP_FATAL;
	}
	owns_dispatch(&s->owns, records, n);
	owns_turn(&s->owns, now);
	return KMD_APP_MORE;
}

static int64_t held_bytes(const struct sink *s)
{
	int64_t held = 0;

	for (size_t i = 0; i < s->owns.writers_count; i++)
		held += writer_held_bytes(s->owns.writers[i]);
	return held;
}

/* No record is taken any more; what is held is written, then the group is left. */
static enum kmd_verdict drain(struct sink *s)
{
	if (!atomic_exchange(&s->hub.flush, true))
		hub_ring(&s->hub);
	tell_readiness(s);
	if (held_bytes(s) > 0) {
		hub_wait(&s->hub, 20 * KMD_NS_PER_MS);
		return KMD_APP_MORE;
	}
	if (s->owns.consumer) {
		owns_hint(&s->owns);
		kmd_consumer_close(s->owns.consumer);
		s->owns.consumer = NULL;
	}
	return KMD_APP_DONE;
}

enum kmd_verdict sink_step(void *service, const struct kmd_tick *tick)
{
	struct sink *s = service;

	return tick->phase == KMD_PHASE_RUN ? run(s, tick->mono) : drain(s);
}

/* What was taken from Kafka and is not in Postgres, per topic, in one line. It is read again next time. */
static bool tell_unwritten(const uint64_t unwritten[KMD_TOPIC_COUNT])
{
	struct kmd_buf line = {0};
	bool nothing;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++)
		if (unwritten[t] > 0)
			kmd_buf_addf(&line, "%s%s=%llu", line.n > 0 ? " " : "", kmd_topic_name((enum kmd_topic)t),
			    (unsigned long long)unwritten[t]);
	nothing = line.n == 0;
	kmd_buf_addc(&line, '\0');
	if (!nothing)
		kmd_log(KMD_LOG_ERROR, "left_unflushed", "records", "%s", line.p, NULL);
	kmd_buf_fini(&line);
	return nothing;
}

bool sink_fini(void *service)
{
	struct sink *s = service;
	uint64_t unwritten[KMD_TOPIC_COUNT] = {0};
	bool ended, nothing_held = held_bytes(s) == 0;

	atomic_store(&s->hub.abandon, true);
	s->owns.closing = true;
	hub_ring(&s->hub);
	ended = keeper_stop(s->keeper, STOP_MS);
	for (size_t i = 0; i < s->owns.writers_count; i++)
		ended = writer_stop(s->owns.writers[i], STOP_MS, unwritten) && ended;
	if (!ended) {
		/* A thread hangs in a call to Postgres; what it uses stays until the process ends. */
		kmd_log(KMD_LOG_WARN, "database_does_not_answer", NULL);
		kmd_left_note();
		return tell_unwritten(unwritten) && nothing_held;
	}
	kmd_consumer_close(s->owns.consumer);
	owns_fini(&s->owns);
	hub_fini(&s->hub);
	free(s);
	return tell_unwritten(unwritten);
}
