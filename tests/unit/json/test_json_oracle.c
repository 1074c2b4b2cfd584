/*
 * The scanner against the two oracles of json_oracle.h, over generated documents and mutations of them. cJSON is laxer
 * and narrower in places, which are listed here.
 */
#include "json_oracle.h"

#include "../cmocka_all.h"
#include "kmd_backoff.h"

/* --- random documents --- */

static size_t pick(uint64_t *rng, size_t n)
{
	return (size_t)(kmd_rng_next(rng) % n);
}

static void add_space(struct kmd_buf *b, uint64_t *rng)
{
	static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t", "\r\n "};
	kmd_buf_addz(b, spaces[pick(rng, 8)]);
}

static void add_number(struct kmd_buf *b, uint64_t *rng)
{
	static const char *const forms[] = {"0", "-0", "1", "-17", "0.9600", "-0.01", "13815.66", "1e5", "1E-7",
	    "-2.5e+3", "1795341600123456789", "0.1234567890123456789"};
	kmd_buf_addz(b, forms[pick(rng, sizeof(forms) / sizeof(*forms))]);
}

static void add_string(struct kmd_buf *b, uint64_t *rng)
{
	static const char *const parts[] = {"", "a", "KXBTCD-26AUG2017-T73749.99", "\\n", "\\\"", "\\\\", "\\/",
	    "\\u00e9", "\\ud83d\\ude00", "\xe2\x82\xac", "longer than one machine word", "\\u20AC", "\\b\\f\\r\\t",
	    "\x7f"};
	kmd_buf_addc(b, '"');
	for (size_t n = pick(rng, 5); n-- > 0;)
		kmd_buf_addz(b, parts[pick(rng, sizeof(parts) / sizeof(*parts))]);
	kmd_buf_addc(b, '"');
}

static void add_value(struct kmd_buf *b, uint64_t *rng, int depth)
{
	static const char *const words[] = {"true", "false", "null"};
	const size_t kind = pick(rng, depth > 5 ? 6 : 10);
	add_space(b, rng);
	if (kind < 2) {
		add_number(b, rng);
	} else if (kind < 5) {
		add_string(b, rng);
	} else if (kind == 5) {
		kmd_buf_addz(b, words[pick(rng, 3)]);
	} else {
		const bool object = kind >= 8;
		kmd_buf_addc(b, object ? '{' : '[');
		add_space(b, rng);
		for (size_t n = pick(rng, 5), i = 0; i < n; i++) {
			if (i)
				kmd_buf_addc(b, ',');
			add_space(b, rng);
			if (object) {
				add_string(b, rng);
				add_space(b, rng);
				kmd_buf_addc(b, ':');
			}
			add_value(b, rng, depth + 1);
		}
		kmd_buf_addc(b, object ? '}' : ']');
	}
	add_space(b, rng);
}

/* One change: a byte replaced, inserted or removed, the end cut off, or a stretch doubled. */
static void mutate(struct kmd_buf *b, uint64_t *rng)
{
	static const char bytes[] = "{}[]\",:0123456789.-+eE\\utfn/ \n\x01\x1f\x7f\xff\x80";
	const size_t at = pick(rng, b->n), kind = pick(rng, 5);
	const char byte = bytes[pick(rng, sizeof(bytes))]; /* its NUL too */
	kmd_buf_reserve(b, b->n + 1);
	if (kind == 0) {
		b->p[at] = byte;
	} else if (kind == 1) {
		memmove(b->p + at + 1, b->p + at, b->n - at);
		b->p[at] = byte;
		b->n++;
	} else if (kind == 2) {
		memmove(b->p + at, b->p + at + 1, b->n - at - 1);
		b->n--;
	} else if (kind == 3) {
		b->n = at;
	} else {
		const size_t n = pick(rng, b->n - at + 1);
		memmove(b->p + at + n, b->p + at, b->n - at);
		b->n += n;
	}
}

/* --- the comparison --- */

static void check(struct kmd_json *doc, struct kmd_str s, unsigned long *accepted)
{
	const bool ours = kmd_json_parse(doc, s) == 0;
	if (ours != is_json(s))
		fail_msg("accepted %d: %.*s", ours, KMD_STR_ARG(s));
	if (!ours)
		return;
	(*accepted)++;
	cJSON *c = oracle(s);
	if (c ? !same_value(kmd_json_root(doc), c) : !has_surrogate(s))
		fail_msg("cJSON reads it otherwise: %.*s", KMD_STR_ARG(s));
	cJSON_Delete(c);
}

static void generated_documents_are_read_alike(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};
	uint64_t rng = 20261122;
	unsigned long accepted = 0;
	for (int i = 0; i < 20000; i++) {
		kmd_buf_reset(&b);
		add_value(&b, &rng, 0);
		check(&doc, kmd_buf_str(&b), &accepted);
	}
	assert_int_equal(accepted, 20000);
	kmd_buf_fini(&b);
	kmd_json_fini(&doc);
}

static void mutated_documents_are_judged_alike(void **state)
{
	(void)state;
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};
	uint64_t rng = 7;
	unsigned long accepted = 0;
	for (int i = 0; i < 60000; i++) {
		kmd_buf_reset(&b);
		add_value(&b, &rng, 0);
		for (size_t n = 1 + pick(&rng, 3); n-- > 0 && b.n;)
			mutate(&b, &rng);
		check(&doc, kmd_buf_str(&b), &accepted);
	}
	assert_in_range(accepted, 1000, 59000); /* both verdicts were seen */
	kmd_buf_fini(&b);
	kmd_json_fini(&doc);
}

/* Where cJSON accepts what is not JSON; we do not. */
static void cjson_is_laxer_here(void **state)
{
	(void)state;
	static const struct kmd_str lax[] = {
	    KMD_STR("[01]"),            /* leading zeros */
	    KMD_STR("[-01]"),           /* idem */
	    KMD_STR("[1.]"),            /* no digit behind the point */
	    KMD_STR("[1.e5]"),          /* idem */
	    KMD_STR("[-.5]"),           /* no digit before the point */
	    KMD_STR("[\"\x01\"]"),      /* raw control bytes in strings */
	    KMD_STR("[\"tab\there\"]"), /* idem */
	    KMD_STR("[\x0c"
		    "1]"),              /* every byte up to 0x20 is white space */
	    KMD_STR("[\0001]"),         /* NUL too */
	    KMD_STR("\xef\xbb\xbf[1]"), /* a byte order mark */
	};
	struct kmd_json doc = {0};
	for (size_t i = 0; i < sizeof(lax) / sizeof(*lax); i++) {
		cJSON *c = oracle(lax[i]);
		if (!c || kmd_json_parse(&doc, lax[i]) == 0 || is_json(lax[i]))
			fail_msg("case %zu", i);
		cJSON_Delete(c);
	}
	kmd_json_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(generated_documents_are_read_alike),
	    cmocka_unit_test(mutated_documents_are_judged_alike),
	    cmocka_unit_test(cjson_is_laxer_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
