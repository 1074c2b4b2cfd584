#ifndef KMD_GROUP_H
#define KMD_GROUP_H

#include <stddef.h>

#include "kmd_kafka.h"

/* Questions about a consumer group and its topic, asked with a client of their own. They block; any thread. */

/**
 * How many members @group has, those included that died and were not missed yet. KMD_EAGAIN: broker away, refuses, or
 * does not know.
 */
int kmd_group_members(const struct kmd_kafka *k, const char *group, int timeout_ms, size_t *ret_count,
    struct kmd_err *err) KMD_MUST_CHECK;

/**
 * Sees to it that topic @t, which exists, has @count partitions or more; more are left alone. KMD_EAGAIN: broker away
 * or refuses.
 */
int kmd_group_widen(
    const struct kmd_kafka *k, enum kmd_topic t, int count, int timeout_ms, struct kmd_err *err) KMD_MUST_CHECK;

#endif
