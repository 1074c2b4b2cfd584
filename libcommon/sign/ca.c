#include "kmd_sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static int count_certificates(BIO *bio)
{
	int n = 0;
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_free(cert);
		n++;
	}
	return n;
}

int kmd_sign_check_ca(const char *path, struct kmd_err *err)
{
	if (!path)
		return 0;
	errno = 0;
	BIO *bio = BIO_new_file(path, "r");
	if (!bio) {
		ERR_clear_error();
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_CA_FILE %s: %s", path, strerror(errno ? errno : EIO));
	}
	int n = count_certificates(bio);
	/* The end of the file is told as a missing start line; anything else is a certificate that is not whole. */
	bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	if (n > 0 && at_end)
		return 0;
	return kmd_err_set(err, KMD_ECONFIG, "KALSHI_CA_FILE %s: %s", path,
	    at_end ? "holds no PEM certificate" : "holds a certificate that cannot be decoded");
}
