#include "../cmocka_all.h"
#include "cause.h"
#include "settle.h"

#define S INT64_C(1000000000)

static struct kmd_settlement_data outcome(
    const char *status, const char *result, const char *value, const char *settled_at)
{
	return (struct kmd_settlement_data){
	    .market_ticker = KMD_STR("M"),
	    .status = kmd_str_z(status),
	    .result = kmd_str_z(result),
	    .settlement_value_dollars = kmd_str_z(value),
	    .expiration_value = KMD_STR(""),
	    .settled_at = kmd_str_z(settled_at),
	};
}

static void without_result_or_value_it_waits(void **state)
{
	struct enrich_settle s = {0};
	struct kmd_settlement_data no_result = outcome("closed", "", NULL, NULL);
	struct kmd_settlement_data no_value = outcome("determined", "yes", NULL, NULL);
	struct kmd_settlement_data full = outcome("determined", "scalar", "0.5000", NULL);

	(void)state;
	assert_int_equal(enrich_settle_decide(&s, &no_result, ENRICH_WANT_DETERMINED), ENRICH_SETTLE_WAIT);
	assert_int_equal(enrich_settle_decide(&s, &no_value, ENRICH_WANT_DETERMINED), ENRICH_SETTLE_WAIT);
	assert_int_equal(s.empties, 2);
	assert_int_equal(enrich_settle_decide(&s, &full, ENRICH_WANT_DETERMINED), ENRICH_SETTLE_PUBLISH);
}

static void settled_without_its_time_gets_one_more_chance(void **state)
{
	struct enrich_settle s = {0};
	struct kmd_settlement_data d = outcome("finalized", "no", "0.0000", NULL);

	(void)state;
	assert_int_equal(enrich_settle_decide(&s, &d, ENRICH_WANT_SETTLED), ENRICH_SETTLE_WAIT);
	assert_int_equal(enrich_settle_decide(&s, &d, ENRICH_WANT_SETTLED), ENRICH_SETTLE_PUBLISH);
}

static void first_wait_is_exact_then_later_and_later(void **state)
{
	struct enrich_settle s = {.empties = 1};
	uint64_t rng = 1;
	int64_t last = 0;

	(void)state;
	assert_int_equal(enrich_settle_delay(&s, 5 * S, &rng), 5 * S);
	for (s.empties = 2; s.empties < 40; s.empties++) {
		int64_t delay = enrich_settle_delay(&s, 5 * S, &rng);

		assert_true(delay >= last || delay > ENRICH_SETTLE_DELAY_MAX_NS / 2);
		assert_true(delay <= ENRICH_SETTLE_DELAY_MAX_NS);
		last = delay;
	}
	assert_int_equal(last, ENRICH_SETTLE_DELAY_MAX_NS);
	assert_int_equal(enrich_settle_delay(&s, 3600 * S, &rng), 3600 * S);
}

static void same_outcome_same_number(void **state)
{
	struct kmd_settlement_data a = outcome("finalized", "yes", "1.0000", NULL),
				   b = outcome("finalized", "yes", "1", "x");
	struct kmd_settlement_data c = outcome("finalized", "yes", "0.9900", NULL),
				   d = outcome("finalized", "no", "1", NULL);

	(void)state;
	assert_int_equal(enrich_outcome_hash(&a), enrich_outcome_hash(&b));
	assert_int_not_equal(enrich_outcome_hash(&a), enrich_outcome_hash(&c));
	assert_int_not_equal(enrich_outcome_hash(&a), enrich_outcome_hash(&d));
	b.settlement_value_dollars = KMD_STR("01.000");
	assert_int_equal(enrich_outcome_hash(&a), enrich_outcome_hash(&b));
	b.expiration_value = KMD_STR("2.0");
	assert_int_not_equal(enrich_outcome_hash(&a), enrich_outcome_hash(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_result_or_value_it_waits),
	    cmocka_unit_test(settled_without_its_time_gets_one_more_chance),
	    cmocka_unit_test(first_wait_is_exact_then_later_and_later),
	    cmocka_unit_test(same_outcome_same_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
