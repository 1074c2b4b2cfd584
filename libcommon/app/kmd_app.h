#ifndef KMD_APP_H
#define KMD_APP_H

#include <stdbool.h>
#include <stddef.h>

#include "kmd_conf.h"
#include "kmd_err.h"
#include "kmd_metrics.h"
#include "kmd_time.h"

/*
 * The life of a program: options, settings, log, HTTP, signals, loop, drain, exit code. Nothing else installs a signal
 * handler or calls exit.
 *
 *   --help --version --check --print  ->  answer, exit
 *   settings invalid                  ->  one line, 78
 *   init -> RUN: step, step, ...  -- SIGTERM/SIGINT or step's verdict -->  DRAIN: step until DONE or deadline  -> fini
 *   a second signal, at least a second after the first, exits at once with 70
 *   a thread was left behind (kmd_left.h) -> after fini nothing more is freed: _exit
 *
 * The main loop's turn is the heart beat of /livez: step must return within a second.
 */

struct kmd_app; /* opaque: passed to a service for readiness and metrics */

enum kmd_phase { KMD_PHASE_RUN, KMD_PHASE_DRAIN };

enum kmd_verdict {
	KMD_APP_MORE,  /* call again */
	KMD_APP_DONE,  /* DRAIN: everything is flushed; ends with 0. In RUN: treated as MORE */
	KMD_APP_FATAL, /* drain, then end with 70 (or the code given by kmd_app_fail) */
};

struct kmd_tick {
	struct kmd_mono mono;
	struct kmd_wall wall;
	enum kmd_phase phase;
	struct kmd_mono deadline; /* of the drain; 0 in RUN */
};

/* A one-shot command: `kmd-sink --migrate`, `kmd-sink --accept-topic T`. */
struct kmd_app_command {
	const char *option; /* "--migrate" */
	const char *arg;    /* name of its argument for --help, NULL: none */
	const char *help;
	/** Returns the exit code; err's text is printed as the one line when it is not 0. */
	int (*run)(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err);
};

struct kmd_app_ops {
	const char *name;    /* "ingest": log field; program name is kmd-<name> */
	const char *summary; /* first line of --help */
	enum kmd_conf_who who;
	const struct kmd_conf_bind *binds;
	size_t binds_count;
	size_t settings_size; /* of the service's settings struct, zeroed before loading */
	const struct kmd_app_command *commands;
	size_t commands_count;

	/** Validates what the table cannot (keys, URLs, globs, kafka properties). KMD_ECONFIG -> 78. Also run by
	 * --check. */
	int (*check)(const void *settings, const struct kmd_conf *conf, struct kmd_err *err);
	/** Allocates the service; touches no server that may be away. @settings outlive it. */
	int (*init)(struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service,
	    struct kmd_err *err);
	/** One turn, may sleep up to about 100 ms on its own descriptors. */
	enum kmd_verdict (*step)(void *service, const struct kmd_tick *tick);
	/** After the drain (or its deadline). Logs what was left per topic when it could not flush; returns true if
	 * nothing was left. */
	bool (*fini)(void *service);
};

int kmd_app_main(const struct kmd_app_ops *ops, int argc, char **argv);

/** From init or step: what /readyz shows and the exit code that FATAL ends with (78 for a foreign database), with one
 * line on stderr. */
void kmd_app_fail(struct kmd_app *app, int exit_code, const char *fmt, ...) KMD_PRINTF(3, 4);
struct kmd_metrics *kmd_app_metrics(struct kmd_app *app);
/**
 * Names a condition of readiness ("kafka", "database", "exchange"); not ready until it is set ok. @why is shown in
 * /readyz, copied. Unknown names are added. Any thread.
 */
void kmd_app_ready(struct kmd_app *app, const char *condition, bool ok, const char *why);

/* Settings that every program has; embed as the first member of the service's struct and bind by KMD_APP_BINDS. */
struct kmd_app_settings {
	const char *http_listen, *log_level, *log_format;
	int64_t shutdown_timeout_ns;
	const char *topic_prefix;
	bool topic_create;
	int64_t topic_partitions, topic_replication, topic_retention_ns;
	bool allow_plaintext;
};
/* NOLINTBEGIN(bugprone-macro-parentheses): a member cannot stand in parentheses */
#define KMD_APP_BINDS(type, member) \
	{"KMD_HTTP_LISTEN", offsetof(type, member.http_listen)}, {"KMD_LOG_LEVEL", offsetof(type, member.log_level)}, \
	    {"KMD_LOG_FORMAT", offsetof(type, member.log_format)}, \
	    {"KMD_SHUTDOWN_TIMEOUT", offsetof(type, member.shutdown_timeout_ns)}, \
	    {"KMD_TOPIC_PREFIX", offsetof(type, member.topic_prefix)}, \
	    {"KMD_TOPIC_CREATE", offsetof(type, member.topic_create)}, \
	    {"KMD_TOPIC_PARTITIONS", offsetof(type, member.topic_partitions)}, \
	    {"KMD_TOPIC_REPLICATION", offsetof(type, member.topic_replication)}, \
	    {"KMD_TOPIC_RETENTION", offsetof(type, member.topic_retention_ns)}, \
	{ \
		"KMD_ALLOW_PLAINTEXT", offsetof(type, member.allow_plaintext) \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/**
 * Is @url allowed as it stands? @plain ("ws://", "http://") only to loopback unless @allow_plaintext; else it must
 * start with @tls. Needs a host. 0 or KMD_ECONFIG naming @setting.
 */
int kmd_app_check_url(const char *setting, const char *url, const char *plain, const char *tls, bool allow_plaintext,
    struct kmd_err *err) KMD_MUST_CHECK;

#endif
