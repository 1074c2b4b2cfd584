#ifndef ENRICH_BEHIND_H
#define ENRICH_BEHIND_H

#include "published.h"

/*
 * After a re-determination REST may show the former result for a while. A `determined` frame tells its own result: an
 * answer that contradicts it and shows nothing but what was told before it is behind that frame, and does not answer
 * it. Pure.
 */

#define ENRICH_BEHIND_MAX 5 /* so often in a row; then what REST shows is published, whatever the frame said */

/**
 * Marks by ENRICH_BEHIND which of the first @n causes the answer with outcome @shown is behind; takes the mark from the
 * others. @m what is recorded of the market, or NULL. Returns whether there is one.
 */
bool enrich_behind_mark(
    struct enrich_causes *l, size_t n, const struct enrich_outcome *shown, const struct enrich_market *m);
/** Takes the mark from all. */
void enrich_behind_clear(struct enrich_causes *l);

#endif
