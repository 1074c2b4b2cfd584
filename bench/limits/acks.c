/*
 * acks.so, preloaded into kmd-ingest: how long each message took until librdkafka reported it acknowledged, from its
 * receipt (header recv_ns) and from when the exchange should have sent it (member due_ns). At the end of the program it
 * writes two lines to the file named by BENCH_ACKS: what, count, p50, p99, p99.9, greatest, in ms.
 *
 * Buckets grow by a 64th: what is told is at most 1.6 % above what was.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "bench.h"

#define STEPS 64
#define BUCKETS (64 * STEPS)

typedef void (*report_fn)(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg);

struct histogram {
	uint64_t counts[BUCKETS], count;
	int64_t greatest_ns;
};

static report_fn real;
static struct histogram since_receipt, since_due;

static size_t bucket_of(uint64_t ns)
{
	const unsigned log = ns < STEPS ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 6 + 1;

	return log == 0 ? (size_t)ns : (size_t)log * STEPS + (size_t)((ns >> (log - 1)) - STEPS);
}

/* The greatest value of a bucket. */
static double top_of(size_t bucket)
{
	const size_t log = bucket / STEPS;

	return log == 0 ? (double)bucket : (double)((uint64_t)(bucket % STEPS + STEPS + 1) << (log - 1));
}

static void observe(struct histogram *h, int64_t ns)
{
	const size_t b = bucket_of(ns > 0 ? (uint64_t)ns : 0);

	h->counts[b < BUCKETS ? b : BUCKETS - 1]++;
	h->count++;
	if (ns > h->greatest_ns)
		h->greatest_ns = ns;
}

static double quantile_ms(const struct histogram *h, double q)
{
	uint64_t seen = 0;
	size_t b = 0;

	while (b < BUCKETS && (double)(seen + h->counts[b]) < q * (double)h->count)
		seen += h->counts[b++];
	return fmin(top_of(b), (double)h->greatest_ns) / 1e6;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
	rd_kafka_headers_t *headers;
	const void *value;
	struct timespec t;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	const int64_t now_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	const char *due = m->payload ? memmem(m->payload, m->len, "\"due_ns\":", 9) : NULL;

	if (!m->err && due && rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
	    rd_kafka_header_get_last(headers, "recv_ns", &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		observe(&since_receipt, now_ns - strtoll(value, NULL, 10)); /* librdkafka ends it with a NUL */
		observe(&since_due, now_ns - strtoll(due + 9, NULL, 10));
	}
	real(rk, m, arg);
}

void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *conf, report_fn fn)
{
	void (*set)(rd_kafka_conf_t *, report_fn);

	*(void **)&set = dlsym(RTLD_NEXT, "rd_kafka_conf_set_dr_msg_cb");
	real = fn;
	set(conf, on_report);
}

static void tell(FILE *file, const char *what, const struct histogram *h)
{
	fprintf(file, "%s %llu %.3f %.3f %.3f %.3f\n", what, (unsigned long long)h->count, quantile_ms(h, 0.5),
	    quantile_ms(h, 0.99), quantile_ms(h, 0.999), (double)h->greatest_ns / 1e6);
}

__attribute__((destructor)) static void write_all(void)
{
	const char *path = getenv("BENCH_ACKS");
	FILE *file = path ? fopen(path, "w") : NULL;

	if (!file || since_receipt.count == 0)
		return;
	tell(file, "receipt", &since_receipt);
	tell(file, "due", &since_due);
	fclose(file);
}
