#include "../cmocka_all.h"

#include <stdio.h>

#include "books.h"

static struct ingest_books books;
static struct ingest_book *taken[16];
static struct kmd_mono now;

static int setup(void **state)
{
	(void)state;
	books = (struct ingest_books){0};
	now.ns = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ingest_books_fini(&books);
	return 0;
}

static void want(const char *ticker, bool wanted)
{
	ingest_books_want(&books, kmd_str_z(ticker), wanted);
}

static size_t take(enum ingest_book_queue queue)
{
	return ingest_books_take(&books, queue, 16, 1000, now, taken);
}

static void snapshot(const char *ticker, int64_t seq)
{
	ingest_books_snapshot(&books, kmd_str_z(ticker), true, seq);
}

static void pass(int64_t ns)
{
	now.ns += ns;
	ingest_books_tick(&books, now);
}

/* A, B: held, with their snapshots. */
static void hold_two(void)
{
	want("A", true);
	want("B", true);
	ingest_books_added(&books, taken, take(INGEST_BOOKS_ADD), now);
	snapshot("A", 1);
	snapshot("B", 2);
}

static void what_is_wanted_is_added_once(void **state)
{
	(void)state;
	want("A", true);
	want("B", true);
	want("A", true);
	assert_int_equal(take(INGEST_BOOKS_ADD), 2);
	assert_true(kmd_str_eqz(taken[0]->ticker, "A"));
	assert_int_equal(books.held, 0);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0);
	ingest_books_added(&books, taken, 2, now);
	assert_int_equal(books.held, 2);
	want("A", true);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0);
}

static void a_batch_is_bounded(void **state)
{
	char ticker[16];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(ticker, sizeof(ticker), "TICKER-%03d", i);
		want(ticker, true);
	}
	assert_int_equal(ingest_books_take(&books, INGEST_BOOKS_ADD, 3, 1000, now, taken), 3);
	assert_int_equal(ingest_books_take(&books, INGEST_BOOKS_ADD, 16, 25, now, taken), 2);
	assert_int_equal(ingest_books_take(&books, INGEST_BOOKS_ADD, 16, 1, now, taken), 1);
}

static void what_is_refused_comes_again(void **state)
{
	(void)state;
	want("A", true);
	ingest_books_add_failed(&books, taken, take(INGEST_BOOKS_ADD), false, now);
	assert_int_equal(take(INGEST_BOOKS_ADD), 1);
	ingest_books_add_failed(&books, taken, 1, true, now);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0);
	pass(INGEST_BOOK_LATER_BASE_NS);
	assert_int_equal(take(INGEST_BOOKS_ADD), 1);
	ingest_books_add_failed(&books, taken, 1, true, now);
	pass(INGEST_BOOK_LATER_BASE_NS);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0); /* longer each time */
	pass(INGEST_BOOK_LATER_BASE_NS);
	assert_int_equal(take(INGEST_BOOKS_ADD), 1);
}

static void a_settled_market_is_deleted(void **state)
{
	(void)state;
	hold_two();
	want("A", false);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	assert_int_equal(books.held, 2);
	ingest_books_deleted(&books, taken, 1);
	assert_int_equal(books.held, 1);
	assert_int_equal(books.map.count, 1);
}

static void a_change_of_mind_on_the_way(void **state)
{
	(void)state;
	want("A", true);
	want("A", false);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0);
	assert_int_equal(books.map.count, 0);
	want("A", true);
	take(INGEST_BOOKS_ADD);
	want("A", false);
	ingest_books_added(&books, taken, 1, now);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	want("A", true);
	ingest_books_deleted(&books, taken, 1);
	assert_int_equal(take(INGEST_BOOKS_ADD), 1);
}

static void a_gap_makes_every_book_suspect_until_its_snapshot(void **state)
{
	(void)state;
	hold_two();
	ingest_books_gap(&books, 10);
	assert_int_equal(books.suspects, 2);
	assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 2);
	snapshot("A", 9); /* from before the gap */
	assert_int_equal(books.suspects, 2);
	snapshot("A", 11);
	assert_int_equal(books.suspects, 1);
	want("B", false); /* nobody asks for it any more */
	assert_int_equal(books.suspects, 0);
}

static void a_gap_during_an_add_is_not_forgotten(void **state)
{
	size_t n;

	(void)state;
	want("A", true);
	n = take(INGEST_BOOKS_ADD);
	snapshot("A", 1);
	ingest_books_gap(&books, 5);
	ingest_books_added(&books, taken, n, now);
	assert_int_equal(books.suspects, 1);
	pass(INGEST_BOOK_AWAIT_NS);
	assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 1);
	snapshot("A", 6);
	assert_int_equal(books.suspects, 0);
}

static void a_missing_snapshot_is_asked_for_and_then_added_again(void **state)
{
	(void)state;
	want("A", true);
	ingest_books_added(&books, taken, take(INGEST_BOOKS_ADD), now);
	for (int i = 0; i < INGEST_BOOK_ASKS_MAX; i++) {
		assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 0);
		pass(INGEST_BOOK_AWAIT_NS);
		assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 1);
	}
	pass(INGEST_BOOK_AWAIT_NS);
	assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 0);
	pass(INGEST_BOOK_LATER_BASE_NS);
	assert_int_equal(take(INGEST_BOOKS_ADD), 1);
	ingest_books_added(&books, taken, 1, now);
	snapshot("A", 3);
	pass(10 * INGEST_BOOK_AWAIT_NS);
	assert_int_equal(take(INGEST_BOOKS_SNAPSHOT) + take(INGEST_BOOKS_ADD), 0);
	assert_int_equal(books.held, 1);
}

/* The answer was lost in a gap, but the snapshot came: the exchange has it, whether it is still wanted or not. */
static void an_add_whose_answer_is_lost_is_not_forgotten(void **state)
{
	size_t n;

	(void)state;
	want("A", true);
	want("B", true);
	n = take(INGEST_BOOKS_ADD);
	ingest_books_gap(&books, 3);
	snapshot("A", 3);
	snapshot("B", 4);
	want("B", false);
	ingest_books_add_unanswered(&books, taken, n, true, now);
	assert_int_equal(books.held, 2);
	assert_int_equal(take(INGEST_BOOKS_ADD), 0);
	assert_int_equal(take(INGEST_BOOKS_SNAPSHOT), 0);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	assert_true(kmd_str_eqz(taken[0]->ticker, "B"));
}

/* Neither an answer nor a snapshot came yet, and then the market settled: the exchange may hold it all the same. */
static void what_may_be_held_is_deleted_before_it_is_forgotten(void **state)
{
	size_t n;

	(void)state;
	want("A", true);
	want("B", true);
	n = take(INGEST_BOOKS_ADD);
	want("A", false);
	ingest_books_add_unanswered(&books, taken, n, false, now);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	assert_true(kmd_str_eqz(taken[0]->ticker, "A"));
	ingest_books_deleted(&books, taken, 1);
	/* B is asked for once more; even a refusal of that says nothing of the first time. */
	n = take(INGEST_BOOKS_ADD);
	assert_int_equal(n, 1);
	want("B", false);
	ingest_books_add_failed(&books, taken, n, false, now);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	ingest_books_deleted(&books, taken, 1);
	assert_int_equal(books.held, 0);
	assert_int_equal(books.map.count, 0);
}

/* The exchange handles commands in any order: a delete may overtake the add that it was to undo. */
static void a_snapshot_of_what_nobody_wants_shows_that_it_is_held(void **state)
{
	(void)state;
	snapshot("A", 1);
	assert_int_equal(books.held, 1);
	assert_int_equal(take(INGEST_BOOKS_DELETE), 1);
	ingest_books_deleted(&books, taken, 1);
	assert_int_equal(books.map.count, 0);
}

static void a_lost_subscription_adds_everything_again(void **state)
{
	(void)state;
	hold_two();
	want("C", true);
	take(INGEST_BOOKS_ADD);
	want("B", false);
	take(INGEST_BOOKS_DELETE);
	ingest_books_gap(&books, 10);
	ingest_books_lost(&books);
	assert_int_equal(books.held, 0);
	assert_int_equal(books.suspects, 0);
	assert_int_equal(take(INGEST_BOOKS_ADD), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_is_wanted_is_added_once),
	    T(a_batch_is_bounded),
	    T(what_is_refused_comes_again),
	    T(a_settled_market_is_deleted),
	    T(a_change_of_mind_on_the_way),
	    T(a_gap_makes_every_book_suspect_until_its_snapshot),
	    T(a_gap_during_an_add_is_not_forgotten),
	    T(a_missing_snapshot_is_asked_for_and_then_added_again),
	    T(an_add_whose_answer_is_lost_is_not_forgotten),
	    T(what_may_be_held_is_deleted_before_it_is_forgotten),
	    T(a_snapshot_of_what_nobody_wants_shows_that_it_is_held),
	    T(a_lost_subscription_adds_everything_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
