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
	char *headers; /* name NUL, length (size_t), bytes; one behind the other */
	char data[];
};

/** What a record of these parts counts against the bound of the queue. */
size_t producer_record_bytes(struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n);
/** All is copied into the block; free() it. */
struct record *producer_record_new(
    struct kmd_str key, struct kmd_str value, const struct kmd_header *headers, size_t n);
/** Shows the headers to *ret, of r->headers_count places; they borrow from @r. */
void producer_record_show_headers(const struct record *r, struct kmd_header *ret);
/** For librdkafka, given; NULL where the record has none. */
rd_kafka_headers_t *producer_record_headers(const struct record *r);

#endif
