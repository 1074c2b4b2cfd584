#include "hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kmd_kafka_metrics.h"
#include "kmd_mem.h"
#include "kmd_time.h"

void hub_init(
    struct hub *h, const struct sink_settings *set, const struct kmd_kafka *kafka, struct kmd_metrics *metrics)
{
	pthread_condattr_t attr;

	h->set = set;
	h->kafka = *kafka;
	h->kafka.group_metrics = kmd_kafka_metrics_new(metrics, "consumer");
	sink_stats_init(&h->stats, metrics);
	h->connections = (size_t)set->writers + 1;
	h->database = kmd_calloc(h->connections, sizeof(*h->database));
	for (size_t i = 0; i < h->connections; i++)
		snprintf(h->database[i].why, HUB_WHY_MAX, "not connected yet");
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->bell, &attr);
	pthread_condattr_destroy(&attr);
}

void hub_fini(struct hub *h)
{
	pthread_cond_destroy(&h->bell);
	pthread_mutex_destroy(&h->lock);
	free(h->database);
	kmd_kafka_metrics_free(h->kafka.group_metrics);
}

struct sink_clock hub_clock(const struct hub *h)
{
	const int64_t now_ns = kmd_wall_now().ns;
	const int64_t days = h->set->retention_days;

	return (struct sink_clock){now_ns, days > 0 ? kmd_time_day(now_ns) - (int32_t)days : INT32_MIN};
}

bool hub_database(struct hub *h, size_t connection, bool ok, const char *why)
{
	struct hub_health *d = &h->database[connection];
	bool news;

	pthread_mutex_lock(&h->lock);
	news = d->ok != ok;
	d->ok = ok;
	snprintf(d->why, HUB_WHY_MAX, "%s", why ? why : "");
	pthread_mutex_unlock(&h->lock);
	return news;
}

bool hub_database_ok(struct hub *h, char ret_why[HUB_WHY_MAX])
{
	bool ok = true;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->connections && ok; i++) {
		ok = h->database[i].ok;
		snprintf(ret_why, HUB_WHY_MAX, "%s", h->database[i].why);
	}
	pthread_mutex_unlock(&h->lock);
	return ok;
}

void hub_ring(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	pthread_cond_broadcast(&h->bell);
	pthread_mutex_unlock(&h->lock);
}

void hub_wait(struct hub *h, int64_t ns)
{
	const int64_t at = kmd_mono_now().ns + ns;
	const struct timespec deadline = {.tv_sec = at / KMD_NS_PER_S, .tv_nsec = at % KMD_NS_PER_S};

	pthread_mutex_lock(&h->lock);
	if (!atomic_load(&h->abandon)) /* the last bell may have rung already */
		pthread_cond_timedwait(&h->bell, &h->lock, &deadline);
	pthread_mutex_unlock(&h->lock);
}
