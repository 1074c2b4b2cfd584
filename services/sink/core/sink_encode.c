#include <assert.h>
#include <string.h>

#include "kmd_num.h"
#include "sink_value.h"

#define DAYS_1970_TO_2000 10957
#define US_1970_TO_2000 (INT64_C(10957) * 86400 * 1000000)
#define NUMERIC_NEGATIVE 0x4000

static void put16(struct kmd_buf *out, uint32_t v)
{
	char *p = kmd_buf_reserve(out, 2);

	p[0] = (char)(v >> 8);
	p[1] = (char)v;
	out->n += 2;
}

static void put32(struct kmd_buf *out, uint32_t v)
{
	put16(out, v >> 16);
	put16(out, v & 0xffff);
}

static void put64(struct kmd_buf *out, uint64_t v)
{
	put32(out, (uint32_t)(v >> 32));
	put32(out, (uint32_t)v);
}

void sink_encode_head(struct kmd_buf *out)
{
	kmd_buf_add(out, "PGCOPY\n\377\r\n", 11); /* the literal's own NUL is the last byte */
	put32(out, 0);
	put32(out, 0);
}

void sink_encode_tail(struct kmd_buf *out)
{
	put16(out, 0xffff);
}

/* Decimal digits of whole and fraction in groups of four, aligned at the point; leading and trailing zero groups left
 * out. */
struct groups {
	uint16_t digit[KMD_DEC_DIGITS_MAX / 4 + 2];
	int count, weight;
};

static struct groups group_digits(struct kmd_str whole, struct kmd_str frac)
{
	const int whole_groups = (int)((whole.n + 3) / 4);
	const int total = whole_groups + (int)((frac.n + 3) / 4);
	const size_t lead = (size_t)whole_groups * 4 - whole.n; /* zeros put in front */
	struct groups g = {.count = 0, .weight = whole_groups - 1};

	for (int i = 0; i < total; i++) {
		unsigned v = 0;

		for (size_t at = (size_t)i * 4; at < (size_t)i * 4 + 4; at++) {
			const size_t k = at - lead; /* wraps for leading zeros */
			unsigned d = 0;

			if (at >= lead && k < whole.n)
				d = (unsigned)(whole.p[k] - '0');
			else if (at >= lead && k - whole.n < frac.n)
				d = (unsigned)(frac.p[k - whole.n] - '0');
			v = v * 10 + d;
		}
		if (v == 0 && g.count == 0)
			g.weight--;
		else
			g.digit[g.count++] = (uint16_t)v;
	}
	while (g.count > 0 && g.digit[g.count - 1] == 0)
		g.count--;
	if (g.count == 0)
		g.weight = 0;
	return g;
}

void sink_encode_numeric(struct kmd_str decimal, struct kmd_buf *out)
{
	struct kmd_dec d = {0};
	const int rc = kmd_dec_parse(decimal, &d);
	const struct groups g = group_digits(d.whole, d.frac);

	assert(rc == 0);
	(void)rc;
	put16(out, (uint32_t)g.count);
	put16(out, (uint32_t)g.weight & 0xffff);
	put16(out, d.negative && g.count > 0 ? NUMERIC_NEGATIVE : 0);
	put16(out, (uint32_t)d.frac.n);
	for (int i = 0; i < g.count; i++)
		put16(out, g.digit[i]);
}

/* A field whose length is known only once it is written. */
static void put_numeric(struct kmd_str decimal, struct kmd_buf *out)
{
	const size_t at = out->n;
	uint32_t length;

	put32(out, 0);
	sink_encode_numeric(decimal, out);
	length = (uint32_t)(out->n - at - 4);
	for (int i = 0; i < 4; i++)
		out->p[at + (size_t)i] = (char)(length >> (24 - 8 * i));
}

static void put_bytes(struct kmd_str s, struct kmd_buf *out)
{
	put32(out, (uint32_t)s.n);
	kmd_buf_add_str(out, s);
}

static void put_field(enum sink_type type, const struct sink_value *v, struct kmd_buf *out)
{
	switch (type) {
	case SINK_TEXT:
	case SINK_BYTEA:
	case SINK_UUID:
		put_bytes(v->str, out);
		break;
	case SINK_JSONB:
		put32(out, (uint32_t)v->str.n + 1);
		kmd_buf_addc(out, 1); /* version of the format */
		kmd_buf_add_str(out, v->str);
		break;
	case SINK_NUMERIC:
		put_numeric(v->str, out);
		break;
	case SINK_TIME:
		put32(out, 8);
		put64(out, (uint64_t)(v->num - US_1970_TO_2000));
		break;
	case SINK_DATE:
		put32(out, 4);
		put32(out, (uint32_t)(v->num - DAYS_1970_TO_2000));
		break;
	case SINK_BOOL:
		put32(out, 1);
		kmd_buf_addc(out, v->num != 0);
		break;
	case SINK_INT4:
		put32(out, 4);
		put32(out, (uint32_t)v->num);
		break;
	case SINK_INT8:
		put32(out, 8);
		put64(out, (uint64_t)v->num);
		break;
	}
}

void sink_encode_row(const struct sink_row *row, struct kmd_buf *out)
{
	const struct sink_table_def *t = &sink_tables[row->table];

	put16(out, t->columns_count);
	for (uint8_t i = 0; i < t->columns_count; i++) {
		if (row->v[i].has)
			put_field(t->columns[i].type, &row->v[i], out);
		else
			put32(out, UINT32_MAX); /* NULL */
	}
}
