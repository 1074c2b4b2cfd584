#ifndef SIM_BROKER_H
#define SIM_BROKER_H

#include "kmd_consumer.h"
#include "kmd_producer.h"
#include "sim_world.h"

/*
 * The broker: topics as arrays of records, consumer groups with a coordinator, and outages. What clients see of it goes
 * through sim_producer.c and sim_consumer.c.
 */

#define BROKER_PREFIX "k."
#define BROKER_PARTITIONS_MAX 3
#define BROKER_SESSION_NS (10 * SIM_S) /* as kmd_kafka sets it */

struct broker_record {
	enum kmd_topic topic;
	int32_t partition;
	int64_t offset, timestamp_ms;
	int64_t appended_ns;
	struct kmd_str key, value;
	struct kmd_header *headers;
	size_t headers_count;
	const char *dead; /* the dead letter's reason it must lead to; NULL: none */
};

struct broker_log {
	struct broker_record **records; /* by offset */
	size_t count, cap;
};

struct broker_topic {
	struct broker_log logs[BROKER_PARTITIONS_MAX];
	int32_t partitions;
};

struct broker_group;
struct sim_consumer;

struct broker {
	struct broker_topic topics[KMD_TOPIC_COUNT];
	int64_t down_until_ns;
	struct broker_group *groups;
	struct kmd_consumer *consumers; /* all that are open */
};

void broker_open(void);
bool broker_is_up(void);
/** Goes away for a while. */
void broker_outage(int64_t for_ns);
int32_t broker_partition_of(enum kmd_topic t, struct kmd_str key);
struct broker_log *broker_log(enum kmd_topic t, int32_t partition);
/** Appends @r (in the world's memory), which gets its offset, and tells who follows the topic. */
void broker_append(struct broker_record *r);
/** A record of the world's memory, all of it copied. */
struct broker_record *broker_record_new(enum kmd_topic t, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t headers_count, int64_t timestamp_ms);
struct kmd_str broker_header(const struct broker_record *r, const char *name);
/** Header as a number; 0: not there. */
int64_t broker_header_i64(const struct broker_record *r, const char *name);
/** All records of all topics. */
size_t broker_total(void);

/* sim_group.c: the coordinator of consumer groups. */
struct broker_member;
struct broker_member *broker_join(const char *group, unsigned mask, struct kmd_consumer *c);
void broker_leave(struct broker_member *m);
/** Is the member still one? False once its session was over. */
bool broker_is_member(const struct broker_member *m);
/**
 * What the group wants of the member now: partitions to give up, else partitions to take. Written to @ret (room for
 * all there are); @ret_give tells which. 0: nothing. Given up and taken when it says so by broker_done.
 */
size_t broker_asks(struct broker_member *m, struct kmd_tp *ret, bool *ret_give);
void broker_done(struct broker_member *m, const struct kmd_tp *tps, size_t n, bool give);
/** The group's committed offset, -1001 if none. */
int64_t broker_committed(const struct broker_member *m, enum kmd_topic t, int32_t partition);
/** False: not the owner any more. */
bool broker_commit(struct broker_member *m, const struct kmd_tp *tp);

#define BROKER_TPS_MAX (KMD_TOPIC_COUNT * BROKER_PARTITIONS_MAX)

/* sim_consumer.c */
void consumer_on_append(struct kmd_consumer *c, const struct broker_record *r);
struct proc *consumer_proc(const struct kmd_consumer *c);
struct kmd_consumer *consumer_next(const struct kmd_consumer *c);
void consumer_wake(struct kmd_consumer *c);
const struct broker_record *consumer_record(const struct kmd_record *r);

#endif
