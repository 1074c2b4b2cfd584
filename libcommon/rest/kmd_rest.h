#ifndef KMD_REST_H
#define KMD_REST_H

#include "kmd_err.h"
#include "kmd_sign.h"
#include "kmd_str.h"
#include "kmd_time.h"

/*
 * Concurrent signed GETs over HTTPS (libcurl multi). One owner thread: everything happens inside kmd_rest_poll.
 * Redirects are not followed, TLS is verified, no Accept-Language is sent. Retrying is the caller's business.
 */

struct kmd_rest;

struct kmd_rest_answer {
	uint64_t ref;
	int rc; /* 0: an HTTP answer came; KMD_ETIMEOUT, KMD_EAGAIN: none did; KMD_ETOOBIG: its body was too large (see
		   reason) */
	int status;               /* HTTP status */
	struct kmd_str body;      /* borrowed during the callback */
	struct kmd_wall received; /* at its last byte */
	bool has_date;            /* the answer had a Date header */
	int64_t clock_offset_ms;  /* Date minus our clock at receipt (s precision); > 0: we are behind */
	const char *reason;       /* one line; "" where rc is 0 */
};
typedef void (*kmd_rest_fn)(void *ctx, const struct kmd_rest_answer *a);

#define KMD_REST_BODY_MAX ((size_t)64 * 1024 * 1024)

/** @base_url "https://host/trade-api/v2", slashes behind are cut; @ca_file extra trusted CA or NULL; @signer borrowed.
 * @max_in_flight connections. */
int kmd_rest_new(struct kmd_rest **ret, const char *base_url, const char *ca_file, struct kmd_signer *signer,
    int max_in_flight, int64_t timeout_ns, kmd_rest_fn fn, void *ctx, struct kmd_err *err) KMD_MUST_CHECK;
void kmd_rest_free(struct kmd_rest *r); /* cancels what is in flight, without callbacks */
/** Starts GET <base><path_and_query>, signed now. @ref comes back with the answer. */
int kmd_rest_get(struct kmd_rest *r, struct kmd_wall now, const char *path_and_query, uint64_t ref,
    struct kmd_err *err) KMD_MUST_CHECK;
int kmd_rest_in_flight(const struct kmd_rest *r);
/** Waits at most @timeout_ms for traffic or for one of @fds to be readable, then serves answers. */
void kmd_rest_poll(struct kmd_rest *r, const int *fds, size_t fds_count, int timeout_ms);
/** Percent-encodes a path segment or query value (RFC 3986 unreserved kept). */
void kmd_rest_encode(struct kmd_buf *b, struct kmd_str text);

#endif
