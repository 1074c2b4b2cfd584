#include "listen_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kmd_httpd.h"

#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool copy_host(struct kmd_str host, char *ret)
{
	struct in_addr v4;
	struct in6_addr v6;
	char text[64];
	bool bracketed = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	if (bracketed)
		host = (struct kmd_str){host.p + 1, host.n - 2};
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(bracketed ? AF_INET6 : AF_INET, text, bracketed ? (void *)&v6 : (void *)&v4) != 1)
		return false;
	memcpy(ret, text, host.n + 1);
	return true;
}

int kmd_httpd_listen_parse(const char *listen, char *ret_host, int *ret_port, struct kmd_err *err)
{
	const char *colon = strrchr(listen, ':');
	uint64_t port;

	if (!colon || kmd_str_u64(kmd_str_z(colon + 1), &port) < 0 || port > 65535 ||
	    !copy_host((struct kmd_str){listen, (size_t)(colon - listen)}, ret_host))
		return kmd_err_set(err, KMD_ECONFIG,
		    "\"%.100s\" is not an address and a port (127.0.0.1:9101, 0.0.0.0:9101 or [::]:9101)", listen);
	*ret_port = (int)port;
	return 0;
}

static socklen_t fill_address(union address *a, const char *host, int port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		return sizeof(a->v4);
	}
	inet_pton(AF_INET6, host, &a->v6.sin6_addr);
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons((uint16_t)port);
	return sizeof(a->v6);
}

static int bind_and_listen(int fd, union address *a, socklen_t size)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, &a->any, size) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	return getsockname(fd, &a->any, &size);
}

int listen_open(const char *listen, int *ret_fd, int *ret_port, struct kmd_err *err)
{
	char host[64];
	int port = 0;
	union address a;
	int rc = kmd_httpd_listen_parse(listen, host, &port, err);

	if (rc < 0)
		return rc;
	socklen_t size = fill_address(&a, host, port);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind_and_listen(fd, &a, size) < 0) {
		rc = kmd_err_set(err, KMD_ECONFIG, "cannot listen on %s: %s", listen, strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_fd = fd;
	*ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return 0;
}
