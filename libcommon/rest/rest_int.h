#ifndef REST_INT_H
#define REST_INT_H

#include <curl/curl.h>

#include "kmd_rest.h"

/* Private to rest/: one GET, from its start to its answer. */

struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	struct kmd_buf body;
	uint64_t ref;
	size_t index;             /* in kmd_rest.transfers */
	struct kmd_wall received; /* at the last byte so far */
	bool has_date, too_big;
	int64_t date_s; /* Unix time of the Date header */
	char reason[CURL_ERROR_SIZE];
};

/* What all transfers share. */
struct transfer_options {
	int64_t timeout_ms;
	bool loopback;           /* no proxy on the way there */
	struct kmd_str extra_ca; /* PEM of the CAs to trust, the system's included; p NULL: the library's default */
};

/** Given: transfer_free. @url copied; @sign copied. */
struct transfer *transfer_new(const char *url, const struct kmd_sign_headers *sign, const struct transfer_options *o);
void transfer_free(struct transfer *t);
/** What to tell the caller; borrows from @t. */
struct kmd_rest_answer transfer_answer(struct transfer *t, CURLcode code);

/** The system's CA bundle and @ca_file as one PEM text. KMD_ECONFIG. */
int trust_load(const char *ca_file, struct kmd_buf *ret, struct kmd_err *err) KMD_MUST_CHECK;

#endif
