#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim_database.h"

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

#endif
