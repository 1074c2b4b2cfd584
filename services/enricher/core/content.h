#ifndef ENRICH_CONTENT_H
#define ENRICH_CONTENT_H

#include <stdint.h>

#include "kmd_arena.h"
#include "kmd_json.h"

/*
 * The content of a market, event or series body: everything but prices, sizes, volumes, open interest, liquidity and
 * update times, whatever the order of its members. What a market pays (settlement_value_dollars) and its strikes are
 * content.
 */

/** Hash of the content, stable over processes, never 0. @arena holds unescaped text, may be reset afterwards. */
uint64_t enrich_content_hash(struct kmd_json_val body, struct kmd_arena *arena);
/** Is a member of that name left out? */
bool enrich_content_is_volatile(struct kmd_str name);

#endif
