#include "../cmocka_all.h"
#include "kmd_time.h"
#include "published.h"

#define S INT64_C(1000000000)

static int64_t at(const char *text)
{
	int64_t ns = 0;

	assert_int_equal(kmd_time_parse(kmd_str_z(text), &ns), 0);
	return ns;
}

static void apply(struct enrich_published *p, enum kmd_topic topic, const char *json)
{
	enrich_published_apply(p, topic, KMD_STR_NONE, kmd_str_z(json));
}

#define MARKET(status, at, more) \
	"{\"ticker\":\"M\",\"event_ticker\":\"E\",\"series_ticker\":\"S\",\"fetched_at\":\"" at \
	"\",\"body\":{\"ticker\":\"M\",\"status\":\"" status "\"" more "}}"
#define SETTLEMENT(trigger, known, determined, settled) \
	"{\"market_ticker\":\"M\",\"status\":\"finalized\",\"result\":\"yes\",\"settlement_value_dollars\":\"1." \
	"0000\"," \
	"\"expiration_value\":\"\",\"determined_at\":" determined ",\"settled_at\":" settled ",\"known_at\":\"" known \
	"\"," \
	"\"trigger\":\"" trigger "\",\"body\":{}}"

static void markets_are_compared_by_content(void **state)
{
	struct enrich_published p = {0};
	const struct enrich_market *m;

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	m = enrich_published_market(&p, KMD_STR("M"));
	assert_non_null(m);
	assert_true(m->has_series);
	assert_false(enrich_published_market_changed(&p, KMD_STR("M"), m->hash, true, at("2026-11-22T11:00:00Z")));
	assert_int_equal(m->fetched_ns, at("2026-11-22T11:00:00Z"));
	assert_true(enrich_published_market_changed(&p, KMD_STR("M"), m->hash + 1, true, 0));
	assert_true(enrich_published_market_changed(&p, KMD_STR("N"), m->hash, true, 0));
	enrich_published_fini(&p);
}

static void a_series_that_became_known_is_a_change(void **state)
{
	struct enrich_published p = {0};
	struct enrich_market *m;

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS,
	    "{\"ticker\":\"M\",\"series_ticker\":null,\"fetched_at\":\"2026-11-22T10:00:00Z\",\"body\":{}}");
	m = enrich_published_market(&p, KMD_STR("M"));
	assert_false(enrich_published_market_changed(&p, KMD_STR("M"), m->hash, false, 0));
	assert_true(enrich_published_market_changed(&p, KMD_STR("M"), m->hash, true, 0));
	enrich_published_fini(&p);
}

static void older_records_change_nothing(void **state)
{
	struct enrich_published p = {0};
	const struct enrich_market *m;
	uint64_t hash;

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("closed", "2026-11-22T10:00:00Z", ""));
	m = enrich_published_market(&p, KMD_STR("M"));
	hash = m->hash;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T09:00:00Z", ""));
	assert_int_equal(m->hash, hash);
	enrich_published_fini(&p);
}

static size_t unseen(struct enrich_published *p, enum enrich_sweep sweep, const char *walk)
{
	struct kmd_arena arena = {0};
	struct kmd_str found[2];
	size_t n = enrich_published_unseen(p, sweep, at(walk), &arena, found, 2);

	kmd_arena_fini(&arena);
	return n;
}

static void what_no_list_shows_is_told(void **state)
{
	struct enrich_published p = {0};

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	assert_int_equal(unseen(&p, ENRICH_SWEEP_ALL, "2026-11-22T10:00:00Z"), 0);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_ALL, "2026-11-22T10:00:01Z"), 1);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_UNDECIDED, "2026-11-22T10:00:01Z"), 1);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_LOST, "2026-11-23T10:00:00Z"), 0);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_LOST, "2026-11-23T10:00:01Z"), 1);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_NONE, "2026-11-23T10:00:01Z"), 0);
	enrich_published_market_changed(&p, KMD_STR("M"), 1, true, at("2026-11-22T11:00:00Z"));
	assert_int_equal(unseen(&p, ENRICH_SWEEP_ALL, "2026-11-22T10:30:00Z"), 0);
	apply(&p, KMD_TOPIC_SETTLEMENTS, SETTLEMENT("determined", "2026-11-22T11:00:00Z", "null", "null"));
	assert_int_equal(unseen(&p, ENRICH_SWEEP_UNDECIDED, "2026-11-22T12:00:00Z"), 0);
	assert_int_equal(unseen(&p, ENRICH_SWEEP_ALL, "2026-11-22T12:00:00Z"), 1);
	apply(&p, KMD_TOPIC_MARKETS, MARKET("finalized", "2026-11-22T11:06:00Z", ""));
	assert_int_equal(unseen(&p, ENRICH_SWEEP_ALL, "2026-11-22T12:00:00Z"), 0);
	enrich_published_fini(&p);
}

static void finalized_markets_expire_and_are_forgotten(void **state)
{
	struct enrich_published p = {0};
	struct kmd_arena arena = {0};
	struct kmd_str gone[2];
	int64_t settled = at("2026-11-22T10:05:00Z");

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS,
	    MARKET("finalized", "2026-11-22T10:06:00Z", ",\"settlement_ts\":\"2026-11-22T10:05:00Z\""));
	apply(&p, KMD_TOPIC_SETTLEMENTS,
	    SETTLEMENT("settled", "2026-11-22T10:06:00Z", "null", "\"2026-11-22T10:05:00Z\""));
	assert_int_equal(enrich_published_expired(&p, settled + ENRICH_TOMBSTONE_AFTER_NS, &arena, gone, 2), 0);
	assert_int_equal(enrich_published_expired(&p, settled + ENRICH_TOMBSTONE_AFTER_NS + 1, &arena, gone, 2), 1);
	assert_str(gone[0], "M");
	p.forget_ns = settled + 1;
	enrich_published_prune(&p);
	assert_int_equal(p.markets.count, 1);
	enrich_published_apply(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), KMD_STR_NONE);
	assert_int_equal(enrich_published_expired(&p, INT64_MAX, &arena, gone, 2), 0);
	enrich_published_prune(&p);
	assert_int_equal(p.markets.count, 0);
	apply(&p, KMD_TOPIC_SETTLEMENTS,
	    SETTLEMENT("settled", "2026-11-22T10:06:00Z", "null", "\"2026-11-22T10:05:00Z\""));
	assert_int_equal(p.markets.count, 0);
	assert_int_equal(p.last_settled_ns, settled);
	kmd_arena_fini(&arena);
	enrich_published_fini(&p);
}

static void a_settlement_answers_frames_of_its_trigger_only(void **state)
{
	struct enrich_published p = {0};
	int64_t known = at("2026-11-22T10:00:00Z"), told = at("2026-11-22T09:50:00Z");
	struct enrich_cause determined = {.what = ENRICH_WANT_DETERMINED, .recv_ns = known - S, .determined_ns = told};
	struct enrich_cause again = {.what = ENRICH_WANT_DETERMINED, .recv_ns = known - S, .determined_ns = told + S};
	struct enrich_cause late = {.what = ENRICH_WANT_DETERMINED, .recv_ns = known + S, .determined_ns = told};
	struct enrich_cause settled = {.what = ENRICH_WANT_SETTLED, .recv_ns = known - S};

	(void)state;
	assert_false(enrich_published_has_settlement(&p, &determined, KMD_STR("M")));
	apply(&p, KMD_TOPIC_SETTLEMENTS,
	    SETTLEMENT("determined", "2026-11-22T10:00:00Z", "\"2026-11-22T09:50:00Z\"", "null"));
	assert_true(enrich_published_has_settlement(&p, &determined, KMD_STR("M")));
	assert_false(enrich_published_has_settlement(&p, &again, KMD_STR("M")));
	assert_false(enrich_published_has_settlement(&p, &late, KMD_STR("M")));
	assert_false(enrich_published_has_settlement(&p, &settled, KMD_STR("M")));
	enrich_published_learn_determined(&p, KMD_STR("M"), told + S);
	assert_false(enrich_published_has_settlement(&p, &again, KMD_STR("M")));
	apply(&p, KMD_TOPIC_SETTLEMENTS,
	    SETTLEMENT("settled", "2026-11-22T10:00:00Z", "\"2026-11-22T09:50:00Z\"", "\"2026-11-22T09:59:00Z\""));
	assert_true(enrich_published_has_settlement(&p, &settled, KMD_STR("M")));
	enrich_published_fini(&p);
}

static void outcomes_are_compared_for_reconciliation(void **state)
{
	struct enrich_published p = {0};
	struct kmd_settlement_data d = {.market_ticker = KMD_STR("M"),
	    .status = KMD_STR("finalized"),
	    .result = KMD_STR("yes"),
	    .settlement_value_dollars = KMD_STR("1"),
	    .expiration_value = KMD_STR("")};
	int64_t settled = at("2026-11-22T09:59:00Z");

	(void)state;
	assert_true(enrich_published_outcome_differs(&p, &d, settled));
	apply(&p, KMD_TOPIC_SETTLEMENTS,
	    SETTLEMENT("settled", "2026-11-22T10:00:00Z", "null", "\"2026-11-22T09:59:00Z\""));
	assert_false(enrich_published_outcome_differs(&p, &d, settled));
	assert_true(enrich_published_outcome_differs(&p, &d, settled + S));
	d.result = KMD_STR("no");
	assert_true(enrich_published_outcome_differs(&p, &d, settled));
	enrich_published_fini(&p);
}

static void events_are_fresh_for_a_while(void **state)
{
	struct enrich_published p = {0};
	int64_t fetched = at("2026-11-22T10:00:00Z");
	struct enrich_cause soon = {.recv_ns = fetched + 59 * S}, later = {.recv_ns = fetched + 61 * S};
	struct enrich_cause fee = {.recv_ns = fetched - S, .what = ENRICH_WANT_FRESH_EVENT};

	(void)state;
	apply(&p, KMD_TOPIC_EVENTS,
	    "{\"ticker\":\"E\",\"series_ticker\":\"S\",\"fetched_at\":\"2026-11-22T10:00:00Z\",\"body\":{}}");
	assert_str(enrich_published_series_of(&p, KMD_STR("E")), "S");
	assert_true(enrich_published_has_parent(&p, KMD_TOPIC_EVENTS, &soon, KMD_STR("E")));
	assert_false(enrich_published_has_parent(&p, KMD_TOPIC_EVENTS, &later, KMD_STR("E")));
	assert_false(enrich_published_has_parent(&p, KMD_TOPIC_EVENTS, &fee, KMD_STR("E")));
	assert_true(enrich_published_parent_changed(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), 1, fetched + 60 * S));
	assert_false(enrich_published_has_parent(&p, KMD_TOPIC_EVENTS, &later, KMD_STR("E")));
	assert_true(enrich_published_saw_parent(&p, KMD_TOPIC_EVENTS, &later, KMD_STR("E")));
	enrich_published_fini(&p);
}

static void events_long_not_seen_are_forgotten(void **state)
{
	struct enrich_published p = {0};
	int64_t fetched = at("2026-11-22T10:00:00Z");

	(void)state;
	apply(&p, KMD_TOPIC_EVENTS,
	    "{\"ticker\":\"E\",\"series_ticker\":\"S\",\"fetched_at\":\"2026-11-22T10:00:00Z\",\"body\":{}}");
	p.forget_ns = fetched + ENRICH_FORGET_PARENT_AFTER_NS - ENRICH_FORGET_AFTER_NS;
	enrich_published_prune(&p);
	assert_int_equal(p.events.count, 1);
	p.forget_ns++;
	enrich_published_prune(&p);
	assert_int_equal(p.events.count, 0);
	enrich_published_fini(&p);
}

static void what_cannot_be_read_is_skipped(void **state)
{
	struct enrich_published p = {0};

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, "{\"ticker\":");
	apply(&p, KMD_TOPIC_MARKETS, "[]");
	apply(&p, KMD_TOPIC_SETTLEMENTS, "{}");
	apply(&p, KMD_TOPIC_SERIES, "{\"ticker\":\"\"}");
	assert_int_equal(p.markets.count + p.series.count, 0);
	enrich_published_fini(&p);
}

static void what_was_sent_is_known_before_it_is_acknowledged(void **state)
{
	struct enrich_published p = {0};

	(void)state;
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7));
	enrich_published_note_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7);
	assert_true(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 8));
	assert_true(enrich_published_market_changed(&p, KMD_STR("M"), 7, true, 0)); /* a frame waits for the record */
	enrich_published_apply(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), KMD_STR_NONE);
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7));
	/* A record that came behind ours may be another member's: ours is worth sending again. */
	enrich_published_note_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7);
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7));
	enrich_published_note_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), 9);
	assert_true(enrich_published_was_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), 9));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_SERIES, KMD_STR("E"), 9));
	enrich_published_fini(&p);
}

/* The exchange returns to a content that we sent, after another member published what came between. */
static void what_was_sent_before_another_s_record_may_be_sent_again(void **state)
{
	struct enrich_published p = {0};
	const struct enrich_market *m;
	const struct enrich_parent *e;
	uint64_t sent;

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	m = enrich_published_market(&p, KMD_STR("M"));
	sent = enrich_market_mark(m->hash, true);
	enrich_published_note_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), sent);
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", "")); /* its echo */
	assert_true(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), sent));
	apply(&p, KMD_TOPIC_MARKETS, MARKET("closed", "2026-11-22T11:00:00Z", ""));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), sent));

	apply(&p, KMD_TOPIC_EVENTS, "{\"ticker\":\"E\",\"fetched_at\":\"2026-11-22T10:00:00Z\",\"body\":{\"a\":1}}");
	e = enrich_published_parent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"));
	sent = e->hash;
	enrich_published_note_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), sent);
	apply(&p, KMD_TOPIC_EVENTS, "{\"ticker\":\"E\",\"fetched_at\":\"2026-11-22T11:00:00Z\",\"body\":{\"a\":2}}");
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), sent));
	enrich_published_fini(&p);
}

static void an_echo_does_not_repeat_what_is_on_its_way(void **state)
{
	struct enrich_published p = {0};

	(void)state;
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	enrich_published_note_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7);
	apply(&p, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	assert_true(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), 7));
	enrich_published_fini(&p);
}

static void what_was_refused_may_be_sent_again(void **state)
{
	static const char event[] = "{\"ticker\":\"E\",\"body\":{\"a\":1}}";
	struct enrich_published known = {0}, p = {0};
	uint64_t mark;

	(void)state;
	apply(&known, KMD_TOPIC_MARKETS, MARKET("active", "2026-11-22T10:00:00Z", ""));
	mark = enrich_published_market(&known, KMD_STR("M"))->hash;
	enrich_published_note_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), mark);
	enrich_published_refused(
	    &p, KMD_TOPIC_MARKETS, kmd_str_z(MARKET("closed", "2026-11-22T10:00:00Z", ""))); /* an earlier one */
	assert_true(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), mark));
	enrich_published_refused(&p, KMD_TOPIC_MARKETS, kmd_str_z(MARKET("active", "2026-11-22T10:00:00Z", "")));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_MARKETS, KMD_STR("M"), mark));

	apply(&known, KMD_TOPIC_EVENTS, event);
	mark = enrich_published_parent(&known, KMD_TOPIC_EVENTS, KMD_STR("E"))->hash;
	enrich_published_note_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), mark);
	enrich_published_refused(&p, KMD_TOPIC_EVENTS, kmd_str_z(event));
	assert_false(enrich_published_was_sent(&p, KMD_TOPIC_EVENTS, KMD_STR("E"), mark));
	enrich_published_refused(&p, KMD_TOPIC_SETTLEMENTS, kmd_str_z("{}"));
	enrich_published_refused(&p, KMD_TOPIC_MARKETS, kmd_str_z("{\"ticker\":\"unknown\"}"));
	enrich_published_fini(&known);
	enrich_published_fini(&p);
}

static void a_series_in_use_is_due_again_after_a_day(void **state)
{
	const int64_t fetched = at("2026-11-22T10:00:00Z"), day = ENRICH_SERIES_AGAIN_NS;
	struct enrich_published p = {0};
	struct kmd_arena arena = {0};
	struct kmd_str old[2];

	(void)state;
	apply(&p, KMD_TOPIC_SERIES, "{\"ticker\":\"S\",\"fetched_at\":\"2026-11-22T10:00:00Z\",\"body\":{}}");
	assert_int_equal(enrich_published_old_series(&p, fetched, fetched + day + S, &arena, old, 2), 0);
	enrich_published_list_series(&p, KMD_STR("S"), fetched + day);
	enrich_published_list_series(&p, KMD_STR("unknown"), fetched + day);
	assert_int_equal(enrich_published_old_series(&p, fetched, fetched + day - S, &arena, old, 2), 0);
	assert_int_equal(enrich_published_old_series(&p, fetched, fetched + day + S, &arena, old, 2), 1);
	assert_str(old[0], "S");
	assert_int_equal(enrich_published_old_series(&p, fetched + day + S, fetched + day + S, &arena, old, 2), 0);
	assert_true(enrich_published_series_is_old(&p, KMD_STR("S"), fetched + day + S));
	assert_false(enrich_published_series_is_old(&p, KMD_STR("unknown"), fetched + day + S));
	kmd_arena_fini(&arena);
	enrich_published_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(markets_are_compared_by_content),
	    cmocka_unit_test(a_series_that_became_known_is_a_change),
	    cmocka_unit_test(older_records_change_nothing),
	    cmocka_unit_test(what_no_list_shows_is_told),
	    cmocka_unit_test(finalized_markets_expire_and_are_forgotten),
	    cmocka_unit_test(a_settlement_answers_frames_of_its_trigger_only),
	    cmocka_unit_test(outcomes_are_compared_for_reconciliation),
	    cmocka_unit_test(events_are_fresh_for_a_while),
	    cmocka_unit_test(events_long_not_seen_are_forgotten),
	    cmocka_unit_test(what_cannot_be_read_is_skipped),
	    cmocka_unit_test(what_was_sent_is_known_before_it_is_acknowledged),
	    cmocka_unit_test(what_was_sent_before_another_s_record_may_be_sent_again),
	    cmocka_unit_test(an_echo_does_not_repeat_what_is_on_its_way),
	    cmocka_unit_test(what_was_refused_may_be_sent_again),
	    cmocka_unit_test(a_series_in_use_is_due_again_after_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
