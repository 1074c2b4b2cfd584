/*
 * Times. Input: a text; its first eight bytes are a number of ns too.
 *
 * - What has the form of RFC 3339 and names a day of the calendar is accepted, and nothing else.
 * - An accepted text is the instant that timegm makes of its fields; formatted with nine digits and parsed
 *   again it is the same instant; with fewer digits it is cut, never rounded.
 * - Any int64 ns formats as gmtime_r says, and parses back where whole years fit.
 * - The day of an instant and the date of a day go there and back.
 * - The sink reads the same text as the same instant in us, years beyond ns too, and its unit is that of the digits.
 */
#include <time.h>

#include "fuzz.h"
#include "kmd_time.h"
#include "sink_read.h"

static int digits_of(struct kmd_str s, size_t at, size_t n)
{
	int v = 0;

	for (size_t i = at; i < at + n; i++)
		v = v * 10 + (s.p[i] - '0');
	return v;
}

/* '9' in @form stands for a digit. */
static bool has_form(struct kmd_str s, size_t at, const char *form)
{
	for (; *form; form++, at++)
		if (at >= s.n || (*form == '9' ? s.p[at] < '0' || s.p[at] > '9' : s.p[at] != *form))
			return false;
	return true;
}

static bool is_day(int year, int month, int mday)
{
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = mday};

	(void)timegm(&tm);
	return month >= 1 && mday >= 1 && tm.tm_mon == month - 1 && tm.tm_mday == mday;
}

static bool is_zone(struct kmd_str s, size_t at)
{
	if (at + 1 == s.n)
		return s.p[at] == 'Z' || s.p[at] == 'z';
	return at + 6 == s.n && (s.p[at] == '+' || s.p[at] == '-') && has_form(s, at + 1, "99:99") &&
	       digits_of(s, at + 1, 2) <= 23 && digits_of(s, at + 4, 2) <= 59;
}

static bool oracle_accepts(struct kmd_str s)
{
	size_t at = 19;

	if (s.n < 20 || !has_form(s, 0, "9999-99-99") || (s.p[10] | 0x20) != 't' || !has_form(s, 11, "99:99:99"))
		return false;
	if (!is_day(digits_of(s, 0, 4), digits_of(s, 5, 2), digits_of(s, 8, 2)))
		return false;
	if (digits_of(s, 11, 2) > 23 || digits_of(s, 14, 2) > 59 || digits_of(s, 17, 2) > 60)
		return false;
	if (s.p[at] == '.') {
		if (!has_form(s, ++at, "9"))
			return false;
		while (has_form(s, at, "9"))
			at++;
	}
	return is_zone(s, at);
}

/* Seconds since 1970 of a text that was accepted, by its fixed places. */
static int64_t oracle_seconds(struct kmd_str s)
{
	struct tm tm = {
	    .tm_year = digits_of(s, 0, 4) - 1900,
	    .tm_mon = digits_of(s, 5, 2) - 1,
	    .tm_mday = digits_of(s, 8, 2),
	    .tm_hour = digits_of(s, 11, 2),
	    .tm_min = digits_of(s, 14, 2),
	    .tm_sec = digits_of(s, 17, 2),
	};
	const bool utc = (s.p[s.n - 1] | 0x20) == 'z';
	const int zone = utc ? 0 : (digits_of(s, s.n - 5, 2) * 60 + digits_of(s, s.n - 2, 2)) * 60;

	return timegm(&tm) - (!utc && s.p[s.n - 6] == '-' ? -zone : zone);
}

/* Fraction digits as ns, and how many there are. */
static int64_t oracle_fraction(struct kmd_str s, size_t *ret_digits)
{
	int64_t ns = 0, unit = KMD_NS_PER_S / 10;
	size_t i = 20;

	for (; s.p[19] == '.' && s.p[i] >= '0' && s.p[i] <= '9'; i++, unit /= 10)
		ns += (s.p[i] - '0') * unit;
	*ret_digits = i - 20;
	return ns;
}

static void check_format(int64_t ns)
{
	const int64_t floor_s = ns / KMD_NS_PER_S - (ns % KMD_NS_PER_S < 0);
	const time_t seconds = floor_s;
	struct kmd_buf b = {0};
	char expected[64];
	struct tm tm;
	int64_t again;
	int rc;

	HOLDS(gmtime_r(&seconds, &tm));
	HOLDS(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm) == 19);
	for (int digits = 0; digits <= 9; digits += 3) {
		kmd_buf_reset(&b);
		kmd_time_format(&b, ns, digits);
		HOLDS(b.n == 20 + (size_t)digits + (digits > 0) && memcmp(b.p, expected, 19) == 0);
		HOLDS(b.p[b.n - 1] == 'Z');
	}
	rc = kmd_time_parse(kmd_buf_str(&b), &again);
	HOLDS(rc == 0 ? again == ns : rc == KMD_ERANGE && (tm.tm_year + 1900 < 1678 || tm.tm_year + 1900 > 2261));
	kmd_buf_fini(&b);
}

static void check_day(int64_t ns)
{
	const int32_t day = kmd_time_day(ns);
	const int64_t ns_per_day = KMD_S_PER_DAY * KMD_NS_PER_S;
	int year, month, mday;

	HOLDS(ns / ns_per_day - (ns % ns_per_day < 0) == day);
	kmd_time_civil(day, &year, &month, &mday);
	HOLDS(month >= 1 && month <= 12 && mday >= 1 && mday <= 31);
	HOLDS(kmd_time_days_from_civil(year, month, mday) == day);
}

static void check_sink(struct kmd_str text, int rc, int64_t ns)
{
	int64_t us, unit_us, unit = KMD_US_PER_S;
	size_t digits;

	if (sink_read_rfc3339(text, &us, &unit_us) < 0) {
		/* a text that is long beyond reason may be refused where its year does not fit ns */
		HOLDS(rc == KMD_EPARSE || (rc == KMD_ERANGE && text.n >= 64));
		return;
	}
	HOLDS(rc == 0 || rc == KMD_ERANGE);
	HOLDS(us == oracle_seconds(text) * KMD_US_PER_S + oracle_fraction(text, &digits) / 1000);
	if (rc == 0)
		HOLDS(us == ns / 1000 - (ns % 1000 < 0));
	for (; digits > 0 && unit > 1; digits--)
		unit /= 10;
	HOLDS(unit_us == unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kmd_str text = fuzz_text(data, size);
	int64_t ns = 0, number = 0;
	size_t digits;
	const int rc = kmd_time_parse(text, &ns);

	HOLDS(oracle_accepts(text) ? rc == 0 || rc == KMD_ERANGE : rc == KMD_EPARSE);
	if (rc == 0) {
		HOLDS(ns == oracle_seconds(text) * KMD_NS_PER_S + oracle_fraction(text, &digits));
		check_format(ns);
		check_day(ns);
	}
	check_sink(text, rc, ns);
	memcpy(&number, data, size < sizeof(number) ? size : sizeof(number));
	check_format(number);
	check_day(number);
	return 0;
}
