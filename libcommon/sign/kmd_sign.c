#include "kmd_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "kmd_mem.h"

#define PEM_BYTES_MAX ((size_t)64 * 1024)
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096 /* its signature is 684 characters of base64 */
#define SALT_BYTES 32
#define SIGNATURE_BYTES_MAX (RSA_BITS_MAX / 8)

/* What tells one content of the file from another without reading it. */
struct stamp {
	struct timespec mtime;
	off_t size;
	ino_t inode;
	dev_t device;
};

struct kmd_signer {
	char *key_id, *path;
	EVP_PKEY *key;
	struct stamp stamp;
};

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){st->st_mtim, st->st_size, st->st_ino, st->st_dev};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec && a->size == b->size &&
	       a->inode == b->inode && a->device == b->device;
}

static int fault(struct kmd_err *err, const char *path, const char *what)
{
	return kmd_err_set(err, KMD_ECONFIG, "KALSHI_PRIVATE_KEY_FILE %s: %s", path, what);
}

/* Bytes of the file into @pem; @ret_n tells how many. */
static int read_pem(int fd, const char *path, char *pem, size_t *ret_n, struct kmd_err *err)
{
	size_t n = 0;

	while (n < PEM_BYTES_MAX) {
		ssize_t got = read(fd, pem + n, PEM_BYTES_MAX - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault(err, path, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n == PEM_BYTES_MAX)
		return fault(err, path, "too large to be a key");
	*ret_n = n;
	return 0;
}

static int read_file(const char *path, char *pem, size_t *ret_n, struct stamp *ret_stamp, struct kmd_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return fault(err, path, strerror(errno));
	if (fstat(fd, &st) < 0)
		rc = fault(err, path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		rc = fault(err, path, "is a directory");
	else
		rc = read_pem(fd, path, pem, ret_n, err);
	close(fd);
	if (rc == 0)
		*ret_stamp = stamp_of(&st);
	return rc;
}

static int no_pass_phrase(char *buf, int size, int rwflag, void *asked)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)asked = true;
	return -1;
}

/* The first private key of the text, whatever else stands there; NULL and what is wrong. Given. */
static EVP_PKEY *parse_pem(const char *pem, size_t n, const char **ret_what)
{
	bool asked = false;
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key)
		return key;
	if (asked)
		*ret_what = "is encrypted with a pass phrase, which is not supported";
	else if (n == 0)
		*ret_what = "is empty";
	else if (memmem(pem, n, "PRIVATE KEY-----", 16))
		*ret_what = "is damaged: its private key cannot be decoded";
	else if (memmem(pem, n, "PUBLIC KEY-----", 15))
		*ret_what = "is a public key, the private one is needed";
	else if (memmem(pem, n, "-----BEGIN CERTIFICATE", 22))
		*ret_what = "is a certificate, the private key is needed";
	else
		*ret_what = "is not a PEM private key";
	return NULL;
}

/* NULL: the key is of a kind that can sign here. */
static const char *unfit(const EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "ED25519"))
		return NULL;
	if (!EVP_PKEY_is_a(key, "RSA"))
		return "is neither an RSA nor an Ed25519 key";
	if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		return "is an RSA key of fewer than 2048 bits";
	return EVP_PKEY_get_bits(key) > RSA_BITS_MAX ? "is an RSA key of more than 4096 bits" : NULL;
}

static int load_key(const char *path, EVP_PKEY **ret, struct stamp *ret_stamp, struct kmd_err *err)
{
	char *pem = kmd_alloc(PEM_BYTES_MAX);
	const char *what = NULL;
	size_t n = 0;
	EVP_PKEY *key = NULL;
	int rc = read_file(path, pem, &n, ret_stamp, err);

	if (rc == 0) {
		key = parse_pem(pem, n, &what);
		if (key)
			what = unfit(key);
		if (what)
			rc = fault(err, path, what);
	}
	OPENSSL_cleanse(pem, PEM_BYTES_MAX);
	free(pem);
	if (rc < 0) {
		EVP_PKEY_free(key);
		return rc;
	}
	*ret = key;
	return 0;
}

/* A key id goes into a header as it stands. */
static int check_key_id(const char *id, struct kmd_err *err)
{
	const struct kmd_sign_headers *h = NULL;

	if (!id || !id[0])
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID is not set");
	if (strlen(id) >= sizeof(h->key))
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID is too long");
	for (const char *p = id; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			return kmd_err_set(err, KMD_ECONFIG, "KALSHI_API_KEY_ID holds white space or other odd bytes");
	return 0;
}

int kmd_signer_new(struct kmd_signer **ret, const char *key_id, const char *pem_path, struct kmd_err *err)
{
	struct kmd_signer s = {0};
	int rc = check_key_id(key_id, err);

	if (rc < 0)
		return rc;
	if (!pem_path || !pem_path[0])
		return kmd_err_set(err, KMD_ECONFIG, "KALSHI_PRIVATE_KEY_FILE is not set");
	rc = load_key(pem_path, &s.key, &s.stamp, err);
	if (rc < 0)
		return rc;
	s.key_id = kmd_strndup(key_id, strlen(key_id));
	s.path = kmd_strndup(pem_path, strlen(pem_path));
	*ret = kmd_alloc(sizeof(s));
	**ret = s;
	return 0;
}

void kmd_signer_free(struct kmd_signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->key); /* OpenSSL clears private numbers as it frees them */
	free(s->key_id);
	free(s->path);
	free(s);
}

int kmd_signer_refresh(struct kmd_signer *s, struct kmd_err *err)
{
	struct stat st;
	struct stamp now;
	EVP_PKEY *key;
	int rc;

	if (stat(s->path, &st) < 0)
		return fault(err, s->path, strerror(errno));
	now = stamp_of(&st);
	if (same_stamp(&now, &s->stamp))
		return 0;
	rc = load_key(s->path, &key, &s->stamp, err); /* of what was read, good or bad: a bad one is told once */
	if (rc < 0)
		return rc;
	EVP_PKEY_free(s->key);
	s->key = key;
	return 1;
}

static bool choose_pss(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, SALT_BYTES) > 0;
}

static bool sign_bytes(EVP_PKEY *key, const char *text, size_t n, unsigned char *ret, size_t *ret_n)
{
	bool rsa = EVP_PKEY_is_a(key, "RSA");
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL; /* belongs to md */
	bool ok = md && EVP_DigestSignInit(md, &ctx, rsa ? EVP_sha256() : NULL, NULL, key) > 0 &&
		  (!rsa || choose_pss(ctx)) && EVP_DigestSign(md, ret, ret_n, (const unsigned char *)text, n) > 0;

	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return ok;
}

int kmd_signer_sign(struct kmd_signer *s, struct kmd_wall now, const char *method, struct kmd_str path,
    struct kmd_sign_headers *ret, struct kmd_err *err)
{
	const char *query = path.n ? memchr(path.p, '?', path.n) : NULL;
	struct kmd_sign_headers h = {0};
	struct kmd_buf text = {0};
	unsigned char raw[SIGNATURE_BYTES_MAX];
	size_t raw_n = sizeof(raw);

	if (query)
		path.n = (size_t)(query - path.p);
	snprintf(h.key, sizeof(h.key), "%s", s->key_id);
	snprintf(h.timestamp, sizeof(h.timestamp), "%" PRId64, now.ns / KMD_NS_PER_MS);
	kmd_buf_addf(&text, "%s%s", h.timestamp, method);
	kmd_buf_add_str(&text, path);
	bool ok = sign_bytes(s->key, text.p, text.n, raw, &raw_n);
	kmd_buf_fini(&text);
	if (!ok)
		return kmd_err_set(err, KMD_EFAULT, "the private key does not sign");
	EVP_EncodeBlock((unsigned char *)h.signature, raw, (int)raw_n);
	*ret = h;
	return 0;
}
