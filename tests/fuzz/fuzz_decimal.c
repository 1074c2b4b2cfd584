/*
 * Decimals. Input: two texts, a newline between them.
 *
 * - What is accepted is a sign, digits, a point, digits; sign, whole and fraction put together again are the text.
 * - kmd_dec_cmp is the order of the digits written out to full width.
 * - kmd_dec_agree is symmetric, holds for equal numbers, and for a number and the same one cut short.
 * - Cents as dollars are a hundredth of it, with two more fraction digits.
 * - Its form for COPY BINARY reads back as the same digits with the same scale.
 */
#include "copy_read.h"
#include "kmd_num.h"
#include "sink_value.h"

#define WIDE (KMD_DEC_DIGITS_MAX + 2)

/* Digits to full width on both sides of the point. */
static void widen(const struct kmd_dec *d, char ret[2 * WIDE])
{
	memset(ret, '0', 2 * WIDE);
	memcpy(ret + WIDE - d->whole.n, d->whole.p, d->whole.n);
	if (d->frac.n)
		memcpy(ret + WIDE, d->frac.p, d->frac.n);
}

static int sign_of(int v)
{
	return (v > 0) - (v < 0);
}

static int wide_cmp(const struct kmd_dec *a, const struct kmd_dec *b)
{
	char wa[2 * WIDE], wb[2 * WIDE], zero[2 * WIDE];
	int sa, sb;

	memset(zero, '0', sizeof(zero));
	widen(a, wa);
	widen(b, wb);
	sa = memcmp(wa, zero, sizeof(wa)) ? (a->negative ? -1 : 1) : 0;
	sb = memcmp(wb, zero, sizeof(wb)) ? (b->negative ? -1 : 1) : 0;
	if (sa != sb)
		return sa < sb ? -1 : 1;
	return sa * sign_of(memcmp(wa, wb, sizeof(wa)));
}

static bool is_decimal(struct kmd_str s)
{
	size_t digits = 0, points = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= '0' && s.p[i] <= '9')
			digits++;
		else if (s.p[i] == '.')
			points++;
		else if (i > 0 || (s.p[i] != '-' && s.p[i] != '+'))
			return false;
	}
	return digits > 0 && points <= 1;
}

static void check_parts(struct kmd_str text, const struct kmd_dec *d)
{
	struct kmd_buf b = {0};

	if (text.p[0] == '+' || text.p[0] == '-')
		kmd_buf_addc(&b, d->negative ? '-' : '+');
	HOLDS(d->negative == (text.p[0] == '-'));
	if (!memchr("+-", text.p[0], 2) ? text.p[0] != '.' : text.p[1] != '.')
		kmd_buf_add_str(&b, d->whole);
	else
		HOLDS(kmd_str_eqz(d->whole, "0"));
	if (memchr(text.p, '.', text.n))
		kmd_buf_addc(&b, '.');
	kmd_buf_add_str(&b, d->frac);
	HOLDS(kmd_str_eq(kmd_buf_str(&b), text));
	kmd_buf_fini(&b);
}

static void check_cents(const struct kmd_dec *cents)
{
	struct kmd_buf b = {0};
	struct kmd_dec dollars;
	char wide_cents[2 * WIDE], wide_dollars[2 * WIDE];
	int rc;

	kmd_dec_cents_to_dollars(&b, cents);
	rc = kmd_dec_parse(kmd_buf_str(&b), &dollars);
	/* leading zeros go, so only digits that count can be too many */
	HOLDS(rc == 0 || (rc == KMD_ERANGE && cents->whole.n + cents->frac.n + 2 > KMD_DEC_DIGITS_MAX - 1));
	if (rc == 0) {
		HOLDS(dollars.frac.n == cents->frac.n + 2);
		HOLDS(dollars.negative == (cents->negative && !kmd_dec_is_zero(cents)));
		widen(cents, wide_cents);
		widen(&dollars, wide_dollars);
		HOLDS(memcmp(wide_dollars + 2, wide_cents, sizeof(wide_cents) - 2) == 0);
	}
	kmd_buf_fini(&b);
}

static void check_numeric(struct kmd_str text, const struct kmd_dec *d)
{
	struct kmd_buf binary = {0}, told = {0}, expected = {0};
	struct kmd_str whole = d->whole;

	for (; whole.n > 1 && whole.p[0] == '0'; whole.p++)
		whole.n--;
	if (d->negative && !kmd_dec_is_zero(d))
		kmd_buf_addc(&expected, '-');
	kmd_buf_add_str(&expected, whole);
	if (d->frac.n)
		kmd_buf_addc(&expected, '.');
	kmd_buf_add_str(&expected, d->frac);
	sink_encode_numeric(text, &binary);
	copy_numeric_text(kmd_buf_str(&binary), &told);
	HOLDS(kmd_str_eq(kmd_buf_str(&told), kmd_buf_str(&expected)));
	kmd_buf_fini(&binary);
	kmd_buf_fini(&told);
	kmd_buf_fini(&expected);
}

static void check_cut(const struct kmd_dec *d)
{
	for (size_t n = 0; n <= d->frac.n; n++) {
		struct kmd_dec cut = *d;

		cut.frac.n = n;
		HOLDS(kmd_dec_agree(&cut, d) && kmd_dec_agree(d, &cut));
	}
}

static bool check_one(struct kmd_str text, struct kmd_dec *ret)
{
	const int rc = kmd_dec_parse(text, ret);

	HOLDS(is_decimal(text) ? rc == 0 || rc == KMD_ERANGE : rc == KMD_EPARSE);
	if (rc < 0)
		return false;
	HOLDS(ret->whole.n + ret->frac.n <= KMD_DEC_DIGITS_MAX + 1);
	check_parts(text, ret);
	check_cents(ret);
	check_numeric(text, ret);
	check_cut(ret);
	HOLDS(kmd_dec_cmp(ret, ret) == 0);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	const struct kmd_str first = fuzz_exact(fuzz_piece(&rest, '\n')), second = fuzz_exact(rest);
	struct kmd_dec a, b;
	const bool is_a = check_one(first, &a), is_b = check_one(second, &b);

	if (is_a && is_b) {
		HOLDS(kmd_dec_cmp(&a, &b) == wide_cmp(&a, &b));
		HOLDS(kmd_dec_cmp(&b, &a) == -kmd_dec_cmp(&a, &b));
		HOLDS(kmd_dec_agree(&a, &b) == kmd_dec_agree(&b, &a));
		HOLDS(kmd_dec_agree(&a, &b) || kmd_dec_cmp(&a, &b) != 0);
	}
	free((char *)first.p);
	free((char *)second.p);
	return 0;
}
