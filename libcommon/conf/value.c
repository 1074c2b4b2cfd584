#include "kmd_conf_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Texts of settings to values and back. Pure. */

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first, so that the first that divides a value is the one to show it in. */
static const struct unit dur_units[] = {
    {"d", INT64_C(86400000000000)},
    {"h", INT64_C(3600000000000)},
    {"m", INT64_C(60000000000)},
    {"s", INT64_C(1000000000)},
    {"ms", INT64_C(1000000)},
    {NULL, 0},
};
static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40},
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"B", 1},
    {"", 1},
    {NULL, 0},
};

static int parse_unit(struct kmd_str text, const struct unit *units, int64_t *ret)
{
	struct kmd_str s = kmd_str_trim(text), digits = {s.p, 0}, name;
	int64_t v, product;

	while (digits.n < s.n && s.p[digits.n] >= '0' && s.p[digits.n] <= '9')
		digits.n++;
	name = (struct kmd_str){s.p + digits.n, s.n - digits.n};
	int rc = kmd_str_i64(digits, &v);
	if (rc < 0)
		return rc;
	for (; units->name; units++) {
		if (!kmd_str_eqz(name, units->name))
			continue;
		if (__builtin_mul_overflow(v, units->factor, &product))
			return KMD_ERANGE;
		*ret = product;
		return 0;
	}
	return KMD_EPARSE;
}

int kmd_conf_parse_dur(struct kmd_str text, int64_t *ret_ns)
{
	if (kmd_str_eqz(kmd_str_trim(text), "0")) {
		*ret_ns = 0;
		return 0;
	}
	return parse_unit(text, dur_units, ret_ns);
}

int kmd_conf_parse_size(struct kmd_str text, int64_t *ret_bytes)
{
	return parse_unit(text, size_units, ret_bytes);
}

static int parse_bool(struct kmd_str s, bool *ret)
{
	static const char *const yes[] = {"true", "1", "yes", "on"};
	static const char *const no[] = {"false", "0", "no", "off"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		bool is_yes = strlen(yes[i]) == s.n && strncasecmp(yes[i], s.p, s.n) == 0;
		bool is_no = strlen(no[i]) == s.n && strncasecmp(no[i], s.p, s.n) == 0;
		if (is_yes || is_no) {
			*ret = is_yes;
			return 0;
		}
	}
	return KMD_EPARSE;
}

static int parse_rate(struct kmd_str s, double *ret)
{
	char text[64], *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return KMD_EPARSE;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (strspn(text, "0123456789.") != s.n)
		return KMD_EPARSE;
	double v = strtod(text, &end);
	if (*end != '\0')
		return KMD_EPARSE;
	if (!isfinite(v) || v <= 0)
		return KMD_ERANGE;
	*ret = v;
	return 0;
}

static bool is_choice(const char *choices, struct kmd_str s)
{
	struct kmd_str rest = kmd_str_z(choices), piece;

	while (kmd_str_split(&rest, '|', &piece))
		if (kmd_str_eq(piece, s))
			return true;
	return false;
}

static int parse_i64_as(const struct kmd_conf_key *key, struct kmd_str s, int64_t *ret)
{
	int64_t v = 0;
	int rc;

	if (key->type == KMD_CONF_DUR)
		rc = kmd_conf_parse_dur(s, &v);
	else if (key->type == KMD_CONF_SIZE)
		rc = kmd_conf_parse_size(s, &v);
	else
		rc = kmd_str_i64(s, &v);
	if (rc < 0)
		return rc;
	if (v < key->min || v > key->max)
		return KMD_ERANGE;
	*ret = v;
	return 0;
}

int conf_value_parse(const struct kmd_conf_key *key, const char *text, void *field)
{
	struct kmd_str s = kmd_str_trim(kmd_str_z(text));
	double rate;
	int rc;

	switch (key->type) {
	case KMD_CONF_STR:
	case KMD_CONF_SECRET:
		if (key->choices && !is_choice(key->choices, kmd_str_z(text)))
			return KMD_EPARSE;
		*(const char **)field = text;
		return 0;
	case KMD_CONF_BOOL:
		return parse_bool(s, field);
	case KMD_CONF_RATE:
		rc = parse_rate(s, &rate);
		if (rc < 0)
			return rc;
		if (rate > (double)key->max)
			return KMD_ERANGE;
		*(double *)field = rate;
		return 0;
	case KMD_CONF_INT:
	case KMD_CONF_DUR:
	case KMD_CONF_SIZE:
		return parse_i64_as(key, s, field);
	}
	return KMD_EPARSE;
}

static void add_scaled(struct kmd_buf *b, int64_t v, const struct unit *units)
{
	if (v == 0)
		units = &units[3]; /* "0s", "0KiB" */
	while (units[1].name && v % units->factor != 0)
		units++;
	kmd_buf_addf(b, "%lld%s", (long long)(v / units->factor), units->name);
}

static void add_range(struct kmd_buf *b, const struct kmd_conf_key *key, const char *what, const struct unit *units)
{
	kmd_buf_addz(b, what);
	kmd_buf_addz(b, " from ");
	add_scaled(b, key->min, units);
	kmd_buf_addz(b, " to ");
	add_scaled(b, key->max, units);
}

void conf_value_allowed(const struct kmd_conf_key *key, struct kmd_buf *b)
{
	switch (key->type) {
	case KMD_CONF_STR:
	case KMD_CONF_SECRET:
		kmd_buf_addf(b, "%s%s", key->choices ? "one of " : "text", key->choices ? key->choices : "");
		return;
	case KMD_CONF_BOOL:
		kmd_buf_addz(b, "true or false");
		return;
	case KMD_CONF_RATE:
		kmd_buf_addf(b, "a number above 0, at most %lld", (long long)key->max);
		return;
	case KMD_CONF_INT:
		kmd_buf_addf(b, "a whole number from %lld to %lld", (long long)key->min, (long long)key->max);
		return;
	case KMD_CONF_DUR:
		add_range(b, key, "a duration (250ms, 5s, 1m, 2h, 7d)", dur_units);
		return;
	case KMD_CONF_SIZE:
		add_range(b, key, "a size (512, 8KiB, 8MiB, 10GiB)", size_units);
		return;
	}
}
