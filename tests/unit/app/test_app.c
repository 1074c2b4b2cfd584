#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "http_get.h"
#include "kmd_app.h"
#include "kmd_left.h"

/* A program of the family in a child process, and what it did: exit code, output. */

enum mode { STEADY, NEVER_DONE, FOREIGN, FAULT, INIT_FAILS, STUCK, LOSES, LEAVES };
static enum mode mode;
#define RETURNED 99

struct settings {
	struct kmd_app_settings app;
	const char *group;
};

static const struct kmd_conf_bind binds[] = {
    KMD_APP_BINDS(struct settings, app),
    {"KMD_SINK_GROUP", offsetof(struct settings, group)},
};

static int check(const void *settings, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct settings *s = settings;
	(void)conf;
	return strcmp(s->group, "bad") == 0 ? kmd_err_set(err, KMD_ECONFIG, "KMD_SINK_GROUP=bad: it is bad") : 0;
}

static int init(struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret, struct kmd_err *err)
{
	(void)settings;
	(void)conf;
	if (prctl(PR_GET_DUMPABLE) != 0)
		return kmd_err_set(err, KMD_EFAULT, "a core file would hold our secrets");
	if (mode == INIT_FAILS)
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID is not set");
	kmd_counter_add(kmd_metrics_counter(kmd_app_metrics(app), "test_things_total", NULL, "Things."), 0);
	kmd_app_ready(app, "kafka", false, "connection refused");
	kmd_app_ready(app, "database", true, NULL);
	*ret = app;
	return 0;
}

static enum kmd_verdict step(void *service, const struct kmd_tick *tick)
{
	static int turns;

	poll(NULL, 0, mode == STUCK ? 600000 : 5);
	if (tick->phase == KMD_PHASE_DRAIN)
		return mode == NEVER_DONE ? KMD_APP_MORE : KMD_APP_DONE;
	if (++turns == 40)
		kmd_app_ready(service, "kafka", true, NULL);
	if (mode == FOREIGN)
		kmd_app_fail(service, KMD_EXIT_CONFIG, "the database belongs to another cluster");
	return mode == FAULT || mode == FOREIGN ? KMD_APP_FATAL : KMD_APP_MORE;
}

static bool fini(void *service)
{
	(void)service;
	if (mode == LEAVES)
		kmd_left_note();
	return mode != NEVER_DONE && mode != LOSES;
}

static int migrate(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err)
{
	(void)settings;
	(void)conf;
	(void)arg;
	kmd_err_set(err, KMD_EAGAIN, "cannot connect");
	return KMD_EXIT_UNAVAILABLE;
}

static int accept_topic(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err)
{
	(void)settings;
	(void)conf;
	(void)err;
	printf("accepted %s\n", arg);
	return 0;
}

static const struct kmd_app_command commands[] = {
    {"--migrate", NULL, "bring the schema up to date", migrate},
    {"--accept-topic", "T", "accept a recreated topic", accept_topic},
};

static const struct kmd_app_ops ops = {
    .name = "sink",
    .summary = "a program for tests",
    .who = KMD_WHO_SINK,
    .binds = binds,
    .binds_count = sizeof(binds) / sizeof(binds[0]),
    .settings_size = sizeof(struct settings),
    .commands = commands,
    .commands_count = 2,
    .check = check,
    .init = init,
    .step = step,
    .fini = fini,
};

struct program {
	pid_t pid;
	int out, err; /* read ends */
	struct kmd_buf out_text, err_text;
	int port;
};

#define ARGS(...) ((char *[]){"kmd-sink", __VA_ARGS__ __VA_OPT__(, ) NULL})

static void spawn(struct program *p, char **argv)
{
	int out[2], err[2], argc = 0;

	*p = (struct program){0};
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	fflush(NULL);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]);
		close(err[0]);
		while (argv[argc])
			argc++;
		int code = kmd_app_main(&ops, argc, argv);
		fflush(NULL);
		_exit(mode == LEAVES ? RETURNED : code);
	}
	close(out[1]);
	close(err[1]);
	p->out = out[0];
	p->err = err[0];
}

static void read_to_end(int fd, struct kmd_buf *b)
{
	ssize_t n;

	while ((n = read(fd, kmd_buf_reserve(b, 4096), 4096)) > 0)
		b->n += (size_t)n;
	kmd_buf_addc(b, '\0');
	close(fd);
}

static int finish(struct program *p)
{
	int status;

	read_to_end(p->out, &p->out_text);
	read_to_end(p->err, &p->err_text);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void drop(struct program *p)
{
	kmd_buf_fini(&p->out_text);
	kmd_buf_fini(&p->err_text);
}

/* A program that ends by itself with @code, having said @out on stdout and @err on stderr (NULL: nothing there). */
static void assert_ends(char **argv, int code, const char *out, const char *err)
{
	struct program p;

	spawn(&p, argv);
	int got = finish(&p);
	if (got != code || (out ? !strstr(p.out_text.p, out) : p.out_text.n > 1) ||
	    (err ? !strstr(p.err_text.p, err) : p.err_text.n > 1))
		fail_msg("%s %s: code %d, out \"%s\", err \"%s\"", argv[1], code ? err : "", got, p.out_text.p,
		    p.err_text.p);
	if (err)
		assert_ptr_equal(strchr(p.err_text.p, '\n'), p.err_text.p + p.err_text.n - 2);
	drop(&p);
}

/* Reads the log until it tells that the program runs, and on which port. */
static void await_started(struct program *p)
{
	const char *at = NULL;

	for (;;) {
		ssize_t n = read(p->err, kmd_buf_reserve(&p->err_text, 4096), 4095);
		if (n <= 0)
			fail_msg("it did not start: %.*s", KMD_STR_ARG(kmd_buf_str(&p->err_text)));
		p->err_text.n += (size_t)n;
		p->err_text.p[p->err_text.n] = '\0';
		at = strstr(p->err_text.p, "http_port");
		if (at && strchr(at, '\n'))
			break;
	}
	p->port = atoi(at + strcspn(at, "0123456789"));
	assert_true(p->port > 0);
}

static void start(struct program *p, enum mode m)
{
	mode = m;
	setenv("KMD_HTTP_LISTEN", "127.0.0.1:0", 1);
	spawn(p, ARGS("--config=/dev/null"));
	await_started(p);
}

static void await_status(struct program *p, const char *path, int status, const char *body)
{
	for (;;) {
		struct http_reply r = http_request(p->port, "GET", path);
		bool found = r.status == status && strstr(r.body, body);
		http_reply_fini(&r);
		if (found)
			return;
		poll(NULL, 0, 5);
	}
}

static void test_options(void **state)
{
	(void)state;
	mode = STEADY;
	assert_ends(ARGS("--help"), 0, "KMD_SINK_WRITERS", NULL);
	assert_ends(ARGS("--help"), 0, "--accept-topic T", NULL);
	assert_ends(ARGS("--version"), 0, "kmd-sink ", NULL);
	assert_ends(ARGS("--check"), 0, "ok\n", NULL);
	assert_ends(ARGS("--print"), 0, "KMD_SINK_WRITERS=2\n", NULL);
	assert_ends(ARGS("--bogus"), 64, NULL, "--bogus");
	assert_ends(ARGS("stray"), 64, NULL, "stray");
	assert_ends(ARGS("--check", "--nope=1"), 64, NULL, "--nope=1");
	assert_ends(ARGS("--check=1"), 64, NULL, "--check");
	assert_ends(ARGS("--config"), 64, NULL, "--config");
	assert_ends(ARGS("--accept-topic"), 64, NULL, "--accept-topic");
	assert_ends(ARGS("--migrate", "--accept-topic", "x"), 64, NULL, "--accept-topic");
	assert_ends(ARGS("--accept-topic", "trades"), 0, "accepted trades\n", NULL);
	assert_ends(ARGS("--accept-topic=trades"), 0, "accepted trades\n", NULL);
	assert_ends(ARGS("--migrate"), 69, NULL, "cannot connect");
}

static void test_bad_settings(void **state)
{
	(void)state;
	mode = STEADY;
	setenv("KMD_SINK_GROUP", "bad", 1);
	assert_ends(ARGS("--check"), 78, NULL, "KMD_SINK_GROUP");
	assert_ends(ARGS("--config", "/dev/null"), 78, NULL, "KMD_SINK_GROUP");
	unsetenv("KMD_SINK_GROUP");
	assert_ends(ARGS("--check", "--config", "/nowhere/x"), 78, NULL, "/nowhere/x");
	setenv("KMD_BOGUS", "1", 1);
	assert_ends(ARGS("--check"), 78, NULL, "KMD_BOGUS");
	unsetenv("KMD_BOGUS");
	setenv("KMD_TOPIC_PREFIX", "a b", 1);
	assert_ends(ARGS("--check"), 78, NULL, "KMD_TOPIC_PREFIX");
	unsetenv("KMD_TOPIC_PREFIX");
	setenv("KMD_HTTP_LISTEN", "somewhere", 1);
	assert_ends(ARGS("--check"), 78, NULL, "KMD_HTTP_LISTEN");
	setenv("KMD_HTTP_LISTEN", "127.0.0.1:0", 1);
	mode = INIT_FAILS;
	assert_ends(ARGS("--config=/dev/null"), 78, NULL, "KALSHI_API_KEY_ID");
}

static void test_taken_port(void **state)
{
	struct program p;
	char listen[64];

	(void)state;
	start(&p, STEADY);
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", p.port);
	setenv("KMD_HTTP_LISTEN", listen, 1);
	assert_ends(ARGS("--config=/dev/null"), 78, NULL, "KMD_HTTP_LISTEN");
	kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 0);
	drop(&p);
}

static void test_http(void **state)
{
	struct program p;

	(void)state;
	start(&p, STEADY);
	await_status(&p, "/livez", 200, "ok");
	await_status(&p, "/readyz", 200, "\"ready\":true");
	await_status(&p, "/metrics", 200, "kmd_build_info{version=\"");
	await_status(&p, "/metrics", 200, "test_things_total 0\n");
	await_status(&p, "/metrics", 200, "kmd_ready{condition=\"database\"} 1\n");
	await_status(&p, "/else", 404, "");
	kill(p.pid, SIGINT);
	assert_int_equal(finish(&p), 0);
	drop(&p);
}

/* Stuck in its first turn: HTTP answers all the same, and a second signal ends it. */
static void test_stuck(void **state)
{
	struct program p;

	(void)state;
	start(&p, STUCK);
	await_status(&p, "/readyz", 503, "\"missing\":[\"kafka\"]");
	await_status(&p, "/readyz", 503, "connection refused");
	await_status(&p, "/livez", 200, "ok");
	/* Signals that are pending at once count as one. */
	for (struct pollfd said = {.fd = p.err, .events = POLLIN}; !said.revents; poll(&said, 1, 5))
		kill(p.pid, SIGTERM);
	assert_int_equal(finish(&p), 70);
	assert_non_null(strstr(p.err_text.p, "second signal"));
	drop(&p);
}

static void assert_stops(enum mode m, int signal_number, int code, const char *said)
{
	struct program p;

	start(&p, m);
	if (signal_number)
		kill(p.pid, signal_number);
	assert_int_equal(finish(&p), code);
	if (said && !strstr(p.err_text.p, said))
		fail_msg("\"%s\" does not say \"%s\"", p.err_text.p, said);
	drop(&p);
}

static void test_ends(void **state)
{
	(void)state;
	assert_stops(STEADY, SIGTERM, 0, NULL);
	assert_stops(LOSES, SIGTERM, 70, "could not flush");
	assert_stops(LEAVES, SIGTERM, 0, "stopped"); /* without the way out that takes things away */
	assert_stops(FOREIGN, 0, 78, "kmd-sink: the database belongs to another cluster\n");
	assert_stops(FAULT, 0, 70, "kmd-sink: ");
	setenv("KMD_SHUTDOWN_TIMEOUT", "50ms", 1);
	assert_stops(NEVER_DONE, SIGTERM, 70, "KMD_SHUTDOWN_TIMEOUT");
	unsetenv("KMD_SHUTDOWN_TIMEOUT");
}

static void test_not_ready_while_draining(void **state)
{
	struct program p;

	(void)state;
	setenv("KMD_SHUTDOWN_TIMEOUT", "2s", 1);
	start(&p, NEVER_DONE);
	unsetenv("KMD_SHUTDOWN_TIMEOUT");
	await_status(&p, "/readyz", 200, "\"ready\":true");
	kill(p.pid, SIGTERM);
	await_status(&p, "/readyz", 503, "draining");
	await_status(&p, "/livez", 200, "ok");
	assert_int_equal(finish(&p), 70);
	drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_bad_settings),
	    cmocka_unit_test(test_taken_port),
	    cmocka_unit_test(test_http),
	    cmocka_unit_test(test_stuck),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_not_ready_while_draining),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
