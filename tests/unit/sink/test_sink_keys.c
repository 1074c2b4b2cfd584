#include "../cmocka_all.h"

#include <stdio.h>

#include "sink_keys.h"

static bool add(struct sink_keys *k, unsigned i, int32_t day)
{
	char text[40];

	snprintf(text, sizeof(text), "%08x-553e-7222-2304-fb05558d63d0", i);
	return sink_keys_add(k, kmd_str_z(text), day);
}

static void a_key_is_new_once_a_round(void **state)
{
	struct sink_keys k = {0};

	(void)state;
	sink_keys_clear(&k);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 5000; i++)
			assert_true(add(&k, i, 20000));
		for (unsigned i = 0; i < 5000; i++)
			assert_false(add(&k, i, 20000));
		assert_int_equal(k.count, 5000);
		sink_keys_clear(&k);
	}
	sink_keys_fini(&k);
}

static void the_day_belongs_to_the_key(void **state)
{
	struct sink_keys k = {0};

	(void)state;
	assert_true(add(&k, 1, 20000));
	assert_true(add(&k, 1, 20001));
	assert_false(add(&k, 1, 20000));
	assert_true(sink_keys_add(&k, KMD_STR(""), 20000));
	assert_false(sink_keys_add(&k, KMD_STR(""), 20000));
	sink_keys_fini(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_is_new_once_a_round),
	    cmocka_unit_test(the_day_belongs_to_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
