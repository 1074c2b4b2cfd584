#ifndef ENRICHER_H
#define ENRICHER_H

#include "kmd_app.h"

/* The service, for kmd_app_main: see there. One thread owns all of it. */

int enricher_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err);
enum kmd_verdict enricher_step(void *service, const struct kmd_tick *tick);
bool enricher_fini(void *service);

#endif
