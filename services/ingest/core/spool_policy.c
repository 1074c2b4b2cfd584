#include "spool_policy.h"

#define SEGMENTS 16  /* a full spool consists of about so many files */
#define PENDING_OF 8 /* small spools: what is in memory must find room once the broker is away */
#define QUEUE_OF 4
#define RESERVE_OF 8 /* the reserve is at most one part in so many */
#define AGAIN_OF 8

void ingest_spool_polled(struct ingest_spool_policy *p, struct kmd_mono now, uint64_t outstanding, int reported)
{
	if (outstanding == 0 || reported > 0)
		p->progress_ns = now.ns;
}

bool ingest_spool_stalled(const struct ingest_spool_policy *p, struct kmd_mono now)
{
	return now.ns - p->progress_ns >= INGEST_SPOOL_PATIENCE_NS;
}

static int64_t at_most(int64_t bytes, int64_t max)
{
	return bytes < max ? bytes : max;
}

int64_t ingest_spool_segment_bytes(int64_t max)
{
	const int64_t bytes = at_most(max / SEGMENTS, INGEST_SPOOL_SEGMENT_BYTES);

	return bytes < INGEST_SPOOL_SEGMENT_BYTES_MIN ? INGEST_SPOOL_SEGMENT_BYTES_MIN : bytes;
}

int64_t ingest_spool_pending_bytes(int64_t max)
{
	return at_most(max / PENDING_OF, INGEST_SPOOL_PENDING_BYTES);
}

int64_t ingest_spool_queue_bytes(int64_t max)
{
	return at_most(max / QUEUE_OF, INGEST_SPOOL_QUEUE_BYTES);
}

bool ingest_spool_full(int64_t bytes, int64_t max, bool was_full, bool stopping)
{
	int64_t limit = max;

	if (!stopping)
		limit -= at_most(max / RESERVE_OF, INGEST_SPOOL_RESERVE_BYTES);
	if (was_full && !stopping)
		limit -= limit / AGAIN_OF;
	return bytes >= limit;
}
