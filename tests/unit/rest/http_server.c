#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 32

struct peer {
	int fd;
	SSL *ssl; /* NULL: plain */
};

struct http_server {
	SSL_CTX *tls;
	int port, stop[2];
	atomic_int connections;
	struct pollfd fds[PEERS_MAX + 2]; /* stop, listener, peers */
	struct peer peers[PEERS_MAX];
	size_t count;
	pthread_t thread;
};

static ssize_t get(struct peer *p, char *buf, size_t n)
{
	return p->ssl ? SSL_read(p->ssl, buf, (int)n) : read(p->fd, buf, n);
}

static void put(struct peer *p, const char *text)
{
	if (p->ssl)
		SSL_write(p->ssl, text, (int)strlen(text));
	else
		send(p->fd, text, strlen(text), MSG_NOSIGNAL);
}

/* A whole answer; its body is the request. */
static void echo(struct peer *p, const char *status, const char *headers, const char *request)
{
	char out[8192];

	snprintf(out, sizeof(out), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(request),
	    request);
	put(p, out);
}

/* Answers one request; false: the connection ends. */
static int answer(struct peer *p, const char *request)
{
	char path[200] = "";

	sscanf(request, "GET %199[^? ]", path);
	const char *name = strrchr(path, '/');
	if (!name)
		return 0;
	if (strcmp(name, "/slow") == 0)
		return 1;
	if (strcmp(name, "/close") == 0)
		return 0;
	if (strcmp(name, "/garbage") == 0)
		put(p, "what is this\r\n\r\n");
	else if (strcmp(name, "/short") == 0)
		put(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"market\"");
	else if (strcmp(name, "/endless") == 0)
		put(p, "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{");
	else if (strcmp(name, "/busy") == 0)
		echo(p, "429 Too Many Requests", "", "{\"error\":\"too many requests\"}");
	else if (strcmp(name, "/moved") == 0)
		echo(p, "302 Found", "Location: /trade-api/v2/ok\r\n", "");
	else
		echo(p, "200 OK", "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n", request);
	return strcmp(name, "/garbage") != 0 && strcmp(name, "/short") != 0 && strcmp(name, "/endless") != 0;
}

static void drop(struct http_server *s, size_t i)
{
	SSL_free(s->peers[i].ssl);
	close(s->peers[i].fd);
	s->peers[i] = s->peers[--s->count];
	s->fds[2 + i] = s->fds[2 + s->count];
}

static void serve_peer(struct http_server *s, size_t i)
{
	char request[4096];
	ssize_t n = get(&s->peers[i], request, sizeof(request) - 1);

	if (n > 0) {
		request[n] = '\0';
		if (answer(&s->peers[i], request))
			return;
	}
	drop(s, i);
}

static void accept_peer(struct http_server *s)
{
	struct peer p = {.fd = accept(s->fds[1].fd, NULL, NULL)};

	atomic_fetch_add(&s->connections, 1);
	if (s->tls) {
		p.ssl = SSL_new(s->tls);
		SSL_set_fd(p.ssl, p.fd);
		if (SSL_accept(p.ssl) <= 0) {
			SSL_free(p.ssl);
			close(p.fd);
			return;
		}
	}
	s->peers[s->count] = p;
	s->fds[2 + s->count++] = (struct pollfd){.fd = p.fd, .events = POLLIN};
}

static void *serve(void *arg)
{
	struct http_server *s = arg;

	while (poll(s->fds, 2 + s->count, -1) >= 0 && !s->fds[0].revents) {
		for (size_t i = s->count; i-- > 0;)
			if (s->fds[2 + i].revents)
				serve_peer(s, i);
		if (s->fds[1].revents && s->count < PEERS_MAX)
			accept_peer(s);
	}
	while (s->count > 0)
		drop(s, 0);
	return NULL;
}

struct http_server *http_server_start(SSL_CTX *tls)
{
	struct http_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!s || bind(fd, (struct sockaddr *)&a, size) || listen(fd, 16) || pipe(s->stop) ||
	    getsockname(fd, (struct sockaddr *)&a, &size))
		abort();
	s->tls = tls;
	s->port = ntohs(a.sin_port);
	s->fds[0] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (pthread_create(&s->thread, NULL, serve, s))
		abort();
	return s;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

int http_server_connections(const struct http_server *s)
{
	return atomic_load(&s->connections);
}

void http_server_stop(struct http_server *s)
{
	close(s->stop[1]);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->fds[1].fd);
	free(s);
}
