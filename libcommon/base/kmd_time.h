#ifndef KMD_TIME_H
#define KMD_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "kmd_str.h"

/*
 * Two clocks that cannot be mixed: struct kmd_mono for waiting, struct kmd_wall (Unix ns, UTC) for facts. The loop of
 * a shell reads both once a turn and passes them down; cores never read a clock.
 */

struct kmd_mono {
	int64_t ns;
};
struct kmd_wall {
	int64_t ns;
};

#define KMD_NS_PER_US INT64_C(1000)
#define KMD_NS_PER_MS INT64_C(1000000)
#define KMD_NS_PER_S INT64_C(1000000000)
#define KMD_US_PER_S INT64_C(1000000)
#define KMD_S_PER_DAY INT64_C(86400)

struct kmd_mono kmd_mono_now(void);
struct kmd_wall kmd_wall_now(void);

/**
 * RFC 3339 date-time ("2026-11-22T10:00:00.123456Z", offsets too, 0 to 9 fraction digits; further digits are cut).
 * Gives Unix ns. KMD_EPARSE: not that form or not a date; KMD_ERANGE: outside 1678..2261 (what int64 ns holds),
 * which includes the exchange's zero time "0001-01-01T00:00:00Z".
 */
int kmd_time_parse(struct kmd_str text, int64_t *ret_unix_ns) KMD_MUST_CHECK;
/** Appends RFC 3339 UTC with exactly @digits fraction digits (0, 3, 6 or 9), cut, never rounded. */
void kmd_time_format(struct kmd_buf *b, int64_t unix_ns, int digits);

/** Days since 1970-01-01 of a UTC time in ns; floors before the epoch. */
int32_t kmd_time_day(int64_t unix_ns);
/** Proleptic Gregorian date of a day number. */
void kmd_time_civil(int32_t day, int *ret_year, int *ret_month, int *ret_mday);
/** Day number of a date; the reverse of kmd_time_civil. */
int32_t kmd_time_days_from_civil(int year, int month, int mday);

#endif
