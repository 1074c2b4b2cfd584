#ifndef INGEST_INSTANCE_H
#define INGEST_INSTANCE_H

#include <stdbool.h>

#include "kmd_str.h"

/* The names that processes have in topic `feed`: host and process id. */

#define INGEST_INSTANCE_MAX 300

void ingest_instance_name(char ret[INGEST_INSTANCE_MAX]);
/**
 * Is the process that called itself @other known to have ended? Under our own name it is a former life of ours (in a
 * container every life has the same number); on our host the system knows. Elsewhere nothing is known: false.
 */
bool ingest_instance_is_gone(const char *own, struct kmd_str other);

#endif
