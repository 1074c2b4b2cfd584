#include "../cmocka_all.h"
#include "behind.h"

#define YES enrich_outcome_of(KMD_STR("yes"), KMD_STR("1.0000"))
#define NO enrich_outcome_of(KMD_STR("no"), KMD_STR("0.00"))
#define SILENT ((struct enrich_outcome){0})

struct bench {
	struct enrich_book b;
	struct enrich_causes l;
};

static void told(struct bench *t, struct enrich_outcome told, int64_t determined_ns)
{
	struct enrich_cause *c = enrich_cause_open(&t->b, 0, 1, (int64_t)t->l.count);

	c->what = ENRICH_WANT_DETERMINED;
	c->told = told;
	c->determined_ns = determined_ns;
	enrich_causes_take(&t->l, c);
}

/* Which causes are marked, as bits. */
static unsigned marked(struct bench *t, struct enrich_outcome shown, const struct enrich_market *m)
{
	unsigned bits = 0;
	bool any = enrich_behind_mark(&t->l, t->l.count, &shown, m);

	for (size_t i = 0; i < t->l.count; i++)
		bits |= t->l.p[i]->what & ENRICH_BEHIND ? 1u << i : 0;
	assert_int_equal(any, bits != 0);
	return bits;
}

static void end(struct bench *t)
{
	enrich_causes_fini(&t->l);
	enrich_book_fini(&t->b);
}

static void a_first_result_is_taken_as_it_comes(void **state)
{
	struct bench t = {0};
	struct enrich_market nothing_yet = {0};

	(void)state;
	told(&t, YES, 10);
	assert_int_equal(marked(&t, NO, NULL), 0);
	assert_int_equal(marked(&t, NO, &nothing_yet), 0);
	end(&t);
}

static void what_was_recorded_before_is_behind_a_newer_determination(void **state)
{
	struct bench t = {0};
	struct enrich_market m = {.shown = YES, .recorded_ns = 10};

	(void)state;
	told(&t, NO, 20);
	assert_int_equal(marked(&t, YES, &m), 1);
	assert_int_equal(marked(&t, enrich_outcome_of(KMD_STR("no"), KMD_STR("0.0000")), &m), 0);
	assert_int_equal(marked(&t, enrich_outcome_of(KMD_STR("scalar"), KMD_STR("0.5")), &m), 0); /* something new */
	m.recorded_ns = 20; /* a frame that came twice */
	assert_int_equal(marked(&t, YES, &m), 0);
	end(&t);
}

static void of_two_that_wait_the_answer_may_know_only_the_first(void **state)
{
	struct bench t = {0};

	(void)state;
	told(&t, YES, 10);
	told(&t, NO, 20);
	assert_int_equal(marked(&t, YES, NULL), 2);
	assert_int_equal(marked(&t, NO, NULL), 0);
	told(&t, YES, 30);
	assert_int_equal(marked(&t, NO, NULL), 4);
	assert_int_equal(marked(&t, YES, NULL), 0);
	end(&t);
}

static void what_a_frame_does_not_tell_contradicts_nothing(void **state)
{
	struct bench t = {0};
	struct enrich_market m = {.shown = YES, .recorded_ns = 10};

	(void)state;
	told(&t, SILENT, 20);
	told(&t, enrich_outcome_of(KMD_STR("yes"), KMD_STR_NONE), 30);
	assert_int_equal(marked(&t, YES, &m), 0);
	told(&t, NO, 40);
	assert_int_equal(marked(&t, YES, &m), 4);
	enrich_behind_clear(&t.l);
	assert_int_equal(enrich_causes_what(&t.l, 3), ENRICH_WANT_DETERMINED);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_first_result_is_taken_as_it_comes),
	    cmocka_unit_test(what_was_recorded_before_is_behind_a_newer_determination),
	    cmocka_unit_test(of_two_that_wait_the_answer_may_know_only_the_first),
	    cmocka_unit_test(what_a_frame_does_not_tell_contradicts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
