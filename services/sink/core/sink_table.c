#include "sink_table.h"

#include "kmd_time.h"

#define SINK_COLUMN_DEF(T, name, type) {#name, SINK_##type},
#define SINK_TABLE_COLUMNS(id, name, columns, period, frames) \
	static const struct sink_column columns_##id[] = {columns(SINK_COLUMN_DEF, id)};
SINK_TABLES(SINK_TABLE_COLUMNS)

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define SINK_TABLE_DEF(id, name, columns, period, frames) \
	[SINK_T_##id] = {name, columns_##id, COUNT_OF(columns_##id), period, frames},
const struct sink_table_def sink_tables[SINK_TABLE_COUNT] = {SINK_TABLES(SINK_TABLE_DEF)};

#define SINK_TABLE_FITS(id, name, columns, period, frames) \
	_Static_assert(COUNT_OF(columns_##id) <= SINK_COLUMNS_MAX, "SINK_COLUMNS_MAX is too small for " name);
SINK_TABLES(SINK_TABLE_FITS)

void sink_table_columns(enum sink_table t, struct kmd_buf *out)
{
	for (uint8_t i = 0; i < sink_tables[t].columns_count; i++) {
		if (i > 0)
			kmd_buf_addc(out, ',');
		kmd_buf_addz(out, sink_tables[t].columns[i].name);
	}
}

void sink_table_copy_sql(enum sink_table t, const char *target, struct kmd_buf *out)
{
	kmd_buf_addz(out, "COPY ");
	if (target)
		kmd_buf_addz(out, target);
	else
		kmd_buf_addf(out, "kalshi.%s", sink_tables[t].name);
	kmd_buf_addz(out, " (");
	sink_table_columns(t, out);
	kmd_buf_addz(out, ") FROM STDIN (FORMAT binary)");
}

static const char *type_name(enum sink_type type)
{
	static const char *const names[] = {
	    [SINK_TEXT] = "text",
	    [SINK_JSONB] = "jsonb",
	    [SINK_NUMERIC] = "numeric",
	    [SINK_TIME] = "timestamptz",
	    [SINK_DATE] = "date",
	    [SINK_UUID] = "uuid",
	    [SINK_BYTEA] = "bytea",
	    [SINK_BOOL] = "boolean",
	    [SINK_INT4] = "int",
	    [SINK_INT8] = "bigint",
	};

	return names[type];
}

/* Written out, because LIKE wants the right to read the table it copies. */
void sink_table_temporary_sql(enum sink_table t, const char *name, struct kmd_buf *out)
{
	kmd_buf_addf(out, "CREATE TEMPORARY TABLE IF NOT EXISTS %s (", name);
	for (uint8_t i = 0; i < sink_tables[t].columns_count; i++)
		kmd_buf_addf(out, "%s%s %s", i > 0 ? "," : "", sink_tables[t].columns[i].name,
		    type_name(sink_tables[t].columns[i].type));
	kmd_buf_addz(out, ") ON COMMIT DELETE ROWS");
}

int32_t sink_table_period_start(enum sink_table t, int32_t day)
{
	int year, month, mday;

	if (sink_tables[t].period != SINK_BY_MONTH)
		return day;
	kmd_time_civil(day, &year, &month, &mday);
	return kmd_time_days_from_civil(year, month, 1);
}
