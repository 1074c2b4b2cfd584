#ifndef INGEST_PEERS_H
#define INGEST_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_feed.h"
#include "kmd_time.h"

/*
 * The living lineages of the group's other instances, as topic `feed` tells: whether somebody captures a shard, and
 * whether a successor of ours has everything. A lineage lives from its first record to its `closed`, or until nothing
 * has been heard of it for longer than `alive` may take. Pure.
 */

#define INGEST_PEER_SILENT_NS (8 * KMD_NS_PER_S) /* `alive` comes every 5 s */

struct ingest_peer {
	int64_t lineage, shard;
	int64_t at_ns;         /* its last record's own time */
	int64_t told_ns;       /* idem, of its last `alive` or `handover`: it covered its channels until then */
	struct kmd_mono heard; /* when that was read; ns 0: before we followed, so only at_ns tells its age */
	bool synced;           /* it has announced `handover` */
};

struct ingest_peers {
	struct ingest_peer *all;
	size_t count, cap;
};

struct ingest_now {
	struct kmd_mono mono;
	struct kmd_wall wall;
};

/** Zero-initialise struct ingest_peers. */
void ingest_peers_fini(struct ingest_peers *p);
/**
 * A record of another instance of the group. @following: it was written just now, not found when we began.
 * @dead: that instance is known to have ended.
 */
void ingest_peers_learn(
    struct ingest_peers *p, const struct kmd_feed_record *r, bool following, bool dead, const struct ingest_now *now);
/** Does another instance capture @shard? */
bool ingest_peers_capture(const struct ingest_peers *p, int64_t shard, const struct ingest_now *now);
/** Has one of them announced that it holds everything of @shard, on a lineage above @above? */
bool ingest_peers_synced(const struct ingest_peers *p, int64_t shard, int64_t above, const struct ingest_now *now);
/**
 * Is one of them, on a lineage below @below, alive that has not told of itself since @wall_ns, so that it is open
 * whether it was there then? `alive` and `handover` tell that; a `subscribed` is about one channel alone. Only older
 * lineages are asked, so no two instances wait for each other.
 */
bool ingest_peers_owe(
    const struct ingest_peers *p, int64_t shard, int64_t below, int64_t wall_ns, const struct ingest_now *now);

#endif
