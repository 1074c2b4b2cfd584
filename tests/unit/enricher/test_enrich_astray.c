#include "../cmocka_all.h"
#include "astray.h"

#define MORE ENRICH_REREAD_MAX

static void check(enum enrich_astray what, int64_t start, int64_t position, int64_t undone, int64_t low, int64_t high)
{
	int64_t found = -1;

	assert_int_equal(enrich_astray_judge(position, undone, low, high, &found), what);
	assert_int_equal(found, start);
}

static void what_expired_is_passed_over(void **state)
{
	(void)state;
	check(ENRICH_ASTRAY_EXPIRED, 50, 10, 10, 50, 90);
	check(ENRICH_ASTRAY_EXPIRED, 50, 10, 3, 50, 50);
}

static void a_position_that_is_there_is_kept(void **state)
{
	(void)state;
	check(ENRICH_ASTRAY_FOUND, 10, 10, 3, 0, 10);
	check(ENRICH_ASTRAY_FOUND, 10, 10, 10, 10, 11);
}

/* A part of what is there may be new: the log ended lower and grew again before we looked. */
static void a_shortened_topic_is_read_again_for_a_while(void **state)
{
	const int64_t p = 7 * MORE;

	(void)state;
	check(ENRICH_ASTRAY_SHORTENED, p - MORE, p, p, 0, p - 1);
	check(ENRICH_ASTRAY_SHORTENED, p - MORE, p, p, 0, p - MORE);
	check(ENRICH_ASTRAY_SHORTENED, p - 10, p, p, p - 10, p - 5);             /* no lower than it begins */
	check(ENRICH_ASTRAY_SHORTENED, p - 2 * MORE, p, p - 2 * MORE, 0, p - 1); /* open work is met again */
}

static void a_topic_made_anew_is_read_whole(void **state)
{
	(void)state;
	check(ENRICH_ASTRAY_RECREATED, 0, 4, 4, 0, 0);
	check(ENRICH_ASTRAY_SHORTENED, 0, 4, 4, 0, 2); /* or it is not, and yet is */
	check(ENRICH_ASTRAY_RECREATED, 0, 3 * MORE, 3 * MORE, 0, 2 * MORE - 1);
	check(ENRICH_ASTRAY_RECREATED, 5, 3 * MORE, 3 * MORE, 5, 2 * MORE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_expired_is_passed_over),
	    cmocka_unit_test(a_position_that_is_there_is_kept),
	    cmocka_unit_test(a_shortened_topic_is_read_again_for_a_while),
	    cmocka_unit_test(a_topic_made_anew_is_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
