#include "../cmocka_all.h"

#include "spool_dead.h"

static int setup(void **state)
{
	static struct ingest_dead d;

	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	ingest_dead_fini(*state);
	return 0;
}

static void frame(struct ingest_dead *d, int64_t lineage, int64_t n, int64_t sid, int64_t seq)
{
	const struct ingest_spool_record r = {
	    .kind = INGEST_SPOOL_FRAME,
	    .lineage = lineage,
	    .frame = {.n = n,
		.recv_ns = 1000 + n,
		.has_sid = sid > 0,
		.sid = sid,
		.has_seq = seq > 0,
		.seq = seq,
		.has_ts = seq > 0,
		.ts_ms = 500 + n},
	};

	ingest_dead_frame(d, &r);
}

/* A mark that knows of sid 1, the trades, up to frame @n (0: none yet), and of sid 2, the tickers. */
static void mark(struct ingest_dead *d, int64_t lineage, int64_t n, int64_t last_n)
{
	struct kmd_feed_sid sids[] = {
	    {.sid = 1,
		.channel = KMD_STR("trade"),
		.n = {n > 0, n},
		.seq = {n > 0, n},
		.recv_ns = {n > 0, 1000 + n},
		.subscribed_ns = {true, 1001}},
	    {.sid = 2, .channel = KMD_STR("ticker"), .subscribed_ns = {true, 1002}},
	};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_alive, lineage, 999999);

	r.group = KMD_STR("g");
	r.instance = KMD_STR("host:1");
	r.shard = (struct kmd_feed_num){true, 3};
	r.last_n = (struct kmd_feed_num){true, last_n};
	r.sids = sids;
	r.sids_count = 2;
	ingest_dead_feed(d, &r, true);
}

static void word(struct ingest_dead *d, int64_t lineage, enum kmd_feed_kind kind, int64_t at_ns)
{
	struct kmd_feed_record r = kmd_feed_make(kind, lineage, at_ns);

	r.channel = KMD_STR("orderbook_delta");
	r.sid = (struct kmd_feed_num){kind == KMD_FEED_subscribed, 4};
	ingest_dead_feed(d, &r, false);
}

static const struct ingest_dead_lineage *only(struct ingest_dead *d)
{
	assert_int_equal(d->count, 1);
	return d->lineages[0];
}

static void frames_move_what_a_mark_told(void **state)
{
	struct kmd_arena arena = {0};
	struct kmd_feed_record r;

	mark(*state, 7, 3, 4);
	frame(*state, 7, 5, 1, 4);
	frame(*state, 7, 6, 0, 0);
	frame(*state, 7, 7, 1, 5);
	r = ingest_dead_closed(only(*state), &arena);
	assert_int_equal(r.kind, KMD_FEED_closed);
	assert_int_equal(r.lineage, 7);
	assert_int_equal(r.last_n.v, 7);
	assert_int_equal(r.at_ns, 1007); /* the last that it did, not when that was found */
	assert_int_equal(r.shard.v, 3);
	assert_true(kmd_str_eqz(r.reason, "crashed"));
	assert_true(kmd_str_eqz(r.group, "g"));
	assert_true(kmd_str_eqz(r.instance, "host:1"));
	assert_int_equal(r.sids_count, 2);
	assert_true(kmd_str_eqz(r.sids[0].channel, "trade"));
	assert_int_equal(r.sids[0].n.v, 7);
	assert_int_equal(r.sids[0].seq.v, 5);
	assert_int_equal(r.sids[0].recv_ns.v, 1007);
	assert_int_equal(r.sids[0].ts_ms.v, 507);
	assert_int_equal(r.sids[0].subscribed_ns.v, 1001);
	assert_false(r.sids[1].n.has);
	assert_int_equal(r.sids[1].subscribed_ns.v, 1002);
	kmd_arena_fini(&arena);
}

/* What is spooled when the broker stops answering begins with the oldest frame that it did not acknowledge. */
static void frames_behind_what_is_acknowledged_do_not_take_it_back(void **state)
{
	struct kmd_arena arena = {0};
	struct kmd_feed_record r;

	mark(*state, 7, 9, 9);
	frame(*state, 7, 4, 1, 4);
	mark(*state, 7, 8, 8);
	r = ingest_dead_closed(only(*state), &arena);
	assert_int_equal(r.sids[0].n.v, 9);
	assert_int_equal(r.last_n.v, 9);
	kmd_arena_fini(&arena);
}

static void a_subscription_is_known_by_its_word(void **state)
{
	struct kmd_arena arena = {0};
	struct kmd_feed_record r;

	word(*state, 7, KMD_FEED_opened, 1000);
	frame(*state, 7, 1, 4, 1);
	r = ingest_dead_closed(only(*state), &arena);
	assert_int_equal(r.sids_count, 0); /* whose it is, nobody knows yet */
	word(*state, 7, KMD_FEED_subscribed, 1001);
	r = ingest_dead_closed(only(*state), &arena);
	assert_int_equal(r.sids_count, 1);
	assert_true(kmd_str_eqz(r.sids[0].channel, "orderbook_delta"));
	assert_int_equal(r.sids[0].n.v, 1);
	assert_int_equal(r.sids[0].subscribed_ns.v, 1001);
	kmd_arena_fini(&arena);
}

static void lineages_stand_in_their_order_and_the_closed_ones_are_known(void **state)
{
	struct ingest_dead *d = *state;

	frame(d, 9, 1, 1, 1);
	frame(d, 5, 1, 1, 1);
	frame(d, 7, 1, 1, 1);
	frame(d, 5, 2, 1, 2);
	word(d, 7, KMD_FEED_closed, 5000);
	assert_int_equal(d->count, 3);
	assert_int_equal(d->lineages[0]->lineage, 5);
	assert_int_equal(d->lineages[1]->lineage, 7);
	assert_int_equal(d->lineages[2]->lineage, 9);
	assert_int_equal(d->lineages[0]->last_n, 2);
	assert_false(d->lineages[0]->closed);
	assert_true(d->lineages[1]->closed);
}

static void what_stands_behind_damage_proves_nothing_but_an_end(void **state)
{
	struct ingest_dead *d = *state;

	frame(d, 7, 1, 1, 1);
	ingest_dead_damage(d);
	frame(d, 7, 5, 1, 5);
	mark(d, 7, 5, 5);
	frame(d, 8, 1, 1, 1);
	assert_int_equal(only(d)->last_n, 1);
	assert_int_equal(only(d)->sids[0].mark.n, 1);
	assert_false(only(d)->closed);
	word(d, 7, KMD_FEED_closed, 5000);
	assert_true(only(d)->closed);
}

static void an_idle_lineage_ends_when_it_was_last_heard_of(void **state)
{
	struct kmd_arena arena = {0};

	word(*state, 7, KMD_FEED_opened, 1234);
	assert_int_equal(ingest_dead_closed(only(*state), &arena).at_ns, 1234);
	mark(*state, 7, 0, 0);
	assert_int_equal(ingest_dead_closed(only(*state), &arena).at_ns, 1234);
	kmd_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(frames_move_what_a_mark_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(frames_behind_what_is_acknowledged_do_not_take_it_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_subscription_is_known_by_its_word, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		lineages_stand_in_their_order_and_the_closed_ones_are_known, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_stands_behind_damage_proves_nothing_but_an_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_idle_lineage_ends_when_it_was_last_heard_of, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
