#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "kmd_app.h"

/* The service's life: boot, turn, drain, end (struct kmd_app_ops). */

int sink_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err);
enum kmd_verdict sink_step(void *service, const struct kmd_tick *tick);
bool sink_fini(void *service);

#endif
