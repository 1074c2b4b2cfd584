#ifndef INGEST_WS_H
#define INGEST_WS_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_err.h"
#include "kmd_sign.h"
#include "kmd_str.h"
#include "url.h"

/*
 * The receiving thread: WebSocket connections on libwebsockets, one lineage each. At the last byte of a message it
 * stamps both clocks, numbers it and copies it into a ring bounded in bytes; it does nothing else with it. A full ring
 * stops the reading, so nothing is dropped: the socket's buffers and the exchange wait. What becomes of a connection
 * comes through the same ring, in order with its messages. Pings are answered by libwebsockets.
 *
 * The other side, one thread, peeks and pops events and gives commands.
 */

#define INGEST_WS_RING_BYTES (64 * 1024 * 1024)
#define INGEST_WS_BIG_BYTES (1024 * 1024)             /* larger messages travel beside the ring ... */
#define INGEST_WS_BIG_TOTAL_BYTES (128 * 1024 * 1024) /* ... and so many bytes of them at most */
#define INGEST_WS_MESSAGE_MAX (64 * 1024 * 1024) /* the exchange's own limit; a larger message ends the connection */
#define INGEST_WS_HANDSHAKE_S 10
#define INGEST_WS_COMMANDS_BYTES (4 * 1024 * 1024)

struct ingest_ws;

enum ingest_ws_kind {
	INGEST_WS_OPENED,
	INGEST_WS_MESSAGE,
	INGEST_WS_REFUSED, /* never opened: http_status, or a text that says why; ends its lineage */
	INGEST_WS_CLOSED,  /* text says why; ends its lineage */
};

struct ingest_ws_event {
	enum ingest_ws_kind kind;
	bool binary; /* not a text message */
	int64_t lineage, n, recv_ns, mono_ns;
	int http_status;         /* of a refused handshake, 0: none came */
	bool has_clock;          /* the refusal had a Date header */
	int64_t clock_offset_ms; /* Date minus our clock; > 0: we are behind */
	struct kmd_str text;     /* message or reason; borrowed until pop */
};

/** @url copied; @ca_file extra trusted CA or NULL. Starts the thread. */
int ingest_ws_start(
    struct ingest_ws **ret, const struct ingest_url *url, const char *ca_file, struct kmd_err *err) KMD_MUST_CHECK;
/** Ends the thread and its connections; what was not popped is gone. NULL is fine. */
void ingest_ws_stop(struct ingest_ws *w);

/** The oldest event; false: none. */
bool ingest_ws_peek(struct ingest_ws *w, struct ingest_ws_event *ret);
void ingest_ws_pop(struct ingest_ws *w);
/** Sleeps until there is an event, at most @timeout_ms. */
void ingest_ws_wait(struct ingest_ws *w, int timeout_ms);
/** Bytes received and not popped. */
size_t ingest_ws_queued_bytes(const struct ingest_ws *w);

/* Commands; false: too many wait (INGEST_WS_COMMANDS_BYTES), because the thread waits for room itself. */

/** Opens a connection; ends in OPENED or REFUSED. */
bool ingest_ws_dial(struct ingest_ws *w, int64_t lineage, const struct kmd_sign_headers *sign);
/** A text message; copied. A lineage that has ended is passed over. */
bool ingest_ws_send(struct ingest_ws *w, int64_t lineage, struct kmd_str text);
/** Stops reading at once, closes; answers with CLOSED (or REFUSED) at once. */
bool ingest_ws_close(struct ingest_ws *w, int64_t lineage, const char *reason);

#endif
