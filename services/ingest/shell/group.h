#ifndef INGEST_GROUP_H
#define INGEST_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "kmd_app.h"
#include "kmd_kafka.h"
#include "setup.h"

/*
 * Membership in the consumer group KMD_INGEST_GROUP over topic `shards`, which says whose a shard is. A thread of its
 * own keeps it, because rebalances and questions to the broker block; what the group says comes as events, in order.
 * The other side is one thread.
 */

#define INGEST_GROUP_SESSION_MS 6000 /* an owner that is silent for so long loses its shards */

struct ingest_group;

enum ingest_group_kind {
	INGEST_GROUP_ASSIGNED,
	INGEST_GROUP_REVOKED,
	INGEST_GROUP_LOST,    /* as REVOKED, but nobody has said that somebody else has it */
	INGEST_GROUP_SETTLED, /* our share is what was assigned and not revoked */
	INGEST_GROUP_ALONE,   /* after ingest_group_leave(): nobody else is in the group; may come behind OTHERS */
	INGEST_GROUP_OTHERS,  /* after ingest_group_leave(): somebody is, to take over */
	INGEST_GROUP_FATAL,   /* the client has failed for good */
};

struct ingest_group_event {
	enum ingest_group_kind kind;
	size_t shard; /* of ASSIGNED, REVOKED, LOST: any partition of the topic */
};

/** Joins once @setup is done and the topic has @kafka->shards partitions; says in readiness `shards` why not yet. */
int ingest_group_start(struct ingest_group **ret, struct kmd_app *app, const struct ingest_setup *setup,
    const struct kmd_kafka *kafka, struct kmd_err *err) KMD_MUST_CHECK;
/** The oldest event; false: none. */
bool ingest_group_next(struct ingest_group *m, struct ingest_group_event *ret);
/** Leaves the group; @ask: asks who else is there before that, and tells it. */
void ingest_group_leave(struct ingest_group *m, bool ask);
/** Ends the thread, and the membership if it still is. NULL is fine. */
void ingest_group_stop(struct ingest_group *m);

#endif
