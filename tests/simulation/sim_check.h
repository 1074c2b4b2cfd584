#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim_database.h"

struct ex_market;

/*
 * The invariants of ARCHITECTURE.md, told by what broker, exchange and database saw, never by what a service says of
 * itself. Each check ends the history by sim_fail.
 */

/* check_sink.c: what stands in the database against what stood in the broker. */
void check_sink_open(void);
/** Are all partitions stored to their ends? */
bool check_sink_done(void);
void check_sink_end(void);

/* check_ingest.c: what the exchange sent against broker and feed. */
bool check_ingest_done(void);
void check_ingest_end(void);

/* check_enricher.c: what the exchange did against settlements, market records and repaired trades. */
void check_enricher_open(void);
/** The group's offset of topic lifecycle goes to @offset: what is below must have led to its record. */
void check_enricher_commit(int32_t partition, int64_t offset);
/**
 * Can nobody know of the market? It was made and determined while nobody listened: no list shows it until it is
 * settled.
 */
bool check_enricher_hides(const struct ex_market *m);
bool check_enricher_done(void);
void check_enricher_end(void);

#endif
