#ifndef KMD_PRODUCER_H
#define KMD_PRODUCER_H

#include "kmd_kafka.h"

/*
 * The idempotent producer: acks=all, message.timeout.ms=0 (a record is delivered or refused for good, never expired),
 * lz4, partitioner murmur2_random, its queue bounded in bytes. Every record's fate is reported once, through
 * kmd_producer_poll(). One owner thread for all calls.
 *
 * Only a record that the broker refused when it was alone in its batch is refused for good. Whatever else librdkafka
 * gives back (topic away or its metadata late, access denied for now, a neighbour in the batch refused) is kept and
 * sent again in the order of the first sending, records sent meanwhile behind it. The file descriptor does not tell
 * when that is due: while records are outstanding, poll every 100 ms or so.
 */

struct kmd_producer;

/* Fate of one record. Called from kmd_producer_poll/flush on the owner's thread. */
struct kmd_delivery {
	uint64_t ref;
	enum kmd_topic topic;
	int rc;               /* 0: acknowledged; KMD_ETOOBIG, KMD_EREFUSED: refused by the broker for good */
	const char *reason;   /* of a refusal, static or valid during the call */
	struct kmd_str value; /* borrowed during the call, as are ... */
	struct kmd_str key;   /* ... what else the record is made of, shown of a refused one only */
	const struct kmd_header *headers;
	size_t headers_count;
};
typedef void (*kmd_delivery_fn)(void *ctx, const struct kmd_delivery *d);

/**
 * Does not touch the broker: topics need not exist yet (kmd_kafka_ensure_topics); records wait.
 * @queue_bytes bound of what waits inside for acknowledgement.
 */
int kmd_producer_new(struct kmd_producer **ret, const struct kmd_kafka *k, int64_t queue_bytes, kmd_delivery_fn fn,
    void *ctx, struct kmd_err *err) KMD_MUST_CHECK;
/**
 * Drops what is not delivered; flush first. NULL is fine. Blocks: at most 3 s, then the client's threads are left
 * behind (kmd_left.h).
 */
void kmd_producer_free(struct kmd_producer *p);

/**
 * Queues one record. @key may be NONE (no key). @value n == 0 with p == NULL is a tombstone. All is copied.
 * @timestamp_ms Kafka's timestamp. Returns 0; KMD_EAGAIN: queue full, poll and retry; KMD_ETOOBIG: can never fit
 * (no delivery report follows); KMD_EFAULT: the client has failed for good (kmd_producer_fatal).
 */
int kmd_producer_send(struct kmd_producer *p, enum kmd_topic topic, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t headers_count, int64_t timestamp_ms, uint64_t ref) KMD_MUST_CHECK;
/** Serves delivery reports, waiting at most @timeout_ms for one. Returns how many were served. */
int kmd_producer_poll(struct kmd_producer *p, int timeout_ms);
/** Waits until nothing is outstanding or the time is over; true: all reported. */
bool kmd_producer_flush(struct kmd_producer *p, int timeout_ms);
/** Records and bytes not yet reported. */
uint64_t kmd_producer_outstanding(const struct kmd_producer *p, uint64_t *ret_bytes);

/* A record that is not yet reported; all is borrowed during the call. */
struct kmd_outstanding {
	enum kmd_topic topic;
	struct kmd_str key, value;
	const struct kmd_header *headers;
	size_t headers_count;
	int64_t timestamp_ms;
};
/** @ref may be changed: the report will bear what it is then. */
typedef void (*kmd_outstanding_fn)(void *ctx, const struct kmd_outstanding *o, uint64_t *ref);
/** Shows every record that is not yet reported, in the order of sending. */
void kmd_producer_each(struct kmd_producer *p, kmd_outstanding_fn fn, void *ctx);

/** An eventfd that becomes readable when a delivery report waits. */
int kmd_producer_fd(const struct kmd_producer *p);
/** True once librdkafka raised a fatal error; @why static. The service drains and ends with 70. */
bool kmd_producer_fatal(const struct kmd_producer *p, const char **ret_why);
/** Is a broker up and are its answers good? For /readyz; @why names the last connection or authentication error. */
bool kmd_producer_connected(const struct kmd_producer *p, const char **ret_why);

#endif
