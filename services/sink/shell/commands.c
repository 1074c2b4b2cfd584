#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"
#include "schema.h"

static int code_of(int rc)
{
	return rc == 0 ? KMD_EXIT_OK : rc == KMD_EFOREIGN || rc == KMD_ECONFIG ? KMD_EXIT_CONFIG : KMD_EXIT_UNAVAILABLE;
}

int command_migrate(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err)
{
	const struct sink_settings *set = settings;
	struct db db = {.url = set->database_url};
	int rc = db_open(&db, err);

	(void)conf;
	(void)arg;
	if (rc == 0)
		rc = schema_migrate(&db, err);
	db_close(&db);
	if (rc == 0)
		printf("schema kalshi is at version %d\n", schema_version());
	return code_of(rc);
}

/* The epoch moves too, so that a sink that runs claims its partitions anew. */
static int accept(struct db *db, const char *topic, struct kmd_err *err)
{
	const char *const params[] = {topic};
	struct kmd_pg_result *r;
	int rc = db_exec(db,
	    "UPDATE kalshi.sink_offsets SET accepted = true, stopped = NULL, epoch = epoch + 1, rows = 0, dead_letters "
	    "= 0, duplicates = 0,"
	    " expired = 0, first_offset = 0, next_offset = 0, last_timestamp_ms = NULL, last_hash = NULL, topic_id = "
	    "NULL, updated_at = now()"
	    " WHERE topic = $1",
	    params, 1, &r, err);

	if (rc < 0)
		return rc;
	printf("%s: %" PRId64 " partitions start anew at their low watermark\n", topic, kmd_pg_affected(r));
	kmd_pg_result_free(r);
	return 0;
}

int command_accept_topic(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err)
{
	const struct sink_settings *set = settings;
	const struct kmd_kafka kafka = sink_conf_kafka(set, conf);
	struct db db = {.url = set->database_url};
	enum kmd_topic topic;
	char name[256];
	int rc;

	if (!kmd_topic_find(kmd_str_z(arg), &topic) || topic == KMD_TOPIC_SHARDS) {
		kmd_err_set(err, KMD_ECONFIG,
		    "--accept-topic %.100s: not a topic with records (give its name without the prefix)", arg);
		return KMD_EXIT_USAGE;
	}
	kmd_kafka_topic_name(&kafka, topic, name);
	rc = db_open(&db, err);
	if (rc == 0)
		rc = platform_check(&db, set->app.topic_prefix, set->group, NULL, err);
	if (rc == 0)
		rc = accept(&db, name, err);
	db_close(&db);
	return code_of(rc);
}
