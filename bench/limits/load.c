/*
 * load BOOTSTRAP TOPIC trade|delta COUNT PARTITIONS MARKETS FIRST_NS LAST_NS [RATE]
 *
 * Frames with the headers that ingest gives them, COUNT of them, as fast as the broker takes them: one lineage,
 * receipts spread evenly from FIRST_NS to LAST_NS, each market in its partition, trade ids that know no order. With a
 * RATE so many a second, received now. Prints the seconds.
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <string.h>

#include "bench.h"

#define LINEAGE "1795341600000000000"

static const char *const series[] = {"KXHIGHNY", "KXBTCD", "KXNFLGAME", "KXFEDDECISION", "KXETHD", "KXINXU"};

struct frame {
	unsigned long long i;
	long long recv_ns;
	unsigned long long a, b; /* chance */
	char ticker[64];
	char value[512];
	int value_n;
};

/* splitmix64 */
static unsigned long long chance(unsigned long long seed)
{
	unsigned long long z = seed * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void make_trade(struct frame *f)
{
	const unsigned yes = 1 + (unsigned)(f->a % 99);
	const char *side = f->b & 1 ? "yes" : "no";

	f->value_n = snprintf(f->value, sizeof(f->value),
	    "{\"type\":\"trade\",\"sid\":2,\"seq\":%llu,\"msg\":{\"trade_id\":\"%08llx-%04llx-%04llx-%04llx-%012llx\","
	    "\"market_ticker\":\"%s\",\"yes_price_dollars\":\"0.%02u00\",\"no_price_dollars\":\"0.%02u00\","
	    "\"count_fp\":\"%llu.00\",\"taker_side\":\"%s\",\"taker_outcome_side\":\"%s\",\"taker_book_side\":\"%s\","
	    "\"ts\":%lld,\"ts_ms\":%lld}}",
	    f->i + 1, f->a >> 32, f->a >> 16 & 0xffff, f->a & 0xffff, f->b >> 48, f->b & 0xffffffffffffull, f->ticker,
	    yes, 100 - yes == 100 ? 99 : 100 - yes, 1 + f->b % 500, side, side, f->b & 1 ? "bid" : "ask",
	    f->recv_ns / 1000000000, f->recv_ns / 1000000);
}

static void make_delta(struct frame *f)
{
	const long long ms = f->recv_ns / 1000000;
	const time_t s = (time_t)(ms / 1000);
	struct tm t;
	char at[32];

	gmtime_r(&s, &t);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &t);
	f->value_n = snprintf(f->value, sizeof(f->value),
	    "{\"type\":\"orderbook_delta\",\"sid\":1,\"seq\":%llu,\"msg\":{\"market_ticker\":\"%s\","
	    "\"market_id\":\"%08llx-0000-4000-8000-000000000000\",\"price_dollars\":\"0.%02llu00\",\"delta_fp\":\"%s%"
	    "llu.00\","
	    "\"side\":\"%s\",\"ts\":\"%s.%06lldZ\",\"ts_ms\":%lld}}",
	    f->i + 1, f->ticker, chance(f->i % 977) >> 32, 1 + f->a % 99, f->b & 2 ? "-" : "", 1 + f->b % 900,
	    f->b & 1 ? "yes" : "no", at, f->recv_ns / 1000 % 1000000, ms);
}

static void add(rd_kafka_headers_t *h, const char *name, const char *value)
{
	rd_kafka_header_add(h, name, -1, value, -1);
}

static rd_kafka_headers_t *make_headers(const struct frame *f, const char *type, const char *sid)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(9);
	char n[24], recv_ns[24], mono_ns[24];

	snprintf(n, sizeof(n), "%llu", f->i + 1);
	snprintf(recv_ns, sizeof(recv_ns), "%lld", f->recv_ns);
	snprintf(mono_ns, sizeof(mono_ns), "%llu", 1000000000 + f->i * 1000);
	add(h, "lineage", LINEAGE);
	add(h, "n", n);
	add(h, "recv_ns", recv_ns);
	add(h, "mono_ns", mono_ns);
	add(h, "type", type);
	add(h, "sid", sid);
	add(h, "seq", n);
	add(h, "source", "ws");
	if (*type == 'o')
		add(h, "use_yes_price", "false");
	return h;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
	(void)rk, (void)arg;
	if (m->err)
		bench_die("delivery", rd_kafka_err2str(m->err));
}

static rd_kafka_t *producer(const char *bootstrap)
{
	static const char *const set[][2] = {{"enable.idempotence", "true"}, {"acks", "all"},
	    {"compression.type", "lz4"}, {"linger.ms", "20"}, {"queue.buffering.max.messages", "200000"},
	    {"log_level", "2"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, err, sizeof(err));
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		if (rd_kafka_conf_set(conf, set[i][0], set[i][1], err, sizeof(err)) != RD_KAFKA_CONF_OK)
			bench_die(set[i][0], err);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (!rk)
		bench_die("producer", err);
	return rk;
}

static void put(
    rd_kafka_t *rk, const char *topic, const struct frame *f, const char *type, const char *sid, int partition)
{
	for (;;) {
		rd_kafka_headers_t *h = make_headers(f, type, sid);
		const rd_kafka_resp_err_t e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
		    RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		    RD_KAFKA_V_VALUE((void *)(intptr_t)f->value, (size_t)f->value_n),
		    RD_KAFKA_V_KEY(f->ticker, strlen(f->ticker)), RD_KAFKA_V_TIMESTAMP(f->recv_ns / 1000000),
		    RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);

		if (!e)
			return;
		rd_kafka_headers_destroy(h);
		if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			bench_die(topic, rd_kafka_err2str(e));
		rd_kafka_poll(rk, 20);
	}
}

static int64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Sends number @i of the frames: to its market, and that to its partition. */
static void send_one(rd_kafka_t *rk, char **argv, unsigned long long i, int64_t recv_ns)
{
	const int is_trade = strcmp(argv[3], "trade") == 0;
	struct frame f = {.i = i, .recv_ns = recv_ns, .a = chance(i * 2 + 1), .b = chance(i * 2 + 2)};
	const unsigned long long market = chance(f.a) % (unsigned long long)bench_number(argv[6]);

	snprintf(f.ticker, sizeof(f.ticker), "%s-26NOV%02llu-T%05llu.99", series[market % 6], 1 + market / 6 % 28,
	    10000 + market);
	if (is_trade)
		make_trade(&f);
	else
		make_delta(&f);
	put(rk, argv[2], &f, is_trade ? "trade" : "orderbook_delta", is_trade ? "2" : "1",
	    (int)(market % (unsigned long long)bench_number(argv[5])));
}

int main(int argc, char **argv)
{
	const double began = bench_now_s();
	long long count, first, span, rate;
	rd_kafka_t *rk;

	if (argc != 9 && argc != 10)
		bench_die(argv[0], "BOOTSTRAP TOPIC trade|delta COUNT PARTITIONS MARKETS FIRST_NS LAST_NS [RATE]");
	count = bench_number(argv[4]);
	first = bench_number(argv[7]);
	span = bench_number(argv[8]) - first;
	rate = argc == 10 ? bench_number(argv[9]) : 0;
	rk = producer(argv[1]);
	for (long long i = 0; i < count; i++) {
		const double early_s = rate > 0 ? (double)i / (double)rate - (bench_now_s() - began) : 0;

		if (early_s > 0)
			rd_kafka_poll(rk, 1 + (int)(early_s * 1000));
		send_one(rk, argv, (unsigned long long)i,
		    rate > 0 ? wall_ns() : first + (int64_t)((double)span * (double)i / (double)count));
		if (i % 1000 == 0)
			rd_kafka_poll(rk, 0);
	}
	while (rd_kafka_flush(rk, 1000) != 0)
		;
	rd_kafka_destroy(rk);
	printf("%.3f\n", bench_now_s() - began);
	return 0;
}
