#ifndef ENRICH_CONF_H
#define ENRICH_CONF_H

#include "kmd_app.h"
#include "kmd_kafka.h"

/* Settings of kmd-enricher, filled by the table of the family. */

struct enrich_settings {
	struct kmd_app_settings app; /* first, see KMD_APP_BINDS */
	const char *rest_url, *key_id, *key_file, *ca_file;
	const char *group;
	int64_t max_in_flight;
	double rate;
	int64_t settlement_retry_ns, list_every_ns;
	bool mve;
};

extern const struct kmd_conf_bind enrich_binds[];
extern const size_t enrich_binds_count;

/** What the table cannot check: URL, key, Kafka properties. 0 or KMD_ECONFIG naming the setting. */
int enrich_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err);
/** How the broker is reached. Borrows from both. */
struct kmd_kafka enrich_conf_kafka(const struct enrich_settings *set, const struct kmd_conf *conf);

#endif
