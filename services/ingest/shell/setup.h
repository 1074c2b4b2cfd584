#ifndef INGEST_SETUP_H
#define INGEST_SETUP_H

#include <stdbool.h>

#include "kmd_app.h"
#include "kmd_kafka.h"

/*
 * A thread that makes the topics and ends when they are there: asking a broker that is away blocks, and the pipeline
 * must not. Until then it owns the readiness condition "kafka".
 */

struct ingest_setup;

/** Both borrowed until ingest_setup_stop. */
int ingest_setup_start(
    struct ingest_setup **ret, struct kmd_app *app, const struct kmd_kafka *kafka, struct kmd_err *err) KMD_MUST_CHECK;
/** Are all topics there? */
bool ingest_setup_done(const struct ingest_setup *s);
/** Waits for an attempt under way. NULL is fine. */
void ingest_setup_stop(struct ingest_setup *s);

#endif
