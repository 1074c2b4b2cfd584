/*
 * The scanner against two oracles, over generated documents and mutations of them: a validator written straight from
 * the grammar of RFC 8259 says what is JSON, cJSON says what it means. cJSON is laxer and narrower in places, which are
 * listed here.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "../cmocka_all.h"
#include "kmd_backoff.h"
#include "kmd_json.h"

/* --- the grammar --- */

static const char *value_end(const char *p, const char *end, int depth);

static const char *space_end(const char *p, const char *end)
{
	while (p < end && memchr(" \t\n\r", *p, 4))
		p++;
	return p;
}

static const char *digits_end(const char *p, const char *end)
{
	const char *first = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == first ? NULL : p;
}

static const char *number_end(const char *p, const char *end)
{
	p += *p == '-';
	const char *digits = digits_end(p, end);
	if (!digits || (*p == '0' && digits > p + 1))
		return NULL;
	p = digits;
	if (p < end && *p == '.') {
		p = digits_end(p + 1, end);
		if (!p)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		return digits_end(p, end);
	}
	return p;
}

static const char *string_end(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	while (p < end && *p != '"') {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p++ != '\\')
			continue;
		if (p == end || !memchr("\"\\/bfnrtu", *p, 9))
			return NULL;
		if (*p++ != 'u')
			continue;
		for (int i = 0; i < 4; i++, p++)
			if (p == end || !memchr("0123456789abcdefABCDEF", *p, 22))
				return NULL;
	}
	return p == end ? NULL : p + 1;
}

static const char *word_end(const char *p, const char *end, const char *word)
{
	const size_t n = strlen(word);
	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

static const char *container_end(const char *p, const char *end, int depth)
{
	const bool object = *p == '{';
	const char close = object ? '}' : ']';
	p = space_end(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		if (object) {
			p = string_end(space_end(p, end), end);
			p = p ? space_end(p, end) : NULL;
			if (!p || p == end || *p++ != ':')
				return NULL;
		}
		p = value_end(p, end, depth);
		if (!p || p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

/* Behind the value at p and the white space around it. */
static const char *value_end(const char *p, const char *end, int depth)
{
	p = space_end(p, end);
	if (p == end || depth > KMD_JSON_DEPTH_MAX)
		return NULL;
	switch (*p) {
	case '{':
	case '[':
		p = depth == KMD_JSON_DEPTH_MAX ? NULL : container_end(p, end, depth + 1);
		break;
	case '"':
		p = string_end(p, end);
		break;
	case 't':
		p = word_end(p, end, "true");
		break;
	case 'f':
		p = word_end(p, end, "false");
		break;
	case 'n':
		p = word_end(p, end, "null");
		break;
	default:
		p = number_end(p, end);
	}
	return p ? space_end(p, end) : NULL;
}

static bool is_json(struct kmd_str s)
{
	return value_end(s.p, s.p + s.n, 0) == s.p + s.n;
}

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

static bool same_text(struct kmd_json_val v, const char *z)
{
	struct kmd_arena arena = {0};
	const struct kmd_str s = kmd_json_text(v, &arena);
	/* cJSON's strings end at the first NUL */
	const bool same = s.p && strnlen(s.p, s.n) == strlen(z) && memcmp(s.p, z, strlen(z)) == 0;
	kmd_arena_fini(&arena);
	return same;
}

static bool same_value(struct kmd_json_val v, const cJSON *c)
{
	struct kmd_json_val key, value;
	uint32_t it = 0;
	char number[128];
	switch (kmd_json_type(v)) {
	case KMD_JSON_NULL:
		return cJSON_IsNull(c);
	case KMD_JSON_BOOL:
		return kmd_json_true(v) ? cJSON_IsTrue(c) : cJSON_IsFalse(c);
	case KMD_JSON_NUMBER:
		(void)snprintf(number, sizeof(number), "%.*s", KMD_STR_ARG(kmd_json_raw(v)));
		/* cJSON keeps 63 characters of a number */
		return cJSON_IsNumber(c) && (strtod(number, NULL) == c->valuedouble || strlen(number) > 63);
	case KMD_JSON_STRING:
		return cJSON_IsString(c) && same_text(v, c->valuestring);
	case KMD_JSON_ARRAY:
		for (c = cJSON_IsArray(c) ? c->child : NULL; kmd_json_each(v, &it, &value); c = c->next)
			if (!c || !same_value(value, c))
				return false;
		return !c;
	case KMD_JSON_OBJECT:
		for (c = cJSON_IsObject(c) ? c->child : NULL; kmd_json_each_member(v, &it, &key, &value); c = c->next)
			if (!c || !same_text(key, c->string) || !same_value(value, c))
				return false;
		return !c;
	case KMD_JSON_NONE:
		break;
	}
	return false;
}

static cJSON *oracle(struct kmd_str s)
{
	const char *at = NULL;
	cJSON *c = cJSON_ParseWithLengthOpts(s.p, s.n, &at, false);
	/* what stands behind the value is not its business, but ours */
	if (c && space_end(at, s.p + s.n) != s.p + s.n) {
		cJSON_Delete(c);
		return NULL;
	}
	return c;
}

/* Valid JSON that cJSON refuses: lone surrogates. */
static bool has_surrogate(struct kmd_str s)
{
	for (size_t i = 0; i + 3 < s.n; i++)
		if (s.p[i] == '\\' && s.p[i + 1] == 'u' && (s.p[i + 2] | 0x20) == 'd')
			return true;
	return false;
}

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
