#include "sim_script.h"

#include <stdio.h>
#include <string.h>

#include "kmd_feed.h"
#include "kmd_settlement.h"
#include "sim_broker.h"
#include "sim_frames.h"

#define MARKETS 6
#define TRADES_KEPT 64
#define SENT_KEPT 40

/* One that is sent again after a crash goes to the same partition under the same number. */
struct sent {
	struct broker_record *record;
};

struct script {
	int64_t lineage, n, seq;
	struct sent sent[SENT_KEPT]; /* of the present lineage, the latest */
	size_t sent_count;
	struct frame_trade trades[TRADES_KEPT];
	size_t trades_count;
	uint64_t serial;
	int64_t known_ns[MARKETS], fetched_ns[MARKETS];
};

static const char *const tickers[MARKETS] = {"KXA-1-T1", "KXA-1-T2", "KXA-2-T1", "KXB-1-T0.5", "KXB-1-T1", "KXC-9"};
static const char *const results[] = {"yes", "no", "scalar"};

static const char *a_market(void)
{
	return tickers[sim_below(MARKETS)];
}

static void numbers(struct kmd_header *h, size_t *n, char digits[5][24])
{
	struct script *s = sim->script;
	const int64_t values[] = {s->lineage, s->n, sim->now_ns, sim->now_ns - sim->began_ns};
	static const char *const names[] = {"lineage", "n", "recv_ns", "mono_ns"};

	for (size_t i = 0; i < 4; i++)
		h[(*n)++] = (struct kmd_header){
		    names[i], {digits[i], (size_t)snprintf(digits[i], 24, "%lld", (long long)values[i])}};
}

static void keep(struct broker_record *r)
{
	struct script *s = sim->script;

	if (s->sent_count == SENT_KEPT)
		memmove(s->sent, s->sent + 1, --s->sent_count * sizeof(s->sent[0]));
	s->sent[s->sent_count++] = (struct sent){r};
}

/* A frame of the present lineage. */
static struct broker_record *send_frame(enum kmd_topic t, const char *type, struct kmd_str key, struct kmd_str value)
{
	struct script *s = sim->script;
	struct kmd_header h[8];
	char digits[5][24];
	struct broker_record *r;
	size_t n = 0;

	s->n++;
	numbers(h, &n, digits);
	h[n++] = (struct kmd_header){"type", kmd_str_z(type)};
	h[n++] = (struct kmd_header){"source", KMD_STR("ws")};
	r = broker_record_new(t, key, value, h, n, sim->now_ns / SIM_MS);
	if (value.p && memmem(value.p, value.n, "poison", 6) && t != KMD_TOPIC_OTHER)
		r->dead = "bad_number";
	keep(r);
	broker_append(r);
	return r;
}

static struct frame_at at_now(void)
{
	return (struct frame_at){3, ++sim->script->seq, sim->now_ns / SIM_MS};
}

static struct frame_trade *new_trade(void)
{
	struct script *s = sim->script;
	struct frame_trade *t = &s->trades[s->trades_count++ % TRADES_KEPT];
	char id[40];

	snprintf(
	    id, sizeof(id), "%s%llu", sim_strikes(SIM_FAULT_poison) ? "poison" : "t", (unsigned long long)++s->serial);
	*t = (struct frame_trade){
	    .id = sim_dup(kmd_str_z(id)).p,
	    .ticker = a_market(),
	    .price = (int)sim_between(1, 99),
	    .count = (int)sim_between(1, 50),
	    .ms = sim->now_ns / SIM_MS,
	};
	return t;
}

static struct frame_trade *a_trade(void)
{
	struct script *s = sim->script;
	const size_t n = s->trades_count < TRADES_KEPT ? s->trades_count : TRADES_KEPT;

	return n > 0 && sim_chance(250) ? &s->trades[sim_below(n)] : new_trade();
}

static void send_trade(void)
{
	const struct frame_at at = at_now();
	const struct frame_trade *t = a_trade();
	struct kmd_buf b = {0};

	frame_trade(&b, &at, t);
	send_frame(KMD_TOPIC_TRADES, "trade", kmd_str_z(t->ticker), kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

static void send_rest_trade(void)
{
	const struct frame_at at = {0, 0, sim->now_ns / SIM_MS};
	const struct frame_trade *t = a_trade();
	struct broker_record *r;
	struct kmd_buf b = {0};
	char recv[24];
	const struct kmd_header h[] = {
	    {"type", KMD_STR("trade")},
	    {"source", KMD_STR("rest")},
	    {"recv_ns", {recv, (size_t)snprintf(recv, sizeof(recv), "%lld", (long long)sim->now_ns)}},
	};

	frame_trade(&b, &at, t);
	r = broker_record_new(KMD_TOPIC_TRADES, kmd_str_z(t->ticker), kmd_buf_str(&b), h, 3, sim->now_ns / SIM_MS);
	if (strncmp(t->id, "poison", 6) == 0)
		r->dead = "bad_number";
	broker_append(r);
	kmd_buf_fini(&b);
}

static void send_book(void)
{
	const struct frame_at at = at_now();
	const char *ticker = a_market();
	int yes[100] = {0}, no[100] = {0};
	struct kmd_buf b = {0};
	const bool snapshot = sim_chance(100);

	yes[40] = (int)sim_between(0, 9);
	no[50] = (int)sim_between(0, 9);
	if (snapshot)
		frame_snapshot(&b, &at, 0, ticker, yes, no);
	else
		frame_delta(&b, &at, ticker, "yes", (int)sim_between(1, 99), (int)sim_between(-5, 5));
	send_frame(KMD_TOPIC_ORDERBOOK, snapshot ? "orderbook_snapshot" : "orderbook_delta", kmd_str_z(ticker),
	    kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

static struct kmd_str lineage_text(char digits[24])
{
	return (struct kmd_str){digits, (size_t)snprintf(digits, 24, "%lld", (long long)sim->script->lineage)};
}

static void send_other(void)
{
	const struct frame_at at = at_now();
	const char *ticker = a_market();
	struct kmd_buf b = {0};
	char digits[24];

	switch (sim_below(4)) {
	case 0:
		frame_ticker(&b, &at, ticker, (int)sim_between(1, 99));
		send_frame(KMD_TOPIC_TICKERS, "ticker", kmd_str_z(ticker), kmd_buf_str(&b));
		break;
	case 1:
		frame_lifecycle(&b, &at, ticker, "activated", ",\"is_deactivated\":false");
		send_frame(KMD_TOPIC_LIFECYCLE, "market_lifecycle_v2", kmd_str_z(ticker), kmd_buf_str(&b));
		break;
	case 2:
		kmd_buf_addz(&b, "{\"type\":\"ok\",\"id\":7,\"sid\":3,\"seq\":9}");
		send_frame(KMD_TOPIC_CONTROL, "ok", lineage_text(digits), kmd_buf_str(&b));
		break;
	default:
		kmd_buf_addz(&b, "what is this");
		send_frame(KMD_TOPIC_OTHER, "other", lineage_text(digits), kmd_buf_str(&b));
	}
	kmd_buf_fini(&b);
}

static void send_own(enum kmd_topic t, struct kmd_str key, struct kmd_str value)
{
	const struct kmd_header h[] = {
	    {"type", kmd_str_z(kmd_topic_name(t))},
	    {"content-type", KMD_STR("application/json")},
	};

	broker_append(broker_record_new(t, key, value, h, 2, sim->now_ns / SIM_MS));
}

static void send_feed(void)
{
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_alive, sim->script->lineage, sim->now_ns);
	struct kmd_buf b = {0};
	char digits[24];

	kmd_feed_encode(&r, &b);
	send_own(KMD_TOPIC_FEED, lineage_text(digits), kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

/* Now and then one that is older than what is known, or the same outcome again. */
static void send_settlement(void)
{
	struct script *s = sim->script;
	const size_t m = sim_below(MARKETS);
	const char *result = results[sim_below(3)];
	struct kmd_settlement_data d = {
	    .market_ticker = kmd_str_z(tickers[m]),
	    .event_ticker = KMD_STR("KXA-1"),
	    .market_type = KMD_STR("binary"),
	    .status = sim_chance(500) ? KMD_STR("determined") : KMD_STR("finalized"),
	    .result = kmd_str_z(result),
	    .settlement_value_dollars = result[0] == 'y' ? KMD_STR("1.0000") : KMD_STR("0.5000"),
	    .expiration_value = sim_chance(300) ? KMD_STR("12.5") : KMD_STR(""),
	    .trigger = KMD_STR("determined"),
	    .body = KMD_STR("{\"a\":1}"),
	};
	struct kmd_buf b = {0};

	s->known_ns[m] += sim_chance(200) ? -3 * SIM_S : SIM_S;
	d.known_at = kmd_str_z(frame_time(sim->began_ns + s->known_ns[m], 9));
	if (sim_chance(500))
		d.determined_at = kmd_str_z(frame_time(sim->began_ns, 0));
	kmd_settlement_encode(&d, &b);
	send_own(KMD_TOPIC_SETTLEMENTS, d.market_ticker, kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

static void send_listing(void)
{
	static const enum kmd_topic topics[] = {KMD_TOPIC_MARKETS, KMD_TOPIC_EVENTS, KMD_TOPIC_SERIES};
	struct script *s = sim->script;
	const size_t m = sim_below(MARKETS), kind = sim_below(3);
	struct kmd_buf b = {0};

	s->fetched_ns[m] += sim_chance(200) ? -3 * SIM_S : SIM_S;
	kmd_buf_addf(&b, "{\"ticker\":\"%s\",\"fetched_at\":\"%s\",\"body\":{\"title\":\"v%llu\"", tickers[m],
	    frame_time(sim->began_ns + s->fetched_ns[m], 9), (unsigned long long)++s->serial);
	if (sim_chance(600))
		kmd_buf_addf(&b, ",\"%s\":\"%s\"", kind == 0 ? "updated_time" : "last_updated_ts",
		    frame_time(sim->began_ns + sim_between(0, 20) * SIM_S, 6));
	kmd_buf_addz(&b, "}}");
	if (sim_chance(80))
		send_own(topics[kind], kmd_str_z(tickers[m]), KMD_STR_NONE);
	else
		send_own(topics[kind], kmd_str_z(tickers[m]), kmd_buf_str(&b));
	kmd_buf_fini(&b);
}

/* What cannot become a row. */
static void send_garbage(void)
{
	switch (sim_below(4)) {
	case 0:
		send_frame(KMD_TOPIC_TRADES, "trade", KMD_STR("KXA-1-T1"), KMD_STR("{\"type\":\"trade\""))->dead =
		    "not_json";
		break;
	case 1:
		send_frame(KMD_TOPIC_TRADES, "trade", KMD_STR("KXA-1-T1"),
		    KMD_STR("{\"type\":\"trade\",\"msg\":{\"market_ticker\":\"KXA-1-T1\"}}"))
		    ->dead = "missing_key";
		break;
	case 2:
		send_frame(KMD_TOPIC_ORDERBOOK, "orderbook_delta", KMD_STR("KXA-1-T1"),
		    KMD_STR("{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"KXA-1-T1\",\"side\":\"yes\","
			    "\"price_dollars\":\"many\",\"delta_fp\":\"1\"}}"))
		    ->dead = "bad_number";
		break;
	default:
		send_own(KMD_TOPIC_DLQ, KMD_STR("k"), KMD_STR("what another service could not read"));
		sim->broker->topics[KMD_TOPIC_DLQ].logs[0].records[broker_log(KMD_TOPIC_DLQ, 0)->count - 1]->dead =
		    "dlq";
	}
}

/* As a spool does after a crash: the last frames of the lineage once more, in order. */
static void resend(void)
{
	struct script *s = sim->script;
	const size_t n = sim_below(s->sent_count + 1);

	for (size_t i = s->sent_count - n; i < s->sent_count; i++) {
		struct broker_record *again = sim_alloc(sizeof(*again));

		*again = *s->sent[i].record;
		sim_happened(SIM_HAPPENED_duplicate_delivery);
		broker_append(again);
	}
	if (sim_chance(500))
		return;
	s->lineage += (int64_t)sim_between(1, 1000);
	s->n = s->seq = 0;
	s->sent_count = 0;
}

static void send_one(void)
{
	const uint64_t what = sim_below(100);

	if (what < 35)
		send_trade();
	else if (what < 45)
		send_rest_trade();
	else if (what < 65)
		send_book();
	else if (what < 78)
		send_other();
	else if (what < 83)
		send_feed();
	else if (what < 89)
		send_settlement();
	else if (what < 95)
		send_listing();
	else if (what < 98)
		send_garbage();
	else
		resend();
}

static void on_turn(void *ctx, uint64_t arg)
{
	uint64_t n = sim_chance(50) ? sim_below(100) : sim_below(5);

	if (sim->now_ns > sim->heal_ns + 5 * SIM_S)
		return;
	if (broker_is_up())
		while (n-- > 0)
			send_one();
	sim_after(sim_between(SIM_MS, 400 * SIM_MS), on_turn, ctx, arg);
}

void script_open(void)
{
	sim->script = sim_alloc(sizeof(*sim->script));
	sim->script->lineage = sim->now_ns;
	sim_after(SIM_S, on_turn, sim->script, 0);
}
