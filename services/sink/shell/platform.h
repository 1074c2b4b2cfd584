#ifndef SINK_PLATFORM_H
#define SINK_PLATFORM_H

#include "db.h"

/* Whose database it is: one cluster id, prefix and group, recorded by the first sink that knows all three. */

/**
 * Compares; @cluster NULL: not known yet. 0: ours, or nobody's so far. KMD_EFOREIGN: another's, both named. Codes of
 * class RETRY: the database did not say.
 */
int platform_check(
    struct db *db, const char *prefix, const char *group, const char *cluster, struct kmd_err *err) KMD_MUST_CHECK;
/** Records it unless it is recorded, then compares. */
int platform_claim(
    struct db *db, const char *prefix, const char *group, const char *cluster, struct kmd_err *err) KMD_MUST_CHECK;

#endif
