#include "sim_frames.h"

#include <stdio.h>
#include <string.h>

const char *frame_time(int64_t unix_ns, int digits)
{
	static char texts[8][40];
	static unsigned turn;
	struct kmd_buf b = {0};
	char *text = texts[turn++ % 8];

	kmd_time_format(&b, unix_ns, digits);
	snprintf(text, sizeof(texts[0]), "%.*s", (int)b.n, b.p);
	kmd_buf_fini(&b);
	return text;
}

static void head(struct kmd_buf *b, const char *type, const struct frame_at *at)
{
	kmd_buf_addf(b, "{\"type\":\"%s\"", type);
	if (at->sid)
		kmd_buf_addf(b, ",\"sid\":%lld", (long long)at->sid);
	if (at->seq)
		kmd_buf_addf(b, ",\"seq\":%lld", (long long)at->seq);
	if (at->ms % 2)
		kmd_buf_addf(b, ",\"sending_ts_ms\":%lld", (long long)at->ms + 1);
}

void frame_trade(struct kmd_buf *b, const struct frame_at *at, const struct frame_trade *t)
{
	head(b, "trade", at);
	kmd_buf_addf(b,
	    ",\"msg\":{\"trade_id\":\"%s\",\"market_ticker\":\"%s\",\"yes_price_dollars\":\"0.%02d00\","
	    "\"no_price_dollars\":\"0.%02d00\",\"count_fp\":\"%d.00\",\"taker_outcome_side\":\"yes\","
	    "\"taker_book_side\":\"bid\",\"ts\":%lld,\"ts_ms\":%lld}}",
	    t->id, t->ticker, t->price, 100 - t->price, t->count, (long long)(t->ms / 1000), (long long)t->ms);
}

void frame_rest_trade(struct kmd_buf *b, const struct frame_trade *t)
{
	kmd_buf_addf(b,
	    "{\"trade_id\":\"%s\",\"ticker\":\"%s\",\"count_fp\":\"%d.00\",\"yes_price_dollars\":\"0.%02d00\","
	    "\"no_price_dollars\":\"0.%02d00\",\"taker_outcome_side\":\"yes\",\"taker_book_side\":\"bid\","
	    "\"created_time\":\"%s\"}",
	    t->id, t->ticker, t->count, t->price, 100 - t->price, frame_time(t->ms * KMD_NS_PER_MS, 6));
}

void frame_delta(
    struct kmd_buf *b, const struct frame_at *at, const char *ticker, const char *side, int price, int delta)
{
	head(b, "orderbook_delta", at);
	kmd_buf_addf(b,
	    ",\"msg\":{\"market_ticker\":\"%s\",\"market_id\":\"\",\"price_dollars\":\"0.%02d00\",\"delta_fp\":\"%d."
	    "00\","
	    "\"side\":\"%s\",\"ts_ms\":%lld}}",
	    ticker, price, delta, side, (long long)at->ms);
}

static void ladder(struct kmd_buf *b, const char *name, const int size[100])
{
	size_t n = 0;

	for (int price = 1; price < 100; price++) {
		if (size[price] <= 0)
			continue;
		if (n++ == 0)
			kmd_buf_addf(b, ",\"%s\":[", name);
		else
			kmd_buf_addc(b, ',');
		kmd_buf_addf(b, "[\"0.%02d00\",\"%d.00\"]", price, size[price]);
	}
	if (n > 0)
		kmd_buf_addc(b, ']');
}

void frame_snapshot(
    struct kmd_buf *b, const struct frame_at *at, int64_t id, const char *ticker, const int yes[100], const int no[100])
{
	head(b, "orderbook_snapshot", at);
	if (id)
		kmd_buf_addf(b, ",\"id\":%lld", (long long)id);
	kmd_buf_addf(b, ",\"msg\":{\"market_ticker\":\"%s\",\"market_id\":\"\"", ticker);
	ladder(b, "yes_dollars_fp", yes);
	ladder(b, "no_dollars_fp", no);
	kmd_buf_addz(b, "}}");
}

void frame_ticker(struct kmd_buf *b, const struct frame_at *at, const char *ticker, int price)
{
	head(b, "ticker", at);
	kmd_buf_addf(b,
	    ",\"msg\":{\"market_ticker\":\"%s\",\"price_dollars\":\"0.%02d00\",\"yes_bid_dollars\":\"0.%02d00\","
	    "\"volume_fp\":\"10.00\",\"ts_ms\":%lld}}",
	    ticker, price, price, (long long)at->ms);
}

void frame_lifecycle(
    struct kmd_buf *b, const struct frame_at *at, const char *ticker, const char *event_type, const char *more)
{
	head(b, "market_lifecycle_v2", at);
	kmd_buf_addf(b, ",\"msg\":{\"market_ticker\":\"%s\",\"event_type\":\"%s\"%s}}", ticker, event_type, more);
}

void frame_event(struct kmd_buf *b, const struct frame_at *at, const char *event, const char *series)
{
	head(b, "event_lifecycle", at);
	kmd_buf_addf(b, ",\"msg\":{\"event_ticker\":\"%s\",\"title\":\"t\",\"series_ticker\":\"%s\"}}", event, series);
}
