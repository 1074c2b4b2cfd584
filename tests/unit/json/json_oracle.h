#ifndef TEST_JSON_ORACLE_H
#define TEST_JSON_ORACLE_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_json.h"

/*
 * Two oracles for the scanner: a validator written straight from the grammar of RFC 8259 says what is JSON, cJSON says
 * what it means. Shared by the unit test and the fuzz target.
 */

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

#endif
