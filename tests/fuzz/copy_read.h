#ifndef FUZZ_COPY_READ_H
#define FUZZ_COPY_READ_H

#include "fuzz.h"

/* Reads COPY BINARY back, as Postgres would: big-endian, every length checked against what is left. */

static inline uint64_t copy_take(struct kmd_str *rest, size_t bytes)
{
	uint64_t v = 0;

	HOLDS(rest->n >= bytes);
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)rest->p[i];
	*rest = (struct kmd_str){rest->p + bytes, rest->n - bytes};
	return v;
}

/** One field: its bytes, NONE for NULL. */
static inline struct kmd_str copy_take_field(struct kmd_str *rest)
{
	const uint64_t n = copy_take(rest, 4);
	const struct kmd_str field = {rest->p, n};

	if (n == UINT32_MAX)
		return KMD_STR_NONE;
	HOLDS(n <= INT32_MAX && n <= rest->n);
	*rest = (struct kmd_str){rest->p + n, rest->n - n};
	return field;
}

/* Group of four digits that stands for 10000^@power: zero outside of those that were sent. */
static inline unsigned copy_group(struct kmd_str digits, int weight, int power)
{
	const int i = weight - power;
	struct kmd_str at = {digits.p + 2 * i, 2};
	unsigned v;

	if (i < 0 || (size_t)i >= digits.n / 2)
		return 0;
	v = (unsigned)copy_take(&at, 2);
	HOLDS(v <= 9999);
	return v;
}

/** Appends the text of a numeric as Postgres prints it: no leading zeros, the scale kept. */
static inline void copy_numeric_text(struct kmd_str field, struct kmd_buf *out)
{
	const size_t count = copy_take(&field, 2);
	const int weight = (int16_t)copy_take(&field, 2);
	const uint64_t sign = copy_take(&field, 2);
	const size_t scale = copy_take(&field, 2);
	size_t point;

	HOLDS(sign == 0 || (sign == 0x4000 && count > 0));
	HOLDS(field.n == count * 2 && scale <= 0x3fff);
	HOLDS(count == 0 || (copy_group(field, weight, weight) && copy_group(field, 0, 1 - (int)count)));
	if (sign)
		kmd_buf_addc(out, '-');
	kmd_buf_addf(out, "%u", copy_group(field, weight, weight > 0 ? weight : 0));
	for (int power = weight - 1; power >= 0; power--)
		kmd_buf_addf(out, "%04u", copy_group(field, weight, power));
	if (scale == 0)
		return;
	kmd_buf_addc(out, '.');
	point = out->n;
	for (int power = -1; out->n < point + scale; power--)
		kmd_buf_addf(out, "%04u", copy_group(field, weight, power));
	out->n = point + scale;
}

#endif
