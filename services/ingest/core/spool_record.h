#ifndef INGEST_SPOOL_RECORD_H
#define INGEST_SPOOL_RECORD_H

#include "durable.h"
#include "kmd_str.h"
#include "kmd_topic.h"
#include "route.h"

/*
 * What a segment of the disk spool is made of, as bytes. Integers are little-endian.
 *
 *   segment:  head, record, record, ... to the end of the file; its name is its number, 16 decimal digits, and ".spool"
 *   head:     "KMDSPOOL", u32 version, u32 salt, u64 number, u64 life, u32 CRC-32C of what is before it
 *   record:   "KMDr", u32 n, u32 CRC-32C (begun with the salt) of n and the body, body of n bytes
 *   body:     u8 kind, u8 flags, u8 headers, u8 length of the topic's name,
 *             i64 lineage, n, recv_ns, timestamp_ms, sid, seq, ts_ms, u32 length of the key,
 *             topic's name, key, headers (name NUL, u32 length, value), value
 *
 * The salt keeps bytes of a frame, which the exchange chooses, from ever passing for a record. A record that is cut
 * short or damaged is known by its checksum; the next whole one behind it is found by its first four bytes. Pure.
 */

#define INGEST_SPOOL_VERSION 1
#define INGEST_SPOOL_HEAD_BYTES 36
#define INGEST_SPOOL_RECORD_HEAD_BYTES 12
#define INGEST_SPOOL_BODY_MAX (65 * 1024 * 1024) /* the exchange's largest message with what is beside it */
#define INGEST_SPOOL_NAME_MAX 32

struct ingest_spool_head {
	uint32_t salt;
	uint64_t number; /* segments are read in the order of their numbers */
	int64_t life;    /* of the process that wrote it: when it began, Unix ns */
};

/** Writes INGEST_SPOOL_HEAD_BYTES. */
void ingest_spool_head_encode(const struct ingest_spool_head *h, struct kmd_buf *out);
/** 0; KMD_EPARSE: no such head, or cut short; KMD_ERANGE: a version that is not ours. */
int ingest_spool_head_decode(struct kmd_str bytes, struct ingest_spool_head *ret) KMD_MUST_CHECK;
void ingest_spool_name(uint64_t number, char ret[INGEST_SPOOL_NAME_MAX]);
/** False: @name is no segment's. */
bool ingest_spool_name_parse(const char *name, uint64_t *ret_number);

enum ingest_spool_kind {
	INGEST_SPOOL_FRAME = 1, /* a message of the exchange: a record for its topic */
	INGEST_SPOOL_FEED,      /* a record for topic `feed` */
	INGEST_SPOOL_MARK, /* value: an `alive` as of here, of one lineage; for whoever finds the spool, never sent */
};

struct ingest_spool_record {
	enum ingest_spool_kind kind;
	bool late_end; /* a `subscribed` whose lineage began before `feed` could be read */
	enum kmd_topic topic;
	int64_t lineage, timestamp_ms;
	struct ingest_durable_frame frame; /* of FRAME */
	struct kmd_str key, value;
	struct ingest_header headers[INGEST_HEADERS_MAX];
	size_t headers_count;
};

/** Appends the record; returns its size. */
size_t ingest_spool_encode(const struct ingest_spool_record *r, uint32_t salt, struct kmd_buf *out);

enum ingest_spool_found {
	INGEST_SPOOL_WHOLE,
	INGEST_SPOOL_SHORT,   /* @bytes end inside it; *ret_size is how many it has at least */
	INGEST_SPOOL_DAMAGED, /* or nothing was ever written here */
};

/** The record that @bytes begin with. Views borrow from @bytes. *ret_size: its size. */
enum ingest_spool_found ingest_spool_decode(
    struct kmd_str bytes, uint32_t salt, struct ingest_spool_record *ret, size_t *ret_size);
/** Where the next record may begin, at @from or behind it; @bytes.n: nowhere in here. */
size_t ingest_spool_seek(struct kmd_str bytes, size_t from);

#endif
