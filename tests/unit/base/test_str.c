#include <string.h>

#include "../cmocka_all.h"
#include "kmd_arena.h"
#include "kmd_str.h"

static void views_compare(void **state)
{
	(void)state;
	assert_true(kmd_str_eq(KMD_STR("a"), kmd_str_z("a")));
	assert_false(kmd_str_eqz(KMD_STR("a"), "ab"));
	assert_true(kmd_str_eq(KMD_STR(""), KMD_STR_NONE));
	assert_null(kmd_str_z(NULL).p);
	assert_true(kmd_str_has_prefix(KMD_STR("KXMVE-1"), KMD_STR("KXMVE")));
	assert_false(kmd_str_has_prefix(KMD_STR("KX"), KMD_STR("KXMVE")));
	assert_true(kmd_str_has_prefix(KMD_STR_NONE, KMD_STR("")));
	assert_true(kmd_str_cmp(KMD_STR("a"), KMD_STR("b")) < 0);
	assert_true(kmd_str_cmp(KMD_STR("ab"), KMD_STR("a")) > 0);
	assert_true(kmd_str_cmp(KMD_STR("\xff"), KMD_STR("a")) > 0);
	assert_int_equal(kmd_str_cmp(KMD_STR(""), KMD_STR_NONE), 0);
	assert_str(kmd_str_trim(KMD_STR(" \t a b\r\n")), "a b");
	assert_int_equal(kmd_str_trim(KMD_STR("   ")).n, 0);
}

static void absent_is_harmless_everywhere(void **state)
{
	(void)state;
	struct kmd_str rest = KMD_STR_NONE, piece;
	struct kmd_buf b = {0};
	assert_int_equal(kmd_str_trim(KMD_STR_NONE).n, 0);
	assert_false(kmd_str_split(&rest, ',', &piece));
	assert_true(kmd_str_is_utf8(KMD_STR_NONE));
	assert_true(kmd_str_hash(KMD_STR_NONE) == kmd_str_hash(KMD_STR("")));
	kmd_buf_add_str(&b, KMD_STR_NONE);
	kmd_buf_add_json(&b, KMD_STR_NONE);
	kmd_buf_addf(&b, "%.*s", KMD_STR_ARG(KMD_STR_NONE));
	assert_str(kmd_buf_str(&b), "\"\"");
	kmd_buf_fini(&b);
}

static void split_yields_pieces(void **state)
{
	(void)state;
	struct kmd_str rest = KMD_STR("a,,bc,"), piece;
	assert_true(kmd_str_split(&rest, ',', &piece));
	assert_str(piece, "a");
	assert_true(kmd_str_split(&rest, ',', &piece));
	assert_str(piece, "");
	assert_true(kmd_str_split(&rest, ',', &piece));
	assert_str(piece, "bc");
	assert_false(kmd_str_split(&rest, ',', &piece));
	rest = KMD_STR("");
	assert_false(kmd_str_split(&rest, ',', &piece));
}

static void hash_is_stable(void **state)
{
	(void)state;
	/* stored values rest on these */
	assert_true(kmd_str_hash(KMD_STR("")) == UINT64_C(0xefd01f60ba992926));
	assert_true(kmd_str_hash(KMD_STR("KXBTCD-26AUG2017-T73749.99")) == UINT64_C(0x3eaa2e6a0e0c3d71));
	assert_true(kmd_str_hash(KMD_STR("a")) != kmd_str_hash(KMD_STR("b")));
}

static void integers_are_read_whole(void **state)
{
	(void)state;
	uint64_t u = 5;
	int64_t i = 5;
	assert_int_equal(kmd_str_u64(KMD_STR("18446744073709551615"), &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(kmd_str_u64(KMD_STR("18446744073709551616"), &u), KMD_ERANGE);
	assert_int_equal(kmd_str_u64(KMD_STR("99999999999999999999999"), &u), KMD_ERANGE);
	assert_int_equal(kmd_str_u64(KMD_STR("99999999999999999999999x"), &u), KMD_EPARSE);
	assert_int_equal(kmd_str_i64(KMD_STR("-9223372036854775808"), &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(kmd_str_i64(KMD_STR("9223372036854775807"), &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(kmd_str_i64(KMD_STR("9223372036854775808"), &i), KMD_ERANGE);
	assert_int_equal(kmd_str_i64(KMD_STR("-9223372036854775809"), &i), KMD_ERANGE);
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "--1", "0x1"};
	for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++) {
		i = 77;
		assert_int_equal(kmd_str_i64(kmd_str_z(bad[k]), &i), KMD_EPARSE);
		assert_int_equal(i, 77);
	}
	assert_int_equal(kmd_str_u64(KMD_STR("-1"), &u), KMD_EPARSE);
	assert_int_equal(kmd_str_u64(KMD_STR_NONE, &u), KMD_EPARSE);
}

static void utf8_is_judged_as_rfc_3629(void **state)
{
	(void)state;
	static const char *const good[] = {"", "plain ascii, longer than a word", "\xc2\x80", "\xdf\xbf",
	    "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	    "12345678\xe2\x82\xac tail"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
	    "\xff", "12345678\xe2\x82", "\xf0\x9f\x98"};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(kmd_str_is_utf8(kmd_str_z(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(kmd_str_is_utf8(kmd_str_z(bad[i])));
	assert_true(kmd_str_is_utf8(KMD_STR("a\0b")));
	assert_int_equal(kmd_str_utf8_prefix(KMD_STR("ab\xe2\x82\xac\xe2\x82")), 5);
}

static void buffer_grows(void **state)
{
	(void)state;
	struct kmd_buf b = {0};
	kmd_buf_addf(&b, "%s-%d", "x", 42);
	kmd_buf_addc(&b, ' ');
	kmd_buf_add_u64(&b, UINT64_MAX);
	kmd_buf_addc(&b, ' ');
	kmd_buf_add_i64(&b, INT64_MIN);
	kmd_buf_addz(&b, " end");
	kmd_buf_add_str(&b, KMD_STR_NONE);
	assert_str(kmd_buf_str(&b), "x-42 18446744073709551615 -9223372036854775808 end");
	kmd_buf_reset(&b);
	for (int i = 0; i < 100000; i++)
		kmd_buf_addc(&b, (char)('a' + i % 26));
	assert_int_equal(b.n, 100000);
	assert_int_equal(b.p[99999], 'a' + 99999 % 26);
	kmd_buf_fini(&b);
	assert_null(b.p);
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
	(void)state;
	struct kmd_arena a = {0};
	for (int round = 0; round < 3; round++) {
		for (size_t n = 1; n < 3000; n += 7) {
			unsigned char *p = kmd_arena_alloc(&a, n);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xaa, n);
		}
		kmd_arena_reset(&a);
		assert_int_equal(a.used_bytes, 0);
	}
	assert_str(kmd_arena_dup(&a, KMD_STR("copy")), "copy");
	assert_null(kmd_arena_dup(&a, KMD_STR_NONE).p);
	assert_non_null(kmd_arena_dup(&a, KMD_STR("")).p);
	const struct kmd_str s = kmd_arena_printf(&a, "%05d|%s", 42, "z");
	assert_str(s, "00042|z");
	assert_int_equal(s.p[s.n], '\0');
	kmd_arena_fini(&a);
}

static void arena_steady_state_reuses_its_block(void **state)
{
	(void)state;
	struct kmd_arena a = {0};
	(void)kmd_arena_alloc(&a, 100000);
	kmd_arena_reset(&a);
	const char *first = kmd_arena_alloc(&a, 10);
	kmd_arena_reset(&a);
	assert_ptr_equal(first, kmd_arena_alloc(&a, 90000));
	kmd_arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(views_compare),
	    cmocka_unit_test(absent_is_harmless_everywhere),
	    cmocka_unit_test(split_yields_pieces),
	    cmocka_unit_test(hash_is_stable),
	    cmocka_unit_test(integers_are_read_whole),
	    cmocka_unit_test(utf8_is_judged_as_rfc_3629),
	    cmocka_unit_test(buffer_grows),
	    cmocka_unit_test(arena_gives_zeroed_aligned_memory),
	    cmocka_unit_test(arena_steady_state_reuses_its_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
