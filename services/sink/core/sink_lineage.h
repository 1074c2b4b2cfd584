#ifndef SINK_LINEAGE_H
#define SINK_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The last frame number of each lineage in one topic-partition: a frame whose number is not above it came before. Kept
 * twice, as committed to Postgres and as it will be with the batch in hand, so that a batch can be built anew. Pure.
 */

struct sink_lineage {
	int64_t lineage;
	int64_t last_n;       /* with the batch in hand */
	int64_t last_recv_ns; /* of last_n, where that is not committed_n; INT64_MIN: it tells none */
	int64_t committed_n;  /* 0: none yet */
};

/* Sorted by lineage. Zero-initialise; free by sink_lineages_fini. */
struct sink_lineages {
	struct sink_lineage *of;
	size_t count, cap;
};

/** What Postgres has. */
void sink_lineages_load(struct sink_lineages *l, int64_t lineage, int64_t n);
/** Is the frame new? Then it is the last one from now on. */
bool sink_lineages_pass(struct sink_lineages *l, int64_t lineage, int64_t n, int64_t recv_ns);
/** The batch in hand is stored. */
void sink_lineages_commit(struct sink_lineages *l);
/** The batch in hand is given up. */
void sink_lineages_rollback(struct sink_lineages *l);
void sink_lineages_fini(struct sink_lineages *l);

#endif
