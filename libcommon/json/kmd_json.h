#ifndef KMD_JSON_H
#define KMD_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_arena.h"
#include "kmd_str.h"

/*
 * Reading JSON (RFC 8259) without losing a byte: a strict one-pass scanner gives a flat tape of tokens that point into
 * the text. Numbers stay text, so no digit is lost; a value can be copied verbatim. cJSON is not used for reading
 * because it turns numbers into doubles: Unix ns and exchange digits do not survive that. It is the oracle of the
 * tests.
 *
 * The text must outlive the document. Duplicate member names: the last one wins, like cJSON's and Postgres's jsonb.
 * Strings are checked for escapes and control bytes, not for UTF-8; see kmd_json_text().
 */

enum kmd_json_type {
	KMD_JSON_NONE, /* no such value: what getters of absent members return */
	KMD_JSON_NULL,
	KMD_JSON_BOOL,
	KMD_JSON_NUMBER,
	KMD_JSON_STRING,
	KMD_JSON_ARRAY,
	KMD_JSON_OBJECT,
};

struct kmd_json_token {
	uint32_t start, end; /* raw span in the text; strings with their quotes */
	uint32_t next;       /* index of the token behind this value and all it holds */
	uint32_t count;      /* members of an object, elements of an array */
	uint8_t type;        /* enum kmd_json_type */
	uint8_t escaped;     /* a string with a backslash in it */
	uint8_t truth;       /* of a BOOL */
};

struct kmd_json {
	const char *text;
	struct kmd_json_token *tokens; /* an object's members follow it as key, value, key, value, ... */
	uint32_t count, cap;
};

/* A value in a document; travels by value, NONE when absent, so chains of getters need no checks. */
struct kmd_json_val {
	const struct kmd_json *doc;
	uint32_t index; /* UINT32_MAX: NONE */
};

#define KMD_JSON_DEPTH_MAX 64

/**
 * Scans @text (less than 4 GiB) into @doc, whose token memory is reused from call to call (zero-initialise it, free by
 * kmd_json_fini). White space around the value is fine, anything else behind it is not. 0, KMD_EPARSE or KMD_ETOOBIG
 * (deeper than KMD_JSON_DEPTH_MAX).
 */
int kmd_json_parse(struct kmd_json *doc, struct kmd_str text) KMD_MUST_CHECK;
void kmd_json_fini(struct kmd_json *doc);

/**
 * Behind the value that begins at @p, judged as strictly as by kmd_json_parse, without a tape; NULL if there is no
 * value.
 * @around containers hold it: they count against KMD_JSON_DEPTH_MAX.
 */
const char *kmd_json_skip(const char *p, const char *end, unsigned around);
/** The same for a string whose quote is at @p; *ret_escaped: there is an escape in it. */
const char *kmd_json_skip_string(const char *p, const char *end, bool *ret_escaped);

/** Behind the white space at @p. */
static inline const char *kmd_json_skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

struct kmd_json_val kmd_json_root(const struct kmd_json *doc);
enum kmd_json_type kmd_json_type(struct kmd_json_val v);
bool kmd_json_is(struct kmd_json_val v, enum kmd_json_type type);
/** Member of an object by its name (compared unescaped); NONE if absent or @v is no object. */
struct kmd_json_val kmd_json_get(struct kmd_json_val v, const char *name);
/** Bytes of the value as they stand in the text; strings with quotes. KMD_STR_NONE for NONE. */
struct kmd_str kmd_json_raw(struct kmd_json_val v);
/** Content of a string that has no escapes, borrowed without copying; NONE for every other value. */
struct kmd_str kmd_json_plain(struct kmd_json_val v);
/**
 * Content of a string, unescaped into @arena if it needs it. KMD_STR_NONE if @v is no string. Lone surrogates give
 * their three-byte form (which kmd_str_is_utf8() rejects) and \u0000 a NUL byte: the caller decides what they mean.
 */
struct kmd_str kmd_json_text(struct kmd_json_val v, struct kmd_arena *arena);
/** Number without fraction or exponent that fits; or the same in a string if @v is a string. 0, KMD_ENOTFOUND (NONE,
 * null), KMD_EPARSE, KMD_ERANGE. */
int kmd_json_i64(struct kmd_json_val v, int64_t *ret) KMD_MUST_CHECK;
/** Text of a number or content of an escape-free string: how decimals arrive. KMD_STR_NONE for every other value. */
struct kmd_str kmd_json_decimal(struct kmd_json_val v);
/** True only for the literal true. */
bool kmd_json_true(struct kmd_json_val v);

/** Elements, or the members, of a value in order. size_t-free iteration: start with *it = 0. */
bool kmd_json_each(struct kmd_json_val array, uint32_t *it, struct kmd_json_val *ret_value);
bool kmd_json_each_member(
    struct kmd_json_val object, uint32_t *it, struct kmd_json_val *ret_key, struct kmd_json_val *ret_value);

#endif
