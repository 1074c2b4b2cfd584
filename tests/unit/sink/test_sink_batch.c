#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "sink_batch.h"
#include "sink_narrow.h"

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

static void a_row_of_a_stream_is_found_in_the_batch(void **state)
{
	struct desk *d = *state;

	trade(d, 0, "1", "a");
	put(d, &d->book, 0, "2", "ws", "{}", SINK_FAULT_NONE); /* a dead letter */
	trade(d, 1, "2", "a");                                 /* a repetition has no row */
	trade(d, 2, "3", "b");
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_TRADES, 1), 1);
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_TRADES, 2), 4);
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_DEAD, 1), 2);
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_TRADES, 3), 0);
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_TRADES, 0), 0);
	assert_int_equal(sink_batch_place(&d->batch, SINK_T_TRADES, INT64_MAX), 0);
}

/* A Postgres that refuses some of the records, and what it says of which one it was. */
struct refusals {
	bool bad[100];
	size_t (*tell)(size_t at, size_t count); /* @at place of the first bad one, from 1 */
};

static size_t rightly(size_t at, size_t count)
{
	(void)count;
	return at;
}

static size_t not_at_all(size_t at, size_t count)
{
	(void)at, (void)count;
	return 0;
}

static size_t one_too_late(size_t at, size_t count)
{
	(void)count;
	return at + 1;
}

static size_t one_too_early(size_t at, size_t count)
{
	(void)count;
	return at - 1;
}

static size_t the_first(size_t at, size_t count)
{
	(void)at, (void)count;
	return 1;
}

static size_t the_last(size_t at, size_t count)
{
	(void)at;
	return count;
}

/* Place of the first bad one of the batch, from 1; 0: all are good. */
static size_t first_bad(const struct refusals *f, size_t at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (f->bad[at + i])
			return i + 1;
	return 0;
}

/* Writes all 100; asserts that the dead letters are the bad ones. Returns how many transactions it took. */
static int transactions(const struct refusals *f)
{
	struct refusals left = *f;
	struct sink_narrow n = {0};
	bool dead[100] = {false};
	int made = 0;

	for (size_t at = 0; at < 100; made++) {
		const size_t limit = sink_narrow_limit(&n), count = limit < 100 - at ? limit : 100 - at;
		const size_t bad = first_bad(&left, at, count);

		assert_true(count > 0 && made < 1000);
		if (bad == 0) {
			sink_narrow_written(&n, count);
			at += count;
			continue;
		}
		sink_narrow_refused(&n, count, f->tell(bad, count));
		if (count == 1) {
			dead[at] = true;
			left.bad[at] = false; /* it goes on as a dead letter */
		}
	}
	assert_memory_equal(dead, f->bad, sizeof(dead));
	return made;
}

static void a_record_that_was_told_costs_three_transactions_more(void **state)
{
	(void)state;
	assert_int_equal(transactions(&(struct refusals){.tell = rightly}), 1);
	/* all; what lies before it; it alone; it as a dead letter with the rest */
	assert_int_equal(transactions(&(struct refusals){.bad = {[41] = true}, .tell = rightly}), 4);
	assert_int_equal(transactions(&(struct refusals){.bad = {[0] = true}, .tell = rightly}), 3);
	assert_int_equal(transactions(&(struct refusals){.bad = {[99] = true}, .tell = rightly}), 4);
	assert_int_equal(transactions(&(struct refusals){.bad = {[41] = true, [77] = true}, .tell = rightly}), 7);
}

static void a_record_untold_is_found_by_halving_and_then_batches_are_whole(void **state)
{
	(void)state;
	/* 100, 50 (7 times halved at most, each written or refused), it alone, then the rest at once */
	for (size_t i = 0; i < 100; i++) {
		struct refusals f = {.tell = not_at_all};

		f.bad[i] = true;
		assert_true(transactions(&f) <= 1 + 7 + 1 + 1);
	}
}

static void every_bad_record_is_found_however_wrong_it_is_told(void **state)
{
	static size_t (*const tell[])(size_t, size_t) = {
	    rightly, not_at_all, one_too_late, one_too_early, the_first, the_last};

	(void)state;
	for (size_t t = 0; t < sizeof(tell) / sizeof(tell[0]); t++) {
		for (size_t i = 0; i < 100; i++) {
			for (size_t j = i; j < 100; j++) {
				struct refusals f = {.tell = tell[t]};

				f.bad[i] = f.bad[j] = true;
				assert_true(transactions(&f) <= 1 + 2 * (3 * 7 + 2));
			}
		}
	}
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
	    TEST(a_row_of_a_stream_is_found_in_the_batch),
	    TEST(a_record_that_was_told_costs_three_transactions_more),
	    TEST(a_record_untold_is_found_by_halving_and_then_batches_are_whole),
	    TEST(every_bad_record_is_found_however_wrong_it_is_told),
	    TEST(a_dlq_record_keeps_its_reason_and_its_numbers_are_another_topic_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
