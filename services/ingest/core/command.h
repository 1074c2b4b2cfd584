#ifndef INGEST_COMMAND_H
#define INGEST_COMMAND_H

#include "kmd_str.h"
#include "types.h"

/* The text of the commands that are sent to the exchange. Pure: appends to a buffer of the caller's. */

enum ingest_update { INGEST_UPDATE_ADD, INGEST_UPDATE_DELETE, INGEST_UPDATE_SNAPSHOT };

/** The whole exchange's stream of one channel: no ticker filter. */
void ingest_command_subscribe(struct kmd_buf *out, int64_t id, enum ingest_channel channel);
/** The books of @tickers, no-side levels in no-leg prices, without lists in later replies; both said explicitly. */
void ingest_command_subscribe_books(struct kmd_buf *out, int64_t id, const struct kmd_str *tickers, size_t n);
void ingest_command_update(
    struct kmd_buf *out, int64_t id, enum ingest_update action, int64_t sid, const struct kmd_str *tickers, size_t n);
void ingest_command_unsubscribe(struct kmd_buf *out, int64_t id, int64_t sid);

#endif
