#include <assert.h>
#include <string.h>

#include "kmd_mem.h"
#include "sim_database.h"

#define DAYS_1970_TO_2000_US (INT64_C(10957) * 86400 * 1000000)

static uint64_t take(struct kmd_str *rest, size_t bytes)
{
	uint64_t v = 0;

	SIM_CHECK(rest->n >= bytes, "a COPY stream ends in the middle");
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)rest->p[i];
	rest->p += bytes;
	rest->n -= bytes;
	return v;
}

static struct kmd_str take_field(struct kmd_str *rest)
{
	const uint64_t n = take(rest, 4);
	const struct kmd_str field = {rest->p, n};

	if (n == UINT32_MAX)
		return KMD_STR_NONE;
	SIM_CHECK(n <= rest->n, "a COPY field is longer than its stream");
	rest->p += n;
	rest->n -= n;
	return field;
}

int copy_column(enum sink_table t, const char *name)
{
	for (int i = 0; i < sink_tables[t].columns_count; i++)
		if (strcmp(sink_tables[t].columns[i].name, name) == 0)
			return i;
	sim_fail("table %s has no column %s", sink_tables[t].name, name);
}

struct kmd_str row_field(const struct db_row *r, const char *name)
{
	return r->field[copy_column(r->table, name)];
}

static struct db_row *take_row(enum sink_table t, struct kmd_str *rest, uint64_t columns)
{
	struct db_row *r = sim_alloc(sizeof(*r));
	const char *began = rest->p;

	SIM_CHECK(columns == sink_tables[t].columns_count, "a COPY row of %s has %llu columns", sink_tables[t].name,
	    (unsigned long long)columns);
	r->table = t;
	for (uint64_t i = 0; i < columns; i++)
		r->field[i] = take_field(rest);
	r->bytes = (struct kmd_str){began, (size_t)(rest->p - began)};
	r->partition = (int32_t)copy_int(row_field(r, "kafka_partition"));
	r->offset = copy_int(row_field(r, "kafka_offset"));
	return r;
}

void copy_read(enum sink_table t, struct kmd_str stream, struct db_rows *ret)
{
	struct kmd_str rest = stream;
	uint64_t columns;

	SIM_CHECK(rest.n >= 19 && memcmp(rest.p, "PGCOPY\n\377\r\n", 11) == 0, "no COPY BINARY stream");
	rest.p += 19;
	rest.n -= 19;
	while ((columns = take(&rest, 2)) != 0xffff) {
		ret->of = sim_grow(ret->of, ret->count, &ret->cap, sizeof(struct db_row *));
		ret->of[ret->count++] = take_row(t, &rest, columns);
	}
	SIM_CHECK(rest.n == 0, "bytes behind the end of a COPY stream");
}

int64_t copy_int(struct kmd_str field)
{
	const size_t n = field.n;
	const uint64_t v = take(&field, n);

	return n == 4 ? (int32_t)v : (int64_t)v;
}

int64_t copy_time_us(struct kmd_str field)
{
	return copy_int(field) + DAYS_1970_TO_2000_US;
}

/* Group of four digits that stands for 10000^@power. */
static unsigned group(struct kmd_str digits, int weight, int power)
{
	const int i = weight - power;
	struct kmd_str at = {digits.p + 2 * i, 2};

	return i < 0 || (size_t)i >= digits.n / 2 ? 0 : (unsigned)take(&at, 2);
}

struct kmd_str copy_numeric(struct kmd_str field)
{
	const size_t count = take(&field, 2);
	const int weight = (int16_t)take(&field, 2);
	const uint64_t sign = take(&field, 2);
	const size_t scale = take(&field, 2);
	struct kmd_buf b = {0};
	struct kmd_str text;
	size_t point;

	(void)count;
	if (sign)
		kmd_buf_addc(&b, '-');
	kmd_buf_addf(&b, "%u", group(field, weight, weight > 0 ? weight : 0));
	for (int power = weight - 1; power >= 0; power--)
		kmd_buf_addf(&b, "%04u", group(field, weight, power));
	if (scale > 0)
		kmd_buf_addc(&b, '.');
	point = b.n;
	for (int power = -1; scale > 0 && b.n < point + scale; power--)
		kmd_buf_addf(&b, "%04u", group(field, weight, power));
	b.n = point + scale;
	text = sim_dup(kmd_buf_str(&b));
	kmd_buf_fini(&b);
	return text;
}

enum kmd_topic table_topic(enum sink_table t)
{
	switch (t) {
	case SINK_T_TRADES:
		return KMD_TOPIC_TRADES;
	case SINK_T_SNAPSHOTS:
	case SINK_T_DELTAS:
		return KMD_TOPIC_ORDERBOOK;
	case SINK_T_TICKERS:
		return KMD_TOPIC_TICKERS;
	case SINK_T_LIFECYCLE:
		return KMD_TOPIC_LIFECYCLE;
	case SINK_T_CONTROL:
		return KMD_TOPIC_CONTROL;
	case SINK_T_OTHER:
		return KMD_TOPIC_OTHER;
	case SINK_T_FEED:
		return KMD_TOPIC_FEED;
	case SINK_T_REVISIONS:
		return KMD_TOPIC_SETTLEMENTS;
	case SINK_T_MARKETS:
		return KMD_TOPIC_MARKETS;
	case SINK_T_EVENTS:
		return KMD_TOPIC_EVENTS;
	case SINK_T_SERIES:
		return KMD_TOPIC_SERIES;
	default:
		return KMD_TOPIC_COUNT; /* dead letters name their topic */
	}
}
