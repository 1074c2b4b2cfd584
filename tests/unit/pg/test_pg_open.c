#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kmd_pg.h"

/* What can be seen of a connection without a server: settings and their errors. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_are_checked_without_a_server),
	    cmocka_unit_test(the_environment_is_checked_too),
	    cmocka_unit_test(an_absent_server_is_retried_and_the_password_stays_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
