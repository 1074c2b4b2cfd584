#include "setup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "kmd_log.h"
#include "kmd_mem.h"

#define ATTEMPT_MS 2000
#define PAUSE_NS (200 * 1000 * 1000)

struct ingest_setup {
	struct kmd_app *app;
	const struct kmd_kafka *kafka;
	atomic_bool done, stopping;
	pthread_t thread;
};

static const unsigned needed = 1u << KMD_TOPIC_TRADES | 1u << KMD_TOPIC_ORDERBOOK | 1u << KMD_TOPIC_TICKERS |
			       1u << KMD_TOPIC_LIFECYCLE | 1u << KMD_TOPIC_CONTROL | 1u << KMD_TOPIC_OTHER |
			       1u << KMD_TOPIC_FEED | 1u << KMD_TOPIC_MARKETS | 1u << KMD_TOPIC_DLQ |
			       1u << KMD_TOPIC_SHARDS;

static void *run(void *arg)
{
	struct ingest_setup *s = arg;
	struct timespec pause = {0, PAUSE_NS};
	struct kmd_err err = {0};

	while (!atomic_load(&s->stopping)) {
		if (kmd_kafka_ensure_topics(s->kafka, needed, ATTEMPT_MS, &err) == 0) {
			kmd_log(KMD_LOG_INFO, "topics_there", NULL);
			atomic_store(&s->done, true);
			break;
		}
		kmd_app_ready(s->app, "kafka", false, err.text);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int ingest_setup_start(
    struct ingest_setup **ret, struct kmd_app *app, const struct kmd_kafka *kafka, struct kmd_err *err)
{
	struct ingest_setup *s = kmd_calloc(1, sizeof(*s));

	s->app = app;
	s->kafka = kafka;
	kmd_app_ready(app, "kafka", false, "looking for the topics");
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		free(s);
		return kmd_err_set(err, KMD_EFAULT, "no thread can be started");
	}
	*ret = s;
	return 0;
}

bool ingest_setup_done(const struct ingest_setup *s)
{
	return atomic_load(&s->done);
}

void ingest_setup_stop(struct ingest_setup *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	pthread_join(s->thread, NULL);
	free(s);
}
