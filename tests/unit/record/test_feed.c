#include "../cmocka_all.h"
#include "kmd_feed.h"

struct decoded {
	struct kmd_buf text;
	struct kmd_json doc;
	struct kmd_arena arena;
	struct kmd_feed_record record;
	int rc;
};

static void decode(struct decoded *d, const char *json)
{
	*d = (struct decoded){0};
	kmd_buf_addz(&d->text, json);
	assert_int_equal(kmd_json_parse(&d->doc, kmd_buf_str(&d->text)), 0);
	d->rc = kmd_feed_decode(kmd_json_root(&d->doc), &d->arena, &d->record);
}

static void decoded_fini(struct decoded *d)
{
	kmd_buf_fini(&d->text);
	kmd_json_fini(&d->doc);
	kmd_arena_fini(&d->arena);
}

static void assert_encoded(const struct kmd_feed_record *r, const char *json)
{
	struct kmd_buf out = {0};
	kmd_feed_encode(r, &out);
	assert_str(kmd_buf_str(&out), json);
	kmd_buf_fini(&out);
}

#define AT INT64_C(1795341600123456789)
#define AT_TEXT "2026-11-22T10:00:00.123456789Z"

static void what_does_not_apply_is_left_out(void **state)
{
	(void)state;
	const struct kmd_feed_record r = kmd_feed_make(KMD_FEED_opened, INT64_C(9223372036854775807), AT);
	assert_encoded(&r, "{\"kind\":\"opened\",\"lineage\":9223372036854775807,\"at\":\"" AT_TEXT "\"}");
}

/* Every member set: written, read and written again. */
static void round_trip_keeps_every_member(void **state)
{
	(void)state;
	struct kmd_feed_sid sids[2] = {
	    {.sid = 1,
		.channel = KMD_STR("trade"),
		.seq = {true, 674041},
		.n = {true, 900},
		.recv_ns = {true, AT},
		.ts_ms = {true, 1795341600123},
		.subscribed_ns = {true, AT - 5}},
	    {.sid = 2, .channel = KMD_STR("ticker")},
	};
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_alive, 77, AT);
	r.sid = (struct kmd_feed_num){true, 3};
	r.expected_seq = (struct kmd_feed_num){true, 10};
	r.got_seq = (struct kmd_feed_num){true, 12};
	r.from_recv_ns = (struct kmd_feed_num){true, AT - 1000};
	r.to_recv_ns = (struct kmd_feed_num){true, AT};
	r.from_ts_ms = (struct kmd_feed_num){true, 0};
	r.to_ts_ms = (struct kmd_feed_num){true, -1};
	r.last_n = (struct kmd_feed_num){true, 901};
	r.markets = (struct kmd_feed_num){true, 500};
	r.shard = (struct kmd_feed_num){true, 0};
	r.n = (struct kmd_feed_num){true, 4};
	r.size = (struct kmd_feed_num){true, 67108864};
	r.use_yes_price = 0;
	r.channel = KMD_STR("orderbook_delta");
	r.group = KMD_STR("kmd-ingest");
	r.instance = KMD_STR("h\"ost\n");
	r.reason = KMD_STR("");
	r.topic = KMD_STR("trades");
	r.sids = sids;
	r.sids_count = 2;
	const char *json =
	    "{\"kind\":\"alive\",\"lineage\":77,\"at\":\"" AT_TEXT "\",\"sid\":3,\"expected_seq\":10,\"got_seq\":12,"
	    "\"from_recv_ns\":1795341600123455789,\"to_recv_ns\":1795341600123456789,\"from_ts_ms\":0,\"to_ts_ms\":-1,"
	    "\"last_n\":901,\"markets\":500,\"shard\":0,\"n\":4,\"size\":67108864,\"channel\":\"orderbook_delta\","
	    "\"group\":\"kmd-ingest\",\"instance\":\"h\\\"ost\\n\",\"reason\":\"\",\"topic\":\"trades\","
	    "\"use_yes_price\":false,\"sids\":[{\"sid\":1,\"channel\":\"trade\",\"seq\":674041,\"n\":900,"
	    "\"recv_ns\":1795341600123456789,\"ts_ms\":1795341600123,\"subscribed_ns\":1795341600123456784},"
	    "{\"sid\":2,\"channel\":\"ticker\"}]}";
	assert_encoded(&r, json);
	struct decoded d;
	decode(&d, json);
	assert_int_equal(d.rc, 0);
	assert_int_equal(d.record.sids_count, 2);
	assert_false(d.record.sids[1].seq.has);
	assert_encoded(&d.record, json);
	decoded_fini(&d);
}

static void every_kind_has_its_name(void **state)
{
	(void)state;
	static const char *const names[] = {
	    "opened", "subscribed", "alive", "gap", "resynced", "stale", "handover", "refused", "closed"};
	for (int kind = 0; kind < KMD_FEED_KIND_COUNT; kind++) {
		struct kmd_buf out = {0};
		struct decoded d;
		const struct kmd_feed_record r = kmd_feed_make((enum kmd_feed_kind)kind, 1, AT);
		assert_string_equal(kmd_feed_kind_name((enum kmd_feed_kind)kind), names[kind]);
		kmd_feed_encode(&r, &out);
		kmd_buf_addc(&out, '\0');
		decode(&d, out.p);
		assert_int_equal(d.rc, 0);
		assert_int_equal(d.record.kind, kind);
		assert_int_equal(d.record.use_yes_price, -1);
		decoded_fini(&d);
		kmd_buf_fini(&out);
	}
}

static void reading_is_tolerant(void **state)
{
	(void)state;
	struct decoded d;
	decode(&d,
	    "{\"new\":{\"x\":[1]},\"at\":\"2026-11-22T11:00:00.123456789+01:00\",\"lineage\":\"77\",\"kind\":\"gap\","
	    "\"sid\":null,\"got_seq\":\"12\",\"channel\":5,\"group\":null,\"use_yes_price\":\"yes\","
	    "\"sids\":[{\"channel\":\"no sid\"},7,{\"sid\":4,\"seq\":1.5}]}");
	assert_int_equal(d.rc, 0);
	assert_int_equal(d.record.kind, KMD_FEED_gap);
	assert_true(d.record.lineage == 77 && d.record.at_ns == AT);
	assert_false(d.record.sid.has);
	assert_true(d.record.got_seq.has && d.record.got_seq.v == 12);
	assert_null(d.record.channel.p);
	assert_null(d.record.group.p);
	assert_int_equal(d.record.use_yes_price, -1);
	assert_int_equal(d.record.sids_count, 1);
	assert_int_equal(d.record.sids[0].sid, 4);
	assert_false(d.record.sids[0].seq.has);
	decoded_fini(&d);
}

static void what_is_no_feed_record_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"[]", "7", "{}", "{\"kind\":\"gap\",\"lineage\":1}",
	    "{\"kind\":\"gap\",\"at\":\"" AT_TEXT "\"}", "{\"lineage\":1,\"at\":\"" AT_TEXT "\"}",
	    "{\"kind\":\"gone\",\"lineage\":1,\"at\":\"" AT_TEXT "\"}",
	    "{\"kind\":\"gap\",\"lineage\":1,\"at\":\"today\"}",
	    "{\"kind\":\"gap\",\"lineage\":1.5,\"at\":\"" AT_TEXT "\"}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct decoded d;
		decode(&d, bad[i]);
		assert_int_equal(d.rc, KMD_EPARSE);
		decoded_fini(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_does_not_apply_is_left_out),
	    cmocka_unit_test(round_trip_keeps_every_member),
	    cmocka_unit_test(every_kind_has_its_name),
	    cmocka_unit_test(reading_is_tolerant),
	    cmocka_unit_test(what_is_no_feed_record_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
