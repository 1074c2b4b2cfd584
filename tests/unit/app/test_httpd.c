#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "http_get.h"
#include "kmd_httpd.h"

#define LARGE_BYTES 300000

static struct kmd_httpd *httpd;

static int on_get(void *ctx, struct kmd_str path, int *ret_status, const char **ret_type, struct kmd_buf *ret_body)
{
	(void)ctx;
	*ret_type = "text/plain";
	if (kmd_str_eqz(path, "/small")) {
		kmd_buf_addz(ret_body, "hello\n");
	} else if (kmd_str_eqz(path, "/away")) {
		*ret_status = 503;
		kmd_buf_addz(ret_body, "not now\n");
	} else if (kmd_str_eqz(path, "/large")) {
		for (int i = 0; i < LARGE_BYTES; i++)
			kmd_buf_addc(ret_body, (char)('a' + i % 26));
	} else if (!kmd_str_eqz(path, "/empty")) {
		return -1;
	}
	return 0;
}

static void assert_reply(const char *method, const char *path, int status, const char *body)
{
	struct http_reply r = http_request(kmd_httpd_port(httpd), method, path);

	assert_int_equal(r.status, status);
	if (body)
		assert_string_equal(r.body, body);
	http_reply_fini(&r);
}

static void test_answers(void **state)
{
	(void)state;
	assert_reply("GET", "/small", 200, "hello\n");
	assert_reply("GET", "/small?x=1", 200, "hello\n");
	assert_reply("GET", "/away", 503, "not now\n");
	assert_reply("GET", "/empty", 200, "");
	assert_reply("GET", "/nothing", 404, NULL);
	assert_reply("GET", "/", 404, NULL);
	assert_reply("HEAD", "/small", 200, "");
	assert_reply("POST", "/small", 405, NULL);
	assert_reply("DELETE", "/small", 405, NULL);
}

static void test_large_body_is_whole(void **state)
{
	struct http_reply r = http_request(kmd_httpd_port(httpd), "GET", "/large");

	(void)state;
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_bytes, LARGE_BYTES);
	for (int i = 0; i < LARGE_BYTES; i++)
		assert_int_equal(r.body[i], 'a' + i % 26);
	http_reply_fini(&r);
}

/* Two requests over one connection, the large one first. */
static void test_keeps_the_connection(void **state)
{
	static const char requests[] = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
				       "GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct kmd_buf got = {0};
	int fd = http_connect(kmd_httpd_port(httpd));
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, requests, strlen(requests)), strlen(requests));
	while ((n = read(fd, kmd_buf_reserve(&got, 65536), 65536)) > 0)
		got.n += (size_t)n;
	close(fd);
	assert_true(got.n > LARGE_BYTES);
	assert_memory_equal(got.p + got.n - 6, "hello\n", 6);
	kmd_buf_fini(&got);
}

static void test_survives_strangers(void **state)
{
	static const char *const noise[] = {
	    "", "\r\n\r\n", "GET", "\x16\x03\x01\x02\x00\x01\x00", "GET /large HTTP/1.1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
		int fd = http_connect(kmd_httpd_port(httpd));
		assert_true(fd >= 0);
		assert_true(write(fd, noise[i], strlen(noise[i])) >= 0);
		close(fd);
	}
	assert_reply("GET", "/small", 200, "hello\n");
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", "9101", "localhost:9101", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
	    "127.0.0.1:70000", "::1:9101", "[::1]", "[127.0.0.1]:1"};
	struct kmd_err err;
	char host[64];
	int port;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kmd_httpd_listen_parse(bad[i], host, &port, &err), KMD_ECONFIG);
	assert_int_equal(kmd_httpd_listen_parse("[::]:9101", host, &port, &err), 0);
	assert_string_equal(host, "::");
	assert_int_equal(port, 9101);
}

static void test_refuses_a_taken_port(void **state)
{
	struct kmd_httpd *other;
	struct kmd_err err;
	char listen[64];

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", kmd_httpd_port(httpd));
	assert_int_equal(kmd_httpd_start(&other, listen, on_get, NULL, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "Address already in use"));
	assert_non_null(strstr(err.text, listen));
	assert_int_equal(kmd_httpd_start(&other, "203.0.113.1:0", on_get, NULL, &err), KMD_ECONFIG);
}

static int start(void **state)
{
	struct kmd_err err;
	(void)state;
	return kmd_httpd_start(&httpd, "127.0.0.1:0", on_get, NULL, &err);
}

static int stop(void **state)
{
	(void)state;
	kmd_httpd_stop(httpd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_large_body_is_whole),
	    cmocka_unit_test(test_keeps_the_connection),
	    cmocka_unit_test(test_survives_strangers),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_refuses_a_taken_port),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
