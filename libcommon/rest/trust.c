#include "rest_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A CA file replaces the library's default, so the default's content is put in front of it. */

static int add_file(const char *path, struct kmd_buf *b)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return errno;
	while ((n = fread(kmd_buf_reserve(b, 65536), 1, 65536, f)) > 0)
		b->n += n;
	int e = ferror(f) ? EIO : 0;
	fclose(f);
	kmd_buf_addc(b, '\n');
	return e;
}

int trust_load(const char *ca_file, struct kmd_buf *ret, struct kmd_err *err)
{
	const char *system = curl_version_info(CURLVERSION_NOW)->cainfo;
	int rc = kmd_sign_check_ca(ca_file, err);

	if (rc < 0)
		return rc;
	/* Where there is no bundle, the library still looks into the system's folder of certificates. */
	if (system)
		(void)add_file(system, ret);
	int e = add_file(ca_file, ret);
	return e ? kmd_err_set(err, KMD_ECONFIG, "KALSHI_CA_FILE %s: %s", ca_file, strerror(e)) : 0;
}
