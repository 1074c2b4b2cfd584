#ifndef INGEST_CONF_H
#define INGEST_CONF_H

#include "glob.h"
#include "kmd_app.h"
#include "kmd_kafka.h"
#include "url.h"

/* The settings of kmd-ingest, and what is read out of them once. */

struct ingest_settings {
	struct kmd_app_settings app;
	const char *ws_url, *api_key_id, *private_key_file, *ca_file;
	const char *channels, *markets, *group, *spool_dir;
	int64_t shards, stale_after_ns, spool_max_bytes;
};

extern const struct kmd_conf_bind ingest_binds[];
extern const size_t ingest_binds_count;

/* Borrows from the settings. */
struct ingest_conf {
	struct ingest_url url;
	unsigned channels; /* bit 1u << enum ingest_channel */
	struct ingest_globs globs;
	struct kmd_kafka kafka;
};

/** Checks everything that can be checked without a server, keys and certificates included. KMD_ECONFIG. */
int ingest_conf_check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err);
/** KMD_ECONFIG; free by ingest_conf_fini. */
int ingest_conf_read(struct ingest_conf *ret, const struct ingest_settings *s, const struct kmd_conf *conf,
    struct kmd_err *err) KMD_MUST_CHECK;
void ingest_conf_fini(struct ingest_conf *c);

#endif
