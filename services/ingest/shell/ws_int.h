#ifndef INGEST_WS_INT_H
#define INGEST_WS_INT_H

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kmd_ring.h"
#include "ws.h"

/* Shared by ws.c (thread, rings) and ws_conn.c (one connection). */

struct ws_out; /* a text message that waits to be written */

/* One connection; lives on the receiving thread. Freed when its end has been told; libwebsockets' side may live on a
 * little. */
struct ws_conn {
	struct ws_conn *next;
	struct ingest_ws *w;
	struct lws *wsi;
	int64_t lineage, n;
	bool opened;
	struct kmd_buf part; /* of a message that comes in pieces */
	struct ws_out *out_head, *out_tail;
	struct kmd_sign_headers sign;
	char farewell[160]; /* the peer's close code and text */
};

struct ingest_ws {
	struct ingest_url url;
	char *ca_file;
	struct kmd_ring *events, *commands;
	_Atomic size_t big_bytes;
	atomic_bool stopping;
	struct lws_context *context;
	struct ws_conn *conns;
	pthread_t thread;
};

/* A record of the event ring; the text, or a pointer to it, follows. */
struct ws_record {
	struct ingest_ws_event event;
	char *big; /* allocated text of a big message, else NULL */
	size_t size;
	char data[];
};

/** Publishes one event with its text, waiting for room; @take (may be NULL) is a heap block with the text that is
 * taken. */
void ws_publish(struct ingest_ws *w, const struct ingest_ws_event *event, struct kmd_str text, char *take);

void ws_conn_dial(struct ingest_ws *w, int64_t lineage, const struct kmd_sign_headers *sign);
void ws_conn_send(struct ingest_ws *w, int64_t lineage, struct kmd_str text);
void ws_conn_close(struct ingest_ws *w, int64_t lineage, struct kmd_str reason);
void ws_conn_free_all(struct ingest_ws *w);
int ws_conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

#endif
