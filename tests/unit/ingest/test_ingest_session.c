#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "session.h"

#define ALL ((1u << INGEST_CHANNEL_COUNT) - 1)
#define TRADE_ONLY (1u << INGEST_CHANNEL_TRADE)
#define BOOK_ONLY (1u << INGEST_CHANNEL_BOOK)
#define SECOND KMD_NS_PER_S

static struct ingest_session session;
static struct ingest_scanner scanner;
static struct ingest_acts acts;
static struct kmd_mono now;
static char said[64 * 1024]; /* what the session wanted done, a line an action */

static void start(unsigned channels)
{
	ingest_session_init(&session, channels, 1);
	ingest_session_open_books(&session);
	now.ns = 1;
	said[0] = 0;
}

static int teardown(void **state)
{
	(void)state;
	ingest_session_fini(&session);
	ingest_scanner_fini(&scanner);
	ingest_acts_fini(&acts);
	scanner = (struct ingest_scanner){0};
	return 0;
}

static const char *channel_name(enum ingest_channel c)
{
	return c < INGEST_CHANNEL_COUNT ? ingest_channel_name(c) : "?";
}

static void say(const struct ingest_act *a)
{
	size_t n = strlen(said);
	char *at = said + n;
	size_t cap = sizeof(said) - n;

	switch (a->kind) {
	case INGEST_ACT_SEND:
		snprintf(at, cap, "%.*s\n", KMD_STR_ARG(a->text));
		break;
	case INGEST_ACT_SUBSCRIBED:
		snprintf(at, cap, "subscribed %s %lld %zu\n", channel_name(a->channel), (long long)a->sid, a->markets);
		break;
	case INGEST_ACT_GONE:
		snprintf(
		    at, cap, "gone %s %lld %lld\n", channel_name(a->channel), (long long)a->sid, (long long)a->code);
		break;
	case INGEST_ACT_GAP:
		snprintf(at, cap, "gap %s %lld %lld-%lld\n", channel_name(a->channel), (long long)a->sid,
		    (long long)a->gap.expected, (long long)a->gap.got);
		break;
	case INGEST_ACT_RESYNCED:
		snprintf(at, cap, "resynced %lld\n", (long long)a->sid);
		break;
	case INGEST_ACT_FAULT:
		snprintf(at, cap, "fault %s %lld\n", channel_name(a->channel), (long long)a->code);
		break;
	case INGEST_ACT_CLOSE:
		snprintf(at, cap, "close %.*s\n", KMD_STR_ARG(a->text));
		break;
	}
}

static const char *collect(void)
{
	said[0] = 0;
	for (size_t i = 0; i < acts.count; i++)
		say(&acts.items[i]);
	ingest_acts_reset(&acts);
	return said;
}

static const char *tick(int64_t after_ns)
{
	now.ns += after_ns;
	ingest_session_tick(&session, now, &acts);
	return collect();
}

static const char *hear(const char *text)
{
	struct ingest_frame f = ingest_frame_scan(&scanner, kmd_str_z(text), false);

	ingest_session_frame(&session, &scanner, &f, now.ns, now, &acts);
	return collect();
}

static const char *hear_snapshot(int64_t sid, int64_t seq, const char *ticker)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "{\"type\":\"orderbook_snapshot\",\"sid\":%lld,\"seq\":%lld,\"msg\":{\"market_ticker\":\"%s\"}}",
	    (long long)sid, (long long)seq, ticker);
	return hear(text);
}

static void want(const char *ticker, bool wanted)
{
	ingest_session_want(&session, kmd_str_z(ticker), wanted);
}

/* A book subscription of sid 5 that holds A and B, seq 2. */
static void hold_two(void)
{
	start(BOOK_ONLY);
	want("A", true);
	want("B", true);
	tick(0);
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":5}}");
	hear_snapshot(5, 1, "A");
	hear_snapshot(5, 2, "B");
}

static void each_channel_is_asked_for_once(void **state)
{
	(void)state;
	start(ALL);
	assert_string_equal(tick(0),
	    "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"]}}\n"
	    "{\"id\":2,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"ticker\"]}}\n"
	    "{\"id\":3,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"market_lifecycle_v2\"]}}\n"
	    "{\"id\":4,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"multivariate_market_lifecycle\"]}}\n");
	assert_string_equal(tick(SECOND), "");
	assert_false(ingest_session_expects_data(&session));
	assert_false(ingest_session_is_complete(&session));
}

static void answers_may_come_in_any_order(void **state)
{
	(void)state;
	start(ALL & ~BOOK_ONLY);
	tick(0);
	assert_string_equal(
	    hear("{\"type\":\"subscribed\",\"id\":3,\"msg\":{\"channel\":\"market_lifecycle_v2\",\"sid\":1}}"),
	    "subscribed market_lifecycle_v2 1 0\n");
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":2}}"),
	    "subscribed trade 2 0\n");
	assert_true(ingest_session_expects_data(&session));
	assert_false(ingest_session_is_complete(&session));
	assert_string_equal(hear("{\"type\":\"subscribed\",\"msg\":[{\"channel\":\"ticker\",\"sid\":3},{\"channel\":"
				 "\"multivariate_market_lifecycle\",\"sid\":4}]}"),
	    "subscribed ticker 3 0\nsubscribed multivariate_market_lifecycle 4 0\n");
	assert_true(ingest_session_is_complete(&session));
	assert_string_equal(tick(100 * SECOND), "");
}

static void an_unanswered_command_is_repeated_and_at_last_given_up(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	assert_string_equal(tick(INGEST_COMMAND_TIMEOUT_NS),
	    "{\"id\":2,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"]}}\n");
	tick(INGEST_COMMAND_TIMEOUT_NS);
	assert_string_equal(tick(INGEST_COMMAND_TIMEOUT_NS),
	    "close no_reply\n{\"id\":4,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"]}}\n");
}

/* Its snapshots come, its `subscribed` never does: without the sid nothing can be done with the books, so it is
 * repeated. */
static void an_unanswered_subscribe_to_books_is_repeated(void **state)
{
	(void)state;
	start(BOOK_ONLY);
	want("A", true);
	want("B", true);
	tick(0);
	hear_snapshot(5, 1, "A");
	hear_snapshot(5, 2, "B");
	want("B", false);
	assert_string_equal(tick(INGEST_COMMAND_TIMEOUT_NS),
	    "{\"id\":2,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"orderbook_delta\"],\"use_yes_price\":false,"
	    "\"skip_ticker_ack\":true,\"market_tickers\":[\"A\"]}}\n");
	assert_string_equal(hear("{\"type\":\"ok\",\"id\":2,\"sid\":5,\"seq\":3}"), "subscribed orderbook_delta 5 2\n");
	assert_string_equal(tick(SECOND),
	    "{\"id\":3,\"cmd\":\"update_subscription\",\"params\":{\"action\":\"delete_markets\",\"sid\":5,"
	    "\"market_tickers\":[\"B\"]}}\n");
}

static void a_late_answer_counts_and_the_repetition_s_is_harmless(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	tick(INGEST_COMMAND_TIMEOUT_NS);
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":2}}"),
	    "subscribed trade 2 0\n");
	assert_string_equal(hear("{\"type\":\"ok\",\"id\":2,\"sid\":2,\"seq\":1}"), "");
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":2,\"msg\":{\"channel\":\"trade\",\"sid\":2}}"), "");
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":2,\"msg\":{\"channel\":\"trade\",\"sid\":9}}"),
	    "{\"id\":3,\"cmd\":\"unsubscribe\",\"params\":{\"sids\":[9]}}\n");
}

static void ok_instead_of_subscribed_names_the_sid_that_is_held(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	assert_string_equal(hear("{\"type\":\"ok\",\"id\":1,\"sid\":4,\"seq\":1}"), "subscribed trade 4 0\n");
	assert_string_equal(hear("{\"type\":\"trade\",\"sid\":4,\"seq\":2,\"msg\":{\"market_ticker\":\"M\"}}"), "");
}

/* Quiet books send nothing behind their snapshots, and without the sid no market could come or go any more. */
static void subscribed_without_msg_behind_its_snapshot_has_the_snapshots_sid(void **state)
{
	(void)state;
	start(BOOK_ONLY);
	want("A", true);
	tick(0);
	assert_string_equal(hear_snapshot(5, 1, "A"), "");
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":1}"), "subscribed orderbook_delta 5 1\n");
	want("A", false);
	assert_non_null(strstr(tick(SECOND), "\"delete_markets\",\"sid\":5"));
}

static void subscribed_without_msg_learns_its_sid_from_data(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":1}"), "");
	assert_true(ingest_session_expects_data(&session));
	assert_string_equal(hear("{\"type\":\"trade\",\"sid\":8,\"seq\":1,\"msg\":{\"market_ticker\":\"M\"}}"),
	    "subscribed trade 8 0\n");
	assert_string_equal(
	    hear("{\"type\":\"trade\",\"sid\":8,\"seq\":3,\"msg\":{\"market_ticker\":\"M\"}}"), "gap trade 8 2-3\n");
}

static void a_terminal_error_subscribes_again(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":2}}");
	hear("{\"type\":\"trade\",\"sid\":2,\"seq\":1,\"msg\":{\"market_ticker\":\"M\"}}");
	assert_string_equal(hear("{\"type\":\"error\",\"sid\":2,\"seq\":2,\"msg\":{\"code\":25,\"msg\":\"overflow\"}}"),
	    "fault ? 25\ngone trade 2 25\n");
	assert_false(ingest_session_expects_data(&session));
	assert_string_equal(tick(SECOND), "{\"id\":2,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"]}}\n");
	/* The number may come again, and starts afresh. */
	assert_string_equal(hear("{\"type\":\"subscribed\",\"id\":2,\"msg\":{\"channel\":\"trade\",\"sid\":2}}"),
	    "subscribed trade 2 0\n");
	assert_string_equal(hear("{\"type\":\"trade\",\"sid\":2,\"seq\":1,\"msg\":{\"market_ticker\":\"M\"}}"), "");
}

static void a_terminal_error_that_names_nothing_ends_the_connection(void **state)
{
	(void)state;
	start(TRADE_ONLY);
	tick(0);
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":2}}");
	assert_string_equal(hear("{\"type\":\"error\",\"msg\":{\"code\":25}}"), "fault ? 25\nclose terminal_error\n");
}

static void a_refused_subscribe_is_tried_again_later(void **state)
{
	static const char *const codes[] = {"18", "27", "6", "10", "99", "\"x\""};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char text[128];

		start(TRADE_ONLY);
		tick(0);
		snprintf(
		    text, sizeof(text), "{\"type\":\"error\",\"id\":1,\"msg\":{\"code\":%s,\"msg\":\"no\"}}", codes[i]);
		hear(text);
		assert_string_equal(
		    tick(5 * SECOND), "{\"id\":2,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"trade\"]}}\n");
		ingest_session_fini(&session);
	}
	start(TRADE_ONLY);
}

static void books_begin_with_a_subscribe_and_go_on_with_updates(void **state)
{
	(void)state;
	start(BOOK_ONLY);
	assert_string_equal(tick(0), "");
	want("A", true);
	assert_string_equal(tick(0),
	    "{\"id\":1,\"cmd\":\"subscribe\",\"params\":{\"channels\":[\"orderbook_delta\"],\"use_yes_price\":false,"
	    "\"skip_ticker_ack\":true,\"market_tickers\":[\"A\"]}}\n");
	want("B\"", true);
	assert_string_equal(tick(SECOND), "");
	assert_string_equal(
	    hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":5}}"),
	    "subscribed orderbook_delta 5 1\n");
	assert_string_equal(tick(SECOND), "{\"id\":2,\"cmd\":\"update_subscription\",\"params\":{\"action\":\"add_"
					  "markets\",\"sid\":5,\"market_tickers\":[\"B\\\"\"]}}\n");
	hear("{\"type\":\"ok\",\"id\":2,\"sid\":5,\"seq\":1}");
	assert_int_equal(session.books.held, 2);
	want("A", false);
	assert_string_equal(tick(SECOND), "{\"id\":3,\"cmd\":\"update_subscription\",\"params\":{\"action\":\"delete_"
					  "markets\",\"sid\":5,\"market_tickers\":[\"A\"]}}\n");
	hear("{\"type\":\"ok\",\"id\":3,\"sid\":5,\"seq\":2}");
	assert_int_equal(session.books.held, 1);
}

static void books_wait_until_the_universe_is_known(void **state)
{
	(void)state;
	start(BOOK_ONLY);
	session.books_open = false;
	want("A", true);
	assert_string_equal(tick(SECOND), "");
	ingest_session_open_books(&session);
	assert_non_null(strstr(tick(0), "\"market_tickers\":[\"A\"]"));
}

static void replies_take_a_number(void **state)
{
	(void)state;
	hold_two();
	assert_string_equal(hear("{\"type\":\"ok\",\"id\":77,\"sid\":5,\"seq\":3}"), "");
	assert_string_equal(
	    hear("{\"type\":\"error\",\"id\":78,\"sid\":5,\"seq\":4,\"msg\":{\"code\":13}}"), "fault ? 13\n");
	assert_string_equal(hear_snapshot(5, 5, "A"), "");
}

static void a_gap_on_books_is_healed_by_snapshots(void **state)
{
	(void)state;
	hold_two();
	assert_string_equal(
	    hear("{\"type\":\"orderbook_delta\",\"sid\":5,\"seq\":9,\"msg\":{\"market_ticker\":\"A\"}}"),
	    "gap orderbook_delta 5 3-9\n");
	assert_non_null(strstr(tick(SECOND), "\"action\":\"get_snapshot\",\"sid\":5"));
	assert_non_null(strstr(said, "\"A\""));
	assert_non_null(strstr(said, "\"B\""));
	assert_string_equal(hear_snapshot(5, 10, "B"), "");
	assert_string_equal(hear_snapshot(5, 11, "A"), "resynced 5\n");
	assert_string_equal(tick(100 * SECOND), "");
}

static void a_snapshot_that_does_not_come_is_asked_for_again(void **state)
{
	(void)state;
	hold_two();
	hear_snapshot(5, 9, "A"); /* shows the gap and heals itself */
	assert_non_null(strstr(tick(SECOND), "\"get_snapshot\",\"sid\":5,\"market_tickers\":[\"B\"]"));
	assert_string_equal(tick(SECOND), "");
	tick(INGEST_BOOK_AWAIT_NS);
	assert_non_null(strstr(said, "\"get_snapshot\",\"sid\":5,\"market_tickers\":[\"B\"]"));
	want("B", false);
	tick(SECOND);
	assert_non_null(strstr(said, "resynced 5\n"));
}

static void other_channels_are_never_asked_for_snapshots(void **state)
{
	(void)state;
	start(ALL);
	tick(0);
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":2}}");
	assert_string_equal(
	    hear("{\"type\":\"trade\",\"sid\":2,\"seq\":4,\"msg\":{\"market_ticker\":\"M\"}}"), "gap trade 2 1-4\n");
	assert_null(strstr(tick(SECOND), "get_snapshot"));
}

static void frames_before_subscribed_are_books_of_ours(void **state)
{
	struct ingest_frame f;

	(void)state;
	start(BOOK_ONLY);
	want("A", true);
	tick(0);
	hear_snapshot(5, 1, "A");
	f = ingest_frame_scan(&scanner,
	    KMD_STR("{\"type\":\"orderbook_delta\",\"sid\":5,\"seq\":2,\"msg\":{\"market_ticker\":\"A\"}}"), false);
	assert_int_equal(ingest_session_use_yes_price(&session, &f), 0);
	assert_string_equal(
	    hear("{\"type\":\"orderbook_delta\",\"sid\":5,\"seq\":3,\"msg\":{\"market_ticker\":\"A\"}}"), "");
	assert_string_equal(
	    hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":5}}"),
	    "subscribed orderbook_delta 5 1\ngap orderbook_delta 5 2-3\n");
	f.sid = 6;
	assert_int_equal(ingest_session_use_yes_price(&session, &f), -1);
}

static void a_lost_book_subscription_is_built_again(void **state)
{
	(void)state;
	hold_two();
	want("C", true);
	tick(SECOND);
	assert_string_equal(hear("{\"type\":\"error\",\"id\":2,\"sid\":5,\"seq\":3,\"msg\":{\"code\":10}}"),
	    "fault orderbook_delta 10\ngone orderbook_delta 5 10\n");
	assert_int_equal(session.books.held, 0);
	tick(SECOND);
	assert_non_null(strstr(said, "\"cmd\":\"subscribe\""));
	assert_non_null(strstr(said, "\"A\""));
	assert_non_null(strstr(said, "\"B\""));
	assert_non_null(strstr(said, "\"C\""));
	assert_string_equal(
	    hear("{\"type\":\"subscribed\",\"id\":3,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":6}}"),
	    "subscribed orderbook_delta 6 3\n");
}

static void an_unknown_sid_in_an_answer_means_it_is_gone(void **state)
{
	(void)state;
	hold_two();
	want("C", true);
	tick(SECOND);
	assert_string_equal(hear("{\"type\":\"error\",\"id\":2,\"msg\":{\"code\":7}}"),
	    "fault orderbook_delta 7\ngone orderbook_delta 5 7\n");
}

static void too_many_commands_pause_and_lose_nothing(void **state)
{
	(void)state;
	hold_two();
	want("C", true);
	tick(SECOND);
	hear("{\"type\":\"error\",\"id\":2,\"sid\":5,\"seq\":3,\"msg\":{\"code\":27}}");
	tick(SECOND);
	assert_non_null(strstr(said, "\"add_markets\",\"sid\":5,\"market_tickers\":[\"C\"]"));
}

/* The exchange refuses every batch that holds BAD: all others come through, BAD alone waits. */
static void one_bad_ticker_does_not_keep_its_neighbours_out(void **state)
{
	char text[128], ticker[16];

	(void)state;
	hold_two();
	for (int i = 0; i < 40; i++) {
		snprintf(ticker, sizeof(ticker), i == 17 ? "BAD" : "GOOD-%02d", i);
		want(ticker, true);
	}
	for (int64_t round = 0; round < 60 && session.books.held < 2 + 39; round++) {
		const char *sent = tick(SECOND);
		long long id = 0;

		if (!strstr(sent, "add_markets"))
			continue;
		sscanf(sent, "{\"id\":%lld", &id);
		if (strstr(sent, "BAD"))
			snprintf(text, sizeof(text), "{\"type\":\"error\",\"id\":%lld,\"msg\":{\"code\":11}}", id);
		else
			snprintf(text, sizeof(text), "{\"type\":\"ok\",\"id\":%lld,\"sid\":5}", id);
		hear(text);
	}
	assert_int_equal(session.books.held, 2 + 39);
}

static void large_universes_go_in_batches(void **state)
{
	char ticker[32];
	size_t commands = 0;

	(void)state;
	start(BOOK_ONLY);
	for (int i = 0; i < 2000; i++) {
		snprintf(ticker, sizeof(ticker), "KXTICKER-26NOV30-T%05d.99", i);
		want(ticker, true);
	}
	tick(0);
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":5}}");
	for (int64_t id = 2; session.books.held < 2000; id++) {
		char text[64];

		assert_true(strlen(tick(INGEST_BOOK_COMMAND_EVERY_NS)) < 20 * 1024);
		snprintf(text, sizeof(text), "{\"type\":\"ok\",\"id\":%lld,\"sid\":5}", (long long)id);
		hear(text);
		assert_true(++commands < 10);
	}
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_channel_is_asked_for_once),
	    T(answers_may_come_in_any_order),
	    T(an_unanswered_command_is_repeated_and_at_last_given_up),
	    T(an_unanswered_subscribe_to_books_is_repeated),
	    T(a_late_answer_counts_and_the_repetition_s_is_harmless),
	    T(ok_instead_of_subscribed_names_the_sid_that_is_held),
	    T(subscribed_without_msg_behind_its_snapshot_has_the_snapshots_sid),
	    T(subscribed_without_msg_learns_its_sid_from_data),
	    T(a_terminal_error_subscribes_again),
	    T(a_terminal_error_that_names_nothing_ends_the_connection),
	    T(a_refused_subscribe_is_tried_again_later),
	    T(books_begin_with_a_subscribe_and_go_on_with_updates),
	    T(books_wait_until_the_universe_is_known),
	    T(replies_take_a_number),
	    T(a_gap_on_books_is_healed_by_snapshots),
	    T(a_snapshot_that_does_not_come_is_asked_for_again),
	    T(other_channels_are_never_asked_for_snapshots),
	    T(frames_before_subscribed_are_books_of_ours),
	    T(a_lost_book_subscription_is_built_again),
	    T(an_unknown_sid_in_an_answer_means_it_is_gone),
	    T(too_many_commands_pause_and_lose_nothing),
	    T(one_bad_ticker_does_not_keep_its_neighbours_out),
	    T(large_universes_go_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
