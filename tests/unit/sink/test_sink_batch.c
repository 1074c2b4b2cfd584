#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink_batch.h"

/* A batch, one partition of topic trades and one of orderbook, and records made on the spot. */

#define NOW_NS INT64_C(1795341600123456789)

static const struct sink_clock clock_now = {.now_ns = NOW_NS, .oldest_day = INT32_MIN};

struct desk {
	struct sink_batch batch;
	struct sink_progress trades, book;
};

static int setup(void **state)
{
	static struct desk d;

	memset(&d, 0, sizeof(d));
	d.trades.topic = KMD_TOPIC_TRADES;
	d.book.topic = KMD_TOPIC_ORDERBOOK;
	sink_progress_begin(&d.trades, 1, 0);
	sink_progress_begin(&d.book, 1, 0);
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	struct desk *d = *state;

	sink_batch_fini(&d->batch);
	sink_progress_fini(&d->trades);
	sink_progress_fini(&d->book);
	return 0;
}

static void put(struct desk *d, struct sink_progress *p, int64_t offset, const char *n, const char *source,
    const char *value, enum sink_fault refused)
{
	const struct sink_header h[] = {{"lineage", kmd_str_z("7")}, {"n", kmd_str_z(n)},
	    {"recv_ns", kmd_str_z("1795341600000000000")}, {"source", kmd_str_z(source)}};
	const struct sink_record r = {.topic = p->topic,
	    .offset = offset,
	    .timestamp_ms = 5,
	    .value = kmd_str_z(value),
	    .headers = h,
	    .headers_count = n ? 4 : 0};

	sink_batch_add(&d->batch, p, NULL, &r, "kalshi.x", refused, &clock_now, (struct kmd_mono){1000});
}

static void trade(struct desk *d, int64_t offset, const char *n, const char *id)
{
	char value[200];

	snprintf(value, sizeof(value),
	    "{\"msg\":{\"trade_id\":\"%s\",\"market_ticker\":\"A\",\"ts_ms\":1795341600123}}", id);
	put(d, &d->trades, offset, n, "ws", value, SINK_FAULT_NONE);
}

static void assert_tally(const struct sink_progress *p, int64_t rows, int64_t dead, int64_t duplicates)
{
	assert_int_equal(p->tally.rows, rows);
	assert_int_equal(p->tally.dead_letters, dead);
	assert_int_equal(p->tally.duplicates, duplicates);
}

static void due_by_rows_bytes_or_age(void **state)
{
	struct desk *d = *state;
	const struct sink_limits by_rows = {2, 1 << 20, INT64_MAX}, by_bytes = {100, 1, INT64_MAX},
				 by_age = {100, 1 << 20, 50};

	assert_false(sink_batch_due(&d->batch, &by_age, (struct kmd_mono){INT64_MAX / 2}));
	trade(d, 0, "1", "a");
	assert_false(sink_batch_due(&d->batch, &by_rows, (struct kmd_mono){1000}));
	assert_true(sink_batch_due(&d->batch, &by_bytes, (struct kmd_mono){1000}));
	assert_false(sink_batch_due(&d->batch, &by_age, (struct kmd_mono){1049}));
	assert_true(sink_batch_due(&d->batch, &by_age, (struct kmd_mono){1050}));
	trade(d, 1, "2", "b");
	assert_true(sink_batch_due(&d->batch, &by_rows, (struct kmd_mono){1000}));
}

static void a_frame_sent_again_is_a_duplicate(void **state)
{
	struct desk *d = *state;

	trade(d, 0, "1", "a");
	trade(d, 1, "2", "b");
	trade(d, 2, "2", "c");
	trade(d, 3, "1", "d");
	assert_tally(&d->trades, 2, 0, 2);
	assert_int_equal(d->batch.stream_rows[SINK_T_TRADES], 2);
	assert_int_equal(d->trades.next, 4);
	assert_int_equal(d->batch.counts.duplicates[SINK_T_TRADES], 2);
}

static void a_trade_repeated_in_the_batch_is_a_duplicate(void **state)
{
	struct desk *d = *state;

	trade(d, 0, "1", "a");
	trade(d, 1, "2", "a");
	put(d, &d->trades, 2, NULL, "rest",
	    "{\"msg\":{\"trade_id\":\"a\",\"market_ticker\":\"A\",\"ts_ms\":1795255200123}}",
	    SINK_FAULT_NONE); /* another date is another trade */
	assert_tally(&d->trades, 2, 0, 1);
}

static void without_headers_nothing_is_dropped(void **state)
{
	struct desk *d = *state;

	trade(d, 0, NULL, "a");
	trade(d, 1, NULL, "b");
	assert_tally(&d->trades, 2, 0, 0);
}

static void a_bad_record_is_one_dead_letter(void **state)
{
	struct desk *d = *state;

	trade(d, 0, "1", "a");
	put(d, &d->trades, 1, "2", "ws", "{\"msg\":{}}", SINK_FAULT_NONE);
	put(d, &d->trades, 2, "2", "ws", "{\"msg\":{}}", SINK_FAULT_NONE); /* sent again */
	trade(d, 3, "3", "b");
	assert_tally(&d->trades, 2, 1, 1);
	assert_int_equal(d->batch.stream_rows[SINK_T_DEAD], 1);
	assert_int_equal(d->batch.counts.dead[SINK_FAULT_MISSING_KEY], 1);
}

static void partitions_that_are_needed_are_named_once(void **state)
{
	struct desk *d = *state;

	trade(d, 0, "1", "a");
	trade(d, 1, "2", "b");
	put(d, &d->trades, 2, "3", "ws", "x", SINK_FAULT_NONE);
	assert_int_equal(d->batch.needs_count, 2);
	assert_int_equal(d->batch.needs[0].table, SINK_T_TRADES);
	assert_int_equal(d->batch.needs[0].first_day, kmd_time_day(NOW_NS));
	assert_int_equal(d->batch.needs[1].table, SINK_T_DEAD);
	assert_int_equal(d->batch.needs[1].first_day, kmd_time_days_from_civil(2026, 11, 1));
}

static void a_batch_is_built_anew_without_a_partition(void **state)
{
	struct desk *d = *state;
	struct sink_entry *entries;
	size_t n;

	trade(d, 0, "1", "a");
	put(d, &d->book, 0, "2", "ws", "{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"A\"}}",
	    SINK_FAULT_NONE);
	sink_batch_seal(&d->batch);
	entries = sink_batch_take_entries(&d->batch, &n);
	assert_int_equal(n, 2);
	assert_ptr_equal(entries[0].progress, &d->trades);
	assert_ptr_equal(entries[1].progress, &d->book);
	free(entries);
	sink_progress_rollback(&d->trades);
	sink_progress_rollback(&d->book);
	assert_int_equal(d->batch.count, 0);
	assert_false(sink_progress_pending(&d->trades));
	trade(d, 0, "1", "a"); /* neither its number nor its key is remembered */
	assert_tally(&d->trades, 1, 0, 0);
	assert_int_equal(d->batch.stream_rows[SINK_T_DELTAS], 0);
}

static void what_postgres_refused_is_a_dead_letter_and_its_twin_takes_its_place(void **state)
{
	struct desk *d = *state;

	put(d, &d->trades, 0, "1", "ws",
	    "{\"msg\":{\"trade_id\":\"a\",\"market_ticker\":\"A\",\"ts_ms\":1795341600123}}", SINK_FAULT_REJECTED);
	trade(d, 1, "2", "a");
	assert_tally(&d->trades, 1, 1, 0);
	assert_int_equal(d->batch.entries[0].table, SINK_T_DEAD);
	assert_int_equal(d->batch.entries[1].table, SINK_T_TRADES);
}

static void a_stream_is_head_rows_tail(void **state)
{
	struct desk *d = *state;
	const struct kmd_buf *stream = &d->batch.stream[SINK_T_TRADES];

	trade(d, 0, "1", "a");
	trade(d, 1, "2", "b");
	sink_batch_seal(&d->batch);
	sink_batch_seal(&d->batch);
	assert_int_equal(d->batch.entries[0].at, 19);
	assert_int_equal(d->batch.entries[1].at, 19 + d->batch.entries[0].length);
	assert_int_equal(stream->n, 19 + d->batch.entries[0].length + d->batch.entries[1].length + 2);
	assert_memory_equal(stream->p + stream->n - 2, "\xff\xff", 2);
}

static void a_dlq_record_keeps_its_reason_and_its_numbers_are_another_topic_s(void **state)
{
	struct desk *d = *state;
	const struct sink_header h[] = {{"lineage", kmd_str_z("7")}, {"n", kmd_str_z("1")},
	    {"__connect.errors.exception.message", kmd_str_z("no ticker")}};
	struct sink_progress dlq = {.topic = KMD_TOPIC_DLQ};

	sink_progress_begin(&dlq, 1, 0);
	for (int64_t i = 0; i < 2; i++) {
		const struct sink_record r = {
		    .topic = KMD_TOPIC_DLQ, .offset = i, .value = kmd_str_z("v"), .headers = h, .headers_count = 3};

		sink_batch_add(
		    &d->batch, &dlq, NULL, &r, "kalshi.dlq", SINK_FAULT_NONE, &clock_now, (struct kmd_mono){0});
	}
	assert_tally(&dlq, 0, 2, 0);
	assert_non_null(memmem(d->batch.stream[SINK_T_DEAD].p, d->batch.stream[SINK_T_DEAD].n, "no ticker", 9));
	sink_progress_fini(&dlq);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(due_by_rows_bytes_or_age),
	    TEST(a_frame_sent_again_is_a_duplicate),
	    TEST(a_trade_repeated_in_the_batch_is_a_duplicate),
	    TEST(without_headers_nothing_is_dropped),
	    TEST(a_bad_record_is_one_dead_letter),
	    TEST(partitions_that_are_needed_are_named_once),
	    TEST(a_batch_is_built_anew_without_a_partition),
	    TEST(what_postgres_refused_is_a_dead_letter_and_its_twin_takes_its_place),
	    TEST(a_stream_is_head_rows_tail),
	    TEST(a_dlq_record_keeps_its_reason_and_its_numbers_are_another_topic_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
