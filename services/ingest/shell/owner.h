#ifndef INGEST_OWNER_H
#define INGEST_OWNER_H

#include "group.h"
#include "kmd_feed.h"
#include "peers.h"
#include "shards.h"

/*
 * Which shards this instance captures, and when it may stop: what the group says (shell/group), what other instances
 * tell in topic `feed` (core/peers), decided by core/shards. Pipeline thread.
 */

struct ingest;
struct ingest_line;
struct ingest_conn;

struct ingest_owner {
	struct ingest_group *group;
	struct ingest_shards shards;
	struct ingest_peers peers;
	int64_t first_lineage; /* of this process; 0: none yet */
	bool leaving;          /* SIGTERM: no shard is taken any more */
	struct kmd_mono look_due;
	bool stranger_told;
};

int ingest_owner_start(struct ingest *g, struct kmd_err *err) KMD_MUST_CHECK;
void ingest_owner_stop(struct ingest *g);
/** A record of topic `feed`. */
void ingest_owner_learn(struct ingest *g, const struct kmd_feed_record *r);
/** Is it about a lineage of this process? */
bool ingest_owner_is_ours(const struct ingest *g, const struct kmd_feed_record *r);
/** Each turn. */
void ingest_owner_step(struct ingest *g);
/** SIGTERM: leaves the group; shards that others can take over are captured until they do. */
void ingest_owner_leave(struct ingest *g);
/** Nothing is captured any more, whoever could take over. */
void ingest_owner_abandon(struct ingest *g);
/** Have we left, and is nothing captured any more? */
bool ingest_owner_is_done(const struct ingest *g);
bool ingest_owner_captures(const struct ingest *g, const struct ingest_line *line);
/** Has the shard another owner, for whose sake it is still captured? */
bool ingest_owner_is_leaving(const struct ingest *g, const struct ingest_line *line);
/** Is it open whether another instance still had the shard at @at_ns? */
bool ingest_owner_must_wait(const struct ingest *g, const struct ingest_conn *conn, int64_t at_ns);
/** Readiness and gauges. */
void ingest_owner_look(struct ingest *g);

#endif
