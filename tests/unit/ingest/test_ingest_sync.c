#include "../cmocka_all.h"

#include <stdio.h>

#include "sync.h"

#define TRADE_AND_BOOKS (1u << INGEST_CHANNEL_TRADE | 1u << INGEST_CHANNEL_BOOK)

static struct ingest_session session;
static struct ingest_scanner scanner;
static struct ingest_acts acts;
static struct kmd_mono now;

static void start(unsigned channels)
{
	ingest_session_init(&session, channels, 1);
	now.ns = 1;
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

static void tick(void)
{
	now.ns += KMD_NS_PER_S;
	ingest_session_tick(&session, now, &acts);
	ingest_acts_reset(&acts);
}

static void hear(const char *text)
{
	struct ingest_frame f = ingest_frame_scan(&scanner, kmd_str_z(text), false);

	ingest_session_frame(&session, &scanner, &f, now.ns, now, &acts);
	ingest_acts_reset(&acts);
}

static bool synced(void)
{
	return ingest_sync_is_reached(&session);
}

static void channels_have_to_be_subscribed(void **state)
{
	(void)state;
	start(1u << INGEST_CHANNEL_TRADE | 1u << INGEST_CHANNEL_TICKER);
	assert_false(synced());
	tick();
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":1}}");
	assert_false(synced());
	hear("{\"type\":\"subscribed\",\"id\":2,\"msg\":{\"channel\":\"ticker\",\"sid\":2}}");
	assert_true(synced());
}

static void every_book_has_to_have_its_snapshot(void **state)
{
	(void)state;
	start(1u << INGEST_CHANNEL_BOOK);
	ingest_session_want(&session, KMD_STR("A"), true);
	ingest_session_want(&session, KMD_STR("B"), true);
	assert_false(synced());
	ingest_session_open_books(&session);
	assert_false(synced());
	tick();
	assert_false(synced());
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":1}}");
	assert_false(synced());
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":1,\"seq\":1,\"msg\":{\"market_ticker\":\"A\"}}");
	assert_false(synced());
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":1,\"seq\":2,\"msg\":{\"market_ticker\":\"B\"}}");
	assert_true(synced());
	ingest_session_want(&session, KMD_STR("C"), true);
	assert_false(synced());
}

static void a_gap_on_books_counts_until_it_is_healed(void **state)
{
	(void)state;
	start(1u << INGEST_CHANNEL_BOOK);
	ingest_session_want(&session, KMD_STR("A"), true);
	ingest_session_open_books(&session);
	tick();
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"orderbook_delta\",\"sid\":1}}");
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":1,\"seq\":1,\"msg\":{\"market_ticker\":\"A\"}}");
	assert_true(synced());
	hear("{\"type\":\"orderbook_delta\",\"sid\":1,\"seq\":4,\"msg\":{\"market_ticker\":\"A\"}}");
	assert_false(synced());
	tick();
	hear("{\"type\":\"orderbook_snapshot\",\"sid\":1,\"seq\":5,\"msg\":{\"market_ticker\":\"A\"}}");
	assert_true(synced());
}

static void a_shard_without_books_is_synced_with_its_channels(void **state)
{
	(void)state;
	start(TRADE_AND_BOOKS);
	tick();
	hear("{\"type\":\"subscribed\",\"id\":1,\"msg\":{\"channel\":\"trade\",\"sid\":1}}");
	assert_false(synced()); /* nobody has said that there are none */
	ingest_session_open_books(&session);
	assert_true(synced());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(channels_have_to_be_subscribed, teardown),
	    cmocka_unit_test_teardown(every_book_has_to_have_its_snapshot, teardown),
	    cmocka_unit_test_teardown(a_gap_on_books_counts_until_it_is_healed, teardown),
	    cmocka_unit_test_teardown(a_shard_without_books_is_synced_with_its_channels, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
