#ifndef INGEST_SYNC_H
#define INGEST_SYNC_H

#include "session.h"

/**
 * Does this connection hold everything of its shard: is every exchange-wide channel that it captures subscribed, and
 * has every book that is wanted had its snapshot? Then a former owner of the shard may stop. A market whose snapshot
 * does not come (core/books) counts only while it is asked for.
 */
bool ingest_sync_is_reached(const struct ingest_session *s);

#endif
