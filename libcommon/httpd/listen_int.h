#ifndef LISTEN_INT_H
#define LISTEN_INT_H

#include "kmd_err.h"

/** A listening, non-blocking socket bound to exactly that address, and its port. KMD_ECONFIG. */
int listen_open(const char *listen, int *ret_fd, int *ret_port, struct kmd_err *err) KMD_MUST_CHECK;

#endif
