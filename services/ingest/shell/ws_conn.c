#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kmd_mem.h"
#include "kmd_time.h"
#include "ws_int.h"

#define CLOSE_PATIENCE_S 2 /* for the peer's half of the closing handshake */

struct ws_out {
	struct ws_out *next;
	size_t n;
	unsigned char bytes[]; /* LWS_PRE of room, then the text */
};

static struct ws_conn *find(const struct ingest_ws *w, int64_t lineage)
{
	for (struct ws_conn *c = w->conns; c; c = c->next) {
		if (c->lineage == lineage)
			return c;
	}
	return NULL;
}

static void free_conn(struct ws_conn *c)
{
	struct ws_conn **link = &c->w->conns;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	if (c->wsi)
		lws_set_opaque_user_data(c->wsi, NULL);
	while (c->out_head) {
		struct ws_out *o = c->out_head;

		c->out_head = o->next;
		free(o);
	}
	kmd_buf_fini(&c->part);
	memset(&c->sign, 0, sizeof(c->sign));
	free(c);
}

void ws_conn_free_all(struct ingest_ws *w)
{
	while (w->conns)
		free_conn(w->conns);
}

static struct ingest_ws_event make_event(const struct ws_conn *c, enum ingest_ws_kind kind)
{
	return (struct ingest_ws_event){
	    .kind = kind,
	    .lineage = c->lineage,
	    .n = c->n,
	    .recv_ns = kmd_wall_now().ns,
	    .mono_ns = kmd_mono_now().ns,
	};
}

/* The end of a lineage, told once: then the connection is forgotten. */
static void end(struct ws_conn *c, const struct ingest_ws_event *event, struct kmd_str reason)
{
	ws_publish(c->w, event, reason, NULL);
	free_conn(c);
}

/* RFC 9110's preferred form: "Sun, 06 Nov 1994 08:49:37 GMT". */
static bool parse_date(const char *text, int64_t *ret_unix_s)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!rest || *rest)
		return false;
	*ret_unix_s = timegm(&tm);
	return true;
}

static void on_refused(struct ws_conn *c, struct lws *wsi, struct kmd_str why)
{
	struct ingest_ws_event event = make_event(c, INGEST_WS_REFUSED);
	char date[64];
	int64_t unix_s;

	event.http_status = wsi ? (int)lws_http_client_http_response(wsi) : 0;
	if (event.http_status == 101)
		event.http_status = 0;
	if (event.http_status > 0 && lws_hdr_copy(wsi, date, sizeof(date), WSI_TOKEN_HTTP_DATE) > 0 &&
	    parse_date(date, &unix_s)) {
		event.has_clock = true;
		event.clock_offset_ms = unix_s * 1000 - event.recv_ns / KMD_NS_PER_MS;
	}
	end(c, &event, why);
}

static void on_closed(struct ws_conn *c, struct kmd_str why)
{
	struct ingest_ws_event event = make_event(c, c->opened ? INGEST_WS_CLOSED : INGEST_WS_REFUSED);

	end(c, &event, why);
}

static void on_opened(struct ws_conn *c)
{
	struct ingest_ws_event event = make_event(c, INGEST_WS_OPENED);

	c->opened = true;
	memset(&c->sign, 0, sizeof(c->sign));
	ws_publish(c->w, &event, KMD_STR(""), NULL);
}

static void on_message(struct ws_conn *c, struct kmd_str text, bool binary, char *take)
{
	struct ingest_ws_event event;

	c->n++;
	event = make_event(c, INGEST_WS_MESSAGE);
	event.binary = binary;
	ws_publish(c->w, &event, text, take);
}

/* Hands the collected pieces over; a big message's memory goes with it instead of through the ring. */
static void on_collected(struct ws_conn *c, bool binary)
{
	bool big = c->part.n > INGEST_WS_BIG_BYTES;

	on_message(c, kmd_buf_str(&c->part), binary, big ? c->part.p : NULL);
	if (big)
		c->part = (struct kmd_buf){0};
	kmd_buf_reset(&c->part);
}

static int on_piece(struct ws_conn *c, struct lws *wsi, const char *p, size_t n)
{
	bool last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
	bool binary = lws_frame_is_binary(wsi) != 0;

	if (last && c->part.n == 0 && n <= INGEST_WS_BIG_BYTES) {
		on_message(c, (struct kmd_str){p ? p : "", n}, binary, NULL);
		return 0;
	}
	if (c->part.n + n > INGEST_WS_MESSAGE_MAX) {
		on_closed(c, KMD_STR("message larger than the exchange's own limit"));
		lws_close_reason(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
		return -1;
	}
	kmd_buf_add(&c->part, p, n);
	if (last)
		on_collected(c, binary);
	return 0;
}

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_by_name(
	    wsi, (const unsigned char *)name, (const unsigned char *)value, (int)strlen(value), p, end);
}

static int on_handshake(struct ws_conn *c, struct lws *wsi, unsigned char **p, size_t room)
{
	unsigned char *end = *p + room;

	return add_header(wsi, "KALSHI-ACCESS-KEY:", c->sign.key, p, end) ||
		       add_header(wsi, "KALSHI-ACCESS-TIMESTAMP:", c->sign.timestamp, p, end) ||
		       add_header(wsi, "KALSHI-ACCESS-SIGNATURE:", c->sign.signature, p, end)
		   ? -1
		   : 0;
}

static int on_writable(struct ws_conn *c, struct lws *wsi)
{
	struct ws_out *o = c->out_head;
	int written;

	if (!o)
		return 0;
	written = lws_write(wsi, o->bytes + LWS_PRE, o->n, LWS_WRITE_TEXT);
	c->out_head = o->next;
	if (!c->out_head)
		c->out_tail = NULL;
	free(o);
	if (c->out_head)
		lws_callback_on_writable(wsi);
	return written < 0 ? -1 : 0;
}

static void on_farewell(struct ws_conn *c, const unsigned char *p, size_t n)
{
	int code = n >= 2 ? p[0] << 8 | p[1] : 1005;
	int text = n > 2 ? (int)(n - 2) : 0;

	snprintf(c->farewell, sizeof(c->farewell), "closed by the exchange: %d%s%.*s", code, text > 0 ? " " : "", text,
	    text > 0 ? (const char *)p + 2 : "");
}

/* A connection that was given up: say goodbye and go. */
static int on_forgotten(struct lws *wsi, enum lws_callback_reasons reason)
{
	switch (reason) {
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
		return -1;
	case LWS_CALLBACK_CLIENT_RECEIVE:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return -1;
	default:
		return 0;
	}
}

int ws_conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws_conn *c = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	(void)user;
	if (!c)
		return on_forgotten(wsi, reason);
	c->wsi = wsi;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return on_handshake(c, wsi, in, len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		on_opened(c);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_piece(c, wsi, in, len);
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return on_writable(c, wsi);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		on_farewell(c, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		on_refused(c, wsi, in ? kmd_str_z(in) : KMD_STR("no connection"));
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		on_closed(c, c->farewell[0] ? kmd_str_z(c->farewell) : KMD_STR("connection lost"));
		return 0;
	default:
		return 0;
	}
}

void ws_conn_dial(struct ingest_ws *w, int64_t lineage, const struct kmd_sign_headers *sign)
{
	struct ws_conn *c = kmd_calloc(1, sizeof(*c));
	struct lws *wsi = NULL, *started;
	struct lws_client_connect_info info = {
	    .context = w->context,
	    .address = w->url.host,
	    .port = w->url.port,
	    .ssl_connection = w->url.tls ? LCCSCF_USE_SSL : 0,
	    .path = w->url.target,
	    .host = w->url.host_header,
	    .alpn = "http/1.1",
	    .opaque_user_data = c,
	    .pwsi = &wsi,
	};

	c->w = w;
	c->lineage = lineage;
	c->sign = *sign;
	c->next = w->conns;
	w->conns = c;
	started = lws_client_connect_via_info(&info);
	c = find(w, lineage);
	if (c && started)
		c->wsi = wsi;
	else if (c)
		on_refused(c, NULL, KMD_STR("no connection can be made"));
}

void ws_conn_send(struct ingest_ws *w, int64_t lineage, struct kmd_str text)
{
	struct ws_conn *c = find(w, lineage);
	struct ws_out *o;

	if (!c || !c->opened)
		return;
	o = kmd_alloc(sizeof(*o) + LWS_PRE + text.n);
	o->next = NULL;
	o->n = text.n;
	memcpy(o->bytes + LWS_PRE, text.p, text.n);
	if (c->out_tail)
		c->out_tail->next = o;
	else
		c->out_head = o;
	c->out_tail = o;
	lws_callback_on_writable(c->wsi);
}

void ws_conn_close(struct ingest_ws *w, int64_t lineage, struct kmd_str reason)
{
	struct ws_conn *c = find(w, lineage);
	struct lws *wsi = c ? c->wsi : NULL;
	bool opened = c && c->opened;

	if (!c)
		return;
	on_closed(c, reason);
	if (!wsi)
		return;
	if (opened) {
		lws_callback_on_writable(wsi);
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_PATIENCE_S);
	} else {
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	}
}
