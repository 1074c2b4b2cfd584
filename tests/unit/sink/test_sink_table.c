#include "../cmocka_all.h"
#include "kmd_time.h"
#include "sink_table.h"

static void copy_names_every_column(void **state)
{
	struct kmd_buf b = {0};

	(void)state;
	sink_table_copy_sql(SINK_T_OTHER, NULL, &b);
	assert_str(kmd_buf_str(&b),
	    "COPY kalshi.other_frames (lineage,n,sid,seq,recv_ns,mono_ns,sending_ts_ms,source,kafka_partition,"
	    "kafka_offset,extra,type,frame) FROM STDIN (FORMAT binary)");
	kmd_buf_reset(&b);
	sink_table_copy_sql(SINK_T_DEAD, "pg_temp.x", &b);
	assert_str(kmd_buf_str(&b),
	    "COPY pg_temp.x (at,kafka_partition,kafka_offset,topic,reason,key,value,headers) FROM STDIN (FORMAT "
	    "binary)");
	kmd_buf_reset(&b);
	sink_table_temporary_sql(SINK_T_DEAD, "kmd_x", &b);
	assert_str(kmd_buf_str(&b),
	    "CREATE TEMPORARY TABLE IF NOT EXISTS kmd_x (at timestamptz,kafka_partition int,kafka_offset bigint,"
	    "topic text,reason text,key bytea,value bytea,headers jsonb) ON COMMIT DELETE ROWS");
	kmd_buf_fini(&b);
}

static void a_period_begins_on_its_day_or_on_the_first(void **state)
{
	const int32_t day = kmd_time_days_from_civil(2026, 11, 22), first = kmd_time_days_from_civil(2026, 11, 1);

	(void)state;
	assert_int_equal(sink_table_period_start(SINK_T_TRADES, day), day);
	assert_int_equal(sink_table_period_start(SINK_T_LIFECYCLE, day), first);
	assert_int_equal(sink_table_period_start(SINK_T_REVISIONS, first), first);
	assert_int_equal(sink_table_period_start(SINK_T_MARKETS, day), day);
	assert_int_equal(sink_table_period_start(SINK_T_DEAD, kmd_time_days_from_civil(2024, 2, 29)),
	    kmd_time_days_from_civil(2024, 2, 1));
}

static void retention_is_for_frames(void **state)
{
	(void)state;
	assert_true(sink_tables[SINK_T_TRADES].frames);
	assert_true(sink_tables[SINK_T_FEED].frames);
	assert_false(sink_tables[SINK_T_REVISIONS].frames);
	assert_false(sink_tables[SINK_T_DEAD].frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(copy_names_every_column),
	    cmocka_unit_test(a_period_begins_on_its_day_or_on_the_first),
	    cmocka_unit_test(retention_is_for_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
