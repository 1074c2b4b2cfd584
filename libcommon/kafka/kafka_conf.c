#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kafka_int.h"

/* A librdkafka whose SCRAM Kafka 4 accepts; below, every login fails with "invalid credentials". */
#define SCRAM_FIXED 0x02060100

/* How often a client tells what it counted. */
#define KAFKA_STATISTICS_MS "10000"

struct preset {
	const char *name, *value;
	unsigned roles; /* of 1u << enum kafka_role; 0: all */
};
#define PRODUCER (1u << KAFKA_PRODUCER)
#define CONSUMERS (1u << KAFKA_GROUP | 1u << KAFKA_READER)
#define GROUP (1u << KAFKA_GROUP)
#define READER (1u << KAFKA_READER)

/* What a user may change. */
static const struct preset defaults[] = {
    {"bootstrap.servers", "localhost:9092", 0},
    {"message.max.bytes", "68157440", 0}, /* KAFKA_MESSAGE_MAX */
    {"receive.message.max.bytes", "167772160", 0},
    {"socket.keepalive.enable", "true", 0},
    {"reconnect.backoff.max.ms", "2000", 0},
    {"compression.codec", "lz4", PRODUCER},
    {"linger.ms", "5", PRODUCER},
    {"queue.buffering.max.messages", "10000000", PRODUCER},
    {"topic.metadata.refresh.interval.ms", "30000", PRODUCER},
    {"topic.metadata.refresh.interval.ms", "10000", CONSUMERS},
    {"fetch.max.bytes", "69206016", CONSUMERS},
    /* In memory each takes two to four times its bytes. */
    {"queued.max.messages.kbytes", "16384", GROUP},
    {"queued.max.messages.kbytes", "65536", READER},
    {"session.timeout.ms", "10000", GROUP},
    {"heartbeat.interval.ms", "1000", GROUP},
    {"max.poll.interval.ms", "300000", GROUP},
};

/* Newer than 2.0.2: set where the library knows it. */
static const struct preset newer[] = {
    {"fetch.queue.backoff.ms", "50", CONSUMERS},
};

/* What the guarantee rests on, set last. */
static const struct preset ours[] = {
    {"acks", "all", PRODUCER},
    {"enable.idempotence", "true", PRODUCER},
    {"message.timeout.ms", "0", PRODUCER},
    {"partitioner", "murmur2_random", PRODUCER},
    {"delivery.report.only.error", "false", PRODUCER},
    {"allow.auto.create.topics", "false", 0},
    {"enable.auto.commit", "false", CONSUMERS},
    {"enable.auto.offset.store", "false", CONSUMERS},
    {"auto.offset.reset", "error", CONSUMERS},
    {"partition.assignment.strategy", "cooperative-sticky", GROUP},
    {"enable.partition.eof", "false", GROUP},
    {"enable.partition.eof", "true", READER},
};

/* Names that only we set, with the values that mean the same; aliases and older spellings too. */
static const struct {
	const char *name;
	const char *same[3];
} reserved[] = {
    {"acks", {"all", "-1"}},
    {"request.required.acks", {"all", "-1"}},
    {"enable.idempotence", {"true", "1", "t"}},
    {"message.timeout.ms", {"0"}},
    {"delivery.timeout.ms", {"0"}},
    {"partitioner", {"murmur2_random"}},
    {"transactional.id", {""}},
    {"enable.auto.commit", {"false", "0", "f"}},
    {"auto.commit.enable", {"false", "0", "f"}},
    {"auto.offset.reset", {"error"}},
    {"partition.assignment.strategy", {"cooperative-sticky"}},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void kafka_conf_force(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[256];
	const rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, text, sizeof(text));

	assert(res == RD_KAFKA_CONF_OK);
	(void)res;
}

/* Asked by setting, because librdkafka denies knowledge of what it knows when asked for an unset value. */
static bool known(const char *name)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];
	const bool found = rd_kafka_conf_set(conf, name, NULL, text, sizeof(text)) != RD_KAFKA_CONF_UNKNOWN;

	rd_kafka_conf_destroy(conf);
	return found;
}

bool kafka_conf_spelling(const char *name, char ret[128])
{
	if (strlen(name) >= 128)
		return false;
	strcpy(ret, name);
	if (known(ret))
		return true;
	for (char *dot = strchr(ret, '.'); dot; dot = strchr(dot, '.'))
		*dot = '_';
	return known(ret);
}

static bool is_same(const struct kmd_conf_prop *prop, const char *const *same)
{
	for (size_t i = 0; i < 3 && same[i]; i++)
		if (strcasecmp(prop->value, same[i]) == 0)
			return true;
	return false;
}

static int refuse_reserved(const struct kmd_kafka *k, const struct kmd_conf_prop *prop, struct kmd_err *err)
{
	if (strcmp(prop->name, "group.id") == 0 && !(k->group && strcmp(prop->value, k->group) == 0))
		return kmd_err_set(
		    err, KMD_ECONFIG, "%s: the group is set by KMD_..._GROUP, leave this out", prop->setting);
	for (size_t i = 0; i < COUNT(reserved); i++)
		if (strcmp(prop->name, reserved[i].name) == 0 && !is_same(prop, reserved[i].same))
			return kmd_err_set(err, KMD_ECONFIG, "%s: what is guaranteed rests on %s=%s, leave this out",
			    prop->setting, prop->name, *reserved[i].same[0] ? reserved[i].same[0] : "(unset)");
	return 0;
}

static int refuse_scram(const struct kmd_conf_prop *prop, struct kmd_err *err)
{
	if (strcmp(prop->name, "sasl.mechanism") != 0 && strcmp(prop->name, "sasl.mechanisms") != 0)
		return 0;
	if (strncasecmp(prop->value, "SCRAM-", 6) != 0 || rd_kafka_version() >= SCRAM_FIXED)
		return 0;
	return kmd_err_set(err, KMD_ECONFIG,
	    "%s: SCRAM of librdkafka %s is refused by Kafka 4 as invalid credentials; 2.6.1 or newer is needed",
	    prop->setting, rd_kafka_version_str());
}

int kafka_conf_refused(const struct kmd_kafka *k, struct kmd_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < k->conf->kafka_count; i++) {
		rc = refuse_reserved(k, &k->conf->kafka[i], err);
		if (rc == 0)
			rc = refuse_scram(&k->conf->kafka[i], err);
	}
	return rc;
}

static void apply(rd_kafka_conf_t *conf, const struct preset *presets, size_t n, enum kafka_role role)
{
	for (size_t i = 0; i < n; i++)
		if (presets[i].roles == 0 || presets[i].roles & 1u << role)
			kafka_conf_force(conf, presets[i].name, presets[i].value);
}

static int apply_user(rd_kafka_conf_t *conf, const struct kmd_kafka *k, struct kmd_err *err)
{
	for (size_t i = 0; i < k->conf->kafka_count; i++) {
		const struct kmd_conf_prop *prop = &k->conf->kafka[i];
		char name[128], text[256];

		if (!kafka_conf_spelling(prop->name, name))
			return kmd_err_set(err, KMD_ECONFIG, "%s: librdkafka %s has no property %s", prop->setting,
			    rd_kafka_version_str(), prop->name);
		if (strcmp(name, "transactional.id") == 0)
			continue; /* empty, or it had been refused */
		if (rd_kafka_conf_set(conf, name, prop->value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
			return kmd_err_set(err, KMD_ECONFIG, "%s: %s", prop->setting, text);
	}
	return 0;
}

/* librdkafka writes to stderr by itself, which only somebody who sets KAFKA_DEBUG wants to see. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

static bool wants_debug(const struct kmd_kafka *k)
{
	for (size_t i = 0; i < k->conf->kafka_count; i++)
		if (strcmp(k->conf->kafka[i].name, "debug") == 0)
			return true;
	return false;
}

rd_kafka_conf_t *kafka_conf_new(const struct kmd_kafka *k, enum kafka_role role, struct kmd_err *err)
{
	rd_kafka_conf_t *conf;
	char session[24];

	static_assert(KAFKA_MESSAGE_MAX == 68157440, "message.max.bytes above");
	if (kafka_conf_refused(k, err) < 0)
		return NULL;
	conf = rd_kafka_conf_new();
	if (!wants_debug(k))
		rd_kafka_conf_set_log_cb(conf, on_log);
	apply(conf, defaults, COUNT(defaults), role);
	for (size_t i = 0; i < COUNT(newer); i++)
		if (newer[i].roles & 1u << role && known(newer[i].name))
			kafka_conf_force(conf, newer[i].name, newer[i].value);
	if (k->client_id)
		kafka_conf_force(conf, "client.id", k->client_id);
	if (k->session_ms > 0 && role == KAFKA_GROUP) {
		snprintf(session, sizeof(session), "%lld", (long long)k->session_ms);
		kafka_conf_force(conf, "session.timeout.ms", session);
	}
	if ((role == KAFKA_PRODUCER && k->producer_metrics) || (role == KAFKA_GROUP && k->group_metrics))
		kafka_conf_force(conf, "statistics.interval.ms", KAFKA_STATISTICS_MS);
	if (apply_user(conf, k, err) < 0) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	apply(conf, ours, COUNT(ours), role);
	return conf;
}

/* The setting that librdkafka's text is about, or a name for all of them. */
static const char *blamed(const struct kmd_kafka *k, const char *text)
{
	for (size_t i = 0; i < k->conf->kafka_count; i++)
		if (strstr(text, k->conf->kafka[i].name))
			return k->conf->kafka[i].setting;
	return "KAFKA_ settings";
}

int kafka_client_new(
    rd_kafka_t **ret, const struct kmd_kafka *k, enum kafka_role role, rd_kafka_conf_t *conf, struct kmd_err *err)
{
	const bool producer = role == KAFKA_PRODUCER || role == KAFKA_ADMIN;
	char text[400];
	rd_kafka_t *rk = rd_kafka_new(producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, text, sizeof(text));

	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return kmd_err_set(err, KMD_ECONFIG, "%s: %s", blamed(k, text), text);
	}
	*ret = rk;
	return 0;
}
