#ifndef KMD_JSON_LEX_H
#define KMD_JSON_LEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * What a string and a number are made of, for the scanner (kmd_json.c), for who only skips (skip.c), and for who reads
 * plain frames alone (sink_quick_scan.h).
 */

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* High bit of each byte that is zero; above the lowest hit there may be false ones. */
static inline uint64_t zero_bytes(uint64_t w)
{
	return (w - EACH_BYTE(0x01)) & ~w & EACH_BYTE(0x80);
}

/* First quote, backslash or control byte at or behind p. */
static inline const char *skip_plain(const char *p, const char *end)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lowest hit is the first byte");
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		const uint64_t control = (w - EACH_BYTE(0x20)) & ~w & EACH_BYTE(0x80);
		const uint64_t hits = control | zero_bytes(w ^ EACH_BYTE('"')) | zero_bytes(w ^ EACH_BYTE('\\'));
		if (hits)
			return p + __builtin_ctzll(hits) / 8;
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static inline bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the escape whose backslash is at p, NULL if it is none. */
static inline const char *escape_end(const char *p, const char *end)
{
	if (end - p < 2)
		return NULL;
	if (p[1] != 'u')
		return p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
	if (end - p < 6)
		return NULL;
	for (int i = 2; i < 6; i++)
		if (!is_hex(p[i]))
			return NULL;
	return p + 6;
}

/* Behind the digits at p; NULL if there is none. */
static inline const char *digits_end(const char *p, const char *end)
{
	const char *first = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > first ? p : NULL;
}

static inline const char *number_end(const char *p, const char *end)
{
	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if (!(p = digits_end(p, end)))
		return NULL;
	if (p < end && *p == '.' && !(p = digits_end(p + 1, end)))
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = digits_end(p, end);
	}
	return p;
}

#endif
