#include "../../services/ingest/shell/conf.h"
#include "ingest.h"
#include "sim_broker.h"
#include "sim_service.h"

/* kmd-ingest. Its receiving thread and the one that makes the topics are stood in for by sim_ws.c. */

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
