#ifndef INGEST_ROUTE_H
#define INGEST_ROUTE_H

#include "frame.h"

/*
 * Where a frame goes: topic, key and the headers of interfaces 3. A known type whose key is not there goes to `other`,
 * keyed by lineage, like everything that is not known.
 */

#define INGEST_HEADERS_MAX 9

/* What the receiving side knows of a message. */
struct ingest_origin {
	int64_t lineage;
	int64_t n; /* number in its lineage, from 1 */
	int64_t recv_ns, mono_ns;
};

struct ingest_header {
	const char *name;
	struct kmd_str value;
};

struct ingest_route {
	enum kmd_topic topic;
	struct kmd_str key;
	struct ingest_header headers[INGEST_HEADERS_MAX];
	size_t headers_count;
	char digits[128]; /* what the numbers' views point into: the struct must not be copied */
};

/**
 * @use_yes_price  1 or 0 as the frame's sid was subscribed, -1 where it is none of ours (told on book frames only)
 * Views borrow from @f and from *ret.
 */
void ingest_route_frame(
    const struct ingest_frame *f, const struct ingest_origin *o, int use_yes_price, struct ingest_route *ret);

#endif
