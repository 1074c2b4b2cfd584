#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "kmd_app.h"

static const struct {
	const char *url;
	bool allow_plaintext;
	const char *fault; /* NULL: fine */
} cases[] = {
    {"wss://host.example/trade-api/ws/v2", false, NULL},
    {"wss://host.example:8443/x?y=1", false, NULL},
    {"ws://127.0.0.1:8080/x", false, NULL},
    {"ws://127.8.9.10", false, NULL},
    {"ws://localhost:1/x", false, NULL},
    {"ws://[::1]:8080/x", false, NULL},
    {"ws://sim:8080/x", true, NULL},
    {"ws://sim:8080/x", false, "KMD_ALLOW_PLAINTEXT"},
    {"ws://localhost.evil.example/x", false, "KMD_ALLOW_PLAINTEXT"},
    {"ws://127.0.0.1.evil.example/x", false, "KMD_ALLOW_PLAINTEXT"},
    {"ws://10.0.0.1/x", false, "loopback"},
    {"http://127.0.0.1/x", false, "must start with wss://"},
    {"host.example/x", false, "must start with wss://"},
    {"", false, "not set"},
    {NULL, false, "not set"},
    {"wss://", false, "host"},
    {"wss:///x", false, "host"},
    {"wss://:80/x", false, "host"},
    {"wss://host:0/x", false, "port"},
    {"wss://host:65536/x", false, "port"},
    {"wss://host:/x", false, "port"},
    {"wss://host:x/x", false, "port"},
    {"wss://[::1/x", false, "host"},
    {"wss://user:secret@host/x", false, "user@host"},
    {"wss://host/a b", false, "space"},
    {"wss://host/a\nb", false, "control"},
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kmd_err err = {0};
		int rc =
		    kmd_app_check_url("KALSHI_WS_URL", cases[i].url, "ws://", "wss://", cases[i].allow_plaintext, &err);
		if (rc != (cases[i].fault ? KMD_ECONFIG : 0))
			fail_msg("%s gave %d: %s", cases[i].url, rc, err.text);
		if (cases[i].fault && (!strstr(err.text, cases[i].fault) || !strstr(err.text, "KALSHI_WS_URL")))
			fail_msg("%s says \"%s\"", cases[i].url, err.text);
		assert_null(strstr(err.text, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
