#include <string.h>

#include "kmd_json.h"

/* Values on the tape: the getters of kmd_json.h. */

#define NONE ((struct kmd_json_val){NULL, UINT32_MAX})

static const struct kmd_json_token *token_of(struct kmd_json_val v)
{
	return v.doc && v.index < v.doc->count ? &v.doc->tokens[v.index] : NULL;
}

struct kmd_json_val kmd_json_root(const struct kmd_json *doc)
{
	return doc->count ? (struct kmd_json_val){doc, 0} : NONE;
}

enum kmd_json_type kmd_json_type(struct kmd_json_val v)
{
	const struct kmd_json_token *t = token_of(v);
	return t ? (enum kmd_json_type)t->type : KMD_JSON_NONE;
}

bool kmd_json_is(struct kmd_json_val v, enum kmd_json_type type)
{
	return kmd_json_type(v) == type;
}

static struct kmd_str content(const struct kmd_json *doc, const struct kmd_json_token *string)
{
	return (struct kmd_str){doc->text + string->start + 1, string->end - string->start - 2};
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		const uint32_t c = (unsigned char)p[i];
		v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return v;
}

/* UTF-8 of @c; surrogates in the same three-byte form. Returns its length. */
static size_t put_utf8(uint32_t c, char *ret)
{
	if (c < 0x80) {
		ret[0] = (char)c;
		return 1;
	}
	const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		ret[i] = (char)(0x80 | (c & 0x3f));
	ret[0] = (char)(lead[n] | c);
	return n;
}

/* The \uXXXX at *p, with the low surrogate behind it where there is a pair. */
static uint32_t take_unicode(const char **p, const char *end)
{
	uint32_t c = hex4(*p + 2);
	*p += 6;
	if (c < 0xd800 || c > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return c;
	const uint32_t low = hex4(*p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return c;
	*p += 6;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* Takes one byte or one escape off the front of @rest, which the scanner has found well-formed. At most 4 bytes. */
static size_t take_char(struct kmd_str *rest, char *ret)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *p = rest->p, *end = p + rest->n;
	size_t n = 1;
	if (*p != '\\') {
		*ret = *p++;
	} else if (p[1] != 'u') {
		*ret = meant[strchr(letters, p[1]) - letters];
		p += 2;
	} else {
		n = put_utf8(take_unicode(&p, end), ret);
	}
	*rest = (struct kmd_str){p, (size_t)(end - p)};
	return n;
}

static bool escaped_eq(struct kmd_str raw, struct kmd_str name)
{
	char room[4];
	while (raw.n) {
		const size_t n = take_char(&raw, room);
		if (name.n < n || memcmp(name.p, room, n) != 0)
			return false;
		name = (struct kmd_str){name.p + n, name.n - n};
	}
	return name.n == 0;
}

static bool key_is(const struct kmd_json *doc, const struct kmd_json_token *key, struct kmd_str name)
{
	const struct kmd_str raw = content(doc, key);
	if (key->escaped)
		return escaped_eq(raw, name);
	return raw.n == name.n && memcmp(raw.p, name.p, name.n) == 0;
}

struct kmd_json_val kmd_json_get(struct kmd_json_val v, const char *name)
{
	if (!kmd_json_is(v, KMD_JSON_OBJECT))
		return NONE;
	const struct kmd_json_token *tokens = v.doc->tokens;
	const struct kmd_str wanted = kmd_str_z(name);
	struct kmd_json_val found = NONE;
	for (uint32_t key = v.index + 1; key < tokens[v.index].next; key = tokens[key + 1].next)
		if (key_is(v.doc, &tokens[key], wanted))
			found = (struct kmd_json_val){v.doc, key + 1};
	return found;
}

struct kmd_str kmd_json_raw(struct kmd_json_val v)
{
	const struct kmd_json_token *t = token_of(v);
	return t ? (struct kmd_str){v.doc->text + t->start, t->end - t->start} : KMD_STR_NONE;
}

struct kmd_str kmd_json_plain(struct kmd_json_val v)
{
	const struct kmd_json_token *t = token_of(v);
	return t && t->type == KMD_JSON_STRING && !t->escaped ? content(v.doc, t) : KMD_STR_NONE;
}

struct kmd_str kmd_json_text(struct kmd_json_val v, struct kmd_arena *arena)
{
	const struct kmd_json_token *t = token_of(v);
	if (!t || t->type != KMD_JSON_STRING)
		return KMD_STR_NONE;
	struct kmd_str rest = content(v.doc, t);
	if (!t->escaped)
		return rest;
	char *p = kmd_arena_alloc(arena, rest.n + 4); /* an escape is longer than what it means */
	size_t n = 0;
	while (rest.n)
		n += take_char(&rest, p + n);
	return (struct kmd_str){p, n};
}

int kmd_json_i64(struct kmd_json_val v, int64_t *ret)
{
	switch (kmd_json_type(v)) {
	case KMD_JSON_NONE:
	case KMD_JSON_NULL:
		return KMD_ENOTFOUND;
	case KMD_JSON_NUMBER:
		return kmd_str_i64(kmd_json_raw(v), ret);
	case KMD_JSON_STRING:
		return kmd_str_i64(kmd_json_plain(v), ret);
	default:
		return KMD_EPARSE;
	}
}

struct kmd_str kmd_json_decimal(struct kmd_json_val v)
{
	return kmd_json_is(v, KMD_JSON_NUMBER) ? kmd_json_raw(v) : kmd_json_plain(v);
}

bool kmd_json_true(struct kmd_json_val v)
{
	const struct kmd_json_token *t = token_of(v);
	return t && t->type == KMD_JSON_BOOL && t->truth;
}

/* Takes the next child of a container; @it is its token, 0 at the start (the root is nobody's child). */
static bool next_child(struct kmd_json_val container, uint32_t *it, struct kmd_json_val *ret)
{
	const uint32_t index = *it ? *it : container.index + 1;
	if (index >= container.doc->tokens[container.index].next)
		return false;
	*it = container.doc->tokens[index].next;
	*ret = (struct kmd_json_val){container.doc, index};
	return true;
}

bool kmd_json_each(struct kmd_json_val array, uint32_t *it, struct kmd_json_val *ret_value)
{
	return kmd_json_is(array, KMD_JSON_ARRAY) && next_child(array, it, ret_value);
}

bool kmd_json_each_member(
    struct kmd_json_val object, uint32_t *it, struct kmd_json_val *ret_key, struct kmd_json_val *ret_value)
{
	return kmd_json_is(object, KMD_JSON_OBJECT) && next_child(object, it, ret_key) &&
	       next_child(object, it, ret_value);
}
