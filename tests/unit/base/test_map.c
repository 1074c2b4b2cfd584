#include <stdio.h>
#include <string.h>

#include "../cmocka_all.h"
#include "kmd_backoff.h"
#include "kmd_map.h"

#define KEYS 500

static struct kmd_str key_of(size_t i, char *room)
{
	return (struct kmd_str){room, (size_t)snprintf(room, 32, "KXTEST-%zu", i)};
}

static void empty_map_answers(void **state)
{
	(void)state;
	struct kmd_map m = {0};
	size_t it = 0;
	struct kmd_str key;
	void *value;
	assert_null(kmd_map_get(&m, KMD_STR("x")));
	assert_null(kmd_map_del(&m, KMD_STR("x")));
	assert_false(kmd_map_next(&m, &it, &key, &value));
	kmd_map_fini(&m);
}

static void keys_are_copied_and_values_replaced(void **state)
{
	(void)state;
	struct kmd_map m = {0};
	int one, two;
	char room[] = "ticker";
	assert_null(kmd_map_put(&m, kmd_str_z(room), &one));
	memset(room, 'z', 6);
	assert_ptr_equal(kmd_map_get(&m, KMD_STR("ticker")), &one);
	assert_ptr_equal(kmd_map_put(&m, KMD_STR("ticker"), &two), &one);
	assert_int_equal(m.count, 1);
	assert_null(kmd_map_put(&m, KMD_STR(""), &one));
	assert_ptr_equal(kmd_map_get(&m, KMD_STR("")), &one);
	assert_ptr_equal(kmd_map_del(&m, KMD_STR("ticker")), &two);
	assert_null(kmd_map_get(&m, KMD_STR("ticker")));
	kmd_map_fini(&m);
}

/* A plain array tells what the map must hold after any history of puts and deletes. */
static void random_history_agrees_with_an_array(void **state)
{
	(void)state;
	struct kmd_map m = {0};
	static int values[KEYS];
	void *model[KEYS] = {0};
	uint64_t rng = 11;
	char room[32];
	for (int step = 0; step < 200000; step++) {
		const size_t k = kmd_rng_next(&rng) % KEYS;
		/* phases of growth and of decay */
		if (kmd_rng_next(&rng) % 100 < (step / 20000 % 2 ? 30u : 70u)) {
			assert_ptr_equal(kmd_map_put(&m, key_of(k, room), &values[k]), model[k]);
			model[k] = &values[k];
		} else {
			assert_ptr_equal(kmd_map_del(&m, key_of(k, room)), model[k]);
			model[k] = NULL;
		}
	}
	size_t expected = 0, seen = 0, it = 0;
	for (size_t k = 0; k < KEYS; k++) {
		assert_ptr_equal(kmd_map_get(&m, key_of(k, room)), model[k]);
		expected += model[k] != NULL;
	}
	struct kmd_str key;
	void *value;
	while (kmd_map_next(&m, &it, &key, &value)) {
		assert_true(kmd_str_eq(key, key_of((size_t)((int *)value - values), room)));
		seen++;
	}
	assert_int_equal(seen, expected);
	assert_int_equal(m.count, expected);
	kmd_map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_map_answers),
	    cmocka_unit_test(keys_are_copied_and_values_replaced),
	    cmocka_unit_test(random_history_agrees_with_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
