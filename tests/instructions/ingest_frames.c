/*
 * ingest_frames NAME: messages of one kind from the ring's hands to what librdkafka is given, and their
 * acknowledgement: envelope, session and sequence, route, durable, the record with its headers. Steady state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counted.h"
#include "durable.h"
#include "frame.h"
#include "producer_record.h"
#include "route.h"
#include "session.h"

#define FRAMES 2000
#define LINEAGE INT64_C(1795341600123456789)
#define SID 1
#define IN_FLIGHT 256

static char texts[FRAMES][4096];
static struct ingest_scanner scanner;
static struct ingest_session session;
static struct ingest_durable durable;
static struct ingest_acts acts;
static struct ingest_route route;
static struct records pool;
static struct record *in_flight[IN_FLIGHT];
static int64_t n = 1; /* of the next message */

static void trade(char *p, size_t room, unsigned i)
{
	snprintf(p, room,
	    "{\"type\":\"trade\",\"sid\":%d,\"seq\":%u,\"msg\":{\"trade_id\":\"%08x-553e-7222-2304-fb05558d63d0\","
	    "\"market_ticker\":\"KXBTCD-26NOV22-T%05u.99\",\"yes_price_dollars\":\"0.%02u00\",\"no_price_dollars\":\"0."
	    "%02u00\",\"count_fp\":\"%u.00\",\"taker_side\":\"yes\",\"taker_outcome_side\":\"yes\",\"taker_book_side\":"
	    "\"bid\",\"ts\":1795341599,\"ts_ms\":1795341599391}}",
	    SID, i + 1, i * 2654435761u, 10000 + i % 400, 10 + i % 80, 90 - i % 80, 1 + i % 500);
}

static void delta(char *p, size_t room, unsigned i)
{
	snprintf(p, room,
	    "{\"type\":\"orderbook_delta\",\"sid\":%d,\"seq\":%u,\"msg\":{\"market_ticker\":\"KXBTCD-26NOV22-T%05u."
	    "99\","
	    "\"market_id\":\"%08x-553e-7222-2304-fb05558d63d0\",\"price_dollars\":\"0.%02u00\",\"delta_fp\":\"-%u.00\","
	    "\"side\":\"no\",\"ts\":\"2026-11-22T15:04:05.%06uZ\",\"ts_ms\":1795341599391}}",
	    SID, i + 1, 10000 + i % 400, i * 2654435761u, 10 + i % 80, 1 + i % 500, 100000 + i);
}

static size_t side(char *p, size_t room, const char *name, unsigned i)
{
	size_t at = (size_t)snprintf(p, room, ",\"%s_dollars_fp\":[", name);

	for (unsigned k = 0; k < 50; k++)
		at += (size_t)snprintf(
		    p + at, room - at, "%s[\"0.%02u00\",\"%u.00\"]", k ? "," : "", 1 + k, 1 + (i * 31 + k) % 90000);
	return at + (size_t)snprintf(p + at, room - at, "]");
}

static void snapshot(char *p, size_t room, unsigned i)
{
	size_t at = (size_t)snprintf(p, room,
	    "{\"type\":\"orderbook_snapshot\",\"sid\":%d,\"seq\":%u,\"msg\":{\"market_ticker\":"
	    "\"KXBTCD-26NOV22-T%05u.99\",\"market_id\":\"%08x-553e-7222-2304-fb05558d63d0\"",
	    SID, i + 1, 10000 + i % 400, i * 2654435761u);

	at += side(p + at, room - at, "yes", i);
	at += side(p + at, room - at, "no", i);
	snprintf(p + at, room - at, "}}");
}

static void take(struct kmd_str text)
{
	struct ingest_frame f = ingest_frame_scan(&scanner, text, false);
	const struct ingest_origin origin = {LINEAGE, n, LINEAGE + n, n};
	const struct ingest_durable_frame begun = {
	    n, LINEAGE + n, f.has_sid, f.has_seq, f.has_ts, f.sid, f.seq, f.ts_ms};
	struct kmd_header headers[INGEST_HEADERS_MAX];
	struct record **r = &in_flight[n % IN_FLIGHT];
	size_t bytes;

	ingest_durable_begin(&durable, &begun);
	ingest_session_frame(&session, &scanner, &f, LINEAGE + n, (struct kmd_mono){n}, &acts);
	ingest_route_frame(&f, &origin, ingest_session_use_yes_price(&session, &f), &route);
	if (*r) {
		ingest_durable_end(&durable, n - IN_FLIGHT);
		records_put(&pool, *r);
	}
	for (size_t i = 0; i < route.headers_count; i++)
		headers[i] = (struct kmd_header){route.headers[i].name, route.headers[i].value};
	bytes = producer_record_bytes(route.key, text, headers, route.headers_count);
	*r = records_take(&pool, bytes, route.key, text, headers, route.headers_count);
	rd_kafka_headers_destroy(producer_record_headers(*r));
}

COUNTED static void measured(void)
{
	for (int i = 0; i < FRAMES; i++, n++)
		take(kmd_str_z(texts[i]));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(char *p, size_t room, unsigned i);
	} kinds[] = {{"ingest_trade", trade}, {"ingest_delta", delta}, {"ingest_snapshot", snapshot}};

	for (size_t k = 0; argc == 2 && k < sizeof(kinds) / sizeof(*kinds); k++) {
		if (strcmp(argv[1], kinds[k].name) != 0)
			continue;
		for (unsigned i = 0; i < FRAMES; i++)
			kinds[k].make(texts[i], sizeof(texts[i]), i);
		ingest_durable_init(&durable);
		ingest_session_init(&session, 1u << INGEST_CHANNEL_TRADE | 1u << INGEST_CHANNEL_BOOK, 1);
		measured();
		ingest_seq_fini(&session.seq);
		measured();
		printf("%d\n", 2 * FRAMES);
		return 0;
	}
	fprintf(stderr, "usage: ingest_frames ingest_trade|ingest_delta|ingest_snapshot\n");
	return 64;
}
