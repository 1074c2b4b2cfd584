#ifndef KMD_CONSUMER_INT_H
#define KMD_CONSUMER_INT_H

#include <stdatomic.h>

#include "kafka_int.h"
#include "kmd_consumer.h"

/*
 * librdkafka's handle, alive until the consumer is closed and its last record is freed, and what librdkafka's own
 * threads use of ours.
 */
struct consumer_handle {
	struct kafka_health health; /* first: the opaque of all callbacks */
	atomic_int refs;
	rd_kafka_t *rk;
	atomic_bool joining;    /* a JoinGroup is unanswered; set by the client's threads */
	struct kmd_consumer *c; /* for the callbacks that its own calls serve; not after it is closed */
};
void consumer_handle_unref(struct consumer_handle *h);

/* One partition as the consumer has it. */
struct consumer_part {
	bool assigned;
	int64_t next; /* lowest offset that may still be given out; 0 where the start is no number */
	int64_t mark; /* reader: where the topic ended when asked; -1 not asked yet */
};
struct consumer_topic {
	struct consumer_part *parts;
	int32_t count;
	/* reader */
	rd_kafka_topic_t *rkt; /* makes the topic known to the client, so metadata is about it */
	int32_t first_count;   /* partitions at the first look: these begin where the reader was told to */
};

struct kmd_consumer {
	struct kmd_kafka k;
	struct consumer_handle *handle;
	rd_kafka_t *rk;              /* of handle */
	struct kafka_health *health; /* of handle */
	bool leaving;                /* nothing is waited for any more */
	bool subscribed, answered;   /* as a member of a group, which has assigned something, or nothing, once */
	rd_kafka_queue_t *queue;
	int fd;
	unsigned mask;
	char trouble[256]; /* last refusal of a topic or the group; "" none */
	int64_t trouble_ns;
	struct consumer_topic topics[KMD_TOPIC_COUNT];
	rd_kafka_message_t **batch;
	int batch_cap;
	/* group */
	const struct kmd_rebalance_ops *ops;
	void *ctx;
	struct kmd_tp *pending; /* assigned by the group, start not known yet */
	size_t pending_count;
	int64_t pending_retry_ns;
	/* reader */
	bool is_reader;
	int64_t start;
	bool looked, complete; /* metadata came once; every topic is seen */
	int64_t look_ns;       /* of the next look */
};

/* kmd_consumer.c */
/** Slot of a partition, NULL where there is none. */
struct consumer_part *consumer_find_part(const struct kmd_consumer *c, enum kmd_topic t, int32_t partition);
/** Slot of a partition, made where there is none. */
struct consumer_part *consumer_part(struct kmd_consumer *c, enum kmd_topic t, int32_t partition);
/** Given: rd_kafka_topic_partition_list_destroy. */
rd_kafka_topic_partition_list_t *consumer_list(const struct kmd_consumer *c, const struct kmd_tp *tps, size_t n);
/** Adds to what is read, from .offset on. False: the client refuses. */
bool consumer_assign(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n);
/** Takes from what is read. */
void consumer_unassign(struct kmd_consumer *c, const struct kmd_tp *tps, size_t n);

/* consumer_end.c */
/**
 * Leaves the group; the shell is told of its last revocation. Blocks: at most 5 s, and as long as one assignment (5 s
 * for committed offsets, then the shell's time) or revocation takes; then the group has to notice. What is pending is
 * not asked for again.
 */
void consumer_leave(struct kmd_consumer *c);
/**
 * Waits for the group's first answer, at most 3 s, its records thrown away; false when none came. librdkafka 2.0 aborts
 * the process when a member is closed that has none (its issue 4312).
 */
bool consumer_await_answer(struct kmd_consumer *c);

/* consumer_group.c */
void group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);
/** Asks the shell again about partitions whose start it did not know. */
void group_serve_pending(struct kmd_consumer *c, struct kmd_mono now);

/* consumer_joining.c */
/** Keeps h->joining, from the client's beginning to its end. */
void joining_watch(struct consumer_handle *h, rd_kafka_conf_t *conf);

/* consumer_reader.c */
void reader_open(struct kmd_consumer *c);
void reader_close(struct kmd_consumer *c);
/** A partition begins again, with another end: the topic was made anew, or retention overtook us. */
void reader_begin_anew(struct kmd_consumer *c, struct consumer_part *part);
/** Looks for new topics and partitions when it is time to. */
void reader_look(struct kmd_consumer *c, struct kmd_mono now);

/* kmd_record.c */
/** Takes @m; keeps @h alive. */
struct kmd_record *record_new(struct consumer_handle *h, rd_kafka_message_t *m, enum kmd_topic topic);

#endif
