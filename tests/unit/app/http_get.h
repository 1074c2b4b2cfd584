#ifndef HTTP_GET_H
#define HTTP_GET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kmd_str.h"

/* The plainest client: one request on one connection, read to its end. */

struct http_reply {
	int status; /* 0: no answer */
	struct kmd_buf all;
	const char *body; /* in all, NUL behind it */
	size_t body_bytes;
};

static inline int http_connect(int port)
{
	const struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline struct http_reply http_request(int port, const char *method, const char *path)
{
	struct http_reply r = {0};
	int fd = http_connect(port);

	if (fd < 0)
		return (struct http_reply){.body = ""};
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path);
	for (;;) {
		ssize_t n = read(fd, kmd_buf_reserve(&r.all, 65536), 65536);
		if (n <= 0)
			break;
		r.all.n += (size_t)n;
	}
	close(fd);
	kmd_buf_addc(&r.all, '\0');
	if (sscanf(r.all.p, "HTTP/1.%*d %d", &r.status) != 1)
		r.status = 0;
	const char *end = strstr(r.all.p, "\r\n\r\n");
	r.body = end ? end + 4 : r.all.p + r.all.n - 1;
	r.body_bytes = end ? r.all.n - 1 - (size_t)(r.body - r.all.p) : 0;
	return r;
}

static inline void http_reply_fini(struct http_reply *r)
{
	kmd_buf_fini(&r->all);
}

#endif
