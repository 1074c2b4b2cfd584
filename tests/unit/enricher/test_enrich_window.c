#include <stdio.h>

#include "../cmocka_all.h"
#include "window.h"

#define S INT64_C(1000000000)
#define T0 (INT64_C(1795341600) * S) /* all times of a test are seconds after it */

struct bench {
	struct enrich_windows w;
	struct enrich_book b;
	int64_t offset;
};

static void feed(struct bench *t, struct kmd_feed_record *r)
{
	struct enrich_cause *c = enrich_cause_open(&t->b, 0, 1, t->offset++);

	if (!r->group.p)
		r->group = KMD_STR("g");
	r->shard = (struct kmd_feed_num){true, 0};
	enrich_windows_feed(&t->w, &t->b, r, c);
	enrich_cause_drop(&t->b, c);
}

static struct kmd_feed_num seconds(double s)
{
	return (struct kmd_feed_num){true, T0 + (int64_t)(s * 1e9)};
}

static void subscribed_in(struct bench *t, const char *group, int64_t lineage, double at, double from)
{
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_subscribed, lineage, seconds(at).v);

	r.group = kmd_str_z(group);
	r.channel = KMD_STR("trade");
	r.sid = (struct kmd_feed_num){true, 2};
	if (from >= 0) {
		r.from_recv_ns = seconds(from);
		r.to_recv_ns = seconds(at);
	}
	feed(t, &r);
}

#define NO_HOLE (-1.0)

static void subscribed(struct bench *t, int64_t lineage, double at, double from)
{
	subscribed_in(t, "g", lineage, at, from);
}

/* @ts exchange time of the last durable trade, below 0: none. */
static void life(struct bench *t, enum kmd_feed_kind kind, int64_t lineage, double at, double ts)
{
	struct kmd_feed_record r = kmd_feed_make(kind, lineage, seconds(at).v);
	struct kmd_feed_sid sid = {.sid = 2, .channel = KMD_STR("trade")};

	if (ts >= 0)
		sid.ts_ms = (struct kmd_feed_num){true, seconds(ts).v / 1000000};
	r.sids = &sid;
	r.sids_count = 1;
	feed(t, &r);
}

static void assert_window(struct bench *t, int64_t lineage, int64_t from_s, int64_t to_s)
{
	struct enrich_window win;

	assert_true(enrich_windows_take(&t->w, &win));
	assert_int_equal(win.lineage, lineage);
	assert_int_equal(win.from_s - T0 / S, from_s);
	assert_int_equal(win.to_s - T0 / S, to_s);
	enrich_causes_drop(&t->b, &win.causes);
	enrich_causes_fini(&win.causes);
}

static void assert_no_window(struct bench *t)
{
	struct enrich_window win;

	assert_false(enrich_windows_take(&t->w, &win));
}

/* Offset below which everything is done, as the shell would commit it. */
static int64_t low(struct bench *t)
{
	int64_t lowest = t->offset;
	struct enrich_cause *c;

	while ((c = enrich_cause_take_done(&t->b)))
		enrich_cause_free(&t->b, c);
	for (c = t->b.first; c; c = c->next)
		if (c->offset < lowest)
			lowest = c->offset;
	return lowest;
}

static void end(struct bench *t)
{
	enrich_windows_reset(&t->w, &t->b);
	assert_int_equal(low(t), t->offset);
	enrich_windows_fini(&t->w);
	enrich_book_fini(&t->b);
}

static void closed_then_reconnected(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 20, 18.4);
	assert_no_window(&t);
	subscribed(&t, 2, 25.2, 20);
	assert_window(&t, 1, 13, 31); /* 18.4 - 5 floored, 25.2 + 5 ceiled */
	assert_no_window(&t);
	end(&t);
}

static void crashed_ends_at_its_last_alive(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 5, 4);
	life(&t, KMD_FEED_alive, 1, 10, 8);
	subscribed(&t, 2, 30, 10);
	assert_window(&t, 1, 3, 35);
	end(&t);
}

static void without_a_trade_it_starts_at_the_subscription(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 7, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 20, -1);
	subscribed(&t, 2, 30, 20);
	assert_window(&t, 1, 2, 35);
	end(&t);
}

static void overlap_leaves_none(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	subscribed(&t, 2, 10, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 12, 11);
	assert_no_window(&t);
	assert_int_equal(low(&t), 1);
	life(&t, KMD_FEED_closed, 2, 20, 19);
	subscribed(&t, 3, 21, 20);
	assert_window(&t, 2, 14, 26);
	assert_no_window(&t);
	end(&t);
}

static void overlap_that_died_before_it_was_proven(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 5, 5);
	subscribed(&t, 2, 8, NO_HOLE);
	subscribed(&t, 3, 30, 8);
	/* 1 is known up to 5, 2 from 8 on; 2 ended at its subscription */
	assert_window(&t, 2, 3, 35);
	assert_window(&t, 1, 0, 13);
	assert_no_window(&t);
	end(&t);
}

static void groups_do_not_cover_for_each_other(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed_in(&t, "a", 1, 0, NO_HOLE);
	subscribed_in(&t, "b", 2, 1, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 10, 9);
	assert_no_window(&t);
	subscribed_in(&t, "b", 4, 12, NO_HOLE);
	assert_no_window(&t);
	subscribed_in(&t, "a", 3, 20, 10);
	assert_window(&t, 1, 4, 25);
	end(&t);
}

static void a_hole_whose_lineage_is_not_known(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 5, 30, 10);
	assert_window(&t, 5, 5, 35);
	end(&t);
}

static void resubscribed_on_the_same_connection(void **state)
{
	struct bench t = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_subscribed, 1, seconds(20).v);

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 10, 9);
	r.channel = KMD_STR("trade");
	r.sid = (struct kmd_feed_num){true, 6};
	r.from_recv_ns = seconds(12);
	feed(&t, &r);
	assert_window(&t, 1, 4, 25);
	end(&t);
}

static void gaps_of_the_trade_channel(void **state)
{
	struct bench t = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_gap, 3, seconds(20).v);

	(void)state;
	r.channel = KMD_STR("trade");
	r.from_recv_ns = seconds(18.5);
	r.to_recv_ns = seconds(19.5);
	feed(&t, &r);
	assert_window(&t, 3, 13, 25);
	r.from_ts_ms = (struct kmd_feed_num){true, seconds(17.5).v / 1000000};
	r.to_ts_ms = (struct kmd_feed_num){true, seconds(19.1).v / 1000000};
	feed(&t, &r);
	assert_window(&t, 3, 12, 25);
	r.channel = KMD_STR("orderbook_delta");
	feed(&t, &r);
	assert_no_window(&t);
	end(&t);
}

static void the_last_alive_is_held_and_the_earlier_ones_are_not(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	assert_int_equal(low(&t), 0);
	life(&t, KMD_FEED_alive, 1, 5, 4);
	assert_int_equal(low(&t), 1);
	life(&t, KMD_FEED_alive, 1, 10, 9);
	assert_int_equal(low(&t), 2);
	life(&t, KMD_FEED_closed, 1, 12, 11);
	assert_int_equal(low(&t), 3);
	subscribed(&t, 2, 20, 12);
	assert_int_equal(low(&t), 3); /* until the window is fetched */
	assert_window(&t, 1, 6, 25);
	assert_int_equal(low(&t), 4);
	end(&t);
}

static void an_alive_that_does_not_name_its_group_does_not_replace(void **state)
{
	struct bench t = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_alive, 1, seconds(5).v);
	struct kmd_feed_sid sid = {.sid = 2, .channel = KMD_STR("trade")};
	struct enrich_cause *c;

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	r.sids = &sid;
	r.sids_count = 1;
	c = enrich_cause_open(&t.b, 0, 1, t.offset++);
	enrich_windows_feed(&t.w, &t.b, &r, c);
	enrich_cause_drop(&t.b, c);
	assert_int_equal(low(&t), 0);
	end(&t);
}

static void rebuilt_from_the_held_alive(void **state)
{
	struct bench t = {0};

	(void)state;
	life(&t, KMD_FEED_alive, 1, 10, 9);
	subscribed(&t, 2, 30, 10);
	assert_window(&t, 1, 4, 35);
	end(&t);
}

static void lifecycle_holes_are_noted(void **state)
{
	struct bench t = {0};
	struct enrich_causes causes = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_subscribed, 3, seconds(20).v);
	int64_t from_ns = 0;

	(void)state;
	r.channel = KMD_STR("market_lifecycle_v2");
	feed(&t, &r);
	assert_false(enrich_windows_take_hole(&t.w, &from_ns, &causes));
	r.from_recv_ns = seconds(15);
	feed(&t, &r);
	r.from_recv_ns = seconds(12);
	feed(&t, &r);
	assert_int_equal(low(&t), 1);
	assert_true(enrich_windows_take_hole(&t.w, &from_ns, &causes));
	assert_int_equal(from_ns, seconds(12).v);
	assert_int_equal(causes.count, 2);
	assert_false(enrich_windows_take_hole(&t.w, &from_ns, &causes));
	enrich_causes_drop(&t.b, &causes);
	enrich_causes_fini(&causes);
	end(&t);
}

/* `closed` is written when the last frame is acknowledged, which may be after the successor stands. */
static void a_hole_that_was_told_is_one_whatever_the_clocks_say(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 40, 18.5);
	subscribed(&t, 2, 22, 20);
	assert_window(&t, 1, 13, 27);
	assert_no_window(&t);
	life(&t, KMD_FEED_alive, 2, 133, 119); /* and so does a host whose clock is ahead */
	subscribed(&t, 3, 130, 120);
	assert_window(&t, 2, 114, 135);
	assert_no_window(&t);
	end(&t);
}

static void trades_after_the_successor_stood_are_no_hole(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 5, 4);
	subscribed(&t, 2, 12, 5); /* a second instance takes a living one for dead */
	assert_window(&t, 1, -1, 17);
	life(&t, KMD_FEED_closed, 1, 20, 18);
	assert_no_window(&t);
	end(&t);
}

static void the_shard_does_not_matter(void **state)
{
	struct bench t = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_subscribed, 2, seconds(30).v);
	struct enrich_cause *c = enrich_cause_open(&t.b, 0, 1, t.offset++);

	(void)state;
	r.group = KMD_STR("g");
	r.channel = KMD_STR("trade");
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_closed, 1, 20, 18);
	enrich_windows_feed(&t.w, &t.b, &r, c);
	enrich_cause_drop(&t.b, c);
	assert_window(&t, 1, 13, 35);
	end(&t);
}

/* `alive` comes every 5 s. */
static void silence_is_an_end_although_nobody_told_of_a_hole(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 10, 8);
	subscribed(&t, 2, 60, NO_HOLE);
	assert_no_window(&t);
	life(&t, KMD_FEED_alive, 2, 65, 64);
	assert_window(&t, 1, 3, 65);
	assert_no_window(&t);
	end(&t);
}

static void a_mate_that_covers_a_silent_one_releases_it(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed(&t, 1, 0, NO_HOLE);
	subscribed(&t, 2, 8, NO_HOLE);
	life(&t, KMD_FEED_alive, 1, 10, 9);
	life(&t, KMD_FEED_alive, 2, 13, 12);
	assert_int_equal(low(&t), 2);
	life(&t, KMD_FEED_alive, 2, 50, 49);
	assert_no_window(&t);
	assert_int_equal(low(&t), 4);
	end(&t);
}

static void a_gap_before_the_first_trade_begins_at_the_subscription(void **state)
{
	struct bench t = {0};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_gap, 1, seconds(50).v);

	(void)state;
	subscribed(&t, 1, 10, NO_HOLE);
	r.channel = KMD_STR("trade");
	r.to_recv_ns = seconds(50);
	feed(&t, &r);
	assert_window(&t, 1, 5, 55);
	end(&t);
}

static void lineages_that_never_get_a_successor_are_bounded(void **state)
{
	struct bench t = {0};

	(void)state;
	for (int64_t i = 1; i <= ENRICH_LINEAGES_MAX + 5; i++) {
		char group[16];

		snprintf(group, sizeof(group), "g%d", (int)i);
		subscribed_in(&t, group, i, (double)i, NO_HOLE);
	}
	assert_int_equal(t.w.count, ENRICH_LINEAGES_MAX);
	assert_int_equal(t.w.given_up, 5);
	assert_int_equal(low(&t), 5);
	end(&t);
}

static void a_group_that_never_returns_does_not_hold_the_offset_for_ever(void **state)
{
	struct bench t = {0};

	(void)state;
	subscribed_in(&t, "gone", 1, 0, NO_HOLE);
	subscribed(&t, 2, 1, NO_HOLE);
	life(&t, KMD_FEED_alive, 2, 3595, 3594);
	assert_int_equal(low(&t), 0);
	life(&t, KMD_FEED_alive, 2, 3605, 3604);
	assert_int_equal(low(&t), 3);
	assert_no_window(&t);
	subscribed_in(&t, "gone", 3, 4000, 8); /* it does, and says itself since when it was away */
	assert_window(&t, 3, 3, 4005);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(closed_then_reconnected),
	    cmocka_unit_test(crashed_ends_at_its_last_alive),
	    cmocka_unit_test(without_a_trade_it_starts_at_the_subscription),
	    cmocka_unit_test(overlap_leaves_none),
	    cmocka_unit_test(overlap_that_died_before_it_was_proven),
	    cmocka_unit_test(groups_do_not_cover_for_each_other),
	    cmocka_unit_test(a_hole_whose_lineage_is_not_known),
	    cmocka_unit_test(resubscribed_on_the_same_connection),
	    cmocka_unit_test(gaps_of_the_trade_channel),
	    cmocka_unit_test(the_last_alive_is_held_and_the_earlier_ones_are_not),
	    cmocka_unit_test(an_alive_that_does_not_name_its_group_does_not_replace),
	    cmocka_unit_test(rebuilt_from_the_held_alive),
	    cmocka_unit_test(lifecycle_holes_are_noted),
	    cmocka_unit_test(a_hole_that_was_told_is_one_whatever_the_clocks_say),
	    cmocka_unit_test(trades_after_the_successor_stood_are_no_hole),
	    cmocka_unit_test(the_shard_does_not_matter),
	    cmocka_unit_test(silence_is_an_end_although_nobody_told_of_a_hole),
	    cmocka_unit_test(a_mate_that_covers_a_silent_one_releases_it),
	    cmocka_unit_test(a_gap_before_the_first_trade_begins_at_the_subscription),
	    cmocka_unit_test(lineages_that_never_get_a_successor_are_bounded),
	    cmocka_unit_test(a_group_that_never_returns_does_not_hold_the_offset_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
