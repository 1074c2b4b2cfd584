#include "../cmocka_all.h"
#include "answer.h"

static enum enrich_verdict verdict(int rc, int status, const char *body)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	struct enrich_answer a;

	enrich_answer_read(&doc, &arena, rc, status, kmd_str_z(body), &a);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return a.verdict;
}

static void all_four_error_shapes_are_read(void **state)
{
	(void)state;
	assert_int_equal(verdict(0, 401, "{\"error\":{\"code\":\"header_timestamp_expired\",\"message\":\"x\"}}"),
	    ENRICH_CLOCK_SKEW);
	assert_int_equal(
	    verdict(0, 401, "{\"code\":\"header_timestamp_expired_for_user_7\",\"message\":\"x\"}"), ENRICH_CLOCK_SKEW);
	assert_int_equal(verdict(0, 401, "{\"error\":{\"code\":\"authentication_error\",\"details\":\"NOT_FOUND\"}}"),
	    ENRICH_BAD_KEY);
	assert_int_equal(
	    verdict(0, 401, "{\"error\":{\"code\":\"authentication_error\",\"details\":\"header_timestamp_expired\"}}"),
	    ENRICH_CLOCK_SKEW);
	assert_int_equal(
	    verdict(0, 401, "{\"code\":\"authentication_error\",\"details\":\"header_timestamp_expired\"}"),
	    ENRICH_CLOCK_SKEW);
	assert_int_equal(verdict(0, 403, "{\"msg\":\"no\"}"), ENRICH_BAD_KEY);
	assert_int_equal(verdict(0, 429, "{\"error\":\"too many requests\"}"), ENRICH_THROTTLED);
	assert_int_equal(verdict(0, 403, "{\"error\":\"too many requests\"}"), ENRICH_THROTTLED);
	assert_int_equal(verdict(0, 400, "{\"msg\":\"Parameter validation failed\"}"), ENRICH_REFUSED);
	assert_int_equal(
	    verdict(0, 404, "{\"error\":{\"code\":\"not_found\",\"message\":\"not found\"}}"), ENRICH_NOT_FOUND);
}

static void code_message_and_details_are_told(void **state)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	struct enrich_answer a;

	(void)state;
	enrich_answer_read(&doc, &arena, 0, 401,
	    KMD_STR("{\"error\":{\"code\":\"authentication_error\",\"message\":\"m\",\"details\":\"INCORRECT\"}}"), &a);
	assert_str(a.code, "authentication_error");
	assert_str(a.message, "m");
	assert_str(a.details, "INCORRECT");
	enrich_answer_read(&doc, &arena, 0, 400, KMD_STR("{\"msg\":\"limit\"}"), &a);
	assert_null(a.code.p);
	assert_str(a.message, "limit");
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static void what_is_no_answer_is_retried(void **state)
{
	(void)state;
	assert_int_equal(verdict(KMD_ETIMEOUT, 0, ""), ENRICH_RETRY);
	assert_int_equal(verdict(0, 500, ""), ENRICH_RETRY);
	assert_int_equal(verdict(0, 503, "<html>"), ENRICH_RETRY);
	assert_int_equal(verdict(0, 302, ""), ENRICH_RETRY);
	assert_int_equal(verdict(0, 409, "{}"), ENRICH_RETRY);
	assert_int_equal(verdict(0, 200, "{\"market\":{"), ENRICH_GARBAGE);
	assert_int_equal(verdict(0, 200, "[]"), ENRICH_GARBAGE);
	assert_int_equal(verdict(0, 200, ""), ENRICH_GARBAGE);
	assert_int_equal(verdict(0, 200, "{\"market\":{}}"), ENRICH_OK);
	assert_int_equal(verdict(0, 404, "\xff"), ENRICH_NOT_FOUND);
}

static void labels_are_a_bounded_set(void **state)
{
	(void)state;
	assert_string_equal(enrich_code_labels[enrich_code_index(0, 200)], "200");
	assert_string_equal(enrich_code_labels[enrich_code_index(0, 504)], "504");
	assert_string_equal(enrich_code_labels[enrich_code_index(0, 418)], "other");
	assert_string_equal(enrich_code_labels[enrich_code_index(KMD_EAGAIN, 0)], "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_four_error_shapes_are_read),
	    cmocka_unit_test(code_message_and_details_are_told),
	    cmocka_unit_test(what_is_no_answer_is_retried),
	    cmocka_unit_test(labels_are_a_bounded_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
