#include "shard.h"

int64_t ingest_shard_of(struct kmd_str ticker, int64_t count)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < ticker.n; i++) {
		h ^= (unsigned char)ticker.p[i];
		h *= UINT64_C(0x100000001b3);
	}
	h = (h >> 32) ^ (h & UINT32_MAX);
	return (int64_t)(h % (uint64_t)count);
}
