#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "probe.h"
#include "stale.h"

#define PATIENCE_S 10
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ingest_stale s;

static struct kmd_mono seconds(int64_t at)
{
	return (struct kmd_mono){1 + at * KMD_NS_PER_S};
}

static struct kmd_mono tenths(int64_t at)
{
	return (struct kmd_mono){1 + at * KMD_NS_PER_S / 10};
}

static enum ingest_stale_verdict look(int64_t at, bool can_ask)
{
	enum ingest_stale_verdict verdict = ingest_stale_check(&s, seconds(at), can_ask);

	if (verdict == INGEST_STALE_ASK)
		ingest_stale_asked(&s, seconds(at));
	return verdict;
}

static int setup(void **state)
{
	(void)state;
	ingest_stale_init(&s, PATIENCE_S * KMD_NS_PER_S);
	return 0;
}

static void silence_counts_from_when_data_is_due(void **state)
{
	(void)state;
	assert_int_equal(look(1000, false), INGEST_STALE_FINE);
	ingest_stale_arm(&s, seconds(1000));
	ingest_stale_arm(&s, seconds(1005));
	assert_int_equal(look(1009, false), INGEST_STALE_FINE);
	ingest_stale_data(&s, seconds(1009));
	assert_int_equal(look(1018, false), INGEST_STALE_FINE);
	assert_int_equal(look(1019, false), INGEST_STALE_DEAD);
}

static void silence_goes_on_while_it_is_looked_at(void **state)
{
	(void)state;
	for (int64_t at = 1000; at < 1010; at++) {
		ingest_stale_arm(&s, seconds(at));
		assert_int_equal(look(at, false), INGEST_STALE_FINE);
	}
	ingest_stale_arm(&s, seconds(1010));
	assert_int_equal(look(1010, false), INGEST_STALE_DEAD);
}

static void silent_replacements_are_given_more_time(void **state)
{
	static const int64_t expected[] = {10, 20, 40, 80, 160, 300, 300};
	int64_t at = 1;

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		ingest_stale_reset(&s);
		ingest_stale_arm(&s, seconds(at));
		assert_int_equal(look(at + expected[i] - 1, false), INGEST_STALE_FINE);
		assert_int_equal(look(at + expected[i], false), INGEST_STALE_DEAD);
		at += expected[i];
	}
	ingest_stale_data(&s, seconds(at));
	assert_int_equal(look(at + 10, false), INGEST_STALE_DEAD);
}

static void half_way_it_asks_and_once_more(void **state)
{
	(void)state;
	ingest_stale_data(&s, seconds(100));
	assert_int_equal(look(104, true), INGEST_STALE_FINE);
	assert_int_equal(look(105, true), INGEST_STALE_ASK);
	assert_int_equal(look(106, true), INGEST_STALE_FINE);
	assert_int_equal(look(108, true), INGEST_STALE_ASK);
	assert_int_equal(look(109, true), INGEST_STALE_FINE);
	assert_int_equal(look(110, true), INGEST_STALE_DEAD);
}

/* It answers on each new connection, then freezes: each one is replaced in time, for ever. */
static void a_freeze_is_noticed_in_time_each_time(void **state)
{
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		int64_t frozen;

		ingest_stale_reset(&s);
		ingest_stale_arm(&s, seconds(at));
		ingest_stale_data(&s, seconds(at + 1));
		for (frozen = at + 1; look(frozen, true) != INGEST_STALE_DEAD; frozen++)
			assert_true(frozen - at <= 1 + PATIENCE_S);
		at = frozen + 1;
	}
}

static void waking_up_late_is_no_silence(void **state)
{
	(void)state;
	ingest_stale_data(&s, seconds(0));
	assert_int_equal(look(500, true), INGEST_STALE_ASK);
	assert_int_equal(look(501, true), INGEST_STALE_ASK);
	assert_int_equal(look(502, true), INGEST_STALE_FINE);
	ingest_stale_data(&s, seconds(502));
	assert_int_equal(look(503, true), INGEST_STALE_FINE);
	ingest_stale_data(&s, seconds(503));
	assert_int_equal(look(1000, true), INGEST_STALE_ASK);
	assert_int_equal(look(1001, true), INGEST_STALE_ASK);
	assert_int_equal(look(1003, true), INGEST_STALE_DEAD);
}

static struct ingest_session session;
static struct ingest_acts acts;

static void hear(const char *text)
{
	struct ingest_scanner sc = {0};
	struct ingest_frame f = ingest_frame_scan(&sc, kmd_str_z(text), false);

	ingest_session_frame(&session, &sc, &f, 1, seconds(0), &acts);
	ingest_acts_reset(&acts);
	ingest_scanner_fini(&sc);
}

static const char *ask(void)
{
	static char text[256];

	text[0] = 0;
	ingest_acts_reset(&acts);
	if (ingest_probe_send(&session, &acts))
		snprintf(text, sizeof(text), "%.*s", KMD_STR_ARG(acts.items[0].text));
	return text;
}

/* Nothing can be asked for before the first of two snapshots. */
static void hold_two_books(void)
{
	ingest_session_init(&session, 1u << INGEST_CHANNEL_BOOK, 1);
	ingest_session_open_books(&session);
	assert_string_equal(ask(), "");
	ingest_session_want(&session, KMD_STR("A"), true);
	ingest_session_want(&session, KMD_STR("B"), true);
	ingest_session_tick(&session, seconds(0), &acts);
	assert_string_equal(ask(), "");
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":5}}");
	assert_string_equal(ask(), "");
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":5,\"seq\":1,\"msg\":{\"market_ticker\":\"A\"}}");
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":5,\"seq\":2,\"msg\":{\"market_ticker\":\"B\"}}");
}

static void drop_books(void)
{
	ingest_session_fini(&session);
	ingest_acts_fini(&acts);
}

static void each_question_is_about_another_book(void **state)
{
	char first[256];

	(void)state;
	hold_two_books();
	ingest_session_want(&session, KMD_STR("UNKNOWN"), true);
	ingest_session_tick(&session, seconds(1), &acts);
	hear("{\"type\":\"ok\",\"id\":2,\"sid\":5,\"seq\":3}");
	assert_int_equal(session.books.held, 3);
	snprintf(first, sizeof(first), "%s", ask());
	assert_non_null(strstr(first, "\"action\":\"get_snapshot\",\"sid\":5"));
	assert_string_not_equal(strstr(ask(), "market_tickers"), strstr(first, "market_tickers"));
	assert_string_equal(strstr(ask(), "market_tickers"), strstr(first, "market_tickers"));
	ingest_session_want(&session, KMD_STR("A"), false);
	ingest_session_want(&session, KMD_STR("B"), false);
	assert_string_equal(ask(), "");
	drop_books();
}

/*
 * Twelve hours in which nothing moves but the books that are asked for, looked at every 100 ms; the exchange takes up
 * to 2.4 s for an answer, which is data. faults/frozen_feed.py reads the last line.
 */
static void a_quiet_night_is_no_alarm(void **state)
{
	static const int hours = 12;
	const int64_t looks = hours * 36000;
	int64_t answered = -1;
	int asked = 0, alarms = 0;

	(void)state;
	hold_two_books();
	ingest_stale_data(&s, tenths(0));
	for (int64_t at = 1; at < looks; at++) {
		if (at == answered)
			ingest_stale_data(&s, tenths(at));
		switch (ingest_stale_check(&s, tenths(at), session.books.held > 0)) {
		case INGEST_STALE_ASK:
			ingest_stale_asked(&s, tenths(at));
			assert_string_not_equal(ask(), "");
			answered = at + 1 + asked++ % 24;
			break;
		case INGEST_STALE_DEAD:
			alarms++;
			break;
		case INGEST_STALE_FINE:
			break;
		}
	}
	drop_books();
	assert_int_equal(alarms, 0);
	assert_in_range(asked, looks / (PATIENCE_S * 10), looks / (PATIENCE_S * 5));
	printf("quiet night: %d h simulated, %d questions, %d alarms\n", hours, asked, alarms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(silence_counts_from_when_data_is_due, setup),
	    cmocka_unit_test_setup(silence_goes_on_while_it_is_looked_at, setup),
	    cmocka_unit_test_setup(silent_replacements_are_given_more_time, setup),
	    cmocka_unit_test_setup(half_way_it_asks_and_once_more, setup),
	    cmocka_unit_test_setup(a_quiet_night_is_no_alarm, setup),
	    cmocka_unit_test_setup(a_freeze_is_noticed_in_time_each_time, setup),
	    cmocka_unit_test_setup(waking_up_late_is_no_silence, setup),
	    cmocka_unit_test(each_question_is_about_another_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
