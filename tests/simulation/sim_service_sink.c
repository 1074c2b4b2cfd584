#include <stdlib.h>
#include <string.h>

#include "../../services/sink/shell/conf.h"
#include "keeper.h"
#include "kmd_mem.h"
#include "sim_database.h"
#include "sim_service.h"
#include "sink.h"

/* kmd-sink. Its keeper (schema, platform, partitions ahead) is stood in for: ready when broker and database are there.
 */

struct keeper {
	bool ready;
};

struct keeper *keeper_start(struct hub *hub, struct kmd_app *app, unsigned mask)
{
	(void)hub;
	(void)app;
	(void)mask;
	return kmd_calloc(1, sizeof(struct keeper));
}

bool keeper_ready(struct keeper *k)
{
	k->ready = k->ready || (broker_is_up() && database_is_up());
	return k->ready;
}

bool keeper_foreign(struct keeper *k, const char **ret_text)
{
	(void)k;
	(void)ret_text;
	return false;
}

void keeper_topic_id(struct keeper *k, enum kmd_topic t, char ret[64])
{
	(void)k;
	(void)t;
	memset(ret, 0, 64);
}

bool keeper_stop(struct keeper *k, int timeout_ms)
{
	(void)timeout_ms;
	free(k);
	return true;
}

const struct proc_program *service_sink(void)
{
	static struct sink_settings settings;
	static struct proc_program program;

	settings = (struct sink_settings){
	    .app = {.topic_prefix = BROKER_PREFIX, .topic_create = true, .topic_partitions = 1},
	    .group = "kmd-sink",
	    .writers = sim_between(1, 3),
	    .batch_rows = sim_chance(300) ? sim_between(1, 5) : sim_between(10, 200),
	    .batch_bytes = sim_chance(200) ? 4096 : 8 * 1024 * 1024,
	    .batch_age_ns = sim_between(20, 400) * SIM_MS,
	};
	program = (struct proc_program){
	    .name = "sink",
	    .settings = &settings,
	    .init = sink_init,
	    .step = sink_step,
	    .fini = sink_fini,
	    .shutdown_timeout_ns = 20 * SIM_S,
	    .pause_ns = 4 * SIM_MS,
	};
	return &program;
}
