#include <stdlib.h>

#include "../cmocka_all.h"
#include "../tsv.h"
#include "kmd_json.h"
#include "kmd_mem.h"

static int verdict(const char *word)
{
	return strcmp(word, "ok") == 0 ? 0 : strcmp(word, "parse") == 0 ? KMD_EPARSE : KMD_ETOOBIG;
}

/* Parses a copy that ends where the text ends, so that a sanitizer sees a read beyond it. */
static int parse_exact(struct kmd_json *doc, struct kmd_str text)
{
	char *p = kmd_alloc(text.n);
	memcpy(p, text.p, text.n);
	const int rc = kmd_json_parse(doc, (struct kmd_str){p, text.n});
	free(p);
	return rc;
}

static void texts_are_judged_as_rfc_8259(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct tsv t;
	assert_true(tsv_open(&t, KMD_TEST_DATA "/json.tsv"));
	while (tsv_next(&t)) {
		const int rc = parse_exact(&doc, kmd_str_z(t.field[0]));
		if (rc != verdict(t.field[1]))
			fail_msg("line %d: %s gives %d", t.number, t.field[0], rc);
		if (rc < 0)
			assert_int_equal(kmd_json_type(kmd_json_root(&doc)), KMD_JSON_NONE);
	}
	/* bytes that a table cannot hold */
	assert_int_equal(kmd_json_parse(&doc, KMD_STR_NONE), KMD_EPARSE);
	assert_int_equal(parse_exact(&doc, KMD_STR("\"a\0b\"")), KMD_EPARSE);
	assert_int_equal(parse_exact(&doc, KMD_STR("{}\0")), KMD_EPARSE);
	assert_int_equal(parse_exact(&doc, KMD_STR("\"\\\0\"")), KMD_EPARSE);
	assert_int_equal(parse_exact(&doc, KMD_STR("\"tab\there\"")), KMD_EPARSE);
	assert_int_equal(parse_exact(&doc, KMD_STR("\r\n\t {}\n")), 0);
	assert_int_equal(parse_exact(&doc, KMD_STR("\"\xff\xfe\"")), 0); /* UTF-8 is the caller's question */
	kmd_json_fini(&doc);
}

static void quotes_are_found_at_every_offset(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	for (size_t n = 0; n < 40; n++) {
		char text[64];
		memset(text, 'x', sizeof(text));
		text[0] = text[n + 1] = '"';
		assert_int_equal(parse_exact(&doc, (struct kmd_str){text, n + 2}), 0);
		assert_int_equal(kmd_json_plain(kmd_json_root(&doc)).n, n);
		for (size_t k = 1; k <= n; k++) {
			text[k] = '\x1f';
			assert_int_equal(parse_exact(&doc, (struct kmd_str){text, n + 2}), KMD_EPARSE);
			text[k] = '\xa2'; /* high bytes hide neither what follows nor themselves */
		}
		assert_int_equal(parse_exact(&doc, (struct kmd_str){text, n + 2}), 0);
		assert_int_equal(parse_exact(&doc, (struct kmd_str){text, n + 1}), KMD_EPARSE);
	}
	kmd_json_fini(&doc);
}

static void members_are_found(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	assert_int_equal(
	    kmd_json_parse(&doc,
		KMD_STR("{\"type\":\"trade\",\"sid\":2, \"msg\" : {\"p\":\"0.9600\",\"n\":1.50,\"b\":true,\"z\":null},"
			"\"\\u0074\\\"\":7,\"sid\":3,\"list\":[1,[2,3],{}]}")),
	    0);
	const struct kmd_json_val root = kmd_json_root(&doc), msg = kmd_json_get(root, "msg");
	assert_str(kmd_json_plain(kmd_json_get(root, "type")), "trade");
	assert_str(kmd_json_raw(kmd_json_get(root, "sid")), "3"); /* the last one wins */
	assert_str(kmd_json_raw(kmd_json_get(root, "t\"")), "7");
	assert_str(kmd_json_raw(kmd_json_get(root, "type")), "\"trade\"");
	assert_str(kmd_json_decimal(kmd_json_get(msg, "p")), "0.9600");
	assert_str(kmd_json_decimal(kmd_json_get(msg, "n")), "1.50");
	assert_true(kmd_json_true(kmd_json_get(msg, "b")));
	assert_false(kmd_json_true(kmd_json_get(msg, "p")));
	assert_int_equal(kmd_json_type(kmd_json_get(msg, "z")), KMD_JSON_NULL);
	assert_int_equal(kmd_json_type(kmd_json_get(msg, "absent")), KMD_JSON_NONE);
	assert_int_equal(kmd_json_type(kmd_json_get(kmd_json_get(kmd_json_get(root, "x"), "y"), "z")), KMD_JSON_NONE);
	assert_null(kmd_json_raw(kmd_json_get(root, "x")).p);
	assert_null(kmd_json_text(kmd_json_get(root, "sid"), &arena).p);
	assert_null(kmd_json_decimal(kmd_json_get(msg, "b")).p);
	assert_str(kmd_json_raw(msg), "{\"p\":\"0.9600\",\"n\":1.50,\"b\":true,\"z\":null}");
	kmd_arena_fini(&arena);
	kmd_json_fini(&doc);
}

static void iteration_gives_children_in_order(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	assert_int_equal(kmd_json_parse(&doc, KMD_STR("{\"a\":[1,[2,3],{\"x\":4}],\"b\":{},\"c\":5}")), 0);
	struct kmd_json_val key, value;
	struct kmd_buf seen = {0};
	for (uint32_t it = 0; kmd_json_each_member(kmd_json_root(&doc), &it, &key, &value);) {
		kmd_buf_add_str(&seen, kmd_json_plain(key));
		kmd_buf_addf(&seen, "=%.*s;", KMD_STR_ARG(kmd_json_raw(value)));
		for (uint32_t at = 0; kmd_json_each(value, &at, &key);)
			kmd_buf_addf(&seen, "<%.*s>", KMD_STR_ARG(kmd_json_raw(key)));
	}
	assert_str(kmd_buf_str(&seen), "a=[1,[2,3],{\"x\":4}];<1><[2,3]><{\"x\":4}>b={};c=5;");
	assert_int_equal(doc.tokens[0].count, 3);
	assert_int_equal(doc.tokens[2].count, 3);
	uint32_t it = 0;
	assert_false(kmd_json_each(kmd_json_root(&doc), &it, &value));
	assert_false(kmd_json_each_member(kmd_json_get(kmd_json_root(&doc), "none"), &it, &key, &value));
	kmd_buf_fini(&seen);
	kmd_json_fini(&doc);
}

static void assert_text(const char *json, struct kmd_str expected)
{
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	assert_int_equal(kmd_json_parse(&doc, kmd_str_z(json)), 0);
	const struct kmd_str s = kmd_json_text(kmd_json_root(&doc), &arena);
	assert_int_equal(s.n, expected.n);
	assert_memory_equal(s.p, expected.p, expected.n);
	kmd_arena_fini(&arena);
	kmd_json_fini(&doc);
}

static void strings_are_unescaped(void **state)
{
	(void)state;
	assert_text("\"\"", KMD_STR(""));
	assert_text("\"plain\"", KMD_STR("plain"));
	assert_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", KMD_STR("\"\\/\b\f\n\r\t"));
	assert_text("\"\\u00e9\\u20AC\\ud83d\\uDE00!\"", KMD_STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!"));
	assert_text("\"a\\u0000b\"", KMD_STR("a\0b"));
	assert_text("\"\\ud800\"", KMD_STR("\xed\xa0\x80"));
	assert_text("\"\\ud800\\u0041\"", KMD_STR("\xed\xa0\x80"
						  "A"));
	assert_text("\"\\udc00\\ud83d\"", KMD_STR("\xed\xb0\x80\xed\xa0\xbd"));
	assert_text("\"\\ud83d\\ud83d\\ude00\"", KMD_STR("\xed\xa0\xbd\xf0\x9f\x98\x80"));
	assert_false(kmd_str_is_utf8(KMD_STR("\xed\xa0\x80")));
}

static void integers_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int rc;
		int64_t v;
	} cases[] = {{"1", 0, 1}, {"-5", 0, -5}, {"\"42\"", 0, 42}, {"9223372036854775807", 0, INT64_MAX},
	    {"-9223372036854775808", 0, INT64_MIN}, {"9223372036854775808", KMD_ERANGE, 0}, {"1.0", KMD_EPARSE, 0},
	    {"1e3", KMD_EPARSE, 0}, {"\"\"", KMD_EPARSE, 0}, {"\"1\\u0031\"", KMD_EPARSE, 0},
	    {"null", KMD_ENOTFOUND, 0}, {"true", KMD_EPARSE, 0}, {"[1]", KMD_EPARSE, 0},
	    {"1663803599123456789", 0, INT64_C(1663803599123456789)}};
	struct kmd_json doc = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t v = 0;
		assert_int_equal(kmd_json_parse(&doc, kmd_str_z(cases[i].json)), 0);
		assert_int_equal(kmd_json_i64(kmd_json_root(&doc), &v), cases[i].rc);
		assert_true(v == cases[i].v);
	}
	int64_t v = 3;
	assert_int_equal(kmd_json_i64(kmd_json_get(kmd_json_root(&doc), "x"), &v), KMD_ENOTFOUND);
	assert_int_equal(v, 3);
	kmd_json_fini(&doc);
}

static void token_memory_is_reused(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct kmd_buf big = {0};
	kmd_buf_addc(&big, '[');
	for (int i = 0; i < 10000; i++)
		kmd_buf_addz(&big, "[\"0.48\",\"100.00\"],");
	kmd_buf_addz(&big, "1]");
	assert_int_equal(kmd_json_parse(&doc, kmd_buf_str(&big)), 0);
	assert_int_equal(doc.count, 30002);
	const uint32_t cap = doc.cap;
	assert_int_equal(kmd_json_parse(&doc, KMD_STR("[]")), 0);
	assert_int_equal(doc.count, 1);
	assert_int_equal(doc.cap, cap);
	kmd_buf_fini(&big);
	kmd_json_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_are_judged_as_rfc_8259),
	    cmocka_unit_test(quotes_are_found_at_every_offset),
	    cmocka_unit_test(members_are_found),
	    cmocka_unit_test(iteration_gives_children_in_order),
	    cmocka_unit_test(strings_are_unescaped),
	    cmocka_unit_test(integers_are_read),
	    cmocka_unit_test(token_memory_is_reused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
