#ifndef SINK_RECORD_H
#define SINK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_str.h"
#include "kmd_topic.h"

struct sink_quick;

/* A Kafka record as the core sees it, and the facts that its headers tell (interfaces 3). Everything borrows. Pure. */

struct sink_header {
	const char *name;
	struct kmd_str value; /* p == NULL: a header without value */
};

struct sink_record {
	enum kmd_topic topic;
	int32_t partition;
	int64_t offset;
	int64_t timestamp_ms;      /* Kafka's; -1: none */
	struct kmd_str key, value; /* p == NULL: none */
	const struct sink_header *headers;
	size_t headers_count;
	const struct sink_quick
	    *quick; /* its row, made ahead (then no header is looked at); NULL: the batch makes it */
};

/* A number that may be absent. */
struct sink_num {
	bool has;
	int64_t v;
};

/* Absent where the header is missing or cannot be what it should be. */
struct sink_facts {
	struct sink_num lineage, n;       /* positive */
	struct sink_num recv_ns, mono_ns; /* any 64-bit integer */
	struct sink_num sid;              /* fits an int */
	struct sink_num seq;
	struct sink_num use_yes_price; /* 0 or 1 */
	struct kmd_str type, source;   /* text that Postgres can hold, else NONE */
	struct kmd_str reason;         /* of a dlq record: __connect.errors.exception.message */
};

struct sink_facts sink_record_facts(const struct sink_record *r);
/** By which the record at next_offset - 1 is known again: a hash of key and value that may be stored. */
int64_t sink_record_hash(struct kmd_str key, struct kmd_str value);

#endif
