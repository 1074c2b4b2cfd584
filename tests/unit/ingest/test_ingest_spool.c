#include "../cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kmd_mem.h"
#include "spool.h"

/* The row of records over lives of the process, in a folder of its own; time is fake, the disk is real. */

#define MIB (INT64_C(1024) * 1024)

static char dir[64];
static struct kmd_mono now;

/* The disk refuses to sync. Linked in front of the C library's. */
static _Atomic bool sync_fails;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	if (!sync_fails)
		return __real_fdatasync(fd);
	errno = EIO;
	return -1;
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kmd-spool-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static void each_file(void (*fn)(const char *path))
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[400];

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			fn(path);
	}
	closedir(d);
}

static void delete (const char *path)
{
	remove(path);
}

static int teardown(void **state)
{
	(void)state;
	each_file(delete);
	return rmdir(dir);
}

static int files;
static void count(const char *path)
{
	files += strstr(path, ".spool") != NULL;
}

static int segments(void)
{
	files = 0;
	each_file(count);
	return files;
}

static struct ingest_spool *open_spool(int64_t max_bytes)
{
	static int64_t last_life = 1000;
	const int64_t life = ++last_life;
	const struct ingest_spool_conf conf = {
	    .dir = dir, .max_bytes = max_bytes, .now = {life}, .seed = (uint64_t)life};
	struct ingest_spool *s = NULL;
	struct kmd_err err = {0};

	if (ingest_spool_open(&s, &conf, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static int64_t put(struct ingest_spool *s, int64_t n, size_t size, bool sent)
{
	char *text = kmd_calloc(1, size + 1);
	struct ingest_spool_record r = {
	    .kind = INGEST_SPOOL_FRAME, .topic = KMD_TOPIC_TRADES, .lineage = 1, .frame = {.n = n, .recv_ns = n}};
	int64_t position;

	memset(text, 'x', size);
	r.value = (struct kmd_str){text, size};
	position = ingest_spool_append(s, &r, sent, now);
	free(text);
	return position;
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* Until everything appended is on disk. */
static void sync_all(struct ingest_spool *s)
{
	while (!ingest_spool_is_settled(s)) {
		now.ns += INGEST_SPOOL_FLUSH_NS;
		ingest_spool_collect(s);
		ingest_spool_flush(s, now);
		nap();
	}
}

/* Until the folder is tidied of what is acknowledged. */
static void tidy_all(struct ingest_spool *s)
{
	while (!ingest_spool_is_empty(s)) {
		now.ns += KMD_NS_PER_S;
		ingest_spool_collect(s);
		ingest_spool_tidy(s, now);
		nap();
	}
}

static int64_t next_n(struct ingest_spool *s, int64_t *ret_position)
{
	struct ingest_spool_record r;
	uint64_t lost;

	if (!ingest_spool_next(s, &r, ret_position, &lost))
		return 0;
	ingest_spool_taken(s);
	return r.frame.n;
}

static void expect(struct ingest_spool *s, int64_t first, int64_t last, bool acknowledge)
{
	int64_t position;

	for (int64_t n = first; n <= last; n++) {
		assert_int_equal(next_n(s, &position), n);
		if (acknowledge)
			ingest_spool_done(s, position);
	}
}

static void records_come_out_in_their_order_from_memory_and_from_disk(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);
	int64_t position;

	(void)state;
	for (int64_t n = 1; n <= 100; n++)
		put(s, n, 1000, false);
	expect(s, 1, 10, true); /* nothing is on disk yet */
	sync_all(s);
	assert_int_equal(segments(), 1);
	for (int64_t n = 101; n <= 110; n++)
		put(s, n, 1000, false);
	expect(s, 11, 110, true);
	assert_int_equal(next_n(s, &position), 0);
	assert_true(ingest_spool_is_level(s));
	tidy_all(s);
	assert_int_equal(segments(), 0);
	assert_int_equal(ingest_spool_bytes(s), 0);
	ingest_spool_close(s);
}

static void what_was_not_acknowledged_is_there_in_the_next_life(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);

	(void)state;
	for (int64_t n = 1; n <= 50; n++)
		put(s, n, 100, false);
	sync_all(s);
	expect(s, 1, 20, true);
	now.ns += KMD_NS_PER_S;
	ingest_spool_tidy(s, now); /* notes where it stands */
	expect(s, 21, 30, false);
	ingest_spool_close(s);
	s = open_spool(64 * MIB);
	put(s, 51, 100, false);
	expect(s, 21, 51, true);
	tidy_all(s);
	assert_int_equal(segments(), 0);
	ingest_spool_close(s);
}

static void what_was_sent_before_is_not_sent_again_by_the_same_life(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);
	int64_t a = put(s, 1, 100, true), b = put(s, 2, 100, true);

	(void)state;
	put(s, 3, 100, false);
	expect(s, 3, 3, true);
	sync_all(s);
	ingest_spool_done(s, b);
	now.ns += KMD_NS_PER_S;
	ingest_spool_tidy(s, now);
	assert_int_equal(segments(), 1); /* the first one is still out */
	ingest_spool_done(s, a);
	tidy_all(s);
	ingest_spool_close(s);
}

static void segments_go_when_all_in_them_is_acknowledged(void **state)
{
	struct ingest_spool *s = open_spool(4 * MIB); /* segments of 256 KiB */
	int many;

	(void)state;
	for (int64_t n = 1; n <= 100; n++) {
		put(s, n, 20000, false);
		sync_all(s);
	}
	many = segments();
	assert_true(many >= 6);
	expect(s, 1, 60, true);
	ingest_spool_tidy(s, now);
	assert_true(segments() < many && segments() > 1);
	expect(s, 61, 100, true);
	tidy_all(s);
	assert_int_equal(segments(), 0);
	ingest_spool_close(s);
}

static void the_next_life_reads_segments_in_their_order(void **state)
{
	struct ingest_spool *s = open_spool(4 * MIB);

	(void)state;
	for (int64_t n = 1; n <= 40; n++) {
		put(s, n, 20000, false);
		sync_all(s);
	}
	assert_true(segments() >= 3);
	ingest_spool_close(s);
	s = open_spool(4 * MIB);
	expect(s, 1, 40, true);
	ingest_spool_close(s);
}

static void a_full_spool_takes_notes_but_no_frames(void **state)
{
	struct ingest_spool *s = open_spool(1 * MIB);
	int64_t n = 0;

	(void)state;
	while (ingest_spool_accepts(s, INGEST_SPOOL_FRAME)) {
		put(s, ++n, 10000, false);
		sync_all(s);
	}
	assert_true(ingest_spool_is_full(s));
	assert_true(ingest_spool_bytes(s) <= MIB);
	assert_true(ingest_spool_accepts(s, INGEST_SPOOL_FEED));
	ingest_spool_stop(s);
	assert_true(ingest_spool_accepts(s, INGEST_SPOOL_FRAME)); /* room was kept for what a stop has to put away */
	expect(s, 1, n, true);
	tidy_all(s);
	assert_true(ingest_spool_accepts(s, INGEST_SPOOL_FRAME));
	assert_false(ingest_spool_is_full(s));
	ingest_spool_close(s);
}

/* @keep bytes of the one segment stay. */
static void cut(size_t keep)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/0000000000000001.spool", dir);
	assert_int_equal(truncate(path, (off_t)keep), 0);
}

static size_t segment_size(void)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%s/0000000000000001.spool", dir);
	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

static void a_segment_torn_at_any_byte_keeps_what_is_whole(void **state)
{
	size_t whole, record;

	(void)state;
	for (size_t off = 1;; off++) {
		struct ingest_spool *s = open_spool(64 * MIB);
		int64_t position, n, want, got = 0;

		for (int64_t i = 1; i <= 3; i++)
			put(s, i, 20, false);
		sync_all(s);
		ingest_spool_close(s);
		whole = segment_size();
		record = (whole - INGEST_SPOOL_HEAD_BYTES) / 3;
		if (off > whole)
			return;
		cut(whole - off);
		want = whole - off < INGEST_SPOOL_HEAD_BYTES
			   ? 0
			   : (int64_t)((whole - off - INGEST_SPOOL_HEAD_BYTES) / record);
		s = open_spool(64 * MIB);
		put(s, 99, 20, false);
		while ((n = next_n(s, &position)) != 99) {
			assert_int_equal(n, ++got);
			ingest_spool_done(s, position);
		}
		assert_int_equal(got, want);
		ingest_spool_done(s, position);
		sync_all(s);
		tidy_all(s);
		ingest_spool_close(s);
		each_file(delete);
	}
}

static int64_t scanned[16];
static size_t scanned_count;

static void on_scan(void *ctx, const struct ingest_spool_record *r)
{
	(void)ctx;
	assert_true(scanned_count < 16);
	scanned[scanned_count++] = r ? r->frame.n : -1;
}

static void damage_is_passed_over_and_told(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);
	struct ingest_spool_record r;
	char path[400], byte = 'y';
	int64_t position;
	uint64_t lost;
	size_t record;
	int fd;

	(void)state;
	for (int64_t n = 1; n <= 5; n++)
		put(s, n, 20, false);
	sync_all(s);
	ingest_spool_close(s);
	record = (segment_size() - INGEST_SPOOL_HEAD_BYTES) / 5;
	snprintf(path, sizeof(path), "%s/0000000000000001.spool", dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(INGEST_SPOOL_HEAD_BYTES + 3 * record - 1)), 1);
	close(fd);
	s = open_spool(64 * MIB);
	scanned_count = 0;
	ingest_spool_scan(s, on_scan, NULL);
	assert_int_equal(scanned_count, 5);
	assert_memory_equal(scanned, ((const int64_t[]){1, 2, -1, 4, 5}), 5 * sizeof(int64_t));
	expect(s, 1, 2, true);
	assert_true(ingest_spool_next(s, &r, &position, &lost));
	assert_int_equal(r.frame.n, 4);
	assert_int_equal(lost, record);
	ingest_spool_taken(s);
	ingest_spool_done(s, position);
	expect(s, 5, 5, true);
	tidy_all(s);
	assert_int_equal(segments(), 1); /* kept aside, for somebody to look at */
	ingest_spool_close(s);
}

/* Of each life, the first segment and the last one are shown. */
static void a_scan_looks_at_the_ends_of_each_life(void **state)
{
	struct ingest_spool *s = open_spool(4 * MIB);

	(void)state;
	for (int64_t n = 1; n <= 4; n++) {
		put(s, n, 300000, false);
		sync_all(s);
	}
	ingest_spool_close(s);
	s = open_spool(4 * MIB);
	put(s, 5, 10, false);
	sync_all(s);
	ingest_spool_close(s);
	s = open_spool(4 * MIB);
	scanned_count = 0;
	ingest_spool_scan(s, on_scan, NULL);
	assert_int_equal(scanned_count, 3);
	assert_memory_equal(scanned, ((const int64_t[]){1, 4, 5}), 3 * sizeof(int64_t));
	ingest_spool_close(s);
}

static void a_cursor_of_another_spool_says_nothing(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);
	char cursor[400];

	(void)state;
	for (int64_t n = 1; n <= 10; n++)
		put(s, n, 100, false);
	sync_all(s);
	expect(s, 1, 5, true);
	now.ns += KMD_NS_PER_S;
	ingest_spool_tidy(s, now);
	ingest_spool_close(s);
	snprintf(cursor, sizeof(cursor), "%s/cursor", dir);
	assert_int_equal(access(cursor, F_OK), 0);
	snprintf(cursor, sizeof(cursor), "%s/0000000000000001.spool", dir);
	assert_int_equal(unlink(cursor), 0);
	s = open_spool(64 * MIB); /* begins with number 1 again */
	for (int64_t n = 1; n <= 10; n++)
		put(s, n, 100, false);
	sync_all(s);
	ingest_spool_close(s);
	s = open_spool(64 * MIB);
	expect(s, 1, 10, true);
	ingest_spool_close(s);
}

static void a_folder_has_one_process(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB), *other = NULL;
	const struct ingest_spool_conf conf = {.dir = dir, .max_bytes = 64 * MIB};
	struct kmd_err err = {0};

	(void)state;
	assert_int_equal(ingest_spool_open(&other, &conf, &err), KMD_ECONFIG);
	assert_non_null(strstr(err.text, "KMD_INGEST_SPOOL_DIR"));
	ingest_spool_close(s);
	ingest_spool_close(open_spool(64 * MIB));
}

/* Each disk error ends, or what it holds up is acknowledged. */
static void a_disk_that_fails_holds_up_nothing_that_is_acknowledged(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);

	(void)state;
	put(s, 1, 100, false);
	sync_all(s);
	expect(s, 1, 1, true);
	tidy_all(s);
	each_file(delete);
	assert_int_equal(rmdir(dir), 0); /* nothing can be made in a folder that is gone */
	for (int64_t n = 2; n <= 5; n++)
		put(s, n, 100, false);
	now.ns += KMD_NS_PER_S;
	assert_true(ingest_spool_flush(s, now));
	while (!ingest_spool_trouble(s))
		nap();
	assert_false(ingest_spool_is_settled(s));
	expect(s, 2, 5, true);
	tidy_all(s);
	assert_true(ingest_spool_is_settled(s));
	ingest_spool_close(s);
	assert_int_equal(mkdir(dir, 0700), 0);
}

/* Written is not synced: a power cut would take it. */
static void what_cannot_be_synced_is_not_safe(void **state)
{
	struct ingest_spool *s = open_spool(64 * MIB);

	(void)state;
	sync_fails = true;
	put(s, 1, 100, false);
	now.ns += KMD_NS_PER_S;
	assert_true(ingest_spool_flush(s, now));
	while (!ingest_spool_trouble(s)) {
		assert_false(ingest_spool_collect(s));
		nap();
	}
	assert_false(ingest_spool_is_settled(s));
	sync_fails = false;
	sync_all(s);
	assert_null(ingest_spool_trouble(s));
	expect(s, 1, 1, true);
	ingest_spool_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_come_out_in_their_order_from_memory_and_from_disk),
	    cmocka_unit_test(what_was_not_acknowledged_is_there_in_the_next_life),
	    cmocka_unit_test(what_was_sent_before_is_not_sent_again_by_the_same_life),
	    cmocka_unit_test(segments_go_when_all_in_them_is_acknowledged),
	    cmocka_unit_test(the_next_life_reads_segments_in_their_order),
	    cmocka_unit_test(a_full_spool_takes_notes_but_no_frames),
	    cmocka_unit_test(a_segment_torn_at_any_byte_keeps_what_is_whole),
	    cmocka_unit_test(damage_is_passed_over_and_told),
	    cmocka_unit_test(a_scan_looks_at_the_ends_of_each_life),
	    cmocka_unit_test(a_cursor_of_another_spool_says_nothing),
	    cmocka_unit_test(a_folder_has_one_process),
	    cmocka_unit_test(a_disk_that_fails_holds_up_nothing_that_is_acknowledged),
	    cmocka_unit_test(what_cannot_be_synced_is_not_safe),
	};
	struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		each[i] = tests[i];
		each[i].setup_func = setup;
		each[i].teardown_func = teardown;
	}
	return cmocka_run_group_tests(each, NULL, NULL);
}
