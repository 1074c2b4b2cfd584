#include "kafka_int.h"
#include "kafka_mock.h"

static struct kmd_conf_prop props[4];
static struct kmd_conf conf = {.kafka = props};
static struct kmd_kafka kafka = {.conf = &conf, .prefix = "kalshi.", .client_id = "test", .group = "mine"};

static int check(const char *name, const char *value, struct kmd_err *err)
{
	props[0] = (struct kmd_conf_prop){"bootstrap.servers", "127.0.0.1:1", "KAFKA_BOOTSTRAP_SERVERS"};
	props[1] = (struct kmd_conf_prop){name, value, "KAFKA_THIS_ONE"};
	conf.kafka_count = name ? 2 : 1;
	*err = (struct kmd_err){""};
	return kmd_kafka_check(&kafka, err);
}

static void accepted(const char *name, const char *value)
{
	struct kmd_err err;

	if (check(name, value, &err) != 0)
		fail_msg("%s=%s: %s", name, value, err.text);
}

static void refused(const char *name, const char *value)
{
	struct kmd_err err;

	if (check(name, value, &err) != KMD_ECONFIG || !strstr(err.text, "KAFKA_THIS_ONE"))
		fail_msg("%s=%s: %s", name, value, err.text);
}

static void properties_of_any_client_are_accepted(void **state)
{
	(void)state;
	accepted(NULL, NULL);
	accepted("sasl.username", "u");
	accepted("linger.ms", "50");
	accepted("compression.type", "zstd");
	accepted("max.poll.interval.ms", "400000");
	accepted("fetch.wait.max.ms", "10");
	accepted("security.protocol", "ssl");
	accepted("metadata.broker.list", "127.0.0.1:2");
}

static void unknown_and_invalid_are_named(void **state)
{
	(void)state;
	refused("foo.bar", "1");
	refused("linger.ms", "soon");
	refused("linger.ms", "-5");
	refused("security.protocol", "carrier_pigeon");
	refused("max.in.flight", "6");
	refused("bootstrap.servers", ",");
	refused("background.event.cb", "x");
}

static void files_are_looked_at(void **state)
{
	struct kmd_err err;

	(void)state;
	check("ssl.ca.location", "/nonexistent/ca.pem", &err);
	props[2] = (struct kmd_conf_prop){"security.protocol", "ssl", "KAFKA_SECURITY_PROTOCOL"};
	conf.kafka_count = 3;
	assert_int_equal(kmd_kafka_check(&kafka, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "KAFKA_THIS_ONE"));
}

static void ours_are_refused_unless_equal(void **state)
{
	static const char *const pairs[][3] = {
	    {"acks", "all", "1"},
	    {"acks", "-1", "0"},
	    {"request.required.acks", "-1", "1"},
	    {"enable.idempotence", "true", "false"},
	    {"message.timeout.ms", "0", "300000"},
	    {"delivery.timeout.ms", "0", "300000"},
	    {"partitioner", "murmur2_random", "consistent_random"},
	    {"enable.auto.commit", "false", "true"},
	    {"auto.offset.reset", "error", "earliest"},
	    {"group.id", "mine", "yours"},
	    {"partition.assignment.strategy", "cooperative-sticky", "range"},
	    {"transactional.id", "", "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		accepted(pairs[i][0], pairs[i][1]);
		refused(pairs[i][0], pairs[i][2]);
	}
}

/* Whatever librdkafka's own defaults are. */
static void the_guarantee_is_in_force(void **state)
{
	static const struct {
		enum kafka_role role;
		const char *name, *value;
	} wanted[] = {
	    {KAFKA_PRODUCER, "acks", "-1"},
	    {KAFKA_PRODUCER, "enable.idempotence", "true"},
	    {KAFKA_PRODUCER, "message.timeout.ms", "0"},
	    {KAFKA_PRODUCER, "partitioner", "murmur2_random"},
	    {KAFKA_GROUP, "enable.auto.commit", "false"},
	    {KAFKA_GROUP, "auto.offset.reset", "error"},
	    {KAFKA_READER, "auto.offset.reset", "error"},
	};
	struct kmd_err err;

	(void)state;
	conf.kafka_count = 1;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		rd_kafka_conf_t *c = kafka_conf_new(&kafka, wanted[i].role, &err);
		char value[64] = "";
		size_t size = sizeof(value);

		assert_non_null(c);
		assert_int_equal(rd_kafka_conf_get(c, wanted[i].name, value, &size), RD_KAFKA_CONF_OK);
		if (strcmp(value, wanted[i].value) != 0)
			fail_msg("%s is %s", wanted[i].name, value);
		rd_kafka_conf_destroy(c);
	}
}

static void scram_depends_on_the_library(void **state)
{
	struct kmd_err err;

	(void)state;
	if (rd_kafka_version() >= 0x02060100) {
		accepted("sasl.mechanism", "SCRAM-SHA-512");
		return;
	}
	assert_int_equal(check("sasl.mechanism", "SCRAM-SHA-512", &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "2.6.1"));
	refused("sasl.mechanisms", "SCRAM-SHA-256");
}

static void secrets_do_not_show(void **state)
{
	struct kmd_err err;

	(void)state;
	props[2] = (struct kmd_conf_prop){"sasl.password", "hunter2", "KAFKA_SASL_PASSWORD"};
	check("linger.ms", "x", &err);
	conf.kafka_count = 3;
	assert_int_equal(kmd_kafka_check(&kafka, &err), KMD_ECONFIG);
	assert_null(strstr(err.text, "hunter2"));
}

static void a_prefix_has_to_make_topic_names(void **state)
{
	struct kmd_kafka k = kafka;
	struct kmd_err err;

	(void)state;
	conf.kafka_count = 1;
	k.prefix = "has space.";
	assert_int_equal(kmd_kafka_check(&k, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "KMD_TOPIC_PREFIX"));
	k.prefix = "";
	assert_int_equal(kmd_kafka_check(&k, &err), 0);
}

static void names_carry_the_prefix(void **state)
{
	char name[256];

	(void)state;
	kmd_kafka_topic_name(&kafka, KMD_TOPIC_FEED, name);
	assert_string_equal(name, "kalshi.feed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(properties_of_any_client_are_accepted),
	    cmocka_unit_test(unknown_and_invalid_are_named),
	    cmocka_unit_test(files_are_looked_at),
	    cmocka_unit_test(ours_are_refused_unless_equal),
	    cmocka_unit_test(the_guarantee_is_in_force),
	    cmocka_unit_test(scram_depends_on_the_library),
	    cmocka_unit_test(secrets_do_not_show),
	    cmocka_unit_test(a_prefix_has_to_make_topic_names),
	    cmocka_unit_test(names_carry_the_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
