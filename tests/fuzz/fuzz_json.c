/*
 * The JSON scanner and its getters. Input: a text, JSON or not.
 *
 * - It accepts what the grammar of RFC 8259 accepts, to its depth, and nothing else (KMD_ETOOBIG only beyond the
 * depth).
 * - What it accepts means what cJSON says it means: types, texts, numbers, members, elements.
 * - What cJSON reads and prints again it accepts.
 * - Each value's raw text is JSON by itself, of the same type; a text that is UTF-8 survives being written and read
 *   again; an integer prints as it stood.
 */
#include "../unit/json/json_oracle.h"

#include "fuzz.h"
#include "kmd_jsonw.h"

static void check_text(struct kmd_json_val v, struct kmd_arena *arena)
{
	const struct kmd_str text = kmd_json_text(v, arena), plain = kmd_json_plain(v);
	struct kmd_json again = {0};
	struct kmd_buf written = {0};

	HOLDS(text.p);
	HOLDS(!plain.p || kmd_str_eq(plain, text));
	kmd_buf_add_json(&written, text);
	HOLDS(kmd_json_parse(&again, kmd_buf_str(&written)) == 0);
	HOLDS(kmd_str_is_utf8(kmd_buf_str(&written)));
	if (kmd_str_is_utf8(text))
		HOLDS(kmd_str_eq(kmd_json_text(kmd_json_root(&again), arena), text));
	kmd_json_fini(&again);
	kmd_buf_fini(&written);
}

static void check_number(struct kmd_json_val v)
{
	const struct kmd_str raw = kmd_json_raw(v);
	struct kmd_buf b = {0};
	int64_t n;

	HOLDS(kmd_str_eq(kmd_json_decimal(v), raw));
	if (kmd_json_i64(v, &n) == 0) {
		kmd_buf_add_i64(&b, n);
		HOLDS(kmd_str_eq(kmd_buf_str(&b), raw) || kmd_str_eqz(raw, "-0"));
		kmd_buf_fini(&b);
	}
}

static void check_raw(struct kmd_json_val v)
{
	const struct kmd_str alone = fuzz_exact(kmd_json_raw(v));
	struct kmd_json again = {0};

	HOLDS(kmd_json_parse(&again, alone) == 0);
	HOLDS(kmd_json_type(kmd_json_root(&again)) == kmd_json_type(v));
	HOLDS(kmd_str_eq(kmd_json_raw(kmd_json_root(&again)), alone));
	kmd_json_fini(&again);
	free((char *)alone.p);
}

static void check_values(const struct kmd_json *doc)
{
	struct kmd_arena arena = {0};

	for (uint32_t i = 0; i < doc->count; i++) {
		const struct kmd_json_val v = {doc, i};

		/* all of a deep document would be quadratic */
		if (i < 64)
			check_raw(v);
		if (kmd_json_is(v, KMD_JSON_STRING))
			check_text(v, &arena);
		else if (kmd_json_is(v, KMD_JSON_NUMBER))
			check_number(v);
	}
	kmd_arena_fini(&arena);
}

static void check_reprint(cJSON *c)
{
	char *printed = c ? cJSON_PrintUnformatted(c) : NULL;
	struct kmd_json doc = {0};

	if (printed) {
		const int rc = kmd_json_parse(&doc, kmd_str_z(printed));
		HOLDS(rc == 0 || rc == KMD_ETOOBIG);
	}
	kmd_json_fini(&doc);
	cJSON_free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kmd_str text = fuzz_text(data, size);
	struct kmd_json doc = {0};
	const int rc = kmd_json_parse(&doc, text);
	cJSON *c = oracle(text);

	HOLDS((rc == 0) == is_json(text));
	HOLDS(rc == 0 || rc == KMD_EPARSE || rc == KMD_ETOOBIG);
	if (rc == 0) {
		HOLDS(c ? same_value(kmd_json_root(&doc), c) : has_surrogate(text));
		check_values(&doc);
	} else {
		HOLDS(doc.count == 0 && kmd_json_is(kmd_json_root(&doc), KMD_JSON_NONE));
	}
	check_reprint(c);
	cJSON_Delete(c);
	kmd_json_fini(&doc);
	return 0;
}
