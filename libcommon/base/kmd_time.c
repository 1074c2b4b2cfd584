#include "kmd_time.h"

#include <time.h>

#define YEAR_MIN 1678 /* whole years that int64 ns can hold */
#define YEAR_MAX 2261

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	(void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
	return (int64_t)ts.tv_sec * KMD_NS_PER_S + ts.tv_nsec;
}

struct kmd_mono kmd_mono_now(void)
{
	return (struct kmd_mono){clock_ns(CLOCK_MONOTONIC)};
}

struct kmd_wall kmd_wall_now(void)
{
	return (struct kmd_wall){clock_ns(CLOCK_REALTIME)};
}

/* Days are counted in eras of 400 years that begin on 1 March, so the leap day is the last of its year. */
#define DAYS_PER_ERA 146097
#define EPOCH_DAY 719468 /* 1970-01-01 from 0000-03-01 */

int32_t kmd_time_days_from_civil(int year, int month, int mday)
{
	const int y = month <= 2 ? year - 1 : year;
	const int era = (y >= 0 ? y : y - 399) / 400;
	const int year_of_era = y - era * 400;
	const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + mday - 1;
	const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * DAYS_PER_ERA + day_of_era - EPOCH_DAY;
}

void kmd_time_civil(int32_t day, int *ret_year, int *ret_month, int *ret_mday)
{
	const int z = day + EPOCH_DAY;
	const int era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	const int day_of_era = z - era * DAYS_PER_ERA;
	const int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int m = (5 * day_of_year + 2) / 153;
	*ret_mday = day_of_year - (153 * m + 2) / 5 + 1;
	*ret_month = m < 10 ? m + 3 : m - 9;
	*ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

int32_t kmd_time_day(int64_t unix_ns)
{
	const int64_t ns_per_day = KMD_S_PER_DAY * KMD_NS_PER_S;
	int64_t day = unix_ns / ns_per_day;
	if (unix_ns % ns_per_day < 0)
		day--;
	return (int32_t)day;
}

/* Takes @digits decimal digits off the front; -1 if they are not there. */
static int take_digits(struct kmd_str *s, size_t digits)
{
	int v = 0;
	if (s->n < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return -1;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += digits;
	s->n -= digits;
	return v;
}

static bool take_char(struct kmd_str *s, char upper, char lower)
{
	if (s->n == 0 || (s->p[0] != upper && s->p[0] != lower))
		return false;
	s->p++;
	s->n--;
	return true;
}

static int month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct kmd_str *s, int *ret_year, int32_t *ret_day)
{
	const int year = take_digits(s, 4);
	if (year < 0 || !take_char(s, '-', '-'))
		return false;
	const int month = take_digits(s, 2);
	if (month < 1 || month > 12 || !take_char(s, '-', '-'))
		return false;
	const int mday = take_digits(s, 2);
	if (mday < 1 || mday > month_days(year, month))
		return false;
	*ret_year = year;
	*ret_day = kmd_time_days_from_civil(year, month, mday);
	return true;
}

static bool take_clock(struct kmd_str *s, int *ret_seconds)
{
	const int hour = take_digits(s, 2);
	if (hour < 0 || hour > 23 || !take_char(s, ':', ':'))
		return false;
	const int minute = take_digits(s, 2);
	if (minute < 0 || minute > 59 || !take_char(s, ':', ':'))
		return false;
	const int second = take_digits(s, 2);
	if (second < 0 || second > 60) /* a leap second is the second after it */
		return false;
	*ret_seconds = hour * 3600 + minute * 60 + second;
	return true;
}

static bool take_fraction(struct kmd_str *s, int64_t *ret_ns)
{
	int64_t ns = 0, unit = KMD_NS_PER_S / 10;
	if (take_char(s, '.', '.')) {
		int digit = take_digits(s, 1);
		if (digit < 0)
			return false;
		for (; digit >= 0; digit = take_digits(s, 1)) {
			ns += digit * unit;
			unit /= 10;
		}
	}
	*ret_ns = ns;
	return true;
}

/* Seconds that the local time is ahead of UTC; must end the text. */
static bool take_zone(struct kmd_str *s, int *ret_seconds)
{
	if (take_char(s, 'Z', 'z')) {
		*ret_seconds = 0;
		return s->n == 0;
	}
	const bool east = take_char(s, '+', '+');
	if (!east && !take_char(s, '-', '-'))
		return false;
	const int hour = take_digits(s, 2);
	if (hour < 0 || hour > 23 || !take_char(s, ':', ':'))
		return false;
	const int minute = take_digits(s, 2);
	if (minute < 0 || minute > 59)
		return false;
	*ret_seconds = (hour * 3600 + minute * 60) * (east ? 1 : -1);
	return s->n == 0;
}

int kmd_time_parse(struct kmd_str text, int64_t *ret_unix_ns)
{
	int year, clock, zone;
	int32_t day;
	int64_t ns;
	if (!take_date(&text, &year, &day) || !take_char(&text, 'T', 't') || !take_clock(&text, &clock) ||
	    !take_fraction(&text, &ns) || !take_zone(&text, &zone))
		return KMD_EPARSE;
	if (year < YEAR_MIN || year > YEAR_MAX)
		return KMD_ERANGE;
	*ret_unix_ns = (day * KMD_S_PER_DAY + clock - zone) * KMD_NS_PER_S + ns;
	return 0;
}

/* @v as exactly @width digits. */
static void add_padded(struct kmd_buf *b, int64_t v, size_t width)
{
	char *p = kmd_buf_reserve(b, width);
	for (size_t i = width; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	b->n += width;
}

void kmd_time_format(struct kmd_buf *b, int64_t unix_ns, int digits)
{
	const int32_t day = kmd_time_day(unix_ns);
	int64_t second = unix_ns / KMD_NS_PER_S, ns = unix_ns % KMD_NS_PER_S;
	int year, month, mday;
	if (ns < 0) {
		ns += KMD_NS_PER_S;
		second--;
	}
	second -= day * KMD_S_PER_DAY;
	kmd_time_civil(day, &year, &month, &mday);
	add_padded(b, year, 4);
	kmd_buf_addc(b, '-');
	add_padded(b, month, 2);
	kmd_buf_addc(b, '-');
	add_padded(b, mday, 2);
	kmd_buf_addc(b, 'T');
	add_padded(b, second / 3600, 2);
	kmd_buf_addc(b, ':');
	add_padded(b, second / 60 % 60, 2);
	kmd_buf_addc(b, ':');
	add_padded(b, second % 60, 2);
	if (digits > 0) {
		for (int i = digits; i < 9; i++)
			ns /= 10;
		kmd_buf_addc(b, '.');
		add_padded(b, ns, (size_t)digits);
	}
	kmd_buf_addc(b, 'Z');
}
