#ifndef INGEST_H
#define INGEST_H

#include "kmd_app.h"

/* The service as the app runs it; see struct kmd_app_ops. */

int ingest_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err);
enum kmd_verdict ingest_step(void *service, const struct kmd_tick *tick);
bool ingest_fini(void *service);

#endif
