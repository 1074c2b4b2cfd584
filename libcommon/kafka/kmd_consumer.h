#ifndef KMD_CONSUMER_H
#define KMD_CONSUMER_H

#include "kmd_kafka.h"

/*
 * A consumer in one of two ways: a member of a group (cooperative-sticky; the shell is told of assignment and
 * revocation and says where to start), or a reader of whole topics from where it likes, without a group. Never commits
 * by itself; auto.offset.reset is `error` in a group whose shell gives offsets, so nothing is skipped silently. One
 * owner thread.
 */

struct kmd_consumer;
struct kmd_record; /* one record, owned by whoever holds it; freed on any thread */

#define KMD_OFFSET_BEGINNING (-2)
#define KMD_OFFSET_END (-1)

struct kmd_tp {
	enum kmd_topic topic;
	int32_t partition;
	int64_t offset;
};

struct kmd_rebalance_ops {
	/**
	 * Partitions were added; fill each .offset with where to start (in: the group's committed offset, or -1001 if
	 * none). May block a few seconds. Return 0, or KMD_EAGAIN when it is not known yet: the partitions stay paused
	 * at no position and the call is repeated by kmd_consumer_poll until it is, or they are revoked.
	 */
	int (*assigned)(void *ctx, struct kmd_tp *tps, size_t n);
	/** Partitions go away. @lost: they already belong to somebody else, committing is useless. Write out what is in
	 * hand before returning. */
	void (*revoked)(void *ctx, const struct kmd_tp *tps, size_t n, bool lost);
	/**
	 * The broker has nothing at .offset, the position of an assigned partition: retention took it, or the topic was
	 * made anew (kmd_consumer_watermarks tells). Nothing more is read of it until kmd_consumer_seek, which may be
	 * called from here or later. NULL: it goes on at the low watermark.
	 */
	void (*out_of_range)(void *ctx, const struct kmd_tp *tp);
	/**
	 * The group has said what this member's share is: what was assigned and not revoked, perhaps nothing. NULL: not
	 * wanted.
	 */
	void (*settled)(void *ctx);
};

/** Member of @group over the topics of @mask. Callbacks run inside kmd_consumer_poll / _close, on the owner's thread.
 */
int kmd_consumer_join(struct kmd_consumer **ret, const struct kmd_kafka *k, const char *group, unsigned mask,
    const struct kmd_rebalance_ops *ops, void *ctx, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Reader of all partitions of the topics of @mask from @start (KMD_OFFSET_BEGINNING or _END), following them for ever,
 * new partitions included; topics that do not exist yet are waited for.
 */
int kmd_consumer_read(struct kmd_consumer **ret, const struct kmd_kafka *k, unsigned mask, int64_t start,
    struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Leaves the group (revoked is called), frees. Records in other hands stay valid. NULL is fine. Blocks:
 * at most 3 s for the group's first answer (a member that has none is not closed but left behind, kmd_left.h), at most
 * 5 s for the leaving, and as long as revoked takes, or an assignment that comes meanwhile (5 s for committed offsets,
 * and assigned); then, here or where the last record is freed, 3 s for the client's threads, which are left behind
 * after that (kmd_left.h).
 */
void kmd_consumer_close(struct kmd_consumer *c);

/**
 * Up to @max records, waiting at most @timeout_ms for the first (a rebalance takes as long as the ops take). Serves
 * rebalances; has to be called every few seconds, or the group takes the partitions away. Returns the count (0: none),
 * or KMD_EFAULT after a fatal error of the client. Records are given: kmd_record_free each.
 */
int kmd_consumer_poll(struct kmd_consumer *c, struct kmd_record **ret, int max, int timeout_ms);
/** An eventfd that becomes readable when records wait. */
int kmd_consumer_fd(const struct kmd_consumer *c);
/**
 * Has everything that stood in the topics when the reader started (or at the last call of kmd_consumer_mark) been given
 * out? For a reader only; false while a broker or topic is away.
 */
bool kmd_consumer_caught_up(struct kmd_consumer *c);
/** Sets the mark of caught_up to the present ends of the topics; asks the broker, may block @timeout_ms. 0 or
 * KMD_EAGAIN. */
int kmd_consumer_mark(struct kmd_consumer *c, int timeout_ms, struct kmd_err *err) KMD_MUST_CHECK;

int kmd_consumer_pause(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n) KMD_MUST_CHECK;
int kmd_consumer_resume(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n) KMD_MUST_CHECK;
/** Moves the fetch position of an assigned partition; what was fetched before is forgotten. KMD_EAGAIN: not assigned.
 */
int kmd_consumer_seek(struct kmd_consumer *c, const struct kmd_tp *tp, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Stores the group's offsets (.offset = next to read) in the background. @sync waits for the answer, at most 3 s, and
 * not at all within kmd_consumer_close. KMD_EAGAIN: no answer; or this member waits for the group to divide its
 * partitions anew, which it does not within `revoked` unless they are lost or it leaves meanwhile: nothing is stored
 * then. Try again later.
 */
int kmd_consumer_commit(
    struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, bool sync, struct kmd_err *err) KMD_MUST_CHECK;
/** Low and high watermark as the broker says (blocks up to @timeout_ms), or KMD_EAGAIN. */
int kmd_consumer_watermarks(struct kmd_consumer *c, const struct kmd_tp *tp, int timeout_ms, int64_t *ret_low,
    int64_t *ret_high, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Watermarks of many partitions with two questions, one of which cannot be told: ret_high -1. Blocks up to twice
 * @timeout_ms.
 */
void kmd_consumer_bounds(
    struct kmd_consumer *c, const struct kmd_tp *tps, size_t n, int timeout_ms, int64_t *ret_low, int64_t *ret_high);
/**
 * Asks where the partitions end, all at once, into .offset; those that cannot be told get -1. Blocks up to @timeout_ms.
 * False: nobody answered.
 */
bool kmd_consumer_ends(struct kmd_consumer *c, struct kmd_tp *tps, size_t n, int timeout_ms);
/** The last watermarks that came with fetches; KMD_EAGAIN if none yet. Never blocks. */
int kmd_consumer_cached_watermarks(
    struct kmd_consumer *c, const struct kmd_tp *tp, int64_t *ret_low, int64_t *ret_high) KMD_MUST_CHECK;
bool kmd_consumer_connected(const struct kmd_consumer *c, const char **ret_why);

/* A record. Views borrow from it. Any thread, one at a time. */
enum kmd_topic kmd_record_topic(const struct kmd_record *r);
int32_t kmd_record_partition(const struct kmd_record *r);
int64_t kmd_record_offset(const struct kmd_record *r);
int64_t kmd_record_timestamp_ms(const struct kmd_record *r); /* -1: none */
struct kmd_str kmd_record_key(const struct kmd_record *r);   /* p == NULL: no key */
struct kmd_str kmd_record_value(const struct kmd_record *r); /* p == NULL: tombstone */
/** Last header of that name; p == NULL where there is none (an empty one has p != NULL). */
struct kmd_str kmd_record_header(const struct kmd_record *r, const char *name);
/** Header number @i in order; false behind the last. */
bool kmd_record_header_at(const struct kmd_record *r, size_t i, const char **ret_name, struct kmd_str *ret_value);
void kmd_record_free(struct kmd_record *r);

#endif
