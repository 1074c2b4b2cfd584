/*
 * rest PORT
 *
 * The exchange's REST side on a port of loopback, for as little as it can cost: every market is determined
 * (yes, 1.0000) and of one event and series, every list is empty. Kept connections, one thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CONNS_MAX 256
#define REQUEST_MAX 8192
#define ROOT "/trade-api/v2"

struct conn {
	int fd; /* 0: none */
	size_t n;
	char in[REQUEST_MAX];
};

static struct conn conns[CONNS_MAX];

static int begins(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

/* The answer to a path below the root. */
static int body_of(const char *path, char *ret, size_t room)
{
	const int ticker = (int)strcspn(path, " ?");

	if (begins(path, "/markets/trades"))
		return snprintf(ret, room, "{\"trades\":[],\"cursor\":\"\"}");
	if (begins(path, "/markets/"))
		return snprintf(ret, room,
		    "{\"market\":{\"ticker\":\"%.*s\",\"event_ticker\":\"KXBENCH-1\",\"market_type\":\"binary\","
		    "\"title\":\"Will it?\","
		    "\"status\":\"determined\",\"result\":\"yes\",\"settlement_value_dollars\":\"1.0000\",\"expiration_"
		    "value\":\"\","
		    "\"yes_bid_dollars\":\"0.4800\",\"volume_fp\":\"12.34\",\"notional_value_dollars\":\"1.0000\","
		    "\"floor_strike\":73749.99,\"updated_time\":\"2026-11-22T10:00:00Z\"}}",
		    ticker - 9, path + 9);
	if (begins(path, "/events/"))
		return snprintf(ret, room,
		    "{\"event\":{\"event_ticker\":\"KXBENCH-1\",\"series_ticker\":\"KXBENCH\",\"title\":\"?\"}}");
	if (begins(path, "/series/"))
		return snprintf(
		    ret, room, "{\"series\":{\"ticker\":\"KXBENCH\",\"title\":\"Bench\",\"frequency\":\"daily\"}}");
	if (begins(path, "/events"))
		return snprintf(ret, room, "{\"events\":[],\"cursor\":\"\"}");
	if (begins(path, "/historical/cutoff"))
		return snprintf(ret, room, "{\"trades_created_ts\":\"2026-01-01T00:00:00Z\"}");
	return snprintf(ret, room, "{\"markets\":[],\"cursor\":\"\"}");
}

static void answer(const struct conn *c)
{
	const char *path = strstr(c->in, ROOT);
	char body[2048], text[2560];
	const int n = body_of(path ? path + strlen(ROOT) : "", body, sizeof(body));
	const int size = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);

	if (write(c->fd, text, (size_t)size) != size)
		perror("answer");
}

static void serve(struct conn *c)
{
	const ssize_t n = read(c->fd, c->in + c->n, REQUEST_MAX - 1 - c->n);

	if (n <= 0) {
		close(c->fd);
		c->fd = 0;
		c->n = 0;
		return;
	}
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	if (strstr(c->in, "\r\n\r\n")) {
		answer(c);
		c->n = 0;
	}
}

static void take(int listener)
{
	const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

	for (size_t i = 0; i < CONNS_MAX && fd >= 0; i++) {
		if (conns[i].fd)
			continue;
		conns[i].fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		return;
	}
	bench_die("rest", "too many connections");
}

static int listen_at(const char *port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)bench_number(port)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 64) != 0)
		bench_die(port, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		bench_die(argv[0], "PORT");
	signal(SIGPIPE, SIG_IGN);
	const int listener = listen_at(argv[1]);

	for (;;) {
		struct pollfd fds[CONNS_MAX + 1] = {{.fd = listener, .events = POLLIN}};

		for (size_t i = 0; i < CONNS_MAX; i++)
			fds[i + 1] = (struct pollfd){.fd = conns[i].fd ? conns[i].fd : -1, .events = POLLIN};
		if (poll(fds, CONNS_MAX + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < CONNS_MAX; i++)
			if (fds[i + 1].revents)
				serve(&conns[i]);
		if (fds[0].revents)
			take(listener);
	}
}
