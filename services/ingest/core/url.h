#ifndef INGEST_URL_H
#define INGEST_URL_H

#include <stdbool.h>

#include "kmd_err.h"
#include "kmd_str.h"

/* A WebSocket address in its parts. */

struct ingest_url {
	bool tls;
	char host[256];        /* without the brackets of an IPv6 address */
	int port;              /* given, else 443 or 80 */
	char host_header[272]; /* as the address had it, with the port if one was given */
	char target[1024];     /* path and query, at least "/" */
};

/** ws:// or wss://, no user, no fragment. KMD_ECONFIG says what is wrong. */
int ingest_url_parse(struct ingest_url *ret, struct kmd_str text, struct kmd_err *err) KMD_MUST_CHECK;

#endif
