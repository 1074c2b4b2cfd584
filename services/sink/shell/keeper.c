#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db.h"
#include "kmd_log.h"
#include "kmd_mem.h"
#include "kmd_time.h"
#include "platform.h"
#include "schema.h"

#define LOOK_EVERY_NS KMD_NS_PER_S           /* until all is ready */
#define HEALTH_EVERY_NS (5 * KMD_NS_PER_S)   /* afterwards */
#define TABLES_EVERY_NS (60 * KMD_NS_PER_S)  /* partitions ahead, retention */
#define IDS_EVERY_NS (60 * KMD_NS_PER_S)     /* topic ids */
#define PRUNE_EVERY_NS (3600 * KMD_NS_PER_S) /* old lineages */
#define BROKER_MS 2000
/* A frame of a lineage that was not heard of for so long does not come again. */
#define LINEAGE_KEPT "90 days"

struct keeper {
	struct hub *hub;
	struct kmd_app *app;
	unsigned mask;
	pthread_t thread;
	struct db db;

	atomic_bool ready, foreign;
	char foreign_text[512]; /* written before foreign is set */
	pthread_mutex_t lock;
	char topic_ids[KMD_TOPIC_COUNT][64]; /* guarded by lock */

	/* The thread's own. */
	char *cluster;
	bool topics_made, claimed, told; /* told: how the first attempt at the database went */
	int64_t tables_ns, ids_ns, prune_ns; /* next time, monotonic */
};

static bool ready_schema(struct keeper *k)
{
	struct kmd_err err = {0};
	char why[300] = "";
	int version;

	if (schema_read(&k->db, &version, &err) < 0) {
		snprintf(why, sizeof(why), "%.250s", err.text);
		version = -1;
	} else if (version != schema_version()) {
		snprintf(why, sizeof(why), "schema kalshi is at version %d, this program needs %d (kmd-sink --migrate)",
		    version, schema_version());
	}
	kmd_app_ready(k->app, "schema", version == schema_version(), why[0] ? why : NULL);
	return version == schema_version();
}

static bool open_database(struct keeper *k)
{
	struct kmd_err err = {0};
	const int rc = db_open(&k->db, &err);

	if (hub_database(k->hub, 0, rc == 0, err.text) || !k->told)
		kmd_log(rc == 0 ? KMD_LOG_INFO : KMD_LOG_WARN, rc == 0 ? "database_ok" : "database_trouble", "why",
		    "%s", err.text, NULL);
	k->told = true;
	return rc == 0;
}

/* 78 whenever it is first reached, with or without a broker. */
static bool is_our_platform(struct keeper *k)
{
	const struct sink_settings *set = k->hub->set;
	struct kmd_err err = {0};
	int rc;

	if (k->cluster && !k->claimed)
		rc = platform_claim(&k->db, set->app.topic_prefix, set->group, k->cluster, &err);
	else
		rc = platform_check(&k->db, set->app.topic_prefix, set->group, k->cluster, &err);
	if (rc == KMD_EFOREIGN && !atomic_load(&k->foreign)) {
		snprintf(k->foreign_text, sizeof(k->foreign_text), "%s", err.text);
		atomic_store(&k->foreign, true);
	} else if (rc < 0) {
		kmd_log(KMD_LOG_WARN, "platform_unknown", "why", "%s", err.text, NULL);
	}
	k->claimed = k->claimed || (rc == 0 && k->cluster);
	return rc == 0;
}

static bool has_topics(struct keeper *k)
{
	struct kmd_err err = {0};
	int rc = 0;

	if (!k->topics_made)
		rc = kmd_kafka_ensure_topics(&k->hub->kafka, k->mask, BROKER_MS, &err);
	k->topics_made = k->topics_made || rc == 0;
	if (rc == 0 && !k->cluster)
		rc = kmd_kafka_cluster_id(&k->hub->kafka, BROKER_MS, &k->cluster, &err);
	if (rc < 0)
		kmd_app_ready(k->app, "kafka", false, err.text);
	return rc == 0;
}

static void read_topic_ids(struct keeper *k)
{
	for (int t = 0; t < KMD_TOPIC_COUNT && !atomic_load(&k->hub->abandon); t++) {
		char *id;

		if (!(k->mask & 1u << t))
			continue;
		if (kmd_kafka_topic_id(&k->hub->kafka, (enum kmd_topic)t, BROKER_MS, &id, NULL) < 0)
			return; /* this librdkafka cannot tell, or the broker is away */
		pthread_mutex_lock(&k->lock);
		snprintf(k->topic_ids[t], sizeof(k->topic_ids[t]), "%s", id);
		pthread_mutex_unlock(&k->lock);
		free(id);
	}
}

/* Topics first asked for while the database is away too, so that /readyz names both. */
static void get_ready(struct keeper *k)
{
	const bool database = open_database(k), topics = has_topics(k);

	if (database && ready_schema(k) && is_our_platform(k) && topics && k->claimed) {
		read_topic_ids(k); /* before the first claims */
		atomic_store(&k->ready, true);
	}
}

static void day_text(int32_t day, char ret[24])
{
	int year, month, mday;

	kmd_time_civil(day, &year, &month, &mday);
	snprintf(ret, 24, "%04d-%02d-%02d", year, month, mday);
}

static int make_ahead(struct keeper *k, int32_t today, struct kmd_err *err)
{
	int rc = 0;

	for (int t = 0; t < SINK_TABLE_COUNT; t++) {
		int32_t last = INT32_MIN;

		if (sink_tables[t].period == SINK_BY_NOTHING)
			continue;
		for (int32_t d = today; d <= today + (int32_t)k->hub->set->partition_ahead && rc == 0; d++) {
			const int32_t first = sink_table_period_start((enum sink_table)t, d);
			char day[24];
			const char *const params[] = {sink_tables[t].name, day};

			if (first == last)
				continue;
			last = first;
			day_text(first, day);
			rc = db_exec(&k->db, "SELECT kalshi.ensure_partition($1, $2::date)", params, 2, NULL, err);
		}
	}
	return rc;
}

/* One step of retention on one table; true: there may be more to do. */
static bool expire_one(struct keeper *k, const char *table, const char *before)
{
	const char *const params[] = {table, before};
	struct kmd_pg_result *r;
	struct kmd_err err;
	bool more;

	if (db_exec(&k->db, "SELECT kalshi.expire_partition($1, $2::date)", params, 2, &r, &err) < 0) {
		kmd_log(KMD_LOG_INFO, "retention_waits", "table", "%s", table, "why", "%s", err.text, NULL);
		return false;
	}
	more = kmd_pg_value(r, 0, 0) != NULL;
	if (more)
		kmd_log(KMD_LOG_INFO, "retention", "did", "%s", kmd_pg_value(r, 0, 0), NULL);
	kmd_pg_result_free(r);
	return more;
}

static void expire(struct keeper *k, int32_t today)
{
	char before[24];

	if (k->hub->set->retention_days == 0)
		return;
	day_text(today - (int32_t)k->hub->set->retention_days, before);
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		while (sink_tables[t].frames && !atomic_load(&k->hub->abandon) &&
		       expire_one(k, sink_tables[t].name, before))
			;
}

static void keep_tables(struct keeper *k)
{
	const int32_t today = kmd_time_day(kmd_wall_now().ns);
	struct kmd_err err = {0};

	if (make_ahead(k, today, &err) < 0)
		kmd_log(KMD_LOG_WARN, "partitions_not_made", "why", "%s", err.text, NULL);
	else
		kmd_gauge_set(k->hub->stats.partitions_end,
		    (double)(today + k->hub->set->partition_ahead + 1) * KMD_S_PER_DAY);
	expire(k, today);
}

static void prune(struct keeper *k)
{
	struct kmd_err err = {0};

	if (db_do(&k->db, "DELETE FROM kalshi.sink_lineages WHERE seen_at < now() - interval '" LINEAGE_KEPT "'",
		&err) < 0)
		kmd_log(KMD_LOG_WARN, "lineages_not_pruned", "why", "%s", err.text, NULL);
}

static bool is_time(int64_t *next_ns, int64_t every_ns)
{
	const int64_t now_ns = kmd_mono_now().ns;

	if (now_ns < *next_ns)
		return false;
	*next_ns = now_ns + every_ns;
	return true;
}

static void keep(struct keeper *k)
{
	struct kmd_err err = {0};

	if (is_time(&k->ids_ns, IDS_EVERY_NS))
		read_topic_ids(k);
	if (k->db.pg && kmd_pg_alive(k->db.pg) && db_do(&k->db, "SELECT 1", &err) < 0)
		db_close(&k->db);
	if (!open_database(k) || !ready_schema(k) || !is_our_platform(k))
		return;
	if (is_time(&k->tables_ns, TABLES_EVERY_NS))
		keep_tables(k);
	if (is_time(&k->prune_ns, PRUNE_EVERY_NS))
		prune(k);
}

static void *run(void *arg)
{
	struct keeper *k = arg;

	while (!atomic_load(&k->hub->abandon) && !atomic_load(&k->foreign)) {
		if (atomic_load(&k->ready))
			keep(k);
		else
			get_ready(k);
		/* The first partitions before the first records. */
		if (atomic_load(&k->ready) && k->tables_ns == 0)
			continue;
		hub_wait(k->hub, atomic_load(&k->ready) ? HEALTH_EVERY_NS : LOOK_EVERY_NS);
	}
	db_close(&k->db);
	return NULL;
}

struct keeper *keeper_start(struct hub *hub, struct kmd_app *app, unsigned mask)
{
	struct keeper *k = kmd_calloc(1, sizeof(*k));

	k->hub = hub;
	k->app = app;
	k->mask = mask;
	k->db.url = hub->set->database_url;
	k->db.answer_ms = (int)(hub->set->database_timeout_ns / KMD_NS_PER_MS);
	pthread_mutex_init(&k->lock, NULL);
	kmd_app_ready(app, "schema", false, "not read yet");
	if (pthread_create(&k->thread, NULL, run, k) != 0)
		abort(); /* no thread is like no memory */
	return k;
}

bool keeper_ready(struct keeper *k)
{
	return atomic_load(&k->ready);
}

bool keeper_foreign(struct keeper *k, const char **ret_text)
{
	if (!atomic_load(&k->foreign))
		return false;
	*ret_text = k->foreign_text;
	return true;
}

void keeper_topic_id(struct keeper *k, enum kmd_topic t, char ret[64])
{
	pthread_mutex_lock(&k->lock);
	memcpy(ret, k->topic_ids[t], 64);
	pthread_mutex_unlock(&k->lock);
}

bool keeper_stop(struct keeper *k, int timeout_ms)
{
	const int64_t at = kmd_wall_now().ns + timeout_ms * KMD_NS_PER_MS;
	const struct timespec deadline = {.tv_sec = at / KMD_NS_PER_S, .tv_nsec = at % KMD_NS_PER_S};

	hub_ring(k->hub);
	if (pthread_timedjoin_np(k->thread, NULL, &deadline) != 0)
		return false;
	pthread_mutex_destroy(&k->lock);
	free(k->cluster);
	free(k);
	return true;
}
