#ifndef KMD_STR_H
#define KMD_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmd_err.h"

/*
 * struct kmd_str borrows bytes and travels by value; it is never NUL-terminated and p may be NULL, which means
 * "absent" (an empty, present string has p != NULL, n == 0). struct kmd_buf owns bytes and grows.
 */

struct kmd_str {
	const char *p;
	size_t n;
};

struct kmd_buf {
	char *p;
	size_t n, cap;
};

#define KMD_STR(literal) ((struct kmd_str){(literal), sizeof(literal) - 1})
#define KMD_STR_NONE ((struct kmd_str){NULL, 0})
/* For printf("%.*s"): cut at INT_MAX by the nature of things received (at most 64 MiB). */
#define KMD_STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

/** View of a NUL-terminated string; NULL gives KMD_STR_NONE. */
struct kmd_str kmd_str_z(const char *z);
struct kmd_str kmd_buf_str(const struct kmd_buf *b);
bool kmd_str_eq(struct kmd_str a, struct kmd_str b);
bool kmd_str_eqz(struct kmd_str a, const char *z);
bool kmd_str_has_prefix(struct kmd_str s, struct kmd_str prefix);
int kmd_str_cmp(struct kmd_str a, struct kmd_str b);
/** Without ASCII white space at both ends. */
struct kmd_str kmd_str_trim(struct kmd_str s);
/**
 * Takes the next piece up to @sep off the front of @rest. False when nothing is left; "a,,b" yields an empty piece in
 * the middle, "" and the end of "a," yield none.
 * Usage: while (kmd_str_split(&rest, ',', &piece)) ...
 */
bool kmd_str_split(struct kmd_str *rest, char sep, struct kmd_str *ret_piece);
/** 64-bit hash (FNV-1a with a final mix); stable over processes and versions: it may be stored. */
uint64_t kmd_str_hash(struct kmd_str s);
/** Decimal unsigned / signed integer, whole string, no sign tricks, no overflow. 0 or KMD_EPARSE, KMD_ERANGE. */
int kmd_str_u64(struct kmd_str s, uint64_t *ret) KMD_MUST_CHECK;
int kmd_str_i64(struct kmd_str s, int64_t *ret) KMD_MUST_CHECK;
/** True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlongs). */
bool kmd_str_is_utf8(struct kmd_str s);
/** Length of the longest well-formed beginning that ends between two characters. */
size_t kmd_str_utf8_prefix(struct kmd_str s);

/** Room for @more bytes behind b->n; returns b->p + b->n. */
char *kmd_buf_reserve(struct kmd_buf *b, size_t more);
void kmd_buf_add(struct kmd_buf *b, const void *p, size_t n);
void kmd_buf_add_str(struct kmd_buf *b, struct kmd_str s);
void kmd_buf_addz(struct kmd_buf *b, const char *z);
void kmd_buf_addc(struct kmd_buf *b, char c);
void kmd_buf_addf(struct kmd_buf *b, const char *fmt, ...) KMD_PRINTF(2, 3);
/** Decimal digits of @v. */
void kmd_buf_add_u64(struct kmd_buf *b, uint64_t v);
void kmd_buf_add_i64(struct kmd_buf *b, int64_t v);
/**
 * Appends @s as a JSON string with its quotes. A NUL becomes \u0000; what is not UTF-8 becomes U+FFFD, so that the
 * result is JSON whatever was received. Absent gives "".
 */
void kmd_buf_add_json(struct kmd_buf *b, struct kmd_str s);
/** Empties, keeps the memory. */
void kmd_buf_reset(struct kmd_buf *b);
void kmd_buf_fini(struct kmd_buf *b);

#endif
