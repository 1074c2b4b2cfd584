#include "ws.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kmd_mem.h"
#include "ws_int.h"

#define ROOM_POLL_NS (1000 * 1000) /* a reader that freed room is noticed so soon */
#define READ_BYTES (64 * 1024)     /* of a socket at a time */
#define PROTOCOL_NAME "kmd"

enum ws_command_kind { WS_DIAL, WS_SEND, WS_CLOSE };

struct ws_command {
	enum ws_command_kind kind;
	int64_t lineage;
	struct kmd_sign_headers sign; /* of DIAL */
	size_t size;
	char data[];
};

static void wait_a_little(void)
{
	struct timespec t = {0, ROOM_POLL_NS};

	nanosleep(&t, NULL);
}

/* Only the end of the thread breaks the wait: what was received is never dropped. */
static struct ws_record *reserve(struct ingest_ws *w, size_t n)
{
	struct ws_record *r;

	while (!(r = kmd_ring_reserve(w->events, sizeof(*r) + n)) && !atomic_load(&w->stopping))
		wait_a_little();
	return r;
}

static void wait_for_big(struct ingest_ws *w, size_t n)
{
	while (atomic_load(&w->big_bytes) + n > INGEST_WS_BIG_TOTAL_BYTES && !atomic_load(&w->stopping))
		wait_a_little();
	atomic_fetch_add(&w->big_bytes, n);
}

void ws_publish(struct ingest_ws *w, const struct ingest_ws_event *event, struct kmd_str text, char *take)
{
	struct ws_record *r;

	if (take)
		wait_for_big(w, text.n);
	r = reserve(w, take ? 0 : text.n);
	if (!r) {
		free(take);
		return;
	}
	r->event = *event;
	r->big = take;
	r->size = text.n;
	if (!take && text.n > 0)
		memcpy(r->data, text.p, text.n);
	kmd_ring_commit(w->events);
}

bool ingest_ws_peek(struct ingest_ws *w, struct ingest_ws_event *ret)
{
	struct kmd_str s = kmd_ring_peek(w->events);
	const struct ws_record *r = (const void *)s.p;

	if (!r)
		return false;
	*ret = r->event;
	ret->text = (struct kmd_str){r->big ? r->big : r->data, r->size};
	return true;
}

void ingest_ws_pop(struct ingest_ws *w)
{
	struct kmd_str s = kmd_ring_peek(w->events);
	const struct ws_record *r = (const void *)s.p;

	if (r->big) {
		free(r->big);
		atomic_fetch_sub(&w->big_bytes, r->size);
	}
	kmd_ring_pop(w->events);
}

void ingest_ws_wait(struct ingest_ws *w, int timeout_ms)
{
	kmd_ring_wait(w->events, timeout_ms);
}

size_t ingest_ws_queued_bytes(const struct ingest_ws *w)
{
	return kmd_ring_used_bytes(w->events) + atomic_load(&w->big_bytes);
}

static bool command(struct ingest_ws *w, enum ws_command_kind kind, int64_t lineage,
    const struct kmd_sign_headers *sign, struct kmd_str text)
{
	struct ws_command *c = kmd_ring_reserve(w->commands, sizeof(*c) + text.n);

	if (!c)
		return false;
	c->kind = kind;
	c->lineage = lineage;
	c->size = text.n;
	if (sign)
		c->sign = *sign;
	memcpy(c->data, text.p, text.n);
	kmd_ring_commit(w->commands);
	lws_cancel_service(w->context);
	return true;
}

bool ingest_ws_dial(struct ingest_ws *w, int64_t lineage, const struct kmd_sign_headers *sign)
{
	return command(w, WS_DIAL, lineage, sign, KMD_STR(""));
}

bool ingest_ws_send(struct ingest_ws *w, int64_t lineage, struct kmd_str text)
{
	return command(w, WS_SEND, lineage, NULL, text);
}

bool ingest_ws_close(struct ingest_ws *w, int64_t lineage, const char *reason)
{
	return command(w, WS_CLOSE, lineage, NULL, kmd_str_z(reason));
}

static void run_commands(struct ingest_ws *w)
{
	struct kmd_str s;

	while ((s = kmd_ring_peek(w->commands)).p && !atomic_load(&w->stopping)) {
		const struct ws_command *c = (const void *)s.p;
		struct kmd_str text = {c->data, c->size};

		if (c->kind == WS_DIAL)
			ws_conn_dial(w, c->lineage, &c->sign);
		else if (c->kind == WS_SEND)
			ws_conn_send(w, c->lineage, text);
		else
			ws_conn_close(w, c->lineage, text);
		kmd_ring_pop(w->commands);
	}
}

static void *run(void *arg)
{
	struct ingest_ws *w = arg;

	while (!atomic_load(&w->stopping)) {
		if (lws_service(w->context, 0) < 0)
			wait_a_little();
		run_commands(w);
	}
	return NULL;
}

static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL_NAME, .callback = ws_conn_callback, .rx_buffer_size = READ_BYTES},
    {0},
};

/* Silence is judged by the age of data elsewhere; pings of ours and hang-ups for want of pongs would only add ways to
 * lose a connection. */
static const lws_retry_bo_t no_pings = {.secs_since_valid_ping = 0xfffe, .secs_since_valid_hangup = 0xffff};

static struct lws_context *create_context(struct ingest_ws *w)
{
	struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN,
	    .protocols = protocols,
	    .pt_serv_buf_size = READ_BYTES,
	    .timeout_secs = INGEST_WS_HANDSHAKE_S,
	    .ka_time = 30,
	    .ka_probes = 3,
	    .ka_interval = 10,
	    .retry_and_idle_policy = &no_pings,
	    .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
	    .client_ssl_ca_filepath = w->ca_file,
	    .user = w,
	    .gid = -1,
	    .uid = -1,
	};

	lws_set_log_level(0, NULL);
	return lws_create_context(&info);
}

static void free_all(struct ingest_ws *w)
{
	struct ingest_ws_event event;

	while (w->events && ingest_ws_peek(w, &event))
		ingest_ws_pop(w);
	kmd_ring_free(w->events);
	kmd_ring_free(w->commands);
	free(w->ca_file);
	free(w);
}

int ingest_ws_start(struct ingest_ws **ret, const struct ingest_url *url, const char *ca_file, struct kmd_err *err)
{
	struct ingest_ws *w = kmd_calloc(1, sizeof(*w));

	w->url = *url;
	w->ca_file = ca_file ? kmd_strndup(ca_file, strlen(ca_file)) : NULL;
	w->events = kmd_ring_new(INGEST_WS_RING_BYTES);
	w->commands = kmd_ring_new(INGEST_WS_COMMANDS_BYTES);
	w->context = create_context(w);
	if (!w->context) {
		free_all(w);
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_CA_FILE: no TLS client can be made with it");
	}
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		lws_context_destroy(w->context);
		free_all(w);
		return kmd_err_set(err, KMD_EFAULT, "no thread can be started");
	}
	*ret = w;
	return 0;
}

void ingest_ws_stop(struct ingest_ws *w)
{
	if (!w)
		return;
	atomic_store(&w->stopping, true);
	lws_cancel_service(w->context);
	pthread_join(w->thread, NULL);
	ws_conn_free_all(w);
	lws_context_destroy(w->context);
	free_all(w);
}
