#include "../cmocka_all.h"
#include "content.h"

static uint64_t hash(const char *json)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	uint64_t h;

	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(json)), 0);
	h = enrich_content_hash(kmd_json_root(&doc), &arena);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	assert_int_not_equal(h, 0);
	return h;
}

static void prices_and_update_times_do_not_count(void **state)
{
	uint64_t h =
	    hash("{\"ticker\":\"A\",\"yes_bid_dollars\":\"0.1\",\"volume_fp\":\"1.00\",\"updated_time\":\"x\"}");

	(void)state;
	assert_int_equal(h, hash("{\"ticker\":\"A\"}"));
	assert_int_equal(h, hash("{\"ticker\":\"A\",\"last_price\":48,\"open_interest\":3,\"last_updated_ts\":\"y\"}"));
	assert_int_not_equal(h, hash("{\"ticker\":\"B\"}"));
	assert_int_not_equal(h, hash("{\"ticker\":\"A\",\"settlement_value_dollars\":\"1.0000\"}"));
	assert_int_not_equal(h, hash("{\"ticker\":\"A\",\"floor_strike\":1.5}"));
}

static void order_of_members_does_not_count_but_of_elements_does(void **state)
{
	(void)state;
	assert_int_equal(
	    hash("{\"a\":1,\"b\":{\"c\":\"x\",\"d\":[1,2]}}"), hash("{ \"b\" : {\"d\":[1, 2],\"c\":\"x\"},\"a\":1}"));
	assert_int_not_equal(hash("{\"a\":[1,2]}"), hash("{\"a\":[2,1]}"));
	assert_int_not_equal(hash("{\"a\":\"b\",\"c\":\"d\"}"), hash("{\"a\":\"d\",\"c\":\"b\"}"));
}

static void prices_within_are_content(void **state)
{
	(void)state;
	assert_int_not_equal(hash("{\"mve_selected_legs\":[{\"yes_settlement_value_dollars\":\"1\"}]}"),
	    hash("{\"mve_selected_legs\":[{\"yes_settlement_value_dollars\":\"0\"}]}"));
}

static void types_are_told_apart(void **state)
{
	(void)state;
	assert_int_not_equal(hash("{\"a\":1}"), hash("{\"a\":\"1\"}"));
	assert_int_not_equal(hash("{\"a\":null}"), hash("{}"));
	assert_int_equal(hash("{\"a\":\"\\u0041\"}"), hash("{\"a\":\"A\"}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prices_and_update_times_do_not_count),
	    cmocka_unit_test(order_of_members_does_not_count_but_of_elements_does),
	    cmocka_unit_test(prices_within_are_content),
	    cmocka_unit_test(types_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
