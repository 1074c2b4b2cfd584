#include "conf.h"

#include <stddef.h>

#include "kmd_sign.h"

const struct kmd_conf_bind enrich_binds[] = {
    KMD_APP_BINDS(struct enrich_settings, app),
    {"KALSHI_REST_BASE_URL", offsetof(struct enrich_settings, rest_url)},
    {"KALSHI_API_KEY_ID", offsetof(struct enrich_settings, key_id)},
    {"KALSHI_PRIVATE_KEY_FILE", offsetof(struct enrich_settings, key_file)},
    {"KALSHI_CA_FILE", offsetof(struct enrich_settings, ca_file)},
    {"KMD_ENRICHER_GROUP", offsetof(struct enrich_settings, group)},
    {"KMD_ENRICHER_MAX_IN_FLIGHT", offsetof(struct enrich_settings, max_in_flight)},
    {"KMD_ENRICHER_RATE", offsetof(struct enrich_settings, rate)},
    {"KMD_ENRICHER_SETTLEMENT_RETRY", offsetof(struct enrich_settings, settlement_retry_ns)},
    {"KMD_ENRICHER_LIST_EVERY", offsetof(struct enrich_settings, list_every_ns)},
    {"KMD_ENRICHER_MVE", offsetof(struct enrich_settings, mve)},
};
const size_t enrich_binds_count = sizeof(enrich_binds) / sizeof(enrich_binds[0]);

struct kmd_kafka enrich_conf_kafka(const struct enrich_settings *set, const struct kmd_conf *conf)
{
	return (struct kmd_kafka){
	    .conf = conf,
	    .prefix = set->app.topic_prefix,
	    .client_id = "kmd-enricher",
	    .topic_create = set->app.topic_create,
	    .partitions = set->app.topic_partitions,
	    .replication = set->app.topic_replication,
	    .retention_ns = set->app.topic_retention_ns,
	    .shards = 1,
	};
}

static int check_key(const struct enrich_settings *set, struct kmd_err *err)
{
	struct kmd_signer *signer;
	int rc;

	if (!set->key_id || !*set->key_id)
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID is not set");
	if (!set->key_file || !*set->key_file)
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_PRIVATE_KEY_FILE is not set");
	rc = kmd_signer_new(&signer, set->key_id, set->key_file, err);
	if (rc < 0)
		return rc;
	kmd_signer_free(signer);
	return 0;
}

int enrich_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct enrich_settings *set = settings;
	struct kmd_kafka kafka = enrich_conf_kafka(set, conf);
	int rc;

	rc = kmd_app_check_url(
	    "KALSHI_REST_BASE_URL", set->rest_url, "http://", "https://", set->app.allow_plaintext, err);
	if (rc == 0)
		rc = check_key(set, err);
	if (rc == 0)
		rc = kmd_sign_check_ca(set->ca_file, err);
	if (rc == 0 && !*set->group)
		rc = kmd_err_set(err, KMD_ECONFIG, "KMD_ENRICHER_GROUP is empty");
	if (rc == 0)
		rc = kmd_kafka_check(&kafka, err);
	return rc;
}
