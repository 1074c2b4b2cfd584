#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "kmd_pg.h"

/* What can be seen of a connection without a server: settings and their errors, and what one owes us. */

static void settings_are_checked_without_a_server(void **state)
{
	struct kmd_err err = {""};

	(void)state;
	assert_int_equal(kmd_pg_check(NULL, &err), 0);
	assert_int_equal(kmd_pg_check("postgresql://u:hunter2@db.example:5432,db2.example:5433/kalshi", &err), 0);
	assert_int_equal(kmd_pg_check("host=/tmp dbname=x sslmode=verify-full", &err), 0);
	assert_int_equal(kmd_pg_check("postgresql://u:hunter2@db.example:port/kalshi", &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "DATABASE_URL"));
	assert_null(strstr(err.text, "hunter2"));
	assert_int_equal(kmd_pg_check("host=x sslmode=maybe", &err), KMD_ECONFIG);
	assert_int_equal(kmd_pg_check("what = is = hunter2", &err), KMD_ECONFIG);
	assert_null(strstr(err.text, "hunter2"));
}

static void the_environment_is_checked_too(void **state)
{
	struct kmd_err err = {""};

	(void)state;
	setenv("PGPORT", "many", 1);
	assert_int_equal(kmd_pg_check(NULL, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "PGPORT"));
	unsetenv("PGPORT");
}

static void an_absent_server_is_retried_and_the_password_stays_hidden(void **state)
{
	struct kmd_err err = {""};
	struct kmd_pg *pg = NULL;

	(void)state;
	assert_int_equal(kmd_pg_open(&pg, "postgresql://u:hunter2@127.0.0.1:1/kalshi", "test", 0, &err), KMD_EAGAIN);
	assert_null(pg);
	assert_true(err.text[0]);
	assert_null(strstr(err.text, "hunter2"));
	assert_true(kmd_pg_open(&pg, "postgresql://u:hunter2@[nonsense:1/kalshi", "test", 0, &err) < 0);
	assert_null(strstr(err.text, "hunter2"));
	kmd_pg_close(pg);
}

/* A server that lets anybody in, answers the first statement of a script and falls silent. */
static void *answer_one_of_two(void *arg)
{
	static const char welcome[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", done[] = "C\0\0\0\x0dSELECT 1";
	const int fd = accept(*(int *)arg, NULL, NULL);
	char asked[4096];

	assert_true(fd >= 0);
	assert_true(read(fd, asked, sizeof(asked)) > 0);
	assert_int_equal(write(fd, welcome, sizeof(welcome) - 1), sizeof(welcome) - 1);
	assert_true(read(fd, asked, sizeof(asked)) > 0);
	assert_int_equal(write(fd, done, sizeof(done)), sizeof(done));
	while (read(fd, asked, sizeof(asked)) > 0)
		;
	close(fd);
	return NULL;
}

static void a_script_of_which_half_was_answered_is_not_done(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct kmd_err err = {""};
	struct kmd_pg *pg;
	pthread_t server;
	char url[128];

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&a, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
	assert_int_equal(pthread_create(&server, NULL, answer_one_of_two, &listener), 0);
	snprintf(url, sizeof(url), "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable",
	    ntohs(a.sin_port));
	if (kmd_pg_open(&pg, url, "test", 1000, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(kmd_pg_script(pg, "SELECT 1; SELECT 2", &err), KMD_EAGAIN);
	assert_non_null(strstr(err.text, "no answer"));
	assert_false(kmd_pg_alive(pg));
	kmd_pg_close(pg);
	pthread_join(server, NULL);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_are_checked_without_a_server),
	    cmocka_unit_test(the_environment_is_checked_too),
	    cmocka_unit_test(an_absent_server_is_retried_and_the_password_stays_hidden),
	    cmocka_unit_test(a_script_of_which_half_was_answered_is_not_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
