#include "../cmocka_all.h"

#include "url.h"

static const struct {
	const char *text, *host, *header, *target;
	int port;
	bool tls;
} good[] = {
    {"wss://external-api-ws.kalshi.com/trade-api/ws/v2", "external-api-ws.kalshi.com", "external-api-ws.kalshi.com",
	"/trade-api/ws/v2", 443, true},
    {"ws://127.0.0.1:8080/a/b?x=1&y=/z", "127.0.0.1", "127.0.0.1:8080", "/a/b?x=1&y=/z", 8080, false},
    {"ws://localhost", "localhost", "localhost", "/", 80, false},
    {"ws://localhost:9?q", "localhost", "localhost:9", "/?q", 9, false},
    {"wss://[::1]:444/p", "::1", "[::1]:444", "/p", 444, true},
};

static void addresses_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ingest_url u;

		assert_int_equal(ingest_url_parse(&u, kmd_str_z(good[i].text), NULL), 0);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.host_header, good[i].header);
		assert_string_equal(u.target, good[i].target);
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.tls, good[i].tls);
	}
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"", "http://h/", "wss://", "wss:///p", "ws://h:0/", "ws://h:70000/",
	    "ws://h:x/", "ws://u@h/", "ws://[::1/", "ws://h/#f", "ws://h/a b"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ingest_url u;

		assert_int_equal(ingest_url_parse(&u, kmd_str_z(bad[i]), NULL), KMD_ECONFIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_taken_apart),
	    cmocka_unit_test(bad_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
