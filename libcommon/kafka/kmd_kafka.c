#include "kmd_kafka.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "kafka_int.h"

#define LONGEST_TOPIC 249

void kmd_kafka_topic_name(const struct kmd_kafka *k, enum kmd_topic t, char ret[256])
{
	snprintf(ret, KAFKA_NAME_MAX, "%s%s", k->prefix ? k->prefix : "", kmd_topic_name(t));
}

bool kafka_topic_find(const char *prefix, const char *name, enum kmd_topic *ret)
{
	const size_t n = prefix ? strlen(prefix) : 0;

	return strncmp(name, prefix ? prefix : "", n) == 0 && kmd_topic_find(kmd_str_z(name + n), ret);
}

static int check_prefix(const char *prefix, struct kmd_err *err)
{
	/* "settlements" is the longest name behind it. */
	if (strlen(prefix) > LONGEST_TOPIC - sizeof("settlements"))
		return kmd_err_set(err, KMD_ECONFIG, "KMD_TOPIC_PREFIX: topic names would be longer than Kafka's 249");
	for (const char *p = prefix; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return kmd_err_set(err, KMD_ECONFIG,
			    "KMD_TOPIC_PREFIX: only letters, digits, '.', '_' and '-' make a topic name");
	return 0;
}

/* A broker list that librdkafka would quietly take for empty. */
static int check_servers(const struct kmd_kafka *k, rd_kafka_t *rk, struct kmd_err *err)
{
	for (size_t i = 0; i < k->conf->kafka_count; i++) {
		const struct kmd_conf_prop *prop = &k->conf->kafka[i];

		if (strcmp(prop->name, "bootstrap.servers") != 0 && strcmp(prop->name, "metadata.broker.list") != 0)
			continue;
		if (rd_kafka_brokers_add(rk, prop->value) == 0)
			return kmd_err_set(
			    err, KMD_ECONFIG, "%s: no broker address in it (host:port,...)", prop->setting);
	}
	return 0;
}

/* Files, ciphers and combinations are only looked at when a client is made. */
static int check_client(const struct kmd_kafka *k, enum kafka_role role, struct kmd_err *err)
{
	rd_kafka_conf_t *conf = kafka_conf_new(k, role, err);
	rd_kafka_t *rk;
	int rc;

	if (!conf)
		return KMD_ECONFIG;
	kafka_conf_force(conf, "bootstrap.servers", "");
	if (role != KAFKA_PRODUCER)
		kafka_conf_force(conf, "group.id", "check");
	rc = kafka_client_new(&rk, k, role, conf, err);
	if (rc < 0)
		return rc;
	rc = check_servers(k, rk, err);
	rd_kafka_destroy(rk);
	return rc;
}

int kmd_kafka_check(const struct kmd_kafka *k, struct kmd_err *err)
{
	int rc = check_prefix(k->prefix ? k->prefix : "", err);

	if (rc == 0)
		rc = check_client(k, KAFKA_PRODUCER, err);
	if (rc == 0)
		rc = check_client(k, KAFKA_GROUP, err);
	return rc;
}
