#include "instance.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ingest_instance_name(char ret[INGEST_INSTANCE_MAX])
{
	char host[256] = "unknown";

	gethostname(host, sizeof(host) - 1);
	snprintf(ret, INGEST_INSTANCE_MAX, "%s:%ld", host, (long)getpid());
}

bool ingest_instance_is_gone(const char *own, struct kmd_str other)
{
	const size_t host = (size_t)(strrchr(own, ':') + 1 - own); /* the colon included */
	int64_t pid;

	if (kmd_str_eqz(other, own))
		return true;
	if (other.n <= host || memcmp(other.p, own, host) != 0 ||
	    kmd_str_i64((struct kmd_str){other.p + host, other.n - host}, &pid) < 0 || pid <= 0)
		return false;
	return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}
