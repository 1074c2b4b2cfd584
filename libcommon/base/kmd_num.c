#include "kmd_num.h"

#include <string.h>

static struct kmd_str take_digits(struct kmd_str *s)
{
	size_t n = 0;
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	const struct kmd_str digits = {s->p, n};
	*s = (struct kmd_str){s->p + n, s->n - n};
	return digits;
}

int kmd_dec_parse(struct kmd_str text, struct kmd_dec *ret)
{
	if (!text.p)
		return KMD_EPARSE;
	struct kmd_dec d = {.negative = text.n && text.p[0] == '-'};
	if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
		text = (struct kmd_str){text.p + 1, text.n - 1};
	d.whole = take_digits(&text);
	d.frac = (struct kmd_str){text.p, 0};
	if (text.n && text.p[0] == '.') {
		text = (struct kmd_str){text.p + 1, text.n - 1};
		d.frac = take_digits(&text);
	}
	if (text.n || d.whole.n + d.frac.n == 0)
		return KMD_EPARSE;
	if (d.whole.n + d.frac.n > KMD_DEC_DIGITS_MAX)
		return KMD_ERANGE;
	if (d.whole.n == 0)
		d.whole = KMD_STR("0");
	*ret = d;
	return 0;
}

static struct kmd_str without_leading_zeros(struct kmd_str s)
{
	while (s.n && s.p[0] == '0') {
		s.p++;
		s.n--;
	}
	return s;
}

static bool all_zeros(struct kmd_str s)
{
	return without_leading_zeros(s).n == 0;
}

bool kmd_dec_is_zero(const struct kmd_dec *d)
{
	return all_zeros(d->whole) && all_zeros(d->frac);
}

/* Digits of whole numbers, leading zeros ignored. */
static int whole_cmp(struct kmd_str a, struct kmd_str b)
{
	a = without_leading_zeros(a);
	b = without_leading_zeros(b);
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return kmd_str_cmp(a, b);
}

static int frac_cmp(struct kmd_str a, struct kmd_str b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n ? memcmp(a.p, b.p, n) : 0;
	if (order)
		return order;
	if (a.n > n && !all_zeros((struct kmd_str){a.p + n, a.n - n}))
		return 1;
	if (b.n > n && !all_zeros((struct kmd_str){b.p + n, b.n - n}))
		return -1;
	return 0;
}

int kmd_dec_cmp(const struct kmd_dec *a, const struct kmd_dec *b)
{
	const bool a_negative = a->negative && !kmd_dec_is_zero(a);
	const bool b_negative = b->negative && !kmd_dec_is_zero(b);
	if (a_negative != b_negative)
		return a_negative ? -1 : 1;
	int order = whole_cmp(a->whole, b->whole);
	if (order == 0)
		order = frac_cmp(a->frac, b->frac);
	order = (order > 0) - (order < 0);
	return a_negative ? -order : order;
}

/* All digits of @d to @scale behind the point as one whole number, a zero in front for a carry. Returns its length. */
static size_t digits_to_scale(const struct kmd_dec *d, size_t scale, char *ret)
{
	ret[0] = '0';
	memcpy(ret + 1, d->whole.p, d->whole.n);
	if (scale)
		memcpy(ret + 1 + d->whole.n, d->frac.p, scale);
	return 1 + d->whole.n + scale;
}

/* The front zero takes the last carry, so there is always a digit that is not 9. */
static void add_one(char *digits, size_t n)
{
	size_t i = n - 1;
	for (; digits[i] == '9'; i--)
		digits[i] = '0';
	digits[i]++;
}

bool kmd_dec_agree(const struct kmd_dec *a, const struct kmd_dec *b)
{
	const struct kmd_dec *fine = a->frac.n >= b->frac.n ? a : b;
	const struct kmd_dec *coarse = fine == a ? b : a;
	const size_t scale = coarse->frac.n;
	char fine_digits[KMD_DEC_DIGITS_MAX + 2], coarse_digits[KMD_DEC_DIGITS_MAX + 2];
	const struct kmd_str f = {fine_digits, digits_to_scale(fine, scale, fine_digits)};
	const struct kmd_str c = {coarse_digits, digits_to_scale(coarse, scale, coarse_digits)};
	/* what is zero at this scale has no sign */
	if (fine->negative != coarse->negative && !kmd_dec_is_zero(coarse))
		return false;
	if (fine->negative != coarse->negative && !all_zeros(f))
		return false;
	if (whole_cmp(f, c) == 0)
		return true;
	if (fine->frac.n == scale || fine->frac.p[scale] < '5')
		return false;
	add_one(fine_digits, f.n);
	return whole_cmp(f, c) == 0;
}

void kmd_dec_cents_to_dollars(struct kmd_buf *b, const struct kmd_dec *cents)
{
	const struct kmd_str whole = without_leading_zeros(cents->whole);
	const size_t dollars = whole.n > 2 ? whole.n - 2 : 0;
	if (cents->negative && !kmd_dec_is_zero(cents))
		kmd_buf_addc(b, '-');
	if (dollars)
		kmd_buf_add(b, whole.p, dollars);
	else
		kmd_buf_addc(b, '0');
	kmd_buf_addc(b, '.');
	for (size_t i = whole.n; i < 2; i++)
		kmd_buf_addc(b, '0');
	kmd_buf_add(b, whole.p + dollars, whole.n - dollars);
	kmd_buf_add_str(b, cents->frac);
}
