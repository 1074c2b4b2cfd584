#include "kmd_httpd.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kmd_mem.h"
#include "listen_int.h"

#define CHUNK_BYTES ((size_t)16 * 1024)
#define HEADER_BYTES 1024
#define CONNECTIONS_MAX 128

struct kmd_httpd {
	kmd_httpd_handler handler;
	void *handler_ctx;
	int port;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	pthread_t thread;
	bool running;
	atomic_bool stop;
};

/* One connection: the answer on its way out. libwebsockets zeroes it. */
struct connection {
	struct kmd_buf body;
	size_t sent;
	bool refused; /* the method: a body that nobody wants may follow, so the connection ends */
};

static struct kmd_httpd *httpd_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static int finish(struct lws *wsi, struct connection *c)
{
	kmd_buf_fini(&c->body);
	c->body = (struct kmd_buf){0};
	c->sent = 0;
	return c->refused || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* One chunk of the body; asks for the next turn until all is out. */
static int write_chunk(struct lws *wsi, struct connection *c)
{
	unsigned char out[LWS_PRE + CHUNK_BYTES];
	size_t left = c->body.n - c->sent, n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
	bool last = n == left;

	if (n == 0)
		return 0;
	memcpy(out + LWS_PRE, c->body.p + c->sent, n);
	if (lws_write(wsi, out + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)n)
		return -1;
	c->sent += n;
	if (last)
		return finish(wsi, c);
	lws_callback_on_writable(wsi);
	return 0;
}

static int send_answer(struct lws *wsi, struct connection *c, int status, const char *type, bool head)
{
	unsigned char out[LWS_PRE + HEADER_BYTES], *start = out + LWS_PRE, *p = start, *end = out + sizeof(out) - 1;
	static const char allow[] = "GET, HEAD";

	if (lws_add_http_common_headers(wsi, (unsigned)status, type, c->body.n, &p, end))
		return -1;
	if (status == HTTP_STATUS_METHOD_NOT_ALLOWED &&
	    lws_add_http_header_by_name(
		wsi, (const unsigned char *)"allow:", (const unsigned char *)allow, (int)sizeof(allow) - 1, &p, end))
		return -1;
	if (lws_finalize_write_http_header(wsi, start, &p, end))
		return -1;
	if (head || c->body.n == 0)
		return finish(wsi, c);
	lws_callback_on_writable(wsi);
	return 0;
}

static int on_http(struct lws *wsi, struct connection *c, struct kmd_str path)
{
	struct kmd_httpd *h = httpd_of(wsi);
	bool head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	const char *type = "text/plain; charset=utf-8";
	int status = HTTP_STATUS_OK;

	kmd_buf_reset(&c->body);
	c->sent = 0;
	c->refused = !head && lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) <= 0;
	if (c->refused) {
		status = HTTP_STATUS_METHOD_NOT_ALLOWED;
		kmd_buf_addz(&c->body, "only GET is answered here\n");
	} else if (h->handler(h->handler_ctx, path, &status, &type, &c->body) < 0) {
		status = HTTP_STATUS_NOT_FOUND;
		kmd_buf_reset(&c->body);
		kmd_buf_addz(&c->body, "there is /livez, /readyz and /metrics\n");
	}
	return send_answer(wsi, c, status, type, head);
}

static int on_connection(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct connection *c = user;

	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return on_http(wsi, c, (struct kmd_str){in, len});
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return write_chunk(wsi, c);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (c)
			kmd_buf_fini(&c->body);
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* no WebSockets here */
	default:
		return 0;
	}
}

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	if (reason != LWS_CALLBACK_RAW_RX_FILE)
		return 0;
	for (;;) {
		int fd = accept4(lws_get_socket_fd(wsi), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return 0;
		lws_adopt_socket_vhost(httpd_of(wsi)->vhost, fd); /* closes it where it fails */
	}
}

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_connection, .per_session_data_size = sizeof(struct connection)},
    {.name = "listener", .callback = on_listener},
    {0},
};

static void *serve(void *arg)
{
	struct kmd_httpd *h = arg;

	while (!atomic_load(&h->stop) && lws_service(h->lws, 0) >= 0)
		;
	return NULL;
}

/* The socket is ours, not the library's: so the bind is exact, and its failure known with its reason. Takes @fd. */
static int open_lws(struct kmd_httpd *h, int fd, struct kmd_err *err)
{
	const struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN_SERVER,
	    .protocols = protocols,
	    .user = h,
	    .fd_limit_per_thread = CONNECTIONS_MAX,
	    .keepalive_timeout = 30,
	};
	lws_sock_file_fd_type desc = {.filefd = fd};

	lws_set_log_level(0, NULL);
	h->lws = lws_create_context(&info);
	h->vhost = h->lws ? lws_get_vhost_by_name(h->lws, "default") : NULL;
	if (!h->vhost) {
		close(fd);
		return kmd_err_set(err, KMD_EFAULT, "cannot start the HTTP server");
	}
	if (!lws_adopt_descriptor_vhost(h->vhost, LWS_ADOPT_RAW_FILE_DESC, desc, "listener", NULL))
		return kmd_err_set(err, KMD_EFAULT, "cannot start the HTTP server on its socket");
	int e = pthread_create(&h->thread, NULL, serve, h);
	h->running = e == 0;
	return e ? kmd_err_set(err, KMD_EFAULT, "cannot start the thread of the HTTP server: %s", strerror(e)) : 0;
}

int kmd_httpd_start(
    struct kmd_httpd **ret, const char *listen, kmd_httpd_handler handler, void *ctx, struct kmd_err *err)
{
	struct kmd_httpd *h = kmd_calloc(1, sizeof(*h));
	int fd;
	int rc = listen_open(listen, &fd, &h->port, err);

	h->handler = handler;
	h->handler_ctx = ctx;
	if (rc == 0)
		rc = open_lws(h, fd, err);
	if (rc < 0) {
		kmd_httpd_stop(h);
		return rc;
	}
	*ret = h;
	return 0;
}

int kmd_httpd_port(const struct kmd_httpd *h)
{
	return h->port;
}

void kmd_httpd_stop(struct kmd_httpd *h)
{
	if (!h)
		return;
	atomic_store(&h->stop, true);
	if (h->running) {
		lws_cancel_service(h->lws);
		pthread_join(h->thread, NULL);
	}
	if (h->lws)
		lws_context_destroy(h->lws);
	free(h);
}
