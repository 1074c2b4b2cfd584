#include "../cmocka_all.h"
#include "kmd_json.h"
#include "kmd_jsonw.h"

static void members_come_out_in_order(void **state)
{
	(void)state;
	struct kmd_jsonw *w = kmd_jsonw_object(), *list = kmd_jsonw_array(), *child = kmd_jsonw_object();
	struct kmd_buf out = {0};
	kmd_jsonw_strz(w, "z", "text");
	kmd_jsonw_str(w, "absent", KMD_STR_NONE);
	kmd_jsonw_strz(w, "nothing", NULL);
	kmd_jsonw_str(w, "empty", KMD_STR(""));
	kmd_jsonw_i64(w, "max", INT64_MAX);
	kmd_jsonw_i64(w, "min", INT64_MIN);
	kmd_jsonw_bool(w, "yes", true);
	kmd_jsonw_bool(w, "no", false);
	kmd_jsonw_null(w, "null");
	kmd_jsonw_time(w, "at", INT64_C(1795341600123456789));
	kmd_jsonw_raw(w, "raw", KMD_STR("{\"p\":0.9600, \"n\" : 12345678901234567890}"));
	kmd_jsonw_raw(w, "no_raw", KMD_STR_NONE);
	kmd_jsonw_push(list, child);
	kmd_jsonw_push_str(list, KMD_STR("s"));
	kmd_jsonw_push_str(list, KMD_STR_NONE);
	kmd_jsonw_put(w, "list", list);
	kmd_buf_addz(&out, "> ");
	kmd_jsonw_print(w, &out);
	assert_str(kmd_buf_str(&out),
	    "> {\"z\":\"text\",\"absent\":null,\"nothing\":null,\"empty\":\"\",\"max\":9223372036854775807,"
	    "\"min\":-9223372036854775808,\"yes\":true,\"no\":false,\"null\":null,\"at\":\"2026-11-22T10:00:00."
	    "123456789Z\","
	    "\"raw\":{\"p\":0.9600, \"n\" : 12345678901234567890},\"no_raw\":null,\"list\":[{},\"s\",null]}");
	kmd_jsonw_free(w);
	kmd_jsonw_free(NULL);
	kmd_buf_fini(&out);
}

/* What is written can be read, whatever the bytes of a text. */
static void every_byte_sequence_gives_json(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	for (unsigned pair = 0; pair < 65536; pair++) {
		const char bytes[] = {'<', (char)(pair >> 8), (char)pair, '>'};
		const struct kmd_str s = {bytes, sizeof(bytes)};
		struct kmd_buf out = {0};
		kmd_buf_add_json(&out, s);
		assert_int_equal(kmd_json_parse(&doc, kmd_buf_str(&out)), 0);
		assert_true(kmd_str_is_utf8(kmd_buf_str(&out)));
		if (kmd_str_is_utf8(s))
			assert_true(kmd_str_eq(kmd_json_text(kmd_json_root(&doc), &arena), s));
		kmd_arena_reset(&arena);
		kmd_buf_fini(&out);
	}
	kmd_arena_fini(&arena);
	kmd_json_fini(&doc);
}

static void hostile_texts_survive_as_far_as_json_can(void **state)
{
	(void)state;
	struct kmd_jsonw *w = kmd_jsonw_object();
	struct kmd_buf out = {0};
	kmd_jsonw_str(w, "nul", KMD_STR("a\0b"));
	kmd_jsonw_str(w, "bad", KMD_STR("\xff ok \xe2\x82"));
	kmd_jsonw_str(w, "controls", KMD_STR("\x01\b\t\n\x0b\f\r\x1f\"\\/\x7f"));
	kmd_jsonw_str(w, "utf8", KMD_STR("\xe2\x82\xac \xf0\x9f\x98\x80"));
	kmd_jsonw_print(w, &out);
	assert_str(kmd_buf_str(&out), "{\"nul\":\"a\\u0000b\",\"bad\":\"\xef\xbf\xbd ok \xef\xbf\xbd\xef\xbf\xbd\","
				      "\"controls\":\"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\\\\/"
				      "\x7f\",\"utf8\":\"\xe2\x82\xac \xf0\x9f\x98\x80\"}");
	kmd_jsonw_free(w);
	kmd_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_come_out_in_order),
	    cmocka_unit_test(every_byte_sequence_gives_json),
	    cmocka_unit_test(hostile_texts_survive_as_far_as_json_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
