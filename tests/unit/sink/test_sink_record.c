#include "../cmocka_all.h"
#include "sink_record.h"

#define H(name, text) \
	{ \
		name, \
		{ \
			text, sizeof(text) - 1 \
		} \
	}

static struct sink_facts facts(const struct sink_header *h, size_t n)
{
	const struct sink_record r = {.headers = h, .headers_count = n};

	return sink_record_facts(&r);
}

static void headers_are_numbers_and_texts(void **state)
{
	const struct sink_header h[] = {H("lineage", "9223372036854775807"), H("n", "1"),
	    H("recv_ns", "1795341600123456789"), H("mono_ns", "5"), H("sid", "3"), H("seq", "7"), H("source", "ws"),
	    H("type", "trade"), H("use_yes_price", "true")};
	const struct sink_facts f = facts(h, sizeof(h) / sizeof(h[0]));

	(void)state;
	assert_true(f.lineage.has && f.lineage.v == INT64_MAX);
	assert_true(f.n.has && f.n.v == 1);
	assert_true(f.recv_ns.v == INT64_C(1795341600123456789));
	assert_true(f.sid.v == 3 && f.seq.v == 7 && f.mono_ns.v == 5);
	assert_true(f.use_yes_price.has && f.use_yes_price.v == 1);
	assert_str(f.source, "ws");
	assert_str(f.type, "trade");
}

static void what_cannot_be_used_is_absent(void **state)
{
	const struct sink_header h[] = {H("lineage", "0"), H("n", "-1"), H("recv_ns", "soon"), H("sid", "4294967296"),
	    H("seq", ""), H("type", "\xff"), H("use_yes_price", "yes"), {"source", {NULL, 0}}};
	const struct sink_facts f = facts(h, sizeof(h) / sizeof(h[0]));

	(void)state;
	assert_false(f.lineage.has || f.n.has || f.recv_ns.has || f.sid.has || f.seq.has || f.use_yes_price.has);
	assert_null(f.type.p);
	assert_null(f.source.p);
}

static void the_last_of_two_headers_counts(void **state)
{
	const struct sink_header h[] = {H("n", "1"), H("n", "2")};

	(void)state;
	assert_int_equal(facts(h, 2).n.v, 2);
}

static void hashes_tell_key_from_value(void **state)
{
	const struct kmd_str a = KMD_STR("a"), b = KMD_STR("b"), empty = KMD_STR("");

	(void)state;
	assert_true(sink_record_hash(a, b) == sink_record_hash(a, b));
	assert_true(sink_record_hash(a, b) != sink_record_hash(b, a));
	assert_true(sink_record_hash(a, empty) != sink_record_hash(a, KMD_STR_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_are_numbers_and_texts),
	    cmocka_unit_test(what_cannot_be_used_is_absent),
	    cmocka_unit_test(the_last_of_two_headers_counts),
	    cmocka_unit_test(hashes_tell_key_from_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
