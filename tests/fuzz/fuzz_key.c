/*
 * Loading a private key. Input: the kind of key, then edits, one a line: "<offset> <text>" writes over, "cut <n>" keeps
 * n bytes, "+<text>" adds a line behind, "^<text>" one in front. Keys are made when the target starts: none is kept
 * here.
 *
 * - What cannot be used is refused with one line that names the setting's file and holds no piece of the key.
 * - What can be used signs, and OpenSSL verifies the signature over timestamp, method and path without the query.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "fuzz.h"
#include "kmd_sign.h"

enum kind { RSA_2048, RSA_PKCS1, RSA_1024, ED25519, P256, ENCRYPTED, PUBLIC, NOTHING, KINDS };

static const char *const names[KINDS] = {
    "rsa", "pkcs1", "rsa1024", "ed25519", "p256", "encrypted", "public", "nothing"};

static struct kmd_buf pems[KINDS];

static EVP_PKEY *make_key(enum kind kind)
{
	static const unsigned char seed[32] = "a fixed seed of thirty-two bytes";

	switch (kind) {
	case ED25519:
		return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	case P256:
		return EVP_EC_gen("P-256");
	case RSA_1024:
		return EVP_RSA_gen(1024);
	default:
		return EVP_RSA_gen(2048);
	}
}

static int write_key(BIO *bio, EVP_PKEY *key, enum kind kind)
{
	unsigned char pass[] = "pass phrase";

	if (kind == RSA_PKCS1)
		return PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
	if (kind == PUBLIC)
		return PEM_write_bio_PUBKEY(bio, key);
	if (kind == ENCRYPTED)
		return PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), pass, sizeof(pass) - 1, NULL, NULL);
	return PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

static void make_pems(void)
{
	for (enum kind kind = 0; kind < NOTHING; kind++) {
		EVP_PKEY *key = make_key(kind);
		BIO *bio = BIO_new(BIO_s_mem());
		char *text = NULL;
		long n;

		HOLDS(key && write_key(bio, key, kind) == 1);
		n = BIO_get_mem_data(bio, &text);
		kmd_buf_add(&pems[kind], text, (size_t)n);
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
}

static enum kind kind_of(struct kmd_str name)
{
	enum kind kind = 0;

	while (kind < NOTHING && !kmd_str_eqz(name, names[kind]))
		kind++;
	return kind;
}

static void write_over(struct kmd_buf *pem, struct kmd_str offset, struct kmd_str text)
{
	uint64_t at;

	if (kmd_str_u64(offset, &at) == 0 && at < pem->n && text.n <= pem->n - at)
		memcpy(pem->p + at, text.p, text.n);
}

static void edit(struct kmd_buf *pem, struct kmd_str line)
{
	struct kmd_str text = line, word = fuzz_piece(&text, ' ');
	struct kmd_buf b = {0};
	uint64_t n;

	if (line.n > 0 && (line.p[0] == '+' || line.p[0] == '^')) {
		const struct kmd_str more = {line.p + 1, line.n - 1};

		kmd_buf_add_str(&b, line.p[0] == '^' ? more : kmd_buf_str(pem));
		kmd_buf_addc(&b, '\n');
		kmd_buf_add_str(&b, line.p[0] == '^' ? kmd_buf_str(pem) : more);
		kmd_buf_fini(pem);
		*pem = b;
	} else if (kmd_str_eqz(word, "cut")) {
		if (kmd_str_u64(text, &n) == 0 && n < pem->n)
			pem->n = n;
	} else {
		write_over(pem, word, text);
	}
}

static void check_fault(const struct kmd_err *err, const char *path, struct kmd_str pem)
{
	HOLDS(strstr(err->text, path) && !strchr(err->text, '\n'));
	for (size_t i = 0; i + 20 <= pem.n; i++) {
		if (memmem(err->text, strlen(err->text), pem.p + i, 20))
			HOLDS(memchr(pem.p + i, '-', 20)); /* the name of a PEM block */
	}
}

static EVP_PKEY *public_of(struct kmd_str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return key;
}

static void verify(struct kmd_str pem, const struct kmd_sign_headers *h)
{
	EVP_PKEY *key = public_of(pem);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	unsigned char raw[1024];
	struct kmd_buf text = {0};
	const bool rsa = key && EVP_PKEY_is_a(key, "RSA");
	int n = EVP_DecodeBlock(raw, (const unsigned char *)h->signature, (int)strlen(h->signature));

	for (size_t i = strlen(h->signature); i > 0 && h->signature[i - 1] == '='; i--)
		n--;
	kmd_buf_addf(&text, "%sGET/trade-api/v2/markets", h->timestamp);
	HOLDS(key && n > 0);
	HOLDS(EVP_DigestVerifyInit(md, &ctx, rsa ? EVP_sha256() : NULL, NULL, key) == 1);
	if (rsa)
		HOLDS(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		      EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 32) == 1);
	HOLDS(EVP_DigestVerify(md, raw, (size_t)n, (const unsigned char *)text.p, text.n) == 1);
	kmd_buf_fini(&text);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
}

/* An edit may leave a key that can be read and does not fit itself: it may fail to sign, but not sign wrongly. */
static void check_pem(struct kmd_str pem, bool whole)
{
	const int fd = memfd_create("key", MFD_CLOEXEC);
	struct kmd_sign_headers h;
	struct kmd_signer *s = NULL;
	struct kmd_err err = {.text = ""};
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	HOLDS(fd >= 0 && write(fd, pem.p, pem.n) == (ssize_t)pem.n);
	rc = kmd_signer_new(&s, "key-id", path, &err);
	HOLDS(rc == 0 ? s != NULL : rc == KMD_ECONFIG && !s);
	if (rc < 0) {
		check_fault(&err, path, pem);
	} else {
		HOLDS(kmd_signer_refresh(s, &err) == 0);
		rc = kmd_signer_sign(s, (struct kmd_wall){INT64_C(1795341600123000000)}, "GET",
		    KMD_STR("/trade-api/v2/markets?limit=1"), &h, &err);
		HOLDS(rc == 0 || !whole);
		if (rc == 0 && whole) {
			HOLDS(strcmp(h.timestamp, "1795341600123") == 0 && strcmp(h.key, "key-id") == 0);
			verify(pem, &h);
		}
	}
	kmd_signer_free(s);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	const enum kind kind = kind_of(fuzz_piece(&rest, '\n'));
	struct kmd_buf pem = {0};
	bool whole = rest.n == 0;

	if (pems[0].n == 0)
		make_pems();
	kmd_buf_add_str(&pem, kmd_buf_str(&pems[kind]));
	for (int edits = 0; rest.n > 0 && edits < 16; edits++)
		edit(&pem, fuzz_piece(&rest, '\n'));
	check_pem(kmd_buf_str(&pem), whole);
	kmd_buf_fini(&pem);
	return 0;
}
