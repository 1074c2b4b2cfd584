#ifndef INGEST_SHARD_H
#define INGEST_SHARD_H

#include <stdint.h>

#include "kmd_str.h"

/**
 * The shard of a market's book among @count of them (1 at least): FNV-1a of its ticker, 64 bit, folded to 32, modulo
 * @count. Fixed for ever: instances of different versions must agree.
 */
int64_t ingest_shard_of(struct kmd_str ticker, int64_t count);

#endif
