#include <stdlib.h>

#include "../../services/ingest/shell/conf.h"
#include "group.h"
#include "ingest.h"
#include "kmd_mem.h"
#include "sim_broker.h"
#include "sim_service.h"

/*
 * kmd-ingest. Its receiving thread and the one that makes the topics are stood in for by sim_ws.c, its membership
 * below.
 */

const struct proc_program *service_ingest(void)
{
	static struct ingest_settings settings;
	static struct proc_program program;

	settings = (struct ingest_settings){
	    .app = {.topic_prefix = BROKER_PREFIX, .topic_create = true, .topic_partitions = 1},
	    .ws_url = "ws://127.0.0.1/trade-api/ws/v2",
	    .api_key_id = "key",
	    .private_key_file = "key.pem",
	    .channels = "trade,ticker,market_lifecycle_v2,multivariate_market_lifecycle,orderbook_delta",
	    .markets = "*,-KXMVE*",
	    .group = "kmd-ingest",
	    .shards = 1,
	    .stale_after_ns = 10 * SIM_S,
	};
	program = (struct proc_program){
	    .name = "ingest",
	    .settings = &settings,
	    .init = ingest_init,
	    .step = ingest_step,
	    .fini = ingest_fini,
	    .shutdown_timeout_ns = 20 * SIM_S,
	    .pause_ns = 2 * SIM_MS,
	};
	return &program;
}

/* ---- the group: one member, to whom every shard belongs ---- */

struct ingest_group {
	size_t shards, told;
	bool leaving, left;
};

int ingest_group_start(struct ingest_group **ret, struct kmd_app *app, const struct ingest_setup *setup,
    const struct kmd_kafka *kafka, struct kmd_err *err)
{
	(void)app;
	(void)setup;
	(void)err;
	*ret = kmd_calloc(1, sizeof(**ret));
	(*ret)->shards = (size_t)kafka->shards;
	return 0;
}

bool ingest_group_next(struct ingest_group *m, struct ingest_group_event *ret)
{
	if (m->leaving && !m->left) {
		m->left = true;
		*ret = (struct ingest_group_event){INGEST_GROUP_ALONE, 0};
		return true;
	}
	if (m->told > m->shards || !broker_is_up())
		return false;
	*ret = (struct ingest_group_event){m->told < m->shards ? INGEST_GROUP_ASSIGNED : INGEST_GROUP_SETTLED, m->told};
	m->told++;
	return true;
}

void ingest_group_leave(struct ingest_group *m, bool ask)
{
	m->leaving = ask;
}

void ingest_group_stop(struct ingest_group *m)
{
	free(m);
}
