#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "http_server.h"
#include "kmd_rest.h"

#define MS INT64_C(1000000)

static struct http_server *server;
static char folder[] = "/tmp/test_rest.XXXXXX";
static char key_path[200], ca_path[200];
static struct kmd_signer *signer;

/* The last answer, copied. */
static struct {
	int count;
	uint64_t ref;
	int rc, status;
	char body[8192], reason[256];
	bool has_date;
	int64_t offset_ms, received_ns;
} got;
static struct kmd_rest *chained; /* not NULL: the first answer starts another GET */

static void on_answer(void *ctx, const struct kmd_rest_answer *a)
{
	assert_ptr_equal(ctx, &got);
	got.count++;
	got.ref = a->ref;
	got.rc = a->rc;
	got.status = a->status;
	got.has_date = a->has_date;
	got.offset_ms = a->clock_offset_ms;
	got.received_ns = a->received.ns;
	snprintf(got.body, sizeof(got.body), "%.*s", KMD_STR_ARG(a->body));
	snprintf(got.reason, sizeof(got.reason), "%s", a->reason);
	if (chained)
		assert_int_equal(kmd_rest_get(chained, kmd_wall_now(), "/chained", 99, NULL), 0);
	chained = NULL;
}

static struct kmd_rest *open_rest(const char *scheme, int port, const char *ca, int64_t timeout_ms)
{
	struct kmd_rest *r = NULL;
	struct kmd_err err = {0};
	char base[100];

	memset(&got, 0, sizeof(got));
	snprintf(base, sizeof(base), "%s://127.0.0.1:%d/trade-api/v2/", scheme, port);
	if (kmd_rest_new(&r, base, ca, signer, 4, timeout_ms * MS, on_answer, &got, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

static void await(struct kmd_rest *r, int answers)
{
	while (got.count < answers)
		kmd_rest_poll(r, NULL, 0, 1000);
}

static void get(struct kmd_rest *r, const char *path)
{
	int before = got.count;

	assert_int_equal(kmd_rest_get(r, kmd_wall_now(), path, 7, NULL), 0);
	assert_int_equal(kmd_rest_in_flight(r), 1);
	await(r, before + 1);
	assert_int_equal(got.ref, 7);
	assert_int_equal(kmd_rest_in_flight(r), 0);
}

static void test_signed_get(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);

	(void)state;
	int64_t before = kmd_wall_now().ns;
	get(r, "/ok?limit=5");
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.status, 200);
	assert_string_equal(got.reason, "");
	assert_non_null(strstr(got.body, "GET /trade-api/v2/ok?limit=5 HTTP/1.1\r\n"));
	assert_non_null(strstr(got.body, "KALSHI-ACCESS-KEY: key-1\r\n"));
	assert_non_null(strstr(got.body, "KALSHI-ACCESS-TIMESTAMP: "));
	assert_non_null(strstr(got.body, "KALSHI-ACCESS-SIGNATURE: "));
	assert_non_null(strstr(got.body, "User-Agent: kmd/"));
	assert_null(strstr(got.body, "Accept-Language"));
	assert_true(got.received_ns >= before && got.received_ns <= kmd_wall_now().ns);
	assert_true(got.has_date);
	/* 2026-11-22T10:00:00Z is what the server says. */
	assert_int_equal(got.offset_ms, INT64_C(1795341600000) - got.received_ns / MS);
	kmd_rest_free(r);
}

static void test_statuses_are_answers(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);

	(void)state;
	get(r, "/busy");
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.status, 429);
	assert_string_equal(got.body, "{\"error\":\"too many requests\"}");
	assert_false(got.has_date);
	get(r, "/moved"); /* not followed */
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.status, 302);
	kmd_rest_free(r);
}

static void assert_none(struct kmd_rest *r, const char *path, int rc)
{
	get(r, path);
	if (got.rc != rc || !got.reason[0])
		fail_msg("%s gave %d: %s", path, got.rc, got.reason);
}

static void test_no_answer(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);

	(void)state;
	assert_none(r, "/close", KMD_EAGAIN);
	assert_none(r, "/short", KMD_EAGAIN);
	assert_none(r, "/garbage", KMD_EAGAIN);
	assert_none(r, "/endless", KMD_EAGAIN);
	kmd_rest_free(r);
	r = open_rest("http", http_server_port(server), NULL, 100);
	assert_none(r, "/slow", KMD_ETIMEOUT);
	kmd_rest_free(r);
	r = open_rest("http", 1, NULL, 10000); /* nobody listens there */
	assert_none(r, "/ok", KMD_EAGAIN);
	kmd_rest_free(r);
}

static void test_many_at_once_and_from_the_callback(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);
	int before = http_server_connections(server);

	(void)state;
	chained = r;
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(kmd_rest_get(r, kmd_wall_now(), "/ok", i, NULL), 0);
	assert_int_equal(kmd_rest_in_flight(r), 40);
	await(r, 41);
	assert_int_equal(kmd_rest_in_flight(r), 0);
	assert_int_equal(got.rc, 0);
	assert_true(http_server_connections(server) - before <= 4); /* bounded, and used again */
	kmd_rest_free(r);
}

static void test_free_cancels(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(kmd_rest_get(r, kmd_wall_now(), "/slow", i, NULL), 0);
	kmd_rest_poll(r, NULL, 0, 10);
	kmd_rest_free(r);
	assert_int_equal(got.count, 0);
}

static void test_poll_wakes_for_other_descriptors(void **state)
{
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 600000);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(kmd_rest_get(r, kmd_wall_now(), "/slow", 1, NULL), 0);
	for (int i = 0; i < 20; i++)
		kmd_rest_poll(r, fds, 1, 600000); /* would be over the test's time if it slept */
	close(fds[0]);
	close(fds[1]);
	kmd_rest_free(r);
}

static void test_targets_and_bases(void **state)
{
	static const char *const bad[] = {"", "ok", "/a b", "/a\r\nX: y", "/\xc3\xa9", "/a#b"};
	struct kmd_rest *r = open_rest("http", http_server_port(server), NULL, 10000);
	struct kmd_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kmd_rest_get(r, kmd_wall_now(), bad[i], 1, &err), KMD_EFAULT);
	kmd_rest_free(r);
	assert_int_equal(kmd_rest_new(&r, "nonsense", NULL, NULL, 1, MS, on_answer, &got, &err), KMD_ECONFIG);
	assert_int_equal(kmd_rest_new(&r, "https://", NULL, NULL, 1, MS, on_answer, &got, &err), KMD_ECONFIG);
}

static void test_encode(void **state)
{
	struct kmd_buf b = {0};

	(void)state;
	kmd_rest_encode(&b, KMD_STR("KX-26.5_a~ /?&=+%\xc3\xa9\0"));
	assert_true(kmd_str_eqz(kmd_buf_str(&b), "KX-26.5_a~%20%2F%3F%26%3D%2B%25%C3%A9%00"));
	kmd_buf_fini(&b);
}

/* A certificate for 127.0.0.1 that signs itself. */
static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "IP:127.0.0.1");
	X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static void test_tls(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *cert = make_certificate(key);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	(void)state;
	SSL_CTX_use_certificate(tls, cert);
	SSL_CTX_use_PrivateKey(tls, key);
	FILE *f = fopen(ca_path, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	struct http_server *s = http_server_start(tls);

	struct kmd_rest *r = open_rest("https", http_server_port(s), NULL, 10000);
	assert_none(r, "/ok", KMD_EAGAIN);
	assert_non_null(strstr(got.reason, "certificate"));
	kmd_rest_free(r);
	r = open_rest("https", http_server_port(s), ca_path, 10000);
	get(r, "/ok");
	if (got.rc)
		fail_msg("%s", got.reason);
	assert_int_equal(got.status, 200);
	kmd_rest_free(r);

	http_server_stop(s);
	SSL_CTX_free(tls);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void test_bad_ca_files(void **state)
{
	static const char *const texts[] = {
	    "", "not a certificate\n", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
	struct kmd_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *f = fopen(ca_path, "w");
		fputs(texts[i], f);
		fclose(f);
		assert_int_equal(kmd_sign_check_ca(ca_path, &err), KMD_ECONFIG);
		assert_non_null(strstr(err.text, "KALSHI_CA_FILE"));
	}
	assert_int_equal(kmd_sign_check_ca("/nowhere/ca", &err), KMD_ECONFIG);
	assert_int_equal(kmd_sign_check_ca(folder, &err), KMD_ECONFIG);
	assert_int_equal(kmd_sign_check_ca(NULL, &err), 0);
}

static int start(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct kmd_err err;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	snprintf(ca_path, sizeof(ca_path), "%s/ca", folder);
	FILE *f = fopen(key_path, "w");
	PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
	server = http_server_start(NULL);
	return kmd_signer_new(&signer, "key-1", key_path, &err);
}

static int stop(void **state)
{
	(void)state;
	http_server_stop(server);
	kmd_signer_free(signer);
	unlink(key_path);
	unlink(ca_path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signed_get),
	    cmocka_unit_test(test_statuses_are_answers),
	    cmocka_unit_test(test_no_answer),
	    cmocka_unit_test(test_many_at_once_and_from_the_callback),
	    cmocka_unit_test(test_free_cancels),
	    cmocka_unit_test(test_poll_wakes_for_other_descriptors),
	    cmocka_unit_test(test_targets_and_bases),
	    cmocka_unit_test(test_encode),
	    cmocka_unit_test(test_tls),
	    cmocka_unit_test(test_bad_ca_files),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
