#include "conf.h"
#include "enricher.h"

int main(int argc, char **argv)
{
	const struct kmd_app_ops ops = {
	    .name = "enricher",
	    .summary =
		"fetches by signed REST what the exchange's frames announce: settlements, markets, missed trades",
	    .who = KMD_WHO_ENRICHER,
	    .binds = enrich_binds,
	    .binds_count = enrich_binds_count,
	    .settings_size = sizeof(struct enrich_settings),
	    .check = enrich_conf_check,
	    .init = enricher_init,
	    .step = enricher_step,
	    .fini = enricher_fini,
	};

	return kmd_app_main(&ops, argc, argv);
}
