#include "conf.h"

#include <stddef.h>

#include "kmd_pg.h"

const struct kmd_conf_bind sink_binds[] = {
    KMD_APP_BINDS(struct sink_settings, app),
    {"DATABASE_URL", offsetof(struct sink_settings, database_url)},
    {"KMD_SINK_TOPICS", offsetof(struct sink_settings, topics)},
    {"KMD_SINK_GROUP", offsetof(struct sink_settings, group)},
    {"KMD_SINK_WRITERS", offsetof(struct sink_settings, writers)},
    {"KMD_SINK_DATABASE_TIMEOUT", offsetof(struct sink_settings, database_timeout_ns)},
    {"KMD_SINK_BATCH_ROWS", offsetof(struct sink_settings, batch_rows)},
    {"KMD_SINK_BATCH_BYTES", offsetof(struct sink_settings, batch_bytes)},
    {"KMD_SINK_BATCH_AGE", offsetof(struct sink_settings, batch_age_ns)},
    {"KMD_SINK_PARTITION_AHEAD", offsetof(struct sink_settings, partition_ahead)},
    {"KMD_SINK_RETENTION_DAYS", offsetof(struct sink_settings, retention_days)},
};
const size_t sink_binds_count = sizeof(sink_binds) / sizeof(sink_binds[0]);

struct kmd_kafka sink_conf_kafka(const struct sink_settings *set, const struct kmd_conf *conf)
{
	return (struct kmd_kafka){
	    .conf = conf,
	    .prefix = set->app.topic_prefix,
	    .client_id = "kmd-sink",
	    .topic_create = set->app.topic_create,
	    .partitions = set->app.topic_partitions,
	    .replication = set->app.topic_replication,
	    .retention_ns = set->app.topic_retention_ns,
	    .shards = 1,
	    .group = set->group,
	};
}

int sink_conf_topics(const struct sink_settings *set, unsigned *ret_mask, struct kmd_err *err)
{
	const unsigned all = ((1u << KMD_TOPIC_COUNT) - 1) & ~(1u << KMD_TOPIC_SHARDS);
	struct kmd_str rest = kmd_str_z(set->topics), piece;
	enum kmd_topic t;
	unsigned mask = 0;

	if (kmd_str_trim(rest).n == 0) {
		*ret_mask = all;
		return 0;
	}
	while (kmd_str_split(&rest, ',', &piece)) {
		piece = kmd_str_trim(piece);
		if (piece.n == 0)
			continue;
		if (!kmd_topic_find(piece, &t))
			return kmd_err_set(err, KMD_ECONFIG, "KMD_SINK_TOPICS: %.*s is not a topic of the platform",
			    KMD_STR_ARG(piece));
		mask |= 1u << t;
	}
	mask &= all;
	if (!mask)
		return kmd_err_set(err, KMD_ECONFIG, "KMD_SINK_TOPICS names no topic that has records");
	*ret_mask = mask;
	return 0;
}

int sink_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct sink_settings *set = settings;
	const struct kmd_kafka kafka = sink_conf_kafka(set, conf);
	unsigned mask;
	int rc = sink_conf_topics(set, &mask, err);

	if (rc == 0 && !*set->group)
		rc = kmd_err_set(err, KMD_ECONFIG, "KMD_SINK_GROUP is empty");
	if (rc == 0)
		rc = kmd_pg_check(set->database_url, err);
	return rc == 0 ? kmd_kafka_check(&kafka, err) : rc;
}
