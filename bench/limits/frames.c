#include "frames.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define HEAD_MAX 10   /* of a WebSocket frame */
#define DIGITS_MAX 20 /* of a number */
#define DUE ",\"due_ns\":"

static const char *const kinds[] = {"trade", "delta", "ticker", "snapshot"};
static const char *const types[] = {"trade", "orderbook_delta", "ticker", "orderbook_snapshot"};
static const char *const series[] = {"KXHIGHNY", "KXBTCD", "KXNFLGAME", "KXFEDDECISION", "KXETHD", "KXINXU"};

int frame_kind_of(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(name, kinds[i]) == 0)
			return i;
	return -1;
}

const char *frame_channel(enum frame_kind kind)
{
	return kind == FRAME_SNAPSHOT ? "orderbook_delta" : types[kind];
}

/* splitmix64 */
static uint64_t chance(uint64_t seed)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void frame_ticker(size_t market, char *ret)
{
	snprintf(ret, 64, "%s-26NOV%02zu-T%06zu.99", series[market % 6], 1 + market / 6 % 28, 100000 + market);
}

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	if (vasprintf(&s, format, args) < 0)
		bench_die("frames", "no memory");
	va_end(args);
	return s;
}

static char *trade(const char *ticker, time_t now, uint64_t a, uint64_t b)
{
	const unsigned yes = 1 + (unsigned)(a % 99);
	const char *side = b & 1 ? "yes" : "no";

	return text(",\"msg\":{\"trade_id\":\"%08x-%04x-4%03x-a%03x-%012llx\",\"market_ticker\":\"%s\","
		    "\"yes_price_dollars\":\"0.%02u00\",\"no_price_dollars\":\"0.%02u00\",\"count_fp\":\"%u.00\","
		    "\"taker_side\":\"%s\",\"taker_outcome_side\":\"%s\",\"taker_book_side\":\"%s\",\"ts\":%lld,"
		    "\"ts_ms\":%lld%03u}",
	    (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52) & 0xfff,
	    (unsigned long long)(b & 0xffffffffffff), ticker, yes, 100 - yes, 1 + (unsigned)(b % 500), side, side,
	    b & 1 ? "bid" : "ask", (long long)now, (long long)now, (unsigned)(b % 1000));
}

static char *delta(const char *ticker, time_t now, uint64_t a, uint64_t b)
{
	return text(",\"msg\":{\"market_ticker\":\"%s\",\"market_id\":\"%08x-0000-4000-8000-%012x\","
		    "\"price_dollars\":\"0.%02u00\",\"delta_fp\":\"%s%u.00\",\"side\":\"%s\","
		    "\"ts\":\"2026-11-22T15:04:05.%06uZ\",\"ts_ms\":%lld%03u}",
	    ticker, (unsigned)(a >> 32), (unsigned)a, 1 + (unsigned)(a % 99), b & 2 ? "-" : "", 1 + (unsigned)(b % 900),
	    b & 1 ? "yes" : "no", (unsigned)(b % 1000000), (long long)now, (unsigned)(b % 1000));
}

static char *ticker_update(const char *ticker, time_t now, uint64_t a, uint64_t b)
{
	const unsigned bid = 1 + (unsigned)(a % 97);

	return text(
	    ",\"msg\":{\"market_id\":\"%08x-0000-4000-8000-%012x\",\"market_ticker\":\"%s\","
	    "\"price_dollars\":\"0.%02u00\",\"yes_bid_dollars\":\"0.%02u00\",\"yes_ask_dollars\":\"0.%02u00\","
	    "\"volume_fp\":\"%u.00\",\"open_interest_fp\":\"%u.00\",\"dollar_volume\":%u,\"dollar_open_interest\":%u,"
	    "\"yes_bid_size_fp\":\"%u.00\",\"yes_ask_size_fp\":\"%u.00\",\"last_trade_size_fp\":\"%u.00\","
	    "\"ts\":%lld,\"ts_ms\":%lld%03u,\"time\":\"2026-11-22T15:04:05.%06uZ\"}",
	    (unsigned)(a >> 32), (unsigned)a, ticker, bid, bid, bid + 2, (unsigned)(b % 100000), (unsigned)(a % 50000),
	    (unsigned)(b % 70000), (unsigned)(a % 30000), (unsigned)(b % 900), (unsigned)(a % 900), (unsigned)(a % 100),
	    (long long)now, (long long)now, (unsigned)(b % 1000), (unsigned)(b % 1000000));
}

static size_t put_levels(char *p, const char *side, size_t levels, uint64_t a)
{
	size_t n = (size_t)sprintf(p, ",\"%s_dollars_fp\":[", side);

	for (size_t i = 0; i < levels; i++)
		n += (size_t)sprintf(p + n, "%s[\"0.%02u00\",\"%u.00\"]", i ? "," : "", 1 + (unsigned)(i % 99),
		    1 + (unsigned)(chance(a + i) % 90000));
	return n + (size_t)sprintf(p + n, "]");
}

static char *snapshot(const char *ticker, uint64_t a, size_t levels)
{
	char *s = malloc(256 + levels * 64);
	size_t n;

	if (!s)
		bench_die("frames", "no memory");
	n = (size_t)sprintf(s, ",\"msg\":{\"market_ticker\":\"%s\",\"market_id\":\"%08x-0000-4000-8000-%012x\"", ticker,
	    (unsigned)(a >> 32), (unsigned)a);
	if (levels > 0) {
		n += put_levels(s + n, "yes", levels, a);
		n += put_levels(s + n, "no", levels, a + levels);
	}
	sprintf(s + n, "}");
	return s;
}

static struct frame make(enum frame_kind kind, size_t market, size_t i, size_t levels, int sid)
{
	const uint64_t a = chance(2 * i + 1), b = chance(2 * i + 2);
	const time_t now = time(NULL);
	char ticker[64];
	struct frame f;

	frame_ticker(market, ticker);
	f.head = kind == FRAME_TICKER ? text("{\"type\":\"%s\",\"sid\":%d", types[kind], sid)
				      : text("{\"type\":\"%s\",\"sid\":%d,\"seq\":", types[kind], sid);
	f.tail = kind == FRAME_TRADE    ? trade(ticker, now, a, b)
		 : kind == FRAME_DELTA  ? delta(ticker, now, a, b)
		 : kind == FRAME_TICKER ? ticker_update(ticker, now, a, b)
					: snapshot(ticker, a, levels);
	f.head_n = strlen(f.head);
	f.tail_n = strlen(f.tail);
	return f;
}

void frames_make(struct frames *f, enum frame_kind kind, size_t count, size_t markets, size_t levels, int sid)
{
	*f = (struct frames){.all = calloc(count, sizeof(struct frame)), .count = count, .kind = kind};
	if (!f->all)
		bench_die("frames", "no memory");
	for (size_t i = 0; i < count; i++)
		f->all[i] = make(kind, chance(i) % markets, i, levels, sid);
}

void frames_free(struct frames *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->all[i].head);
		free(f->all[i].tail);
	}
	free(f->all);
	*f = (struct frames){0};
}

static size_t put_number(char *p, uint64_t v)
{
	char reverse[DIGITS_MAX];
	size_t n = 0;

	do {
		reverse[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		p[i] = reverse[n - 1 - i];
	return n;
}

char *frame_head(char *p, int opcode, size_t n)
{
	*p++ = (char)(0x80 | opcode);
	if (n < 126) {
		*p++ = (char)n;
		return p;
	}
	*p++ = n < 65536 ? 126 : 127;
	for (int shift = n < 65536 ? 8 : 56; shift >= 0; shift -= 8)
		*p++ = (char)((uint64_t)n >> shift);
	return p;
}

static char *put(char *p, const char *from, size_t n)
{
	memcpy(p, from, n);
	return p + n;
}

char *frame_put(const struct frames *f, uint64_t i, uint64_t seq, int64_t due_ns, char *p)
{
	const struct frame *one = &f->all[i % f->count];
	char number[DIGITS_MAX], due[sizeof(DUE) + DIGITS_MAX];
	const size_t number_n = f->kind == FRAME_TICKER ? 0 : put_number(number, seq);
	size_t due_n = 0;

	if (due_ns) {
		memcpy(due, DUE, sizeof(DUE) - 1);
		due_n = sizeof(DUE) - 1 + put_number(due + sizeof(DUE) - 1, (uint64_t)due_ns);
	}
	p = frame_head(p, 1, one->head_n + number_n + one->tail_n + due_n + 1);
	p = put(p, one->head, one->head_n);
	p = put(p, number, number_n);
	p = put(p, one->tail, one->tail_n);
	p = put(p, due, due_n);
	*p++ = '}';
	return p;
}

size_t frames_room(const struct frames *f)
{
	size_t most = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->all[i].head_n + f->all[i].tail_n > most)
			most = f->all[i].head_n + f->all[i].tail_n;
	return most + HEAD_MAX + 2 * DIGITS_MAX + sizeof(DUE) + 1;
}
