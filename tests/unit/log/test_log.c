#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../cmocka_all.h"
#include "kmd_log.h"
#include "kmd_time.h"

/* stderr goes to a file in memory while a test logs; cmocka's own output must not. */
static int memory_fd, stderr_fd;

static void capture_begin(void)
{
	memory_fd = memfd_create("log", 0);
	assert_true(memory_fd >= 0);
	stderr_fd = dup(STDERR_FILENO);
	assert_true(dup2(memory_fd, STDERR_FILENO) >= 0);
}

/* What was written since, without the leading time of a line; the time is checked. */
static const char *capture_end(const char *before_time, size_t time_bytes)
{
	static char text[8192];
	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	const ssize_t n = pread(memory_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(memory_fd);
	(void)close(stderr_fd);
	if (n == 0)
		return text;
	int64_t ns;
	const size_t skip = strlen(before_time);
	assert_memory_equal(text, before_time, skip);
	assert_int_equal(kmd_time_parse((struct kmd_str){text + skip, time_bytes}, &ns), 0);
	assert_true(llabs(kmd_wall_now().ns - ns) < 60 * KMD_NS_PER_S);
	return text + skip + time_bytes;
}

#define TIME_BYTES (sizeof("2026-11-22T10:00:00.123456Z") - 1)

static void json_lines(void **state)
{
	(void)state;
	kmd_log_init("kmd-test", KMD_LOG_INFO, KMD_LOG_JSON);
	capture_begin();
	kmd_log(KMD_LOG_INFO, "connected", "url", "%s", "ws://x", "attempt", "%d", -3, "bytes", "%zu", (size_t)42,
	    "big", "%" PRIu64, UINT64_MAX, "small", "%" PRId64, INT64_MIN, "took", "%lld ms", 7LL, "plain", "word",
	    NULL);
	assert_string_equal(capture_end("{\"time\":\"", TIME_BYTES),
	    "\",\"level\":\"info\",\"service\":\"kmd-test\",\"event\":\"connected\",\"url\":\"ws://x\",\"attempt\":-3,"
	    "\"bytes\":42,\"big\":18446744073709551615,\"small\":-9223372036854775808,\"took\":\"7 "
	    "ms\",\"plain\":\"word\"}\n");
}

static void hostile_text_stays_one_json_line(void **state)
{
	(void)state;
	kmd_log_init("kmd-test", KMD_LOG_DEBUG, KMD_LOG_JSON);
	const struct kmd_str nul = KMD_STR("a\0b\x1f\x7f");
	capture_begin();
	kmd_log(KMD_LOG_ERROR, "bad", "text", "%s", "q\"\\\n\xff\xe2\x82", "nul", "%.*s", KMD_STR_ARG(nul), "none",
	    "%s", (const char *)NULL, NULL);
	assert_string_equal(capture_end("{\"time\":\"", TIME_BYTES),
	    "\",\"level\":\"error\",\"service\":\"kmd-test\",\"event\":\"bad\",\"text\":"
	    "\"q\\\"\\\\\\n\xef\xbf\xbd\xef\xbf\xbd"
	    "\xef\xbf\xbd\",\"nul\":\"a\\u0000b\\u001f\x7f\",\"none\":\"\"}\n");
}

static void text_lines(void **state)
{
	(void)state;
	kmd_log_init("kmd-test", KMD_LOG_INFO, KMD_LOG_TEXT);
	capture_begin();
	kmd_log(KMD_LOG_WARN, "slow", "what", "%s", "two words", "path", "%s", "/a/b", "empty", "%s", "", "n", "%u", 9u,
	    NULL);
	assert_string_equal(
	    capture_end("", TIME_BYTES), " warn  kmd-test slow what=\"two words\" path=/a/b empty=\"\" n=9\n");
}

static void lower_levels_are_silent(void **state)
{
	(void)state;
	kmd_log_init("kmd-test", KMD_LOG_WARN, KMD_LOG_JSON);
	capture_begin();
	kmd_log(KMD_LOG_INFO, "quiet", NULL);
	assert_string_equal(capture_end("", 0), "");
}

static void automatic_format_is_json_off_a_terminal(void **state)
{
	(void)state;
	capture_begin();
	kmd_log_init("kmd-test", KMD_LOG_INFO, KMD_LOG_AUTO);
	kmd_log(KMD_LOG_INFO, "x", NULL);
	assert_string_equal(capture_end("{\"time\":\"", TIME_BYTES),
	    "\",\"level\":\"info\",\"service\":\"kmd-test\",\"event\":\"x\"}\n");
}

static void bursts_are_counted(void **state)
{
	(void)state;
	struct kmd_burst b = {0};
	uint64_t suppressed = 99;
	assert_true(kmd_burst_pass(&b, KMD_NS_PER_S, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_false(kmd_burst_pass(&b, 2 * KMD_NS_PER_S, &suppressed));
	assert_false(kmd_burst_pass(&b, 60 * KMD_NS_PER_S, &suppressed));
	assert_true(kmd_burst_pass(&b, 61 * KMD_NS_PER_S, &suppressed));
	assert_int_equal(suppressed, 2);
	assert_true(kmd_burst_pass(&b, 200 * KMD_NS_PER_S, &suppressed));
	assert_int_equal(suppressed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_lines),
	    cmocka_unit_test(hostile_text_stays_one_json_line),
	    cmocka_unit_test(text_lines),
	    cmocka_unit_test(lower_levels_are_silent),
	    cmocka_unit_test(automatic_format_is_json_off_a_terminal),
	    cmocka_unit_test(bursts_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
