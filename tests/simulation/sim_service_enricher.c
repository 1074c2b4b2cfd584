#include "../../services/enricher/shell/conf.h"
#include "enricher.h"
#include "sim_broker.h"
#include "sim_service.h"

/* kmd-enricher, all of it. */

const struct proc_program *service_enricher(void)
{
	static struct enrich_settings settings;
	static struct proc_program program;

	settings = (struct enrich_settings){
	    .app = {.topic_prefix = BROKER_PREFIX, .topic_create = true, .topic_partitions = 1},
	    .rest_url = "https://127.0.0.1/trade-api/v2",
	    .key_id = "key",
	    .key_file = "key.pem",
	    .group = "kmd-enricher",
	    .max_in_flight = sim_between(1, 16),
	    .rate = (double)sim_between(10, 50),
	    .settlement_retry_ns = sim_between(1, 5) * SIM_S,
	    .list_every_ns = sim_between(30, 120) * SIM_S,
	};
	program = (struct proc_program){
	    .name = "enricher",
	    .settings = &settings,
	    .init = enricher_init,
	    .step = enricher_step,
	    .fini = enricher_fini,
	    .shutdown_timeout_ns = 20 * SIM_S,
	    .pause_ns = SIM_MS,
	};
	return &program;
}
