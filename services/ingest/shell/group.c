#include "group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kmd_consumer.h"
#include "kmd_group.h"
#include "kmd_left.h"
#include "kmd_log.h"
#include "kmd_mem.h"
#include "kmd_ring.h"

#define EVENTS_BYTES (256 * 1024)
#define POLL_MS 100
#define ATTEMPT_MS 2000
#define PAUSE_NS (200 * KMD_NS_PER_MS)
#define LOOK_AGAIN_NS KMD_NS_PER_S /* who is still there, while others are to take over */
#define END_S 5                    /* the client may hang where it should end */
#define RECORDS 16

struct ingest_group {
	struct kmd_app *app;
	const struct ingest_setup *setup;
	struct kmd_kafka kafka;
	struct kmd_ring *events;
	struct kmd_consumer *consumer; /* NULL: not joined, or left */
	bool ask;                      /* set before leaving is */
	atomic_bool leaving, stopping;
	pthread_t thread;
};

static void wait_a_little(int64_t ns)
{
	const struct timespec t = {ns / KMD_NS_PER_S, ns % KMD_NS_PER_S};

	nanosleep(&t, NULL);
}

static void tell(struct ingest_group *m, enum ingest_group_kind kind, size_t shard)
{
	struct ingest_group_event *e;

	while (!(e = kmd_ring_reserve(m->events, sizeof(*e))) && !atomic_load(&m->stopping))
		wait_a_little(KMD_NS_PER_MS);
	if (!e)
		return;
	*e = (struct ingest_group_event){kind, shard};
	kmd_ring_commit(m->events);
}

bool ingest_group_next(struct ingest_group *m, struct ingest_group_event *ret)
{
	struct kmd_str s = kmd_ring_peek(m->events);

	if (!s.p)
		return false;
	memcpy(ret, s.p, sizeof(*ret));
	kmd_ring_pop(m->events);
	return true;
}

/* The topic has no records; where reading begins means nothing. */
static int on_assigned(void *ctx, struct kmd_tp *tps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tps[i].offset = KMD_OFFSET_END;
		tell(ctx, INGEST_GROUP_ASSIGNED, (size_t)tps[i].partition);
	}
	return 0;
}

static void on_revoked(void *ctx, const struct kmd_tp *tps, size_t n, bool lost)
{
	struct ingest_group *m = ctx;

	if (atomic_load(&m->leaving))
		return; /* our own doing, told already */
	for (size_t i = 0; i < n; i++)
		tell(m, lost ? INGEST_GROUP_LOST : INGEST_GROUP_REVOKED, (size_t)tps[i].partition);
}

static void on_settled(void *ctx)
{
	tell(ctx, INGEST_GROUP_SETTLED, 0);
}

static const struct kmd_rebalance_ops ops = {on_assigned, on_revoked, NULL, on_settled};

/* Without all its partitions a shard would belong to nobody although the group has spoken. */
static int join(struct ingest_group *m, struct kmd_err *err)
{
	int rc = kmd_group_widen(&m->kafka, KMD_TOPIC_SHARDS, (int)m->kafka.shards, ATTEMPT_MS, err);

	if (rc == 0)
		rc = kmd_consumer_join(&m->consumer, &m->kafka, m->kafka.group, 1u << KMD_TOPIC_SHARDS, &ops, m, err);
	return rc;
}

static void try_join(struct ingest_group *m)
{
	struct kmd_err err = {0};

	if (!ingest_setup_done(m->setup)) {
		wait_a_little(PAUSE_NS);
		return;
	}
	if (join(m, &err) == 0) {
		kmd_app_ready(m->app, "shards", false, "the group has not answered yet");
		return;
	}
	kmd_app_ready(m->app, "shards", false, err.text);
	wait_a_little(PAUSE_NS);
}

static bool poll_group(struct ingest_group *m)
{
	struct kmd_record *records[RECORDS];
	int n = kmd_consumer_poll(m->consumer, records, RECORDS, POLL_MS);

	for (int i = 0; i < n; i++)
		kmd_record_free(records[i]);
	if (n < 0)
		tell(m, INGEST_GROUP_FATAL, 0);
	return n >= 0;
}

static void close_consumer(struct ingest_group *m)
{
	kmd_consumer_close(m->consumer);
	m->consumer = NULL;
}

/* More than @own members? Whoever cannot be asked about will not take over either. */
static bool has_others(const struct ingest_group *m, size_t own)
{
	struct kmd_err err = {0};
	size_t members = 0;

	if (kmd_group_members(&m->kafka, m->kafka.group, ATTEMPT_MS, &members, &err) == 0)
		return members > own;
	kmd_log(KMD_LOG_WARN, "group_unknown", "error", "%s", err.text, NULL);
	return false;
}

/* While others are to take over, they may leave too: whoever is the last waits for nobody. */
static void leave(struct ingest_group *m)
{
	bool others = m->ask && has_others(m, m->consumer ? 1 : 0);

	if (m->ask)
		tell(m, others ? INGEST_GROUP_OTHERS : INGEST_GROUP_ALONE, 0);
	close_consumer(m);
	while (others && !atomic_load(&m->stopping)) {
		wait_a_little(LOOK_AGAIN_NS);
		others = has_others(m, 0);
		if (!others)
			tell(m, INGEST_GROUP_ALONE, 0);
	}
}

static void *run(void *arg)
{
	struct ingest_group *m = arg;
	bool good = true;

	while (good && !atomic_load(&m->leaving) && !atomic_load(&m->stopping)) {
		if (m->consumer)
			good = poll_group(m);
		else
			try_join(m);
	}
	if (atomic_load(&m->leaving) && !atomic_load(&m->stopping))
		leave(m);
	close_consumer(m);
	return NULL;
}

int ingest_group_start(struct ingest_group **ret, struct kmd_app *app, const struct ingest_setup *setup,
    const struct kmd_kafka *kafka, struct kmd_err *err)
{
	struct ingest_group *m = kmd_calloc(1, sizeof(*m));

	m->app = app;
	m->setup = setup;
	m->kafka = *kafka;
	m->events = kmd_ring_new(EVENTS_BYTES);
	kmd_app_ready(app, "shards", false, "waiting for the topics");
	if (pthread_create(&m->thread, NULL, run, m) != 0) {
		kmd_ring_free(m->events);
		free(m);
		return kmd_err_set(err, KMD_EFAULT, "no thread can be started");
	}
	*ret = m;
	return 0;
}

void ingest_group_leave(struct ingest_group *m, bool ask)
{
	m->ask = ask;
	atomic_store(&m->leaving, true);
}

/* So is a client that hangs. */
void ingest_group_stop(struct ingest_group *m)
{
	struct timespec until;

	if (!m)
		return;
	atomic_store(&m->stopping, true);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_S;
	if (pthread_timedjoin_np(m->thread, NULL, &until) != 0) {
		kmd_log(KMD_LOG_WARN, "group_not_left", NULL);
		kmd_left_note();
		return;
	}
	kmd_ring_free(m->events);
	free(m);
}
