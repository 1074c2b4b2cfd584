#include "../cmocka_all.h"

#include "peers.h"

static struct ingest_peers peers;
static struct ingest_now now;

static int setup(void **state)
{
	(void)state;
	peers = (struct ingest_peers){0};
	now = (struct ingest_now){{1000 * KMD_NS_PER_S}, {5000 * KMD_NS_PER_S}};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ingest_peers_fini(&peers);
	return 0;
}

static void pass(int64_t s)
{
	now.mono.ns += s * KMD_NS_PER_S;
	now.wall.ns += s * KMD_NS_PER_S;
}

static struct kmd_feed_record record(enum kmd_feed_kind kind, int64_t lineage, int64_t shard)
{
	struct kmd_feed_record r = kmd_feed_make(kind, lineage, now.wall.ns);

	r.shard = (struct kmd_feed_num){true, shard};
	return r;
}

static void hear(enum kmd_feed_kind kind, int64_t lineage, int64_t shard)
{
	struct kmd_feed_record r = record(kind, lineage, shard);

	ingest_peers_learn(&peers, &r, true, false, &now);
}

static bool captured(int64_t shard)
{
	return ingest_peers_capture(&peers, shard, &now);
}

static void a_lineage_lives_until_it_is_closed_or_silent(void **state)
{
	(void)state;
	assert_false(captured(0));
	hear(KMD_FEED_opened, 10, 0);
	assert_true(captured(0));
	assert_false(captured(1));
	pass(5);
	hear(KMD_FEED_alive, 10, 0);
	pass(5);
	assert_true(captured(0));
	hear(KMD_FEED_closed, 10, 0);
	assert_false(captured(0));
	hear(KMD_FEED_opened, 11, 0);
	pass(8);
	assert_false(captured(0));
}

static void what_stood_there_before_is_judged_by_its_own_time(void **state)
{
	struct kmd_feed_record r = record(KMD_FEED_alive, 10, 0);

	(void)state;
	pass(7);
	ingest_peers_learn(&peers, &r, false, false, &now);
	assert_true(captured(0));
	pass(1);
	assert_false(captured(0));
	r = record(KMD_FEED_alive, 11, 0);
	pass(3600);
	ingest_peers_learn(&peers, &r, false, false, &now);
	assert_false(captured(0));
}

/* Clocks differ: of what is heard while we listen, our own tells the age. */
static void what_is_heard_is_judged_by_when_it_was_heard(void **state)
{
	struct kmd_feed_record r = record(KMD_FEED_alive, 10, 0);

	(void)state;
	r.at_ns -= 60 * KMD_NS_PER_S;
	ingest_peers_learn(&peers, &r, true, false, &now);
	assert_true(captured(0));
}

static void an_instance_known_to_be_dead_captures_nothing(void **state)
{
	struct kmd_feed_record r = record(KMD_FEED_alive, 10, 0);

	(void)state;
	hear(KMD_FEED_opened, 10, 0);
	ingest_peers_learn(&peers, &r, true, true, &now);
	assert_false(captured(0));
}

static void a_successor_is_the_one_that_announced_itself_and_lives(void **state)
{
	(void)state;
	hear(KMD_FEED_opened, 20, 1);
	assert_false(ingest_peers_synced(&peers, 1, 10, &now));
	hear(KMD_FEED_handover, 20, 1);
	assert_true(ingest_peers_synced(&peers, 1, 10, &now));
	assert_false(ingest_peers_synced(&peers, 0, 10, &now));
	assert_false(ingest_peers_synced(&peers, 1, 20, &now)); /* older than what it should replace */
	pass(5);
	hear(KMD_FEED_alive, 20, 1);
	assert_true(ingest_peers_synced(&peers, 1, 10, &now));
	pass(9);
	assert_false(ingest_peers_synced(&peers, 1, 10, &now));
}

static void an_older_living_one_that_was_not_heard_since_is_waited_for(void **state)
{
	int64_t at_ns;

	(void)state;
	hear(KMD_FEED_opened, 10, 0);
	pass(2);
	at_ns = now.wall.ns;
	assert_true(ingest_peers_owe(&peers, 0, 20, at_ns, &now));
	assert_false(ingest_peers_owe(&peers, 0, 10, at_ns, &now));
	assert_false(ingest_peers_owe(&peers, 1, 20, at_ns, &now));
	pass(1);
	hear(KMD_FEED_subscribed, 10, 0); /* of one channel: the others are open */
	assert_true(ingest_peers_owe(&peers, 0, 20, at_ns, &now));
	hear(KMD_FEED_alive, 10, 0);
	assert_false(ingest_peers_owe(&peers, 0, 20, at_ns, &now));
	assert_true(ingest_peers_owe(&peers, 0, 20, now.wall.ns + 1, &now));
	pass(8);
	assert_false(ingest_peers_owe(&peers, 0, 20, now.wall.ns, &now));
}

static void many_come_and_go(void **state)
{
	(void)state;
	for (int64_t lineage = 1; lineage < 10000; lineage++) {
		hear(KMD_FEED_opened, lineage, lineage % 7);
		pass(1);
	}
	assert_true(peers.count < 20);
	assert_true(captured(9999 % 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_lineage_lives_until_it_is_closed_or_silent, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_stood_there_before_is_judged_by_its_own_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_heard_is_judged_by_when_it_was_heard, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_instance_known_to_be_dead_captures_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_successor_is_the_one_that_announced_itself_and_lives, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_older_living_one_that_was_not_heard_since_is_waited_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_come_and_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
