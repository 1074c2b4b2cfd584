#ifndef INGEST_PROBE_H
#define INGEST_PROBE_H

#include "session.h"

/*
 * A question to a connection that has fallen silent: the snapshot of one of its books. Its answer travels in the
 * stream of the book subscription, so it tells a quiet exchange from a frozen one. Each call asks for another book,
 * in case the exchange has forgotten one.
 */

/** False: no book has come yet, so there is nothing to ask for. */
bool ingest_probe_send(struct ingest_session *s, struct ingest_acts *acts);

#endif
