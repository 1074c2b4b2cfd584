#ifndef KMD_PRODUCER_RECORD_H
#define KMD_PRODUCER_RECORD_H

#include <librdkafka/rdkafka.h>

#include "kmd_kafka.h"

/* One record from send to report: a single block, whose bytes librdkafka borrows. */
struct record {
	struct record *prev, *next;
	uint64_t ref, seq;
	int64_t timestamp_ms;
	enum kmd_topic topic;
	uint32_t headers_count;
	size_t bytes; /* as counted against the bound */
	struct kmd_str key, value;
	char *headers; /* two lengths (uint32_t), name NUL, value; one behind the other */
	char data[];
};

#define RECORDS_CLASS_BYTES 256
#define RECORDS_CLASSES 16

/*
 * Blocks that come back are kept for the next records of their size, last in first out: what a busy producer writes to
 * is still in the cache, and the allocator does not merge and split ten blocks a record. Zero-initialise; one thread.
 */
struct records {
	struct record *spare[RECORDS_CLASSES]; /* of at most (i + 1) * RECORDS_CLASS_BYTES, linked by next */
	size_t spare_bytes;
};

/** What a record of these parts counts against the bound of the queue. */
size_t producer_record_bytes(struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n);
/** All is copied into the block, which records_put() takes back. @bytes: producer_record_bytes() of the same. */
struct record *records_take(struct records *pool, size_t bytes, struct kmd_str key, struct kmd_str value,
    const struct kmd_header *headers, size_t n);
void records_put(struct records *pool, struct record *r);
void records_fini(struct records *pool);
/** Shows the headers to *ret, of r->headers_count places; they borrow from @r. */
void producer_record_show_headers(const struct record *r, struct kmd_header *ret);
/** For librdkafka, given; NULL where the record has none. */
rd_kafka_headers_t *producer_record_headers(const struct record *r);

#endif
