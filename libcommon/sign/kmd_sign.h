#ifndef KMD_SIGN_H
#define KMD_SIGN_H

#include "kmd_err.h"
#include "kmd_str.h"
#include "kmd_time.h"

/*
 * The exchange's request signature: base64(sign(timestamp_ms + METHOD + path)), by RSASSA-PSS (SHA-256, MGF1-SHA-256,
 * salt 32) or Ed25519, told by the key. The path is the full one without the query string. One for WebSocket and REST.
 */

struct kmd_signer;

struct kmd_sign_headers {
	char key[256];        /* KALSHI-ACCESS-KEY */
	char timestamp[24];   /* KALSHI-ACCESS-TIMESTAMP, Unix ms */
	char signature[1024]; /* KALSHI-ACCESS-SIGNATURE */
};

/**
 * Loads a PEM key (PKCS#1 or PKCS#8; RSA of at least 2048 bits or Ed25519; no pass phrase). KMD_ECONFIG names the file
 * and the fault, never a byte of the key.
 */
int kmd_signer_new(
    struct kmd_signer **ret, const char *key_id, const char *pem_path, struct kmd_err *err) KMD_MUST_CHECK;
/** Wipes the key. NULL is fine. */
void kmd_signer_free(struct kmd_signer *s);
/** Reads the file again if it changed (size, mtime, inode); a file that cannot be used leaves the old key in place and
 * says so in @err, once if it could be read: 0 unchanged, 1 new key, negative fault. */
int kmd_signer_refresh(struct kmd_signer *s, struct kmd_err *err);
/** Signs; @path may carry a query, which is cut. Thread: one at a time. */
int kmd_signer_sign(struct kmd_signer *s, struct kmd_wall now, const char *method, struct kmd_str path,
    struct kmd_sign_headers *ret, struct kmd_err *err) KMD_MUST_CHECK;

/** Does the file of KALSHI_CA_FILE hold at least one PEM certificate, and only whole ones? NULL is fine. KMD_ECONFIG
 * names setting, file, fault. */
int kmd_sign_check_ca(const char *path, struct kmd_err *err) KMD_MUST_CHECK;

#endif
