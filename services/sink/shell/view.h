#ifndef SINK_VIEW_H
#define SINK_VIEW_H

#include "kmd_consumer.h"
#include "sink_record.h"

/* A record of the consumer as the core sees it. */

/* Memory for the headers of the record in hand; zero-initialise, free by view_fini. One thread. */
struct view_headers {
	struct sink_header *of;
	size_t cap;
};

/** Borrows from @r, and from @h until the next call. */
struct sink_record view_of(const struct kmd_record *r, struct view_headers *h);
/** Without the headers: for a row that was made ahead. */
struct sink_record view_bare(const struct kmd_record *r);
void view_fini(struct view_headers *h);

#endif
