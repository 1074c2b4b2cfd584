#include <assert.h>
#include <string.h>

#include "kmd_num.h"
#include "sink_value.h"

#define DAYS_1970_TO_2000 10957
#define US_1970_TO_2000 (INT64_C(10957) * 86400 * 1000000)
#define NUMERIC_NEGATIVE 0x4000
/* Head and groups; more than any value of fixed size. */
#define NUMERIC_BYTES_MAX (8 + 2 * (KMD_DEC_DIGITS_MAX / 4 + 2))

/* Bytes go where room was made for all of them. */
static char *put16(char *p, uint32_t v)
{
	p[0] = (char)(v >> 8);
	p[1] = (char)v;
	return p + 2;
}

static char *put32(char *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static char *put64(char *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static char *put_str(char *p, struct kmd_str s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

void sink_encode_head(struct kmd_buf *out)
{
	static const char head[19] = "PGCOPY\n\377\r\n"; /* a NUL, then flags and extension: 0 */

	kmd_buf_add(out, head, sizeof(head));
}

void sink_encode_tail(struct kmd_buf *out)
{
	kmd_buf_add(out, "\377\377", 2);
}

/* Decimal digits of whole and fraction in groups of four, aligned at the point; leading and trailing zero groups left
 * out. */
struct groups {
	uint16_t digit[KMD_DEC_DIGITS_MAX / 4 + 2];
	int count, weight;
};

static void add_group(struct groups *g, unsigned v)
{
	if (v == 0 && g->count == 0)
		g->weight--;
	else
		g->digit[g->count++] = (uint16_t)v;
}

static unsigned digits(const char *p, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(p[i] - '0');
	return v;
}

static struct groups group_digits(struct kmd_str whole, struct kmd_str frac)
{
	static const unsigned scale[] = {1, 1000, 100, 10};
	struct groups g = {.count = 0, .weight = (int)((whole.n + 3) / 4) - 1};
	const size_t lead = whole.n % 4;
	size_t at;

	if (lead > 0)
		add_group(&g, digits(whole.p, lead));
	for (at = lead; at < whole.n; at += 4)
		add_group(&g, digits(whole.p + at, 4));
	for (at = 0; at + 4 <= frac.n; at += 4)
		add_group(&g, digits(frac.p + at, 4));
	if (at < frac.n)
		add_group(&g, digits(frac.p + at, frac.n - at) * scale[frac.n - at]);
	while (g.count > 0 && g.digit[g.count - 1] == 0)
		g.count--;
	if (g.count == 0)
		g.weight = 0;
	return g;
}

static char *put_numeric(char *p, struct kmd_str decimal)
{
	struct kmd_dec d = {0};
	const int rc = kmd_dec_parse(decimal, &d);
	const struct groups g = group_digits(d.whole, d.frac);

	assert(rc == 0);
	(void)rc;
	p = put16(p, (uint32_t)g.count);
	p = put16(p, (uint32_t)g.weight & 0xffff);
	p = put16(p, d.negative && g.count > 0 ? NUMERIC_NEGATIVE : 0);
	p = put16(p, (uint32_t)d.frac.n);
	for (int i = 0; i < g.count; i++)
		p = put16(p, g.digit[i]);
	return p;
}

void sink_encode_numeric(struct kmd_str decimal, struct kmd_buf *out)
{
	char *p = kmd_buf_reserve(out, NUMERIC_BYTES_MAX);

	out->n += (size_t)(put_numeric(p, decimal) - p);
}

static char *put_field(char *p, enum sink_type type, const struct sink_value *v)
{
	char *begin = p + 4;

	switch (type) {
	case SINK_TEXT:
	case SINK_BYTEA:
	case SINK_UUID:
		return put_str(put32(p, (uint32_t)v->str.n), v->str);
	case SINK_JSONB:
		p = put32(p, (uint32_t)v->str.n + 1);
		*p++ = 1; /* version of the format */
		return put_str(p, v->str);
	case SINK_NUMERIC:
		p = put_numeric(begin, v->str);
		put32(begin - 4, (uint32_t)(p - begin));
		return p;
	case SINK_TIME:
		return put64(put32(p, 8), (uint64_t)(v->num - US_1970_TO_2000));
	case SINK_DATE:
		return put32(put32(p, 4), (uint32_t)(v->num - DAYS_1970_TO_2000));
	case SINK_BOOL:
		p = put32(p, 1);
		*p = v->num != 0;
		return p + 1;
	case SINK_INT4:
		return put32(put32(p, 4), (uint32_t)v->num);
	case SINK_INT8:
		return put64(put32(p, 8), (uint64_t)v->num);
	}
	return p;
}

/* At least what the row takes. */
static size_t room(const struct sink_row *row, size_t columns)
{
	size_t n = 2 + columns * (4 + NUMERIC_BYTES_MAX);

	for (size_t i = 0; i < columns; i++)
		n += row->v[i].str.n;
	return n;
}

void sink_encode_row(const struct sink_row *row, struct kmd_buf *out)
{
	const struct sink_table_def *t = &sink_tables[row->table];
	char *const begin = kmd_buf_reserve(out, room(row, t->columns_count));
	char *p = put16(begin, t->columns_count);

	for (uint8_t i = 0; i < t->columns_count; i++) {
		if (row->v[i].has)
			p = put_field(p, t->columns[i].type, &row->v[i]);
		else
			p = put32(p, UINT32_MAX); /* NULL */
	}
	out->n += (size_t)(p - begin);
}
