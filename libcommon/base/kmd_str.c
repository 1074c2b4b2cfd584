#include "kmd_str.h"

#include <string.h>

struct kmd_str kmd_str_z(const char *z)
{
	return z ? (struct kmd_str){z, strlen(z)} : KMD_STR_NONE;
}

bool kmd_str_eq(struct kmd_str a, struct kmd_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool kmd_str_eqz(struct kmd_str a, const char *z)
{
	return kmd_str_eq(a, kmd_str_z(z));
}

bool kmd_str_has_prefix(struct kmd_str s, struct kmd_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

int kmd_str_cmp(struct kmd_str a, struct kmd_str b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n ? memcmp(a.p, b.p, n) : 0;
	if (order)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct kmd_str kmd_str_trim(struct kmd_str s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool kmd_str_split(struct kmd_str *rest, char sep, struct kmd_str *ret_piece)
{
	if (rest->n == 0)
		return false;
	const char *at = memchr(rest->p, sep, rest->n);
	const size_t n = at ? (size_t)(at - rest->p) : rest->n;
	const size_t taken = at ? n + 1 : n;
	*ret_piece = (struct kmd_str){rest->p, n};
	*rest = (struct kmd_str){rest->p + taken, rest->n - taken};
	return true;
}

uint64_t kmd_str_hash(struct kmd_str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

#define U64_DIGITS_SAFE 19 /* so many cannot overflow */

int kmd_str_u64(struct kmd_str s, uint64_t *ret)
{
	uint64_t v = 0;
	bool overflow = false;
	if (s.n == 0)
		return KMD_EPARSE;
	for (; s.n > 0 && s.n <= U64_DIGITS_SAFE; s.p++, s.n--) {
		const unsigned digit = (unsigned)(unsigned char)s.p[0] - '0';
		if (digit > 9)
			return KMD_EPARSE;
		v = v * 10 + digit;
	}
	for (size_t i = 0; i < s.n; i++) {
		const unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9)
			return KMD_EPARSE;
		overflow |= __builtin_mul_overflow(v, UINT64_C(10), &v);
		overflow |= __builtin_add_overflow(v, (uint64_t)digit, &v);
	}
	if (overflow)
		return KMD_ERANGE;
	*ret = v;
	return 0;
}

int kmd_str_i64(struct kmd_str s, int64_t *ret)
{
	const bool negative = s.n && s.p[0] == '-';
	uint64_t v;
	const int rc = kmd_str_u64(negative ? (struct kmd_str){s.p + 1, s.n - 1} : s, &v);
	if (rc < 0)
		return rc;
	if (v > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
		return KMD_ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

/* Bytes of the well-formed sequence at p (RFC 3629 table), 0 if it is none; ASCII included. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	const size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	/* overlongs, surrogates and what is above U+10FFFF show in the second byte */
	const unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	const unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

size_t kmd_str_utf8_prefix(struct kmd_str s)
{
	size_t i = 0;
	while (i < s.n) {
		uint64_t word;
		if (s.n - i >= sizeof(word)) {
			memcpy(&word, s.p + i, sizeof(word));
			if (!(word & UINT64_C(0x8080808080808080))) {
				i += sizeof(word);
				continue;
			}
		}
		const size_t len = utf8_sequence((const unsigned char *)s.p + i, s.n - i);
		if (len == 0)
			break;
		i += len;
	}
	return i;
}

bool kmd_str_is_utf8(struct kmd_str s)
{
	return kmd_str_utf8_prefix(s) == s.n;
}
