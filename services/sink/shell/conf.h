#ifndef SINK_CONF_H
#define SINK_CONF_H

#include "kmd_app.h"
#include "kmd_kafka.h"

/* Settings of the sink: const once loaded. */

struct sink_settings {
	struct kmd_app_settings app;
	const char *database_url; /* NULL: libpq's own variables */
	const char *topics;       /* comma list without prefix, NULL: all */
	const char *group;
	int64_t writers, database_timeout_ns;
	int64_t batch_rows, batch_bytes, batch_age_ns;
	int64_t partition_ahead, retention_days;
};

extern const struct kmd_conf_bind sink_binds[];
extern const size_t sink_binds_count;

/** Checks topics, group and the KAFKA_ properties. */
int sink_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err);
struct kmd_kafka sink_conf_kafka(const struct sink_settings *set, const struct kmd_conf *conf);
/** Topics that this instance takes, as bits 1u << enum kmd_topic. KMD_ECONFIG: a name that is no topic, or none at all.
 */
int sink_conf_topics(const struct sink_settings *set, unsigned *ret_mask, struct kmd_err *err) KMD_MUST_CHECK;

#endif
