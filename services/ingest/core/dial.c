#include "dial.h"

#define RANDOM_BITS 10

void ingest_dial_init(struct ingest_dial *d, uint64_t seed)
{
	*d = (struct ingest_dial){
	    .ordinary = {.base_ns = INGEST_DIAL_BASE_NS, .cap_ns = INGEST_DIAL_CAP_NS},
	    .refused = {.base_ns = INGEST_DIAL_REFUSED_BASE_NS, .cap_ns = INGEST_DIAL_REFUSED_CAP_NS},
	    .rng = seed,
	};
}

int64_t ingest_dial_lineage(struct ingest_dial *d, struct kmd_wall now)
{
	const int64_t low = (INT64_C(1) << RANDOM_BITS) - 1;
	int64_t lineage = (now.ns & ~low) | (int64_t)(kmd_rng_next(&d->rng) & (uint64_t)low);

	if (lineage <= d->last_lineage)
		lineage = d->last_lineage + 1;
	d->last_lineage = lineage;
	return lineage;
}

void ingest_dial_seen(struct ingest_dial *d, int64_t lineage)
{
	if (lineage > d->last_lineage && lineage < INT64_MAX)
		d->last_lineage = lineage;
}

void ingest_dial_delivered(struct ingest_dial *d)
{
	kmd_backoff_reset(&d->ordinary);
	kmd_backoff_reset(&d->refused);
}

int64_t ingest_dial_again(struct ingest_dial *d, struct kmd_mono now, int http_status)
{
	bool refused = http_status == 401 || http_status == 403 || http_status == 429;
	int64_t delay_ns = kmd_backoff_next(refused ? &d->refused : &d->ordinary, &d->rng);

	d->due.ns = now.ns + delay_ns;
	return delay_ns;
}
