#include "kmd_backoff.h"

uint64_t kmd_rng_next(uint64_t *rng)
{
	uint64_t z = *rng += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t kmd_backoff_next(struct kmd_backoff *b, uint64_t *rng)
{
	int64_t limit = b->base_ns < b->cap_ns ? b->base_ns : b->cap_ns;
	for (uint32_t i = 0; i < b->attempt && limit < b->cap_ns; i++)
		limit = limit > b->cap_ns / 2 ? b->cap_ns : limit * 2;
	if (b->attempt < UINT32_MAX)
		b->attempt++;
	return (int64_t)(kmd_rng_next(rng) % ((uint64_t)limit + 1));
}

void kmd_backoff_reset(struct kmd_backoff *b)
{
	b->attempt = 0;
}
