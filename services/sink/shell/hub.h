#ifndef SINK_HUB_H
#define SINK_HUB_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf.h"
#include "sink_row.h"
#include "stats.h"

/*
 * What main loop, keeper and writers share: settings, metrics, what is wrong with the database, and a bell for those
 * who wait.
 */

#define HUB_WHY_MAX 300

struct hub_health {
	bool ok;
	char why[HUB_WHY_MAX];
};

struct hub {
	const struct sink_settings *set;
	struct kmd_kafka kafka;
	struct sink_stats stats;
	size_t connections; /* the keeper's (0) and the writers' (1 to) */

	atomic_bool flush;   /* draining: batches are due at once */
	atomic_bool abandon; /* the drain is over: stop retrying, end */

	pthread_mutex_t lock;
	pthread_cond_t bell;
	struct hub_health *database; /* by connection; guarded by lock */
};

/** Registers the series in @metrics. */
void hub_init(
    struct hub *h, const struct sink_settings *set, const struct kmd_kafka *kafka, struct kmd_metrics *metrics);
void hub_fini(struct hub *h);
/** What now means to a row. Any thread. */
struct sink_clock hub_clock(const struct hub *h);
/** How a connection's last attempt went; @why borrowed, NULL when ok. Returns whether that is news. Any thread. */
bool hub_database(struct hub *h, size_t connection, bool ok, const char *why);
/** All of them: false and the first that is not well. Any thread. */
bool hub_database_ok(struct hub *h, char ret_why[HUB_WHY_MAX]);
/** Wakes all who wait. Any thread. */
void hub_ring(struct hub *h);
/** Sleeps until the bell rings or @ns have passed; not at all once abandon is set. Any thread. */
void hub_wait(struct hub *h, int64_t ns);

#endif
