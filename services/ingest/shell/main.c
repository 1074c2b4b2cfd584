#include "conf.h"
#include "ingest.h"

int main(int argc, char **argv)
{
	const struct kmd_app_ops ops = {
	    .name = "ingest",
	    .summary = "Captures the exchange's WebSocket into Kafka, byte for byte.",
	    .who = KMD_WHO_INGEST,
	    .binds = ingest_binds,
	    .binds_count = ingest_binds_count,
	    .settings_size = sizeof(struct ingest_settings),
	    .check = ingest_conf_check,
	    .init = ingest_init,
	    .step = ingest_step,
	    .fini = ingest_fini,
	};

	return kmd_app_main(&ops, argc, argv);
}
