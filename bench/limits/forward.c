/*
 * forward count|blind|headers PORT FRAMES [BOOTSTRAP TOPIC]
 *
 * A libwebsockets client of `exchange` (/blast) that does with each message
 *
 *   count    nothing: what the library takes to receive
 *   blind    librdkafka: the bytes, no key, no headers
 *   headers  librdkafka: the bytes with a key and the headers that ingest gives a trade, of fixed texts: nothing is
 * looked at
 *
 * One thread, as the libraries' own examples do it; acks=all, idempotent, lz4, linger 5 ms. Prints messages received
 * and acknowledged, and seconds of the clock and of the CPU from the first message to the last acknowledgement.
 */
#include <librdkafka/rdkafka.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <string.h>

#include "bench.h"
#include "frames.h"

#define READ_BYTES (64 * 1024)
#define MARKETS 2400

enum mode { COUNT, BLIND, HEADERS };

static struct {
	enum mode mode;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	unsigned long long received, acked;
	double began_s, began_cpu_s;
	bool over;
	char tickers[MARKETS][64];
} f;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
	(void)rk, (void)arg;
	if (m->err)
		bench_die("delivery", rd_kafka_err2str(m->err));
	f.acked++;
}

static void add(rd_kafka_headers_t *h, const char *name, const char *value)
{
	rd_kafka_header_add(h, name, -1, value, -1);
}

static rd_kafka_headers_t *make_headers(void)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(8);

	add(h, "lineage", "1795341600123456789");
	add(h, "n", "1234567");
	add(h, "recv_ns", "1795341600123456789");
	add(h, "mono_ns", "123456789012345");
	add(h, "type", "trade");
	add(h, "sid", "1");
	add(h, "seq", "1234567");
	add(h, "source", "ws");
	return h;
}

static rd_kafka_resp_err_t produce(void *p, size_t n)
{
	const char *key = f.tickers[f.received % MARKETS];
	rd_kafka_headers_t *h;
	rd_kafka_resp_err_t e;

	if (f.mode == BLIND)
		return rd_kafka_produce(f.topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, p, n, NULL, 0, NULL)
			   ? rd_kafka_last_error()
			   : RD_KAFKA_RESP_ERR_NO_ERROR;
	h = make_headers();
	e = rd_kafka_producev(f.rk, RD_KAFKA_V_RKT(f.topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
	    RD_KAFKA_V_VALUE(p, n), RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
	if (e)
		rd_kafka_headers_destroy(h);
	return e;
}

/* Of all threads, user and system. */
static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_message(void *p, size_t n)
{
	rd_kafka_resp_err_t e;

	if (f.received == 0) {
		f.began_s = bench_now_s();
		f.began_cpu_s = cpu_s();
	}
	while (f.mode != COUNT && (e = produce(p, n))) {
		if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			bench_die("produce", rd_kafka_err2str(e));
		rd_kafka_poll(f.rk, 2);
	}
	if (++f.received % 256 == 0 && f.rk)
		rd_kafka_poll(f.rk, 0);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	(void)user;
	if (reason == LWS_CALLBACK_CLIENT_RECEIVE) {
		if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) != 0)
			bench_die("message", "in pieces"); /* frames of the blast fit into the buffer */
		on_message(in, len);
	} else if (reason == LWS_CALLBACK_CLIENT_CLOSED) {
		f.over = true;
	} else if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR) {
		bench_die("connection", in ? in : "");
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "bench", .callback = callback, .rx_buffer_size = READ_BYTES}, {0}};

static struct lws_context *dial(int port)
{
	struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
	    .protocols = protocols,
	    .pt_serv_buf_size = READ_BYTES,
	    .gid = -1,
	    .uid = -1};
	struct lws_context *context;
	struct lws_client_connect_info at = {
	    .address = "127.0.0.1", .port = port, .path = "/blast", .host = "127.0.0.1", .origin = "127.0.0.1"};

	lws_set_log_level(LLL_ERR, NULL);
	context = lws_create_context(&info);
	at.context = context;
	if (!context || !lws_client_connect_via_info(&at))
		bench_die("libwebsockets", "no client");
	return context;
}

static void open_producer(const char *bootstrap, const char *topic)
{
	static const char *const set[][2] = {{"enable.idempotence", "true"}, {"acks", "all"},
	    {"compression.type", "lz4"}, {"linger.ms", "5"}, {"queue.buffering.max.messages", "200000"},
	    {"partitioner", "murmur2_random"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[256];

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, err, sizeof(err));
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		if (rd_kafka_conf_set(conf, set[i][0], set[i][1], err, sizeof(err)) != RD_KAFKA_CONF_OK)
			bench_die(set[i][0], err);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	f.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (!f.rk)
		bench_die("producer", err);
	f.topic = rd_kafka_topic_new(f.rk, topic, NULL);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"count", "blind", "headers"};
	struct lws_context *context;

	while (argc > 3 && f.mode <= HEADERS && strcmp(argv[1], modes[f.mode]) != 0)
		f.mode++;
	if (argc != (f.mode == COUNT ? 4 : 6) || f.mode > HEADERS)
		bench_die(argv[0], "count|blind|headers PORT FRAMES [BOOTSTRAP TOPIC]");
	for (size_t i = 0; i < MARKETS; i++)
		frame_ticker(i, f.tickers[i]);
	if (f.mode != COUNT)
		open_producer(argv[4], argv[5]);
	context = dial((int)bench_number(argv[2]));
	while (!f.over)
		lws_service(context, 0);
	while (f.rk && rd_kafka_flush(f.rk, 1000) != 0)
		;
	if (f.received != (unsigned long long)bench_number(argv[3]) || (f.rk && f.acked != f.received))
		bench_die(argv[1], "not every message came through");
	printf("%llu %llu %.6f %.6f\n", f.received, f.acked, bench_now_s() - f.began_s, cpu_s() - f.began_cpu_s);
	lws_context_destroy(context);
	return 0;
}
