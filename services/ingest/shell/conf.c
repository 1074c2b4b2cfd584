#include "conf.h"

#include <stddef.h>

#include "group.h"
#include "kmd_sign.h"
#include "spool.h"
#include "types.h"

#define FIELD(member) offsetof(struct ingest_settings, member)

const struct kmd_conf_bind ingest_binds[] = {
    KMD_APP_BINDS(struct ingest_settings, app),
    {"KALSHI_WS_URL", FIELD(ws_url)},
    {"KALSHI_API_KEY_ID", FIELD(api_key_id)},
    {"KALSHI_PRIVATE_KEY_FILE", FIELD(private_key_file)},
    {"KALSHI_CA_FILE", FIELD(ca_file)},
    {"KMD_INGEST_CHANNELS", FIELD(channels)},
    {"KMD_INGEST_MARKETS", FIELD(markets)},
    {"KMD_INGEST_GROUP", FIELD(group)},
    {"KMD_INGEST_SHARDS", FIELD(shards)},
    {"KMD_INGEST_STALE_AFTER", FIELD(stale_after_ns)},
    {"KMD_INGEST_SPOOL_DIR", FIELD(spool_dir)},
    {"KMD_INGEST_SPOOL_MAX", FIELD(spool_max_bytes)},
};
const size_t ingest_binds_count = sizeof(ingest_binds) / sizeof(ingest_binds[0]);

static int read_channels(unsigned *ret, const char *text, struct kmd_err *err)
{
	struct kmd_str rest = kmd_str_z(text), piece;
	enum ingest_channel channel;
	unsigned channels = 0;

	while (kmd_str_split(&rest, ',', &piece)) {
		piece = kmd_str_trim(piece);
		if (!ingest_channel_find(piece, &channel))
			return kmd_err_set(err, KMD_ECONFIG, "KMD_INGEST_CHANNELS: no channel of that name: \"%.*s\"",
			    KMD_STR_ARG(piece));
		channels |= 1u << channel;
	}
	if (channels == 0)
		return kmd_err_set(err, KMD_ECONFIG, "KMD_INGEST_CHANNELS: empty");
	*ret = channels;
	return 0;
}

static int check_key(const struct ingest_settings *s, struct kmd_err *err)
{
	struct kmd_signer *signer = NULL;
	int rc;

	if (!s->api_key_id || !*s->api_key_id)
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID: not set");
	if (!s->private_key_file || !*s->private_key_file)
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_PRIVATE_KEY_FILE: not set");
	rc = kmd_signer_new(&signer, s->api_key_id, s->private_key_file, err);
	kmd_signer_free(signer);
	return rc;
}

static int check_group(const struct ingest_settings *s, struct kmd_err *err)
{
	if (!s->group || !*s->group)
		return kmd_err_set(err, KMD_ECONFIG, "KMD_INGEST_GROUP: empty");
	return 0;
}

int ingest_conf_read(
    struct ingest_conf *ret, const struct ingest_settings *s, const struct kmd_conf *conf, struct kmd_err *err)
{
	struct ingest_conf c = {
	    .kafka =
		{
		    .conf = conf,
		    .prefix = s->app.topic_prefix,
		    .client_id = "kmd-ingest",
		    .topic_create = s->app.topic_create,
		    .partitions = s->app.topic_partitions,
		    .replication = s->app.topic_replication,
		    .retention_ns = s->app.topic_retention_ns,
		    .shards = s->shards,
		    .session_ms = INGEST_GROUP_SESSION_MS,
		    .group = s->group,
		},
	};
	int rc = kmd_app_check_url("KALSHI_WS_URL", s->ws_url, "ws://", "wss://", s->app.allow_plaintext, err);

	if (rc == 0)
		rc = ingest_url_parse(&c.url, kmd_str_z(s->ws_url), err);
	if (rc == 0)
		rc = read_channels(&c.channels, s->channels, err);
	if (rc == 0)
		rc = kmd_kafka_check(&c.kafka, err);
	if (rc == 0)
		rc = ingest_globs_parse(&c.globs, kmd_str_z(s->markets), err);
	if (rc == 0)
		*ret = c;
	return rc;
}

int ingest_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct ingest_settings *s = settings;
	struct ingest_conf c;
	int rc = check_key(s, err);

	if (rc == 0)
		rc = kmd_sign_check_ca(s->ca_file, err);
	if (rc == 0)
		rc = check_group(s, err);
	if (rc == 0 && s->spool_dir)
		rc = ingest_spool_check(s->spool_dir, err);
	if (rc == 0)
		rc = ingest_conf_read(&c, s, conf, err);
	if (rc == 0)
		ingest_conf_fini(&c);
	return rc;
}

void ingest_conf_fini(struct ingest_conf *c)
{
	ingest_globs_fini(&c->globs);
}
