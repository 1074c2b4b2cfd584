#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmd_conf.h"

struct settings {
	const char *listen, *prefix, *spool, *url, *format;
	bool mve, create;
	int64_t writers, retry_ns, batch_bytes;
	double rate;
};

static const struct kmd_conf_bind binds[] = {
    {"KMD_HTTP_LISTEN", offsetof(struct settings, listen)},
    {"KMD_TOPIC_PREFIX", offsetof(struct settings, prefix)},
    {"KMD_LOG_FORMAT", offsetof(struct settings, format)},
    {"KMD_INGEST_SPOOL_DIR", offsetof(struct settings, spool)},
    {"KMD_TOPIC_CREATE", offsetof(struct settings, create)},
    {"KMD_ENRICHER_MVE", offsetof(struct settings, mve)},
    {"KMD_ENRICHER_RATE", offsetof(struct settings, rate)},
    {"KMD_ENRICHER_SETTLEMENT_RETRY", offsetof(struct settings, retry_ns)},
    {"KMD_SINK_WRITERS", offsetof(struct settings, writers)},
    {"KMD_SINK_BATCH_BYTES", offsetof(struct settings, batch_bytes)},
    {"DATABASE_URL", offsetof(struct settings, url)},
};

#define ENV(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct kmd_conf conf;
static struct settings got;
static struct kmd_err err;
static char folder[] = "/tmp/test_conf.XXXXXX";

static int load(enum kmd_conf_who who, const char *const *env, const char *file)
{
	memset(&got, 0, sizeof(got));
	err.text[0] = '\0';
	return kmd_conf_load(&conf, who, env, file, binds, sizeof(binds) / sizeof(binds[0]), &got, &err);
}

/* A file in the test's folder; its path lives until the next call. */
static const char *file_with(const char *name, const char *text)
{
	static char path[2][200];
	static int turn;
	char *p = path[turn++ & 1];
	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	FILE *f = fopen(p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return p;
}

static void assert_refused(enum kmd_conf_who who, const char *const *env, const char *file, const char *named)
{
	assert_int_equal(load(who, env, file), KMD_ECONFIG);
	if (!strstr(err.text, named))
		fail_msg("\"%s\" does not name \"%s\"", err.text, named);
	assert_null(strchr(err.text, '\n'));
}

static const char *kafka(const char *name)
{
	for (size_t i = 0; i < conf.kafka_count; i++)
		if (strcmp(conf.kafka[i].name, name) == 0)
			return conf.kafka[i].value;
	return NULL;
}

static char *printed(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	kmd_conf_print(&conf, f);
	fclose(f);
	return text;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(load(KMD_WHO_INGEST, ENV(), NULL), 0);
	assert_string_equal(got.listen, "127.0.0.1:9101");
	assert_string_equal(got.prefix, "kalshi.");
	assert_null(got.spool);
	assert_null(got.format);
	assert_true(got.create);
	assert_string_equal(kafka("bootstrap.servers"), "localhost:9092");
	kmd_conf_fini(&conf);

	assert_int_equal(load(KMD_WHO_ENRICHER, ENV(), NULL), 0);
	assert_string_equal(got.listen, "127.0.0.1:9102");
	assert_true(got.rate == 15.0);
	assert_int_equal(got.retry_ns, INT64_C(5000000000));
	assert_false(got.mve);
	kmd_conf_fini(&conf);

	assert_int_equal(load(KMD_WHO_SINK, ENV(), NULL), 0);
	assert_string_equal(got.listen, "127.0.0.1:9103");
	assert_int_equal(got.writers, 2);
	assert_int_equal(got.batch_bytes, 8 << 20);
	kmd_conf_fini(&conf);
}

static void test_environment_over_file_over_default(void **state)
{
	const char *file = file_with("settings", "# a comment\n\n KMD_SINK_WRITERS = 5 \r\nKMD_TOPIC_PREFIX=file.\n"
						 "KMD_SINK_BATCH_BYTES=1KiB");

	(void)state;
	assert_int_equal(load(KMD_WHO_SINK, ENV("KMD_TOPIC_PREFIX=env."), file), 0);
	assert_string_equal(got.prefix, "env.");
	assert_int_equal(got.writers, 5);
	assert_int_equal(got.batch_bytes, 1024);
	kmd_conf_fini(&conf);
}

static void test_empty_prefix_is_a_value(void **state)
{
	(void)state;
	assert_int_equal(load(KMD_WHO_INGEST, ENV("KMD_TOPIC_PREFIX=", "KMD_INGEST_SPOOL_DIR="), NULL), 0);
	assert_string_equal(got.prefix, "");
	assert_null(got.spool);
	kmd_conf_fini(&conf);
}

static void test_values_from_files(void **state)
{
	char env[300], other[300];

	(void)state;
	snprintf(env, sizeof(env), "DATABASE_URL_FILE=%s", file_with("url", "postgres://u:p@h/d\n"));
	snprintf(other, sizeof(other), "KAFKA_SASL_PASSWORD_FILE=%s", file_with("pw", "s3cret\r\n"));
	assert_int_equal(load(KMD_WHO_SINK, ENV(env, other), NULL), 0);
	assert_string_equal(got.url, "postgres://u:p@h/d");
	assert_string_equal(kafka("sasl.password"), "s3cret");
	kmd_conf_fini(&conf);

	assert_refused(KMD_WHO_SINK, ENV(env, "DATABASE_URL=x"), NULL, "DATABASE_URL_FILE");
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_WRITERS_FILE=/nowhere/x"), NULL, "/nowhere/x");
	/* Of another program's files only the names matter. */
	assert_int_equal(load(KMD_WHO_INGEST, ENV("DATABASE_URL_FILE=/nowhere/x"), NULL), 0);
	kmd_conf_fini(&conf);
}

static void test_unknown_names(void **state)
{
	(void)state;
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_WRITER=2"), NULL, "KMD_SINK_WRITER");
	assert_refused(KMD_WHO_SINK, ENV("KALSHI_KEY=2"), NULL, "KALSHI_KEY");
	assert_refused(KMD_WHO_SINK, ENV("KMD_NOPE_FILE=2"), NULL, "KMD_NOPE_FILE");
	assert_refused(KMD_WHO_SINK, ENV("kmd_sink_writers=2"), NULL, "kmd_sink_writers");
	assert_refused(KMD_WHO_SINK, ENV("KAFKA_=2"), NULL, "KAFKA_");
	assert_refused(KMD_WHO_SINK, ENV(), file_with("f", "\nKMD_SINK_WRITER=2\n"), "f line 2");
	/* Another program's setting is fine, whatever it holds. */
	assert_int_equal(load(KMD_WHO_INGEST, ENV("KMD_SINK_WRITERS=lots", "HOME=/root"), NULL), 0);
	kmd_conf_fini(&conf);
}

static void test_service_links_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(
	    load(KMD_WHO_SINK,
		ENV("KMD_SINK_PORT=tcp://10.0.0.1:9103", "KMD_SINK_SERVICE_HOST=10.0.0.1", "KMD_SINK_SERVICE_PORT=9103",
		    "KMD_SINK_SERVICE_PORT_METRICS=9103", "KMD_SINK_PORT_9103_TCP=tcp://10.0.0.1:9103",
		    "KMD_SINK_PORT_9103_TCP_ADDR=10.0.0.1", "KAFKA_PORT_9092_TCP=tcp://10.0.0.2:9092",
		    "KAFKA_SERVICE_HOST=10.0.0.2", "KAFKA_PORT=tcp://10.0.0.2:9092", "PG_PORT=tcp://10.0.0.3:5432"),
		NULL),
	    0);
	assert_int_equal(conf.kafka_count, 1);
	kmd_conf_fini(&conf);
}

static void test_bad_values(void **state)
{
	(void)state;
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_WRITERS=abc"), NULL, "KMD_SINK_WRITERS=abc");
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_WRITERS=0"), NULL, "from 1 to 64");
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_WRITERS="), NULL, "KMD_SINK_WRITERS");
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_BATCH_AGE=250"), NULL, "from 1ms to 1h");
	assert_refused(KMD_WHO_SINK, ENV("KMD_SINK_BATCH_BYTES=8MB"), NULL, "from 1KiB to 1GiB");
	assert_refused(KMD_WHO_ENRICHER, ENV("KMD_ENRICHER_RATE=-1"), NULL, "above 0");
	assert_refused(KMD_WHO_ENRICHER, ENV("KMD_ENRICHER_MVE=maybe"), NULL, "true or false");
	assert_refused(KMD_WHO_INGEST, ENV("KMD_LOG_LEVEL=loud"), NULL, "debug|info|warn|error");
	assert_refused(KMD_WHO_INGEST, ENV("KMD_LOG_FORMAT=xml"), NULL, "json|text");
}

static void test_bad_files(void **state)
{
	(void)state;
	assert_refused(KMD_WHO_SINK, ENV(), file_with("f", "KMD_TOPIC_PREFIX=x\nwhat is this\n"), "f line 2");
	assert_refused(KMD_WHO_SINK, ENV(), file_with("f", "=x\n"), "f line 1");
	assert_refused(KMD_WHO_SINK, ENV(), "/nowhere/settings", "/nowhere/settings");
	assert_refused(KMD_WHO_SINK, ENV(), "/", "/");
}

static void test_kafka_properties(void **state)
{
	(void)state;
	assert_int_equal(
	    load(KMD_WHO_INGEST, ENV("KAFKA_SSL_CA_LOCATION=/ca", "KAFKA_BOOTSTRAP_SERVERS=b:1", "KAFKA_LINGER_MS=5"),
		NULL),
	    0);
	assert_int_equal(conf.kafka_count, 3);
	assert_string_equal(conf.kafka[0].name, "bootstrap.servers");
	assert_string_equal(conf.kafka[0].value, "b:1");
	assert_string_equal(conf.kafka[1].name, "linger.ms");
	assert_string_equal(conf.kafka[1].setting, "KAFKA_LINGER_MS");
	assert_string_equal(conf.kafka[2].name, "ssl.ca.location");
	kmd_conf_fini(&conf);
}

static void test_libpq_names_reach_the_environment(void **state)
{
	char pw[300], text[400];

	(void)state;
	unsetenv("PGHOST");
	unsetenv("PGUSER");
	snprintf(pw, sizeof(pw), "%s", file_with("pgpw", "hunter2\n"));
	snprintf(text, sizeof(text), "PGHOST=file-host\nPGUSER=file-user\nPGPASSWORD_FILE=%s\n", pw);
	assert_int_equal(load(KMD_WHO_SINK, ENV("PGUSER=env-user"), file_with("f", text)), 0);
	assert_string_equal(getenv("PGHOST"), "file-host");
	assert_string_equal(getenv("PGPASSWORD"), "hunter2");
	assert_null(getenv("PGUSER")); /* stands in the environment that was given, which is not this process's */
	char *out = printed();
	assert_non_null(strstr(out, "PGUSER=env-user\n"));
	assert_non_null(strstr(out, "PGPASSWORD=****\n"));
	free(out);
	unsetenv("PGHOST");
	unsetenv("PGPASSWORD");
	kmd_conf_fini(&conf);
}

static void test_print_masks_secrets(void **state)
{
	(void)state;
	assert_int_equal(load(KMD_WHO_SINK,
			     ENV("DATABASE_URL=postgres://u:hunter2@h/d", "KAFKA_SASL_PASSWORD=hunter2",
				 "KAFKA_SSL_KEY_PEM=hunter2", "KAFKA_SSL_KEY_PASSWORD=hunter2",
				 "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET=hunter2", "KAFKA_SASL_USERNAME=me"),
			     NULL),
	    0);
	char *out = printed();
	assert_null(strstr(out, "hunter2"));
	assert_non_null(strstr(out, "DATABASE_URL=****\n"));
	assert_non_null(strstr(out, "KAFKA_SASL_PASSWORD=****\n"));
	assert_non_null(strstr(out, "KAFKA_SASL_USERNAME=me\n"));
	assert_non_null(strstr(out, "KMD_SINK_WRITERS=2\n"));
	assert_null(strstr(out, "KMD_INGEST_GROUP"));
	free(out);
	kmd_conf_fini(&conf);
}

static void test_secret_is_not_in_the_error(void **state)
{
	(void)state;
	assert_refused(KMD_WHO_SINK, ENV("DATABASE_URL=hunter2", "DATABASE_URL_FILE=/x"), NULL, "DATABASE_URL");
	assert_null(strstr(err.text, "hunter2"));
}

static void test_durations_and_sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} durs[] = {{"250ms", 0, 250000000}, {"5s", 0, INT64_C(5000000000)}, {"7d", 0, INT64_C(604800000000000)},
	    {"0", 0, 0}, {"5", KMD_EPARSE, 0}, {"", KMD_EPARSE, 0}, {"s", KMD_EPARSE, 0}, {"-1s", KMD_EPARSE, 0},
	    {"1.5s", KMD_EPARSE, 0}, {"5 s", KMD_EPARSE, 0}, {"9999999999d", KMD_ERANGE, 0}},
	  sizes[] = {{"512", 0, 512}, {"8KiB", 0, 8192}, {"8MiB", 0, 8 << 20}, {"10GiB", 0, INT64_C(10) << 30},
	      {"8MB", KMD_EPARSE, 0}, {"x", KMD_EPARSE, 0}, {"99999999TiB", KMD_ERANGE, 0}};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(durs) / sizeof(durs[0]); i++) {
		v = 0;
		assert_int_equal(kmd_conf_parse_dur(kmd_str_z(durs[i].text), &v), durs[i].rc);
		assert_int_equal(v, durs[i].value);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		v = 0;
		assert_int_equal(kmd_conf_parse_size(kmd_str_z(sizes[i].text), &v), sizes[i].rc);
		assert_int_equal(v, sizes[i].value);
	}
}

static void test_every_default_is_valid(void **state)
{
	const enum kmd_conf_who all[] = {KMD_WHO_INGEST, KMD_WHO_ENRICHER, KMD_WHO_SINK};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(load(all[i], ENV(), NULL), 0);
		kmd_conf_fini(&conf);
	}
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"settings", "url", "pw", "f", "pgpw"};
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_environment_over_file_over_default),
	    cmocka_unit_test(test_empty_prefix_is_a_value),
	    cmocka_unit_test(test_values_from_files),
	    cmocka_unit_test(test_unknown_names),
	    cmocka_unit_test(test_service_links_are_ignored),
	    cmocka_unit_test(test_bad_values),
	    cmocka_unit_test(test_bad_files),
	    cmocka_unit_test(test_kafka_properties),
	    cmocka_unit_test(test_libpq_names_reach_the_environment),
	    cmocka_unit_test(test_print_masks_secrets),
	    cmocka_unit_test(test_secret_is_not_in_the_error),
	    cmocka_unit_test(test_durations_and_sizes),
	    cmocka_unit_test(test_every_default_is_valid),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
