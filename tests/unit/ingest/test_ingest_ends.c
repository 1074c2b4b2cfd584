#include "../cmocka_all.h"

#include "ends.h"

static const struct kmd_str own = KMD_STR("g1");

static struct kmd_feed_num num(int64_t v)
{
	return (struct kmd_feed_num){true, v};
}

static struct kmd_feed_record record(enum kmd_feed_kind kind, int64_t lineage, int64_t at_ns, const char *group)
{
	struct kmd_feed_record r = kmd_feed_make(kind, lineage, at_ns);

	r.group = kmd_str_z(group);
	return r;
}

static void learn_subscribed(struct ingest_ends *e, int64_t lineage, int64_t at_ns, const char *group)
{
	struct kmd_feed_record r = record(KMD_FEED_subscribed, lineage, at_ns, group);

	r.channel = KMD_STR("trade");
	ingest_ends_learn(e, &r, own);
}

static void learn_sids(
    struct ingest_ends *e, enum kmd_feed_kind kind, int64_t lineage, int64_t recv_ns, const char *group)
{
	struct kmd_feed_sid sid = {.sid = 1, .channel = KMD_STR("trade"), .subscribed_ns = num(5)};
	struct kmd_feed_record r = record(kind, lineage, recv_ns + 1000, group);

	if (recv_ns > 0)
		sid.recv_ns = num(recv_ns);
	r.sids = &sid;
	r.sids_count = 1;
	ingest_ends_learn(e, &r, own);
}

static void nothing_is_known_at_first(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 0);
	ingest_ends_fini(&e);
}

static void a_lineage_without_data_ends_at_its_subscribed(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	learn_subscribed(&e, 1, 100, "g1");
	learn_sids(&e, KMD_FEED_alive, 1, 0, "g1");
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 100);
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TICKER], 0);
	ingest_ends_fini(&e);
}

static void the_last_alive_or_closed_is_the_end(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	learn_subscribed(&e, 1, 100, "g1");
	learn_sids(&e, KMD_FEED_alive, 1, 200, "g1");
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 200);
	learn_sids(&e, KMD_FEED_closed, 1, 250, "g1");
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 250);
	learn_subscribed(&e, 2, 240, "g1"); /* an overlapping successor does not move it back */
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 250);
	ingest_ends_fini(&e);
}

static void another_group_only_raises_the_lineage(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	learn_subscribed(&e, 9, 900, "g2");
	learn_sids(&e, KMD_FEED_alive, 9, 950, "g2");
	learn_sids(&e, KMD_FEED_alive, 9, 950, NULL);
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 0);
	assert_int_equal(e.newest_lineage, 9);
	ingest_ends_fini(&e);
}

static void a_record_without_group_is_told_by_its_lineage(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	learn_subscribed(&e, 1, 100, "g1");
	learn_sids(&e, KMD_FEED_alive, 1, 300, NULL);
	assert_int_equal(e.recv_ns[INGEST_CHANNEL_TRADE], 300);
	ingest_ends_fini(&e);
}

static void a_subscription_before_the_last_sign_of_life_has_no_hole(void **state)
{
	struct ingest_ends e = {0};

	(void)state;
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 100), 0);
	learn_sids(&e, KMD_FEED_alive, 1, 200, "g1"); /* at 1200 */
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 1100), 0);
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 1300), 200);
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TICKER, 1300), 0);
	learn_sids(&e, KMD_FEED_closed, 1, 1250, "g1");
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 1240), 0);
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 1300), 1250);
	ingest_ends_fini(&e);
}

static void a_handover_speaks_for_every_channel(void **state)
{
	struct kmd_feed_record r = record(KMD_FEED_handover, 1, 500, "g1");
	struct ingest_ends e = {0};

	(void)state;
	learn_subscribed(&e, 1, 100, "g1");
	ingest_ends_learn(&e, &r, own);
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 400), 0);
	assert_int_equal(ingest_ends_hole(&e, INGEST_CHANNEL_TRADE, 600), 100);
	ingest_ends_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_known_at_first),
	    cmocka_unit_test(a_lineage_without_data_ends_at_its_subscribed),
	    cmocka_unit_test(the_last_alive_or_closed_is_the_end),
	    cmocka_unit_test(another_group_only_raises_the_lineage),
	    cmocka_unit_test(a_record_without_group_is_told_by_its_lineage),
	    cmocka_unit_test(a_subscription_before_the_last_sign_of_life_has_no_hole),
	    cmocka_unit_test(a_handover_speaks_for_every_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
