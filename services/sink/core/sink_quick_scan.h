#ifndef SINK_QUICK_SCAN_H
#define SINK_QUICK_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json_lex.h"
#include "kmd_str.h"

/*
 * Steps over JSON of the plainest kind: no white space, strings of ASCII without escapes, integers from 0 to 18 digits.
 * Anything else makes the scan bad, and it stays so; steps of a bad scan give nothing. Private to sink_quick.c.
 */

struct scan {
	const char *p, *end;
	bool bad;
};

static inline void scan_byte(struct scan *s, char c)
{
	if (s->bad || s->p == s->end || *s->p != c)
		s->bad = true;
	else
		s->p++;
}

/* A comma, and something behind it? */
static inline bool scan_more(struct scan *s)
{
	if (s->bad || s->p == s->end || *s->p != ',')
		return false;
	s->p++;
	return true;
}

/* First quote, backslash, control byte or byte above ASCII at or behind p: skip_plain() of plainer text. */
static inline const char *scan_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		const uint64_t odd = (((w - EACH_BYTE(0x20)) & ~w) | w) & EACH_BYTE(0x80);
		const uint64_t hits = odd | zero_bytes(w ^ EACH_BYTE('"')) | zero_bytes(w ^ EACH_BYTE('\\'));

		if (hits)
			return p + __builtin_ctzll(hits) / 8;
		p += 8;
	}
	while (p < end && *p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* The content; NONE for a bad one. */
static inline struct kmd_str scan_string(struct scan *s)
{
	const char *from = s->p + 1, *to;

	scan_byte(s, '"');
	if (s->bad)
		return KMD_STR_NONE;
	to = scan_plain(from, s->end);
	if (to == s->end || *to != '"') {
		s->bad = true;
		return KMD_STR_NONE;
	}
	s->p = to + 1;
	return (struct kmd_str){from, (size_t)(to - from)};
}

static inline int64_t scan_integer(struct scan *s)
{
	const char *from = s->p;
	int64_t v = 0;

	if (s->bad)
		return 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - from < 18)
		v = v * 10 + (*s->p++ - '0');
	/* digits beyond the 18th, a point or an exponent are found where a comma should be */
	if (s->p == from || (*from == '0' && s->p - from > 1))
		s->bad = true;
	return v;
}

static inline bool scan_bool(struct scan *s)
{
	const bool truth = s->p < s->end && *s->p == 't';
	const struct kmd_str word = truth ? KMD_STR("true") : KMD_STR("false");

	if (s->bad || (size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
		s->bad = true;
	else
		s->p += word.n;
	return truth;
}

#endif
