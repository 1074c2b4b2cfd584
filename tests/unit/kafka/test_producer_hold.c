#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmd_time.h"
#include "producer_hold.h"

#define LATER (60 * KMD_NS_PER_S)

static int anything;

static void give_back(struct hold *h, enum hold_fault fault, uint64_t seq)
{
	assert_false(hold_failed(h, fault, seq, &anything));
}

static void failed_records_go_before_later_ones(void **state)
{
	struct hold h;
	uint64_t rng = 1;

	(void)state;
	hold_init(&h);
	for (int i = 0; i < 3; i++)
		hold_sent(&h);
	give_back(&h, HOLD_TROUBLE, 2);
	assert_true(hold_is_held(&h));
	hold_push(&h, 4, &anything);
	give_back(&h, HOLD_TROUBLE, 1);
	assert_int_equal(hold_round(&h, LATER, &rng), 0); /* record 3 is still out there */
	hold_done(&h);

	hold_round(&h, 0, &rng); /* learns that there was trouble */
	assert_int_equal(hold_round(&h, LATER, &rng), 3);
	assert_int_equal(hold_take(&h).seq, 1);
	assert_int_equal(hold_take(&h).seq, 2);
	assert_int_equal(hold_take(&h).seq, 4);
	hold_fini(&h);
}

static void trouble_waits_and_refuses_nobody(void **state)
{
	struct hold h;
	uint64_t rng = 1;
	int64_t now = 0;

	(void)state;
	hold_init(&h);
	hold_sent(&h);
	for (int attempt = 0; attempt < 20; attempt++) {
		give_back(&h, HOLD_TROUBLE, 1);
		assert_true(hold_in_trouble(&h));
		hold_round(&h, now, &rng);
		now += LATER;
		assert_int_equal(hold_round(&h, now, &rng), 1);
		hold_take(&h);
		hold_sent(&h);
	}
	hold_done(&h);
	hold_round(&h, now + LATER, &rng);
	assert_false(hold_is_held(&h));
	assert_false(hold_in_trouble(&h));
	hold_fini(&h);
}

/* Sends rounds as a broker that refuses every batch with a bad record in it; gives the number refused for good. */
static int run(struct hold *h, const unsigned char *bad, int *acknowledged)
{
	uint64_t rng = 1;
	int64_t now = 0;
	int refused = 0;

	for (int rounds = 0; hold_is_held(h) || h->in_flight > 0; rounds++) {
		struct hold_item batch[8192];
		size_t n = hold_round(h, now += LATER, &rng);
		int poisoned = 0;

		assert_true(rounds < 1000);
		for (size_t i = 0; i < n; i++) {
			batch[i] = hold_take(h);
			hold_sent(h);
			poisoned |= bad[batch[i].seq];
		}
		for (size_t i = 0; i < n; i++) {
			if (!poisoned) {
				hold_done(h);
				++*acknowledged;
			} else if (hold_failed(h, HOLD_REFUSED, batch[i].seq, &anything)) {
				assert_true(bad[batch[i].seq]);
				refused++;
			}
		}
	}
	return refused;
}

static void only_the_culprit_is_refused(void **state)
{
	static unsigned char bad[3001];
	struct hold h;
	int acknowledged = 0;

	(void)state;
	bad[1] = bad[500] = bad[501] = bad[3000] = 1;
	hold_init(&h);
	for (uint64_t seq = 1; seq <= 3000; seq++)
		hold_sent(&h);
	for (uint64_t seq = 1; seq <= 3000; seq++)
		give_back(&h, HOLD_REFUSED, seq);
	assert_int_equal(run(&h, bad, &acknowledged), 4);
	assert_int_equal(acknowledged, 2996);
	assert_int_equal(hold_count(&h), 0);
	hold_fini(&h);
}

static void a_record_alone_is_refused_at_its_second_try(void **state)
{
	struct hold h;
	uint64_t rng = 1;

	(void)state;
	hold_init(&h);
	hold_sent(&h);
	give_back(&h, HOLD_REFUSED, 1);
	assert_int_equal(hold_round(&h, 0, &rng), 1);
	hold_take(&h);
	hold_sent(&h);
	hold_push(&h, 2, &anything);
	assert_true(hold_failed(&h, HOLD_REFUSED, 1, &anything));
	assert_int_equal(hold_round(&h, 0, &rng), 1);
	assert_int_equal(hold_take(&h).seq, 2);
	hold_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failed_records_go_before_later_ones),
	    cmocka_unit_test(trouble_waits_and_refuses_nobody),
	    cmocka_unit_test(only_the_culprit_is_refused),
	    cmocka_unit_test(a_record_alone_is_refused_at_its_second_try),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
