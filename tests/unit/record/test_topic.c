#include "../cmocka_all.h"
#include "kmd_topic.h"

static void every_topic_is_found_by_its_name(void **state)
{
	(void)state;
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		enum kmd_topic found;
		assert_true(kmd_topic_find(kmd_str_z(kmd_topic_name((enum kmd_topic)t)), &found));
		assert_int_equal(found, t);
	}
	enum kmd_topic untouched = KMD_TOPIC_FEED;
	assert_false(kmd_topic_find(KMD_STR("kalshi.trades"), &untouched));
	assert_false(kmd_topic_find(KMD_STR(""), &untouched));
	assert_int_equal(untouched, KMD_TOPIC_FEED);
}

static void topics_are_kept_as_documented(void **state)
{
	(void)state;
	assert_int_equal(kmd_topic_keep(KMD_TOPIC_TRADES), KMD_KEEP_RETENTION);
	assert_int_equal(kmd_topic_keep(KMD_TOPIC_LIFECYCLE), KMD_KEEP_FOREVER);
	assert_int_equal(kmd_topic_keep(KMD_TOPIC_SETTLEMENTS), KMD_KEEP_FOREVER);
	assert_int_equal(kmd_topic_keep(KMD_TOPIC_MARKETS), KMD_KEEP_COMPACT);
	assert_string_equal(kmd_topic_name(KMD_TOPIC_SERIES), "series");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_topic_is_found_by_its_name),
	    cmocka_unit_test(topics_are_kept_as_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
