/* sink_rows NAME: records of one kind from the consumer's hands to COPY BINARY bytes, in batches, steady state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counted.h"
#include "sink_batch.h"

#define RECORDS 600
#define BATCH 200
#define NOW_NS INT64_C(1795341600123456789)

struct input {
	char value[4096], n[24], recv_ns[24], mono_ns[24];
	struct sink_header headers[9];
	struct sink_record record;
};

static const struct sink_clock now = {.now_ns = NOW_NS, .oldest_day = INT32_MIN};

static void trade(struct input *in, unsigned i)
{
	snprintf(in->value, sizeof(in->value),
	    "{\"type\":\"trade\",\"sid\":2,\"seq\":%u,\"msg\":{\"trade_id\":\"%08x-553e-7222-2304-fb05558d63d0\","
	    "\"market_ticker\":\"KXBTCD-26NOV22-T%05u.99\",\"yes_price_dollars\":\"0.%02u00\",\"no_price_dollars\":\"0."
	    "%02u00\","
	    "\"count_fp\":\"%u.00\",\"taker_side\":\"yes\",\"taker_outcome_side\":\"yes\",\"taker_book_side\":\"bid\","
	    "\"ts\":1795341599,\"ts_ms\":1795341599391}}",
	    i + 1, i * 2654435761u, 10000 + i % 400, 10 + i % 80, 90 - i % 80, 1 + i % 500);
}

static void delta(struct input *in, unsigned i)
{
	snprintf(in->value, sizeof(in->value),
	    "{\"type\":\"orderbook_delta\",\"sid\":2,\"seq\":%u,\"msg\":{\"market_ticker\":\"KXBTCD-26NOV22-T%05u.99\","
	    "\"market_id\":\"%08x-553e-7222-2304-fb05558d63d0\",\"price_dollars\":\"0.%02u00\",\"delta_fp\":\"-%u.00\","
	    "\"side\":\"no\",\"ts\":\"2026-11-22T09:59:59.391245Z\",\"ts_ms\":1795341599391}}",
	    i + 1, 10000 + i % 400, i % 400 * 2654435761u, 10 + i % 80, 1 + i % 500);
}

static void ticker(struct input *in, unsigned i)
{
	snprintf(in->value, sizeof(in->value),
	    "{\"type\":\"ticker\",\"sid\":2,\"msg\":{\"market_ticker\":\"KXBTCD-26NOV22-T%05u.99\","
	    "\"market_id\":\"%08x-553e-7222-2304-fb05558d63d0\",\"price_dollars\":\"0.%02u00\",\"yes_bid_dollars\":\"0."
	    "%02u00\","
	    "\"yes_ask_dollars\":\"0.%02u00\",\"volume_fp\":\"%u.00\",\"open_interest_fp\":\"%u.00\",\"dollar_volume\":"
	    "%u,"
	    "\"dollar_open_interest\":%u,\"yes_bid_size_fp\":\"300.00\",\"yes_ask_size_fp\":\"7.00\",\"last_trade_size_"
	    "fp\":\"1.00\","
	    "\"ts\":1795341599,\"ts_ms\":1795341599391,\"time\":\"2026-11-22T09:59:59.391245Z\"}}",
	    10000 + i % 400, i % 400 * 2654435761u, 10 + i % 80, 10 + i % 80, 11 + i % 80, 1 + i, 1 + i / 2, 1 + i / 3,
	    1 + i / 4);
}

static void snapshot(struct input *in, unsigned i)
{
	size_t at = (size_t)snprintf(in->value, sizeof(in->value),
	    "{\"type\":\"orderbook_snapshot\",\"sid\":2,\"seq\":%u,\"msg\":{\"market_ticker\":\"KXBTCD-26NOV22-T%05u."
	    "99\","
	    "\"market_id\":\"%08x-553e-7222-2304-fb05558d63d0\",\"yes_dollars_fp\":[",
	    i + 1, 10000 + i % 400, i % 400 * 2654435761u);

	for (unsigned level = 0; level < 40; level++)
		at += (size_t)snprintf(in->value + at, sizeof(in->value) - at, "%s[\"0.%02u00\",\"%u.00\"]",
		    level == 0 ? "" : ",", 1 + level, 100 + i % 800);
	snprintf(in->value + at, sizeof(in->value) - at, "]}}");
}

static const struct kind {
	const char *name, *type;
	enum kmd_topic topic;
	void (*make)(struct input *in, unsigned i);
} kinds[] = {
    {"sink_trade", "trade", KMD_TOPIC_TRADES, trade},
    {"sink_delta", "orderbook_delta", KMD_TOPIC_ORDERBOOK, delta},
    {"sink_ticker", "ticker", KMD_TOPIC_TICKERS, ticker},
    {"sink_snapshot", "orderbook_snapshot", KMD_TOPIC_ORDERBOOK, snapshot},
};

static void fill(struct input *in, const struct kind *k, unsigned i)
{
	k->make(in, i);
	snprintf(in->n, sizeof(in->n), "%u", i + 1);
	snprintf(in->recv_ns, sizeof(in->recv_ns), "%lld", (long long)NOW_NS - 1000000 + i);
	snprintf(in->mono_ns, sizeof(in->mono_ns), "%u", 1000000000 + i);
	const struct sink_header h[] = {{"lineage", KMD_STR("1795341600000000000")}, {"n", kmd_str_z(in->n)},
	    {"recv_ns", kmd_str_z(in->recv_ns)}, {"mono_ns", kmd_str_z(in->mono_ns)}, {"type", kmd_str_z(k->type)},
	    {"sid", KMD_STR("2")}, {"seq", kmd_str_z(in->n)}, {"source", KMD_STR("ws")},
	    {"use_yes_price", KMD_STR("false")}};

	memcpy(in->headers, h, sizeof(h));
	in->record = (struct sink_record){.topic = k->topic,
	    .offset = i,
	    .timestamp_ms = NOW_NS / 1000000,
	    .key = KMD_STR("KXBTCD-26NOV22-T10000.99"),
	    .value = kmd_str_z(in->value),
	    .headers = in->headers,
	    .headers_count = k->topic == KMD_TOPIC_ORDERBOOK ? 9 : 8};
}

COUNTED static void measured(
    struct sink_batch *b, struct sink_progress *p, const struct input *in, struct kmd_buf *scratch)
{
	for (size_t i = 0; i < RECORDS; i++) {
		struct sink_record r = in[i].record;
		struct sink_quick *quick = sink_quick_new(&r, &now, scratch);

		r.quick = quick;
		sink_batch_add(b, p, NULL, &r, "trades", SINK_FAULT_NONE, &now, (struct kmd_mono){1});
		free(quick);
		if (b->count < BATCH)
			continue;
		sink_batch_seal(b);
		sink_progress_commit(p);
		sink_batch_clear(b);
	}
}

static uint64_t once(struct sink_batch *b, const struct kind *k, const struct input *in)
{
	struct sink_progress p = {.topic = k->topic};
	struct kmd_buf scratch = {0};
	uint64_t dead = 0;

	sink_progress_begin(&p, 1, 0);
	measured(b, &p, in, &scratch);
	for (int i = 0; i < SINK_FAULT_COUNT; i++)
		dead += b->counts.dead[i];
	sink_progress_fini(&p);
	kmd_buf_fini(&scratch);
	return dead;
}

int main(int argc, char **argv)
{
	struct input *in = calloc(RECORDS, sizeof(*in));
	struct sink_batch batch = {0};
	size_t k = 0;

	while (k < sizeof(kinds) / sizeof(kinds[0]) && (argc != 2 || strcmp(kinds[k].name, argv[1]) != 0))
		k++;
	if (!in || k == sizeof(kinds) / sizeof(kinds[0])) {
		fprintf(stderr, "%s: no such input\n", argv[0]);
		return 1;
	}
	for (unsigned i = 0; i < RECORDS; i++)
		fill(&in[i], &kinds[k], i);
	if (once(&batch, &kinds[k], in) > 0 || once(&batch, &kinds[k], in) > 0)
		return 1;
	printf("%d\n", 2 * RECORDS);
	sink_batch_fini(&batch);
	free(in);
	return 0;
}
