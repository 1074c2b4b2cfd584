#ifndef KMD_CONF_H
#define KMD_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kmd_err.h"
#include "kmd_str.h"

/*
 * Settings. One table (kmd_conf_family) holds every setting of every program: name, type, default, range, who reads
 * it, help. It yields the reader, --help, --check, --print and docs/settings.md. Environment over --config FILE
 * (lines NAME=value, # comments) over default; NAME_FILE reads the value from a file (trailing newline cut). A KMD_ or
 * KALSHI_ name that is not in the table is an error, except those that Kubernetes service links inject.
 *
 * A program binds the names it reads to fields of its own struct. The struct is const once loaded.
 */

enum kmd_conf_type {
	KMD_CONF_STR,    /* const char *; NULL when unset, or empty and without a default */
	KMD_CONF_SECRET, /* const char *, masked by --print, never logged */
	KMD_CONF_BOOL,   /* bool: true|false|1|0|yes|no|on|off */
	KMD_CONF_INT,    /* int64_t */
	KMD_CONF_RATE,   /* double, > 0 */
	KMD_CONF_DUR,    /* int64_t ns: 250ms 5s 1m 2h 7d */
	KMD_CONF_SIZE,   /* int64_t bytes: 512, 8KiB, 8MiB, 10GiB */
};

enum kmd_conf_who { KMD_WHO_INGEST = 1, KMD_WHO_ENRICHER = 2, KMD_WHO_SINK = 4, KMD_WHO_ALL = 7 };

struct kmd_conf_key {
	const char *name;
	enum kmd_conf_type type;
	unsigned who;     /* of enum kmd_conf_who */
	const char *def;  /* as text; NULL: unset. "ingest|enricher|sink" triples where the default differs, see
			     KMD_HTTP_LISTEN */
	int64_t min, max; /* inclusive; of INT, RATE, DUR (ns), SIZE (bytes) */
	const char *help;
	const char *choices; /* of STR: "json|text"; NULL: any text */
};

struct kmd_conf_bind {
	const char *name; /* of the family table */
	size_t offset;    /* of the field in the program's struct */
};

/* KAFKA_* names as librdkafka properties ("KAFKA_SASL_USERNAME" -> "sasl.username"), in name order. */
struct kmd_conf_prop {
	const char *name, *value; /* librdkafka's name */
	const char *setting;      /* the environment's name, for messages */
};

struct kmd_conf {
	struct kmd_conf_prop *kafka;
	size_t kafka_count;
	struct kmd_conf_entry *entries; /* private */
	size_t entries_count;
};

extern const struct kmd_conf_key kmd_conf_family[];
extern const size_t kmd_conf_family_count;

/**
 * Reads environment (@env, NULL-terminated like environ) and @file (path or NULL), checks every name and value, fills
 * the bound fields of @target. Strings live as long as @conf. KMD_ECONFIG with one line that names the setting.
 * PG* names are libpq's: those that stand in @file or come as PG..._FILE are put into the process's environment, so
 * call this before threads.
 */
int kmd_conf_load(struct kmd_conf *conf, enum kmd_conf_who who, const char *const *env, const char *file,
    const struct kmd_conf_bind *binds, size_t binds_count, void *target, struct kmd_err *err) KMD_MUST_CHECK;
/** Lines NAME=value of everything the program reads, KAFKA_ properties included, secrets as ****. */
void kmd_conf_print(const struct kmd_conf *conf, FILE *out);
/** Settings with default and help, for --help. */
void kmd_conf_help(enum kmd_conf_who who, FILE *out);
/** The whole table as Markdown: docs/settings.md. */
void kmd_conf_markdown(FILE *out);
/** Wipes secrets, frees all. */
void kmd_conf_fini(struct kmd_conf *conf);

int kmd_conf_parse_dur(struct kmd_str text, int64_t *ret_ns) KMD_MUST_CHECK;
int kmd_conf_parse_size(struct kmd_str text, int64_t *ret_bytes) KMD_MUST_CHECK;

#endif
