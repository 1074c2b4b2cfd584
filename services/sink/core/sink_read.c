#include "sink_read.h"

#include <string.h>

#include "kmd_num.h"
#include "kmd_time.h"
#include "sink_text.h"

static struct sink_reading status(enum sink_read_status s)
{
	return (struct sink_reading){.status = s};
}

static struct sink_reading of_str(struct kmd_str s)
{
	return (struct sink_reading){.status = SINK_READ_OK, .value = sink_value_str(s)};
}

static struct sink_reading read_text(struct kmd_json_val v, struct kmd_arena *arena)
{
	const struct kmd_str plain = kmd_json_plain(v);
	struct kmd_str text;

	if (plain.p)
		return of_str(plain);
	text = kmd_json_text(v, arena);
	if (!text.p)
		return status(SINK_READ_BAD);
	return sink_text_holds(text) ? of_str(text) : status(SINK_READ_UNHOLDABLE);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sink_read_uuid(struct kmd_str text, char ret[16])
{
	static const uint8_t at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

	if (text.n != 36 || text.p[8] != '-' || text.p[13] != '-' || text.p[18] != '-' || text.p[23] != '-')
		return false;
	for (size_t i = 0; i < 16; i++) {
		const int high = hex_digit(text.p[at[i]]), low = hex_digit(text.p[at[i] + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (char)(high << 4 | low);
	}
	return true;
}

static struct sink_reading read_uuid(struct kmd_json_val v, struct kmd_arena *arena)
{
	char *bytes = kmd_arena_alloc(arena, 16);

	return sink_read_uuid(kmd_json_plain(v), bytes) ? of_str((struct kmd_str){bytes, 16}) : status(SINK_READ_BAD);
}

static struct sink_reading read_decimal(struct kmd_json_val v)
{
	const struct kmd_str text = kmd_json_decimal(v);
	struct kmd_dec d;

	return text.p && kmd_dec_parse(text, &d) == 0 ? of_str(text) : status(SINK_READ_BAD);
}

/* NONE where the two digits more are too many. */
static struct kmd_str dollars(const struct kmd_dec *cents, struct kmd_arena *arena)
{
	struct kmd_buf b = {0};
	struct kmd_dec d;
	struct kmd_str copy = KMD_STR_NONE;

	kmd_dec_cents_to_dollars(&b, cents);
	if (kmd_dec_parse(kmd_buf_str(&b), &d) == 0)
		copy = kmd_arena_dup(arena, kmd_buf_str(&b));
	kmd_buf_fini(&b);
	return copy;
}

static struct sink_reading read_cents(struct kmd_json_val v, struct kmd_arena *arena)
{
	struct kmd_dec d;
	struct kmd_str amount;

	if (!kmd_json_is(v, KMD_JSON_NUMBER) && !kmd_json_is(v, KMD_JSON_STRING))
		return status(SINK_READ_FOREIGN);
	if (kmd_dec_parse(kmd_json_decimal(v), &d) < 0)
		return status(SINK_READ_BAD);
	if (d.frac.n > 0 && !kmd_json_is(v, KMD_JSON_NUMBER))
		return status(SINK_READ_FOREIGN);
	amount = dollars(&d, arena);
	return amount.p ? of_str(amount) : status(SINK_READ_BAD);
}

static struct sink_reading of_time(int64_t us, int64_t unit_us)
{
	return (struct sink_reading){.status = SINK_READ_OK, .value = sink_value_num(us), .unit_us = unit_us};
}

static struct sink_reading read_unix(struct kmd_json_val v, int64_t unit_us)
{
	int64_t n;

	if (kmd_json_i64(v, &n) < 0 || n < SINK_TIME_MIN_US / unit_us || n > SINK_TIME_MAX_US / unit_us)
		return status(SINK_READ_BAD);
	return of_time(n * unit_us, unit_us);
}

/* How exactly a time was told: by its fraction digits, at most us. */
static int64_t unit_of(struct kmd_str text)
{
	const char *point = memchr(text.p, '.', text.n);
	int64_t unit_us = KMD_US_PER_S;

	for (const char *c = point ? point + 1 : text.p + text.n; c < text.p + text.n && *c >= '0' && *c <= '9'; c++)
		if (unit_us > 1)
			unit_us /= 10;
	return unit_us;
}

/* The calendar repeats every 400 years, so a year that ns cannot hold is read as one that they can. */
int sink_read_rfc3339(struct kmd_str text, int64_t *ret_us, int64_t *ret_unit_us)
{
	const int64_t era_us = INT64_C(146097) * KMD_S_PER_DAY * KMD_US_PER_S;
	int64_t ns, eras = 0;
	uint64_t year;
	char near[64];
	int rc = kmd_time_parse(text, &ns);

	if (rc == KMD_ERANGE && text.n < sizeof(near) && kmd_str_u64((struct kmd_str){text.p, 4}, &year) == 0) {
		memcpy(near, text.p, text.n);
		for (; year < 1700; year += 400)
			eras--;
		for (; year > 2200; year -= 400)
			eras++;
		for (int i = 3; i >= 0; i--, year /= 10)
			near[i] = (char)('0' + year % 10);
		rc = kmd_time_parse((struct kmd_str){near, text.n}, &ns);
	}
	if (rc < 0)
		return KMD_EPARSE;
	*ret_us = ns / KMD_NS_PER_US - (ns % KMD_NS_PER_US < 0) + eras * era_us;
	*ret_unit_us = unit_of(text);
	return 0;
}

static struct sink_reading read_rfc3339(struct kmd_json_val v)
{
	const struct kmd_str text = kmd_json_plain(v);
	int64_t us, unit_us;

	if (!text.p || sink_read_rfc3339(text, &us, &unit_us) < 0)
		return status(SINK_READ_BAD);
	return of_time(us, unit_us);
}

static struct sink_reading read_either(struct kmd_json_val v)
{
	const struct sink_reading r = read_rfc3339(v);

	return r.status == SINK_READ_OK ? r : read_unix(v, KMD_US_PER_S);
}

/* A price or a count: NONE for what it cannot be; null and "" are kept as they are by the caller. */
static struct kmd_str level_number(struct kmd_json_val v, bool cents, struct kmd_arena *arena)
{
	const struct kmd_str text = kmd_json_decimal(v);
	struct kmd_dec d;

	if (!text.p || kmd_dec_parse(text, &d) < 0)
		return KMD_STR_NONE;
	return cents ? dollars(&d, arena) : text;
}

static bool add_level_part(struct kmd_buf *out, struct kmd_json_val v, bool cents, struct kmd_arena *arena)
{
	const struct kmd_str number = level_number(v, cents, arena);
	const struct kmd_str plain = kmd_json_plain(v);

	if (kmd_json_is(v, KMD_JSON_NULL)) {
		kmd_buf_addz(out, "null");
		return true;
	}
	if (!number.p && !(plain.p && plain.n == 0))
		return false;
	kmd_buf_addc(out, '"');
	kmd_buf_add_str(out, number);
	kmd_buf_addc(out, '"');
	return true;
}

/* The two parts of a level; false if it is not an array of two. */
static bool level_parts(struct kmd_json_val level, struct kmd_json_val ret[2])
{
	uint32_t it = 0;
	struct kmd_json_val more;

	return kmd_json_is(level, KMD_JSON_ARRAY) && kmd_json_each(level, &it, &ret[0]) &&
	       kmd_json_each(level, &it, &ret[1]) && !kmd_json_each(level, &it, &more);
}

static bool add_ladder(struct kmd_buf *out, struct kmd_json_val v, bool cents, struct kmd_arena *arena)
{
	struct kmd_json_val level, part[2];
	uint32_t it = 0;

	kmd_buf_addc(out, '[');
	while (kmd_json_each(v, &it, &level)) {
		if (!level_parts(level, part))
			return false;
		kmd_buf_addz(out, out->n > 1 ? ",[" : "[");
		if (!add_level_part(out, part[0], cents, arena))
			return false;
		kmd_buf_addc(out, ',');
		if (!add_level_part(out, part[1], false, arena))
			return false;
		kmd_buf_addc(out, ']');
	}
	kmd_buf_addc(out, ']');
	return true;
}

static struct sink_reading read_ladder(struct kmd_json_val v, bool cents, struct kmd_arena *arena)
{
	struct sink_reading r = {.status = SINK_READ_BAD};
	struct kmd_buf b = {0};

	if (kmd_json_is(v, KMD_JSON_ARRAY) && add_ladder(&b, v, cents, arena))
		r = of_str(kmd_arena_dup(arena, kmd_buf_str(&b)));
	kmd_buf_fini(&b);
	return r;
}

struct sink_reading sink_read(enum sink_kind kind, struct kmd_json_val v, struct kmd_arena *arena)
{
	const struct kmd_str plain = kmd_json_plain(v);

	if (kmd_json_is(v, KMD_JSON_NONE) || kmd_json_is(v, KMD_JSON_NULL))
		return status(SINK_READ_ABSENT);
	if (kind == SINK_K_TEXT)
		return read_text(v, arena);
	if (plain.p && plain.n == 0)
		return status(SINK_READ_EMPTY);
	switch (kind) {
	case SINK_K_UUID:
		return read_uuid(v, arena);
	case SINK_K_DECIMAL:
		return read_decimal(v);
	case SINK_K_CENTS:
		return read_cents(v, arena);
	case SINK_K_MS:
		return read_unix(v, 1000);
	case SINK_K_S:
		return read_unix(v, KMD_US_PER_S);
	case SINK_K_RFC3339:
		return read_rfc3339(v);
	case SINK_K_S_OR_RFC3339:
		return read_either(v);
	case SINK_K_BOOL:
		return kmd_json_is(v, KMD_JSON_BOOL)
			   ? (struct sink_reading){.status = SINK_READ_OK, .value = sink_value_num(kmd_json_true(v))}
			   : status(SINK_READ_BAD);
	case SINK_K_OBJECT:
		return kmd_json_is(v, KMD_JSON_OBJECT) ? of_str(kmd_json_raw(v)) : status(SINK_READ_BAD);
	case SINK_K_LADDER:
	case SINK_K_LADDER_CENTS:
		return read_ladder(v, kind == SINK_K_LADDER_CENTS, arena);
	case SINK_K_TEXT:
		break;
	}
	return status(SINK_READ_BAD);
}

static bool decimals_agree(struct kmd_str a, struct kmd_str b)
{
	struct kmd_dec da, db;

	return kmd_dec_parse(a, &da) == 0 && kmd_dec_parse(b, &db) == 0 && kmd_dec_agree(&da, &db);
}

/* The finer one may have been cut or rounded to the unit of the coarser one. */
static bool times_agree(const struct sink_reading *a, const struct sink_reading *b)
{
	const int64_t unit_us = a->unit_us > b->unit_us ? a->unit_us : b->unit_us;
	const int64_t coarse = a->unit_us > b->unit_us ? a->value.num : b->value.num;
	const int64_t fine = a->unit_us > b->unit_us ? b->value.num : a->value.num;
	int64_t more;

	if (__builtin_sub_overflow(fine, coarse, &more))
		return false;
	return (more >= 0 && more < unit_us) || (more < 0 && -more * 2 <= unit_us && unit_us > 1);
}

bool sink_read_agree(enum sink_type type, const struct sink_reading *a, const struct sink_reading *b)
{
	switch (type) {
	case SINK_NUMERIC:
		return decimals_agree(a->value.str, b->value.str);
	case SINK_TIME:
		return times_agree(a, b);
	case SINK_TEXT:
	case SINK_UUID:
	case SINK_JSONB:
	case SINK_BYTEA:
		return kmd_str_eq(a->value.str, b->value.str);
	case SINK_DATE:
	case SINK_BOOL:
	case SINK_INT4:
	case SINK_INT8:
		break;
	}
	return a->value.num == b->value.num;
}

static bool level_numbers_agree(
    struct kmd_json_val a, bool a_cents, struct kmd_json_val b, bool b_cents, struct kmd_arena *arena)
{
	const struct kmd_str na = level_number(a, a_cents, arena), nb = level_number(b, b_cents, arena);

	if (!na.p || !nb.p)
		return kmd_str_eq(kmd_json_raw(a), kmd_json_raw(b));
	return decimals_agree(na, nb);
}

bool sink_read_ladders_agree(
    enum sink_kind a_kind, struct kmd_json_val a, enum sink_kind b_kind, struct kmd_json_val b, struct kmd_arena *arena)
{
	const bool a_cents = a_kind == SINK_K_LADDER_CENTS, b_cents = b_kind == SINK_K_LADDER_CENTS;
	struct kmd_json_val la, lb, pa[2], pb[2];
	uint32_t ia = 0, ib = 0;

	for (;;) {
		const bool more_a = kmd_json_each(a, &ia, &la), more_b = kmd_json_each(b, &ib, &lb);

		if (!more_a || !more_b)
			return more_a == more_b;
		if (!level_parts(la, pa) || !level_parts(lb, pb) ||
		    !level_numbers_agree(pa[0], a_cents, pb[0], b_cents, arena) ||
		    !level_numbers_agree(pa[1], false, pb[1], false, arena))
			return false;
	}
}
