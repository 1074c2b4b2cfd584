#ifndef KMD_HTTPD_H
#define KMD_HTTPD_H

#include "kmd_err.h"
#include "kmd_str.h"

/*
 * A small HTTP/1.1 server (libwebsockets) on a thread of its own, so that it answers while the main loop is stuck.
 */

struct kmd_httpd;

/* Fills status (200, 503, ...) , content type and body for a GET of @path; returns 0, or -1 for 404. Called on the
 * server's thread. */
typedef int (*kmd_httpd_handler)(
    void *ctx, struct kmd_str path, int *ret_status, const char **ret_type, struct kmd_buf *ret_body);

/** @listen "address:port", port 0 picks one. KMD_ECONFIG: not an address, or it cannot be bound. */
int kmd_httpd_start(struct kmd_httpd **ret, const char *listen, kmd_httpd_handler handler, void *ctx,
    struct kmd_err *err) KMD_MUST_CHECK;
/** Takes "address:port" or "[v6]:port" apart; @ret_host at least 64 bytes, without brackets. KMD_ECONFIG. Pure. */
int kmd_httpd_listen_parse(const char *listen, char *ret_host, int *ret_port, struct kmd_err *err) KMD_MUST_CHECK;
/** The port that is bound. */
int kmd_httpd_port(const struct kmd_httpd *h);
/** Ends the thread. NULL is fine. */
void kmd_httpd_stop(struct kmd_httpd *h);

#endif
