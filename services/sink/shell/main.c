#include "commands.h"
#include "sink.h"

static const struct kmd_app_command commands[] = {
    {"--migrate", NULL, "bring the database schema up to date and stop", command_migrate},
    {"--accept-topic", "TOPIC",
	"take a topic that was made anew: its partitions start at their low watermark; then stop",
	command_accept_topic},
};

int main(int argc, char **argv)
{
	const struct kmd_app_ops ops = {
	    .name = "sink",
	    .summary = "Kafka to partitioned Postgres: rows, dead letters and offsets in one transaction",
	    .who = KMD_WHO_SINK,
	    .binds = sink_binds,
	    .binds_count = sink_binds_count,
	    .settings_size = sizeof(struct sink_settings),
	    .commands = commands,
	    .commands_count = sizeof(commands) / sizeof(commands[0]),
	    .check = sink_conf_check,
	    .init = sink_init,
	    .step = sink_step,
	    .fini = sink_fini,
	};

	return kmd_app_main(&ops, argc, argv);
}
