#include "../cmocka_all.h"
#include "sink_text.h"

static enum sink_fault verdict(const char *text)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	enum sink_fault fault;

	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(text)), 0);
	fault = sink_text_jsonb(kmd_json_root(&doc), &arena);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return fault;
}

static void text_is_utf8_without_nul(void **state)
{
	(void)state;
	assert_true(sink_text_holds(KMD_STR("")));
	assert_true(sink_text_holds(KMD_STR("na\xc3\xafve")));
	assert_false(sink_text_holds(KMD_STR("a\0b")));
	assert_false(sink_text_holds(KMD_STR("\xff")));
	assert_false(sink_text_holds(KMD_STR("\xed\xa0\x80")));
}

static void jsonb_takes_no_nul_and_no_lone_surrogate(void **state)
{
	(void)state;
	assert_int_equal(verdict("{\"a\":[\"x\\u00e9\",\"\\ud83d\\ude00\"]}"), SINK_FAULT_NONE);
	assert_int_equal(verdict("{\"a\":\"x\\u0000\"}"), SINK_FAULT_BAD_TEXT);
	assert_int_equal(verdict("{\"x\\u0000\":1}"), SINK_FAULT_BAD_TEXT);
	assert_int_equal(verdict("[[\"\\ud83d\"]]"), SINK_FAULT_BAD_TEXT);
	assert_int_equal(verdict("\"\\ude00\\ud83d\""), SINK_FAULT_BAD_TEXT);
	assert_int_equal(verdict("\"\\\\u0000\""), SINK_FAULT_NONE); /* a backslash and letters */
}

static void jsonb_numbers_fit_numeric(void **state)
{
	(void)state;
	assert_int_equal(verdict("[1,-2.5,1e10,1.5E-7]"), SINK_FAULT_NONE);
	assert_int_equal(verdict("1e131071"), SINK_FAULT_NONE);
	assert_int_equal(verdict("1e131072"), SINK_FAULT_BAD_NUMBER);
	assert_int_equal(verdict("{\"a\":1e400000}"), SINK_FAULT_BAD_NUMBER);
	assert_int_equal(verdict("1e99999999999999999999"), SINK_FAULT_BAD_NUMBER);
	assert_int_equal(verdict("1e-16383"), SINK_FAULT_NONE);
	assert_int_equal(verdict("1e-16384"), SINK_FAULT_BAD_NUMBER);
	assert_int_equal(verdict("1e-99999999999999999999"), SINK_FAULT_BAD_NUMBER);
}

static void refusals_of_postgres_have_reasons(void **state)
{
	(void)state;
	assert_int_equal(sink_fault_of_sqlstate("22021"), SINK_FAULT_BAD_TEXT);
	assert_int_equal(sink_fault_of_sqlstate("22P05"), SINK_FAULT_BAD_TEXT);
	assert_int_equal(sink_fault_of_sqlstate("22003"), SINK_FAULT_BAD_NUMBER);
	assert_int_equal(sink_fault_of_sqlstate("22008"), SINK_FAULT_BAD_TIME);
	assert_int_equal(sink_fault_of_sqlstate("54000"), SINK_FAULT_REJECTED);
	assert_string_equal(sink_fault_name(SINK_FAULT_TIME_OUT_OF_RANGE), "time_out_of_range");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_is_utf8_without_nul),
	    cmocka_unit_test(jsonb_takes_no_nul_and_no_lone_surrogate),
	    cmocka_unit_test(jsonb_numbers_fit_numeric),
	    cmocka_unit_test(refusals_of_postgres_have_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
