#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instance.h"

static char own[INGEST_INSTANCE_MAX];

/* "host:pid", host as in our own name. */
static struct kmd_str named(const char *host, long pid)
{
	static char text[INGEST_INSTANCE_MAX];

	if (host)
		snprintf(text, sizeof(text), "%s:%ld", host, pid);
	else
		snprintf(text, sizeof(text), "%.*s:%ld", (int)(strrchr(own, ':') - own), own, pid);
	return kmd_str_z(text);
}

static int setup(void **state)
{
	(void)state;
	ingest_instance_name(own);
	return 0;
}

static void a_process_that_runs_is_not_gone(void **state)
{
	(void)state;
	assert_string_equal(named(NULL, getpid()).p, own);
	assert_false(ingest_instance_is_gone(own, named(NULL, getppid())));
}

static void one_that_has_ended_on_our_host_is_gone(void **state)
{
	const pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_true(ingest_instance_is_gone(own, named(NULL, child)));
	assert_false(ingest_instance_is_gone(own, named("elsewhere", child)));
}

static void our_own_name_is_a_former_life(void **state)
{
	(void)state;
	assert_true(ingest_instance_is_gone(own, kmd_str_z(own)));
}

static void a_name_that_says_nothing_is_not_gone(void **state)
{
	(void)state;
	assert_false(ingest_instance_is_gone("h:1", KMD_STR("")));
	assert_false(ingest_instance_is_gone("h:1", KMD_STR("h:")));
	assert_false(ingest_instance_is_gone("h:1", KMD_STR("h:-7")));
	assert_false(ingest_instance_is_gone("h:1", KMD_STR("h:x")));
	assert_false(ingest_instance_is_gone("h:1", KMD_STR("hh:999999999")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_process_that_runs_is_not_gone, setup),
	    cmocka_unit_test_setup(one_that_has_ended_on_our_host_is_gone, setup),
	    cmocka_unit_test_setup(our_own_name_is_a_former_life, setup),
	    cmocka_unit_test_setup(a_name_that_says_nothing_is_not_gone, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
