#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "kmd_sign.h"

static char folder[] = "/tmp/test_sign.XXXXXX";
static EVP_PKEY *rsa, *ed, *ec, *small;
static struct kmd_err err;

static const char *path_of(const char *name)
{
	static char path[400];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static FILE *create(const char *name)
{
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	return f;
}

static void write_pkcs8(const char *name, EVP_PKEY *key)
{
	FILE *f = create(name);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

static void write_pkcs1(const char *name, EVP_PKEY *key)
{
	BIO *bio = BIO_new_file(path_of(name), "w");
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	BIO_free(bio);
}

static void write_text(const char *name, const char *text)
{
	FILE *f = create(name);
	fputs(text, f);
	fclose(f);
}

/* Does the signature of @text hold, with salt 32 where the key is RSA? */
static bool verifies(EVP_PKEY *key, const char *text, const char *base64)
{
	unsigned char raw[1024];
	int n = EVP_DecodeBlock(raw, (const unsigned char *)base64, (int)strlen(base64));
	for (const char *p = base64 + strlen(base64); p[-1] == '='; p--)
		n--;
	bool is_rsa = EVP_PKEY_is_a(key, "RSA");
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	assert_int_equal(EVP_DigestVerifyInit(md, &ctx, is_rsa ? EVP_sha256() : NULL, NULL, key), 1);
	if (is_rsa) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 32);
	}
	bool ok = EVP_DigestVerify(md, raw, (size_t)n, (const unsigned char *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

static void assert_signs(const char *name, EVP_PKEY *key)
{
	struct kmd_signer *s = NULL;
	struct kmd_sign_headers h;
	const struct kmd_wall now = {INT64_C(1795341600123456789)};

	assert_int_equal(kmd_signer_new(&s, "key-1", path_of(name), &err), 0);
	assert_int_equal(kmd_signer_sign(s, now, "GET", KMD_STR("/trade-api/v2/markets?limit=5&a=?"), &h, &err), 0);
	assert_string_equal(h.key, "key-1");
	assert_string_equal(h.timestamp, "1795341600123");
	assert_true(verifies(key, "1795341600123GET/trade-api/v2/markets", h.signature));
	assert_false(verifies(key, "1795341600123GET/trade-api/v2/market", h.signature));
	kmd_signer_free(s);
}

static void test_signs(void **state)
{
	(void)state;
	write_pkcs8("rsa8", rsa);
	assert_signs("rsa8", rsa);
	write_pkcs1("rsa1", rsa);
	assert_signs("rsa1", rsa);
	write_pkcs8("ed", ed);
	assert_signs("ed", ed);
}

static void assert_refused(const char *name, const char *what)
{
	struct kmd_signer *s = NULL;

	err.text[0] = '\0';
	assert_int_equal(kmd_signer_new(&s, "key-1", path_of(name), &err), KMD_ECONFIG);
	assert_null(s);
	if (!strstr(err.text, what) || !strstr(err.text, name) || strchr(err.text, '\n'))
		fail_msg("\"%s\" does not say \"%s\" of %s", err.text, what, name);
}

static void test_refuses_what_cannot_sign(void **state)
{
	(void)state;
	assert_refused("absent", "No such file");
	assert_int_equal(mkdir(path_of("folder"), 0700), 0);
	assert_refused("folder", "directory");
	write_text("empty", "");
	assert_refused("empty", "empty");
	write_text("garbage", "hello there\n");
	assert_refused("garbage", "not a PEM");
	write_text("cut", "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n");
	assert_refused("cut", "damaged");
	assert_null(strstr(err.text, "MIIEvQ"));
	write_pkcs8("ec", ec);
	assert_refused("ec", "neither");
	write_pkcs8("small", small);
	assert_refused("small", "2048");

	FILE *f = create("public");
	PEM_write_PUBKEY(f, rsa);
	fclose(f);
	assert_refused("public", "public key");
	f = create("locked8");
	PEM_write_PKCS8PrivateKey(f, rsa, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
	fclose(f);
	assert_refused("locked8", "pass phrase");
	BIO *bio = BIO_new_file(path_of("locked1"), "w");
	PEM_write_bio_PrivateKey_traditional(
	    bio, rsa, EVP_aes_256_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
	BIO_free(bio);
	assert_refused("locked1", "pass phrase");
}

static void test_unreadable_file(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip(); /* root reads everything */
	write_pkcs8("unreadable", rsa);
	chmod(path_of("unreadable"), 0);
	assert_refused("unreadable", "Permission denied");
}

static void test_needs_key_id_and_path(void **state)
{
	struct kmd_signer *s = NULL;

	(void)state;
	write_pkcs8("k", rsa);
	assert_int_equal(kmd_signer_new(&s, NULL, path_of("k"), &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "KALSHI_API_KEY_ID"));
	assert_int_equal(kmd_signer_new(&s, "a\r\nb", path_of("k"), &err), KMD_ECONFIG);
	assert_int_equal(kmd_signer_new(&s, "a", NULL, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "KALSHI_PRIVATE_KEY_FILE"));
}

static void test_refresh(void **state)
{
	struct kmd_signer *s = NULL;
	struct kmd_sign_headers h;

	(void)state;
	write_pkcs8("turn", rsa);
	assert_int_equal(kmd_signer_new(&s, "key-1", path_of("turn"), &err), 0);
	assert_int_equal(kmd_signer_refresh(s, &err), 0);

	write_text("turn", "half a key");
	assert_int_equal(kmd_signer_refresh(s, &err), KMD_ECONFIG);
	assert_int_equal(kmd_signer_refresh(s, &err), 0); /* told once */
	write_text("turn", "half a key, and more");
	assert_int_equal(kmd_signer_refresh(s, &err), KMD_ECONFIG);
	unlink(path_of("turn"));
	assert_int_equal(kmd_signer_refresh(s, &err), KMD_ECONFIG);
	assert_int_equal(kmd_signer_refresh(s, &err), KMD_ECONFIG);
	assert_int_equal(kmd_signer_sign(s, (struct kmd_wall){0}, "GET", KMD_STR("/x"), &h, &err), 0);
	assert_true(verifies(rsa, "0GET/x", h.signature));

	write_pkcs8("turn", ed);
	assert_int_equal(kmd_signer_refresh(s, &err), 1);
	assert_int_equal(kmd_signer_refresh(s, &err), 0);
	assert_int_equal(kmd_signer_sign(s, (struct kmd_wall){0}, "GET", KMD_STR("/x"), &h, &err), 0);
	assert_true(verifies(ed, "0GET/x", h.signature));
	kmd_signer_free(s);
}

static int make(void **state)
{
	(void)state;
	rsa = EVP_RSA_gen(2048);
	small = EVP_RSA_gen(1024);
	ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ec = EVP_EC_gen("P-256");
	return rsa && small && ed && ec && mkdtemp(folder) ? 0 : -1;
}

static int drop(void **state)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(ec);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			remove(path_of(e->d_name));
	if (d)
		closedir(d);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signs),
	    cmocka_unit_test(test_refuses_what_cannot_sign),
	    cmocka_unit_test(test_unreadable_file),
	    cmocka_unit_test(test_needs_key_id_and_path),
	    cmocka_unit_test(test_refresh),
	};
	return cmocka_run_group_tests(tests, make, drop);
}
