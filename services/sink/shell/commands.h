#ifndef SINK_COMMANDS_H
#define SINK_COMMANDS_H

#include "conf.h"

/* One-shot commands: exit codes, the text in @err. */

/** kmd-sink --migrate */
int command_migrate(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err);
/** kmd-sink --accept-topic T */
int command_accept_topic(const void *settings, const struct kmd_conf *conf, const char *arg, struct kmd_err *err);

#endif
