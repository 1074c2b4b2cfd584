#include "kmd_app.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kmd_httpd.h"
#include "kmd_left.h"
#include "kmd_log.h"
#include "kmd_mem.h"
#include "options.h"
#include "ready.h"
#include "signals.h"

#define LIVE_NS (10 * KMD_NS_PER_S) /* a main loop that did not turn for so long is stuck */

struct kmd_app {
	const struct kmd_app_ops *ops;
	char program[64];
	struct kmd_metrics *metrics;
	struct ready ready;
	struct kmd_httpd *httpd;
	atomic_bool booted;      /* all series are registered: /metrics may walk them */
	_Atomic int64_t beat_ns; /* monotonic time of the loop's last turn */
	atomic_int exit_code;    /* of kmd_app_fail; 0: none */
};

static int complain(const char *program, int code, const char *text)
{
	fprintf(stderr, "%s: %s\n", program, text);
	return code;
}

void kmd_app_fail(struct kmd_app *app, int exit_code, const char *fmt, ...)
{
	struct kmd_err line;
	char text[sizeof(line.text)];
	int none = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!atomic_compare_exchange_strong(&app->exit_code, &none, exit_code))
		return;
	kmd_err_set(&line, 0, "%s", text);
	ready_fail(&app->ready, line.text);
	complain(app->program, exit_code, line.text);
}

struct kmd_metrics *kmd_app_metrics(struct kmd_app *app)
{
	return app->metrics;
}

void kmd_app_ready(struct kmd_app *app, const char *condition, bool ok, const char *why)
{
	if (ready_set(&app->ready, condition, ok, why, kmd_mono_now()))
		kmd_log(KMD_LOG_INFO, ok ? "condition_met" : "condition_missing", "condition", "%s", condition, "why",
		    "%s", why ? why : "", NULL);
}

static int serve_livez(const struct kmd_app *app, struct kmd_buf *body)
{
	int64_t silent = kmd_mono_now().ns - atomic_load(&app->beat_ns);

	if (silent <= LIVE_NS) {
		kmd_buf_addz(body, "ok\n");
		return 200;
	}
	kmd_buf_addf(body, "the main loop has not turned for %lld s\n", (long long)(silent / KMD_NS_PER_S));
	return 503;
}

static int on_request(void *ctx, struct kmd_str path, int *ret_status, const char **ret_type, struct kmd_buf *ret_body)
{
	struct kmd_app *app = ctx;

	if (kmd_str_eqz(path, "/livez")) {
		*ret_type = "text/plain; charset=utf-8";
		*ret_status = serve_livez(app, ret_body);
	} else if (kmd_str_eqz(path, "/readyz")) {
		*ret_type = "application/json";
		*ret_status = ready_body(&app->ready, ret_body) ? 200 : 503;
	} else if (kmd_str_eqz(path, "/metrics")) {
		*ret_type = "text/plain; version=0.0.4; charset=utf-8";
		*ret_status = atomic_load(&app->booted) ? 200 : 503;
		if (*ret_status == 200) {
			kmd_metrics_render(app->metrics, ret_body);
			ready_metrics(&app->ready, ret_body);
		}
	} else {
		return -1;
	}
	return 0;
}

static struct kmd_tick tick_now(struct kmd_app *app, enum kmd_phase phase, struct kmd_mono deadline)
{
	struct kmd_tick t = {kmd_mono_now(), kmd_wall_now(), phase, deadline};

	atomic_store(&app->beat_ns, t.mono.ns);
	return t;
}

static void run(struct kmd_app *app, void *service)
{
	enum kmd_verdict v = KMD_APP_MORE;

	ready_phase(&app->ready, NULL);
	while (!signals_came() && v != KMD_APP_FATAL) {
		struct kmd_tick t = tick_now(app, KMD_PHASE_RUN, (struct kmd_mono){0});
		v = app->ops->step(service, &t);
	}
	if (v == KMD_APP_FATAL)
		kmd_app_fail(app, KMD_EXIT_SOFTWARE, "stopping after a fault that retrying cannot heal");
}

static void drain(struct kmd_app *app, void *service, int64_t timeout_ns)
{
	struct kmd_mono deadline = {kmd_mono_now().ns + timeout_ns};
	enum kmd_verdict v = KMD_APP_MORE;

	ready_phase(&app->ready, "draining");
	kmd_log(KMD_LOG_INFO, "draining", "timeout_ms", "%lld", (long long)(timeout_ns / KMD_NS_PER_MS), NULL);
	while (v != KMD_APP_DONE) {
		struct kmd_tick t = tick_now(app, KMD_PHASE_DRAIN, deadline);
		if (t.mono.ns >= deadline.ns)
			break;
		v = app->ops->step(service, &t);
	}
	if (v != KMD_APP_DONE)
		kmd_log(KMD_LOG_WARN, "drain_timeout", NULL);
}

/* From a service that stands to its end. Returns the exit code. */
static int live(struct kmd_app *app, void *service, const struct kmd_app_settings *s)
{
	run(app, service);
	drain(app, service, s->shutdown_timeout_ns);
	bool flushed = app->ops->fini(service);
	int code = atomic_load(&app->exit_code);
	if (code == 0 && !flushed)
		code =
		    complain(app->program, KMD_EXIT_SOFTWARE, "could not flush everything within KMD_SHUTDOWN_TIMEOUT");
	kmd_log(KMD_LOG_INFO, "stopped", "code", "%d", code, NULL);
	return code;
}

static int code_of(int rc)
{
	return rc == KMD_ECONFIG || rc == KMD_EFOREIGN ? KMD_EXIT_CONFIG : KMD_EXIT_SOFTWARE;
}

/* Opens what outlives the service: HTTP and signals. The service registers its series before /metrics walks them. */
static int start(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err)
{
	const struct kmd_app_settings *s = settings;
	int rc = signals_start(app->program, err);

	if (rc == 0)
		rc = kmd_httpd_start(&app->httpd, s->http_listen, on_request, app, err);
	if (rc < 0)
		return kmd_err_prefix(err, rc, "%s", rc == KMD_ECONFIG ? "KMD_HTTP_LISTEN" : "start");
	kmd_gauge_set(kmd_metrics_gauge(app->metrics, "kmd_build_info", "version=\"" KMD_VERSION "\"",
			  "Which version runs; always 1."),
	    1);
	rc = app->ops->init(app, settings, conf, ret_service, err);
	if (rc < 0)
		return rc;
	atomic_store(&app->booted, true);
	kmd_log(KMD_LOG_INFO, "started", "version", "%s", KMD_VERSION, "http_listen", "%s", s->http_listen, "http_port",
	    "%d", kmd_httpd_port(app->httpd), NULL);
	return 0;
}

/* What is left behind goes on with all it has, until the process is gone: nothing is taken away before. */
static void end_with_what_is_left(int code)
{
	if (!kmd_left())
		return;
	fflush(NULL);
	_exit(code);
}

static int serve(struct kmd_app *app, const void *settings, const struct kmd_conf *conf)
{
	struct kmd_err err = {0};
	void *service = NULL;
	int code;

	ready_init(&app->ready);
	app->metrics = kmd_metrics_new();
	tick_now(app, KMD_PHASE_RUN, (struct kmd_mono){0});
	int rc = start(app, settings, conf, &service, &err);
	if (rc == 0)
		code = live(app, service, settings);
	else if (atomic_load(&app->exit_code))
		code = atomic_load(&app->exit_code);
	else
		code = complain(app->program, code_of(rc), err.text);
	end_with_what_is_left(code);
	kmd_httpd_stop(app->httpd);
	signals_stop();
	kmd_metrics_free(app->metrics);
	ready_fini(&app->ready);
	return code;
}

static int check_prefix(const char *prefix, struct kmd_err *err)
{
	size_t n = strlen(prefix);

	if (strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n || n > 200)
		return kmd_err_set(err, KMD_ECONFIG,
		    "KMD_TOPIC_PREFIX=%.100s: must be at most 200 letters, digits, dots, underscores, hyphens", prefix);
	return 0;
}

static int check(const struct kmd_app_ops *ops, const void *settings, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct kmd_app_settings *s = settings;
	char host[64];
	int port;
	int rc = kmd_httpd_listen_parse(s->http_listen, host, &port, err);

	if (rc < 0)
		return kmd_err_prefix(err, rc, "KMD_HTTP_LISTEN");
	rc = check_prefix(s->topic_prefix, err);
	return rc == 0 && ops->check ? ops->check(settings, conf, err) : rc;
}

static void open_log(const struct kmd_app_ops *ops, const struct kmd_app_settings *s)
{
	static const char *const levels[] = {
	    [KMD_LOG_DEBUG] = "debug", [KMD_LOG_INFO] = "info", [KMD_LOG_WARN] = "warn", [KMD_LOG_ERROR] = "error"};
	enum kmd_log_level level = KMD_LOG_DEBUG;
	enum kmd_log_format format = KMD_LOG_AUTO;

	while (level < KMD_LOG_ERROR && strcmp(levels[level], s->log_level) != 0)
		level++;
	if (s->log_format)
		format = strcmp(s->log_format, "json") == 0 ? KMD_LOG_JSON : KMD_LOG_TEXT;
	kmd_log_init(ops->name, level, format);
}

static int run_command(
    const struct kmd_app *app, const struct options *o, const void *settings, const struct kmd_conf *conf)
{
	struct kmd_err err = {0};

	signals_unblock(); /* it has nothing to drain */
	int code = o->command->run(settings, conf, o->command_arg, &err);

	if (code)
		complain(app->program, code, err.text);
	end_with_what_is_left(code);
	return code;
}

/* Settings are loaded; does what the options ask for. */
static int act(struct kmd_app *app, const struct options *o, const void *settings, const struct kmd_conf *conf)
{
	struct kmd_err err = {0};

	if (o->print) {
		kmd_conf_print(conf, stdout);
		if (!o->check)
			return KMD_EXIT_OK;
	}
	open_log(app->ops, settings);
	int rc = check(app->ops, settings, conf, &err);
	if (rc < 0)
		return complain(app->program, code_of(rc), err.text);
	if (o->check) {
		puts("ok");
		return KMD_EXIT_OK;
	}
	if (o->command)
		return run_command(app, o, settings, conf);
	return serve(app, settings, conf);
}

static int load_and_act(struct kmd_app *app, const struct options *o)
{
	const struct kmd_app_ops *ops = app->ops;
	void *settings = kmd_calloc(1, ops->settings_size);
	struct kmd_conf conf;
	struct kmd_err err = {0};
	int code = KMD_EXIT_CONFIG;

	if (kmd_conf_load(&conf, ops->who, (const char *const *)environ, o->config, ops->binds, ops->binds_count,
		settings, &err) < 0) {
		complain(app->program, code, err.text);
	} else {
		code = act(app, o, settings, &conf);
		kmd_conf_fini(&conf);
	}
	free(settings);
	return code;
}

/*
 * Keys and passwords are in this memory: no core file takes them to disk. The limit alone does not bind a kernel that
 * pipes cores to a program; not being dumpable does, and keeps debuggers of the same user out too.
 */
static void forbid_core_files(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int kmd_app_main(const struct kmd_app_ops *ops, int argc, char **argv)
{
	struct kmd_app app = {.ops = ops};
	struct options o;
	struct kmd_err err = {0};

	signals_block(); /* one that comes before the service stands stops it in order as soon as it does */
	snprintf(app.program, sizeof(app.program), "kmd-%s", ops->name);
	if (options_parse(ops, argc, argv, &o, &err) < 0) {
		fprintf(stderr, "%s: %s (see --help)\n", app.program, err.text);
		return KMD_EXIT_USAGE;
	}
	if (o.help) {
		options_help(ops, stdout);
		return KMD_EXIT_OK;
	}
	if (o.version) {
		printf("%s " KMD_VERSION "\n", app.program);
		return KMD_EXIT_OK;
	}
	forbid_core_files();
	return load_and_act(&app, &o);
}
