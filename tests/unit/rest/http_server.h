#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <openssl/ssl.h>

/* An HTTP server on a thread of the test, whose answer is chosen by the path; with misbehaviour on demand. */

struct http_server;

/** @tls NULL: plain HTTP. */
struct http_server *http_server_start(SSL_CTX *tls);
int http_server_port(const struct http_server *s);
/** Connections accepted so far. */
int http_server_connections(const struct http_server *s);
void http_server_stop(struct http_server *s);

#endif
