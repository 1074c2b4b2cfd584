#include "../cmocka_all.h"

#include <string.h>

#include "crc32c.h"
#include "spool_record.h"

#define SALT 0x5eed

static struct ingest_spool_record frame(int64_t n)
{
	return (struct ingest_spool_record){
	    .kind = INGEST_SPOOL_FRAME,
	    .topic = KMD_TOPIC_ORDERBOOK,
	    .lineage = INT64_MAX,
	    .timestamp_ms = 1700000000000,
	    .frame = {.n = n,
		.recv_ns = -5,
		.has_sid = true,
		.has_seq = n % 2 == 0,
		.has_ts = true,
		.sid = 7,
		.seq = n % 2 == 0 ? INT64_C(1) << 40 : 0,
		.ts_ms = 12},
	    .key = KMD_STR("KX-\xc3\xa9"),
	    .value = KMD_STR("{\"a\":\"KMDr\"}"),
	    .headers = {{"lineage", KMD_STR("9")}, {"empty", KMD_STR("")}},
	    .headers_count = 2,
	};
}

static void assert_same(const struct ingest_spool_record *a, const struct ingest_spool_record *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->topic, b->topic);
	assert_int_equal(a->late_end, b->late_end);
	assert_int_equal(a->lineage, b->lineage);
	assert_int_equal(a->timestamp_ms, b->timestamp_ms);
	assert_int_equal(a->frame.n, b->frame.n);
	assert_int_equal(a->frame.recv_ns, b->frame.recv_ns);
	assert_int_equal(a->frame.has_sid, b->frame.has_sid);
	assert_int_equal(a->frame.has_seq, b->frame.has_seq);
	assert_int_equal(a->frame.has_ts, b->frame.has_ts);
	assert_int_equal(a->frame.sid, b->frame.sid);
	assert_int_equal(a->frame.seq, b->frame.seq);
	assert_int_equal(a->frame.ts_ms, b->frame.ts_ms);
	assert_true(kmd_str_eq(a->key, b->key));
	assert_true(kmd_str_eq(a->value, b->value));
	assert_int_equal(a->headers_count, b->headers_count);
	for (size_t i = 0; i < a->headers_count; i++) {
		assert_string_equal(a->headers[i].name, b->headers[i].name);
		assert_true(kmd_str_eq(a->headers[i].value, b->headers[i].value));
	}
}

static void the_checksum_is_the_castagnoli_one(void **state)
{
	(void)state;
	assert_int_equal(ingest_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(ingest_crc32c(ingest_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	assert_int_equal(ingest_crc32c(0, "", 0), 0);
}

static void a_record_comes_back_as_it_was(void **state)
{
	struct ingest_spool_record records[] = {frame(1), frame(2), frame(3)}, got;
	struct kmd_buf b = {0};
	struct kmd_str rest;
	size_t size;

	(void)state;
	records[1].kind = INGEST_SPOOL_FEED;
	records[1].late_end = true;
	records[1].value = KMD_STR("");
	records[2].headers_count = 0;
	records[2].key = KMD_STR("");
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ingest_spool_encode(&records[i], SALT, &b) > 0, 1);
	rest = kmd_buf_str(&b);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ingest_spool_decode(rest, SALT, &got, &size), INGEST_SPOOL_WHOLE);
		assert_same(&got, &records[i]);
		rest.p += size;
		rest.n -= size;
	}
	assert_int_equal(rest.n, 0);
	assert_int_equal(ingest_spool_decode(rest, SALT, &got, &size), INGEST_SPOOL_SHORT);
	kmd_buf_fini(&b);
}

static void a_record_torn_at_any_byte_is_short(void **state)
{
	const struct ingest_spool_record r = frame(1);
	struct ingest_spool_record got;
	struct kmd_buf b = {0};
	size_t whole = ingest_spool_encode(&r, SALT, &b), size;

	(void)state;
	for (size_t n = 0; n < whole; n++) {
		assert_int_equal(ingest_spool_decode((struct kmd_str){b.p, n}, SALT, &got, &size), INGEST_SPOOL_SHORT);
		assert_int_equal(size, n < INGEST_SPOOL_RECORD_HEAD_BYTES ? INGEST_SPOOL_RECORD_HEAD_BYTES : whole);
	}
	kmd_buf_fini(&b);
}

/* A tail that was never written may be zeros instead of being absent. */
static void a_record_that_ends_in_zeros_is_no_record(void **state)
{
	const struct ingest_spool_record r = frame(1);
	struct ingest_spool_record got;
	struct kmd_buf b = {0};
	size_t whole = ingest_spool_encode(&r, SALT, &b), size;

	(void)state;
	for (size_t n = whole - 1; n > 0; n--) {
		b.p[n] = 0;
		assert_int_not_equal(ingest_spool_decode(kmd_buf_str(&b), SALT, &got, &size), INGEST_SPOOL_WHOLE);
	}
	kmd_buf_fini(&b);
}

static void any_flipped_bit_is_found(void **state)
{
	const struct ingest_spool_record r = frame(1);
	struct ingest_spool_record got;
	struct kmd_buf b = {0};
	size_t whole = ingest_spool_encode(&r, SALT, &b), size;

	(void)state;
	for (size_t i = 0; i < whole * 8; i++) {
		b.p[i / 8] = (char)(b.p[i / 8] ^ 1 << i % 8);
		assert_int_not_equal(ingest_spool_decode(kmd_buf_str(&b), SALT, &got, &size), INGEST_SPOOL_WHOLE);
		b.p[i / 8] = (char)(b.p[i / 8] ^ 1 << i % 8);
	}
	assert_int_equal(ingest_spool_decode(kmd_buf_str(&b), SALT, &got, &size), INGEST_SPOOL_WHOLE);
	kmd_buf_fini(&b);
}

static void another_segment_s_salt_makes_no_record(void **state)
{
	const struct ingest_spool_record r = frame(1);
	struct ingest_spool_record got;
	struct kmd_buf b = {0};
	size_t size;

	(void)state;
	ingest_spool_encode(&r, SALT, &b);
	assert_int_equal(ingest_spool_decode(kmd_buf_str(&b), SALT + 1, &got, &size), INGEST_SPOOL_DAMAGED);
	kmd_buf_fini(&b);
}

static void a_record_is_found_behind_noise(void **state)
{
	const struct ingest_spool_record r = frame(1);
	struct ingest_spool_record got;
	struct kmd_buf b = {0};
	size_t size, at;

	(void)state;
	kmd_buf_addz(&b, "KMDnoiseKMD");
	ingest_spool_encode(&r, SALT, &b);
	at = ingest_spool_seek(kmd_buf_str(&b), 0);
	assert_int_equal(at, 11);
	assert_int_equal(
	    ingest_spool_decode((struct kmd_str){b.p + at, b.n - at}, SALT, &got, &size), INGEST_SPOOL_WHOLE);
	assert_true(ingest_spool_seek(kmd_buf_str(&b), at + 1) > at); /* inside its value: looks like one, is none */
	assert_int_equal(ingest_spool_seek(KMD_STR("KMD"), 0), 3);
	assert_int_equal(ingest_spool_seek(KMD_STR("KMDr"), 4), 4);
	kmd_buf_fini(&b);
}

static void a_head_comes_back_or_says_why_not(void **state)
{
	const struct ingest_spool_head h = {SALT, UINT64_C(1) << 50, 1700000000000000000};
	struct ingest_spool_head got;
	struct kmd_buf b = {0};

	(void)state;
	ingest_spool_head_encode(&h, &b);
	assert_int_equal(b.n, INGEST_SPOOL_HEAD_BYTES);
	assert_int_equal(ingest_spool_head_decode(kmd_buf_str(&b), &got), 0);
	assert_int_equal(got.salt, h.salt);
	assert_int_equal(got.number, h.number);
	assert_int_equal(got.life, h.life);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(ingest_spool_head_decode((struct kmd_str){b.p, n}, &got), KMD_EPARSE);
	b.p[20] ^= 1;
	assert_int_equal(ingest_spool_head_decode(kmd_buf_str(&b), &got), KMD_EPARSE);
	b.p[8] = 2;
	assert_int_equal(ingest_spool_head_decode(kmd_buf_str(&b), &got), KMD_ERANGE);
	kmd_buf_fini(&b);
}

static void names_are_numbers(void **state)
{
	static const char *const strangers[] = {
	    "", ".spool", "1.spool", "0000000000000001.spool.damaged", "000000000000000x.spool", "cursor", "lock"};
	char name[INGEST_SPOOL_NAME_MAX];
	uint64_t number;

	(void)state;
	ingest_spool_name(42, name);
	assert_string_equal(name, "0000000000000042.spool");
	assert_true(ingest_spool_name_parse(name, &number));
	assert_int_equal(number, 42);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		assert_false(ingest_spool_name_parse(strangers[i], &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_checksum_is_the_castagnoli_one),
	    cmocka_unit_test(a_record_comes_back_as_it_was),
	    cmocka_unit_test(a_record_torn_at_any_byte_is_short),
	    cmocka_unit_test(a_record_that_ends_in_zeros_is_no_record),
	    cmocka_unit_test(any_flipped_bit_is_found),
	    cmocka_unit_test(another_segment_s_salt_makes_no_record),
	    cmocka_unit_test(a_record_is_found_behind_noise),
	    cmocka_unit_test(a_head_comes_back_or_says_why_not),
	    cmocka_unit_test(names_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
