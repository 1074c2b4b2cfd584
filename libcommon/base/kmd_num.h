#ifndef KMD_NUM_H
#define KMD_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * Money and counts: decimal text, digits kept as received ("0.9600" keeps its scale), never a float.
 */

/* A decimal as text in its parts; digits borrow from the text that was parsed. */
struct kmd_dec {
	bool negative;
	struct kmd_str whole; /* digits before the point, at least one, leading zeros kept */
	struct kmd_str frac;  /* digits behind it, maybe none */
};

#define KMD_DEC_DIGITS_MAX 64 /* whole + frac; longer is KMD_ERANGE */

/**
 * Sign (+ or -), digits, at most one point, at least one digit before it or behind it (".5" has whole "0").
 * No exponent, no white space. KMD_EPARSE or KMD_ERANGE otherwise.
 */
int kmd_dec_parse(struct kmd_str text, struct kmd_dec *ret) KMD_MUST_CHECK;
/** Numeric order, scale ignored: "0.50" equals "0.5". */
int kmd_dec_cmp(const struct kmd_dec *a, const struct kmd_dec *b);
bool kmd_dec_is_zero(const struct kmd_dec *d);
/**
 * Do two tellings of one fact agree at the coarser of their two scales? The finer one may have been cut or rounded:
 * "0.9612" agrees with "0.96", "0.967" agrees with "0.96" and with "0.97".
 */
bool kmd_dec_agree(const struct kmd_dec *a, const struct kmd_dec *b);
/** Appends integer (or decimal) cents as dollars, two more fraction digits: "48" gives "0.48", "100" gives "1.00". */
void kmd_dec_cents_to_dollars(struct kmd_buf *b, const struct kmd_dec *cents);

#endif
