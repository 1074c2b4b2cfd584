#include "sim_exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim_broker.h"

/* The universe of markets and what happens in it by itself. */

#define TURN_NS (120 * SIM_MS)

static const char *const statuses[] = {"active", "determined", "finalized"};

static const char *text(const char *fmt, ...) KMD_PRINTF(1, 2);
static const char *text(const char *fmt, ...)
{
	char buffer[200];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buffer, sizeof(buffer), fmt, args);
	va_end(args);
	return sim_dup((struct kmd_str){buffer, (size_t)n}).p;
}

/* ---- what REST shows ---- */

const struct ex_version *exchange_shows(const struct ex_market *m, int64_t at_ns)
{
	const struct ex_version *shown = NULL;

	for (size_t i = 0; i < m->versions_count; i++)
		if (m->versions[i].shown_ns <= at_ns)
			shown = &m->versions[i];
	return shown;
}

struct ex_market *exchange_market(struct kmd_str ticker)
{
	struct exchange *x = sim->exchange;

	for (size_t i = 0; i < x->markets_count; i++)
		if (kmd_str_eqz(ticker, x->markets[i].ticker))
			return &x->markets[i];
	return NULL;
}

void exchange_market_body(struct kmd_buf *b, const struct ex_market *m, const struct ex_version *v)
{
	const struct ex_event *e = &sim->exchange->events[m->event];

	kmd_buf_addf(b,
	    "{\"ticker\":\"%s\",\"event_ticker\":\"%s\",\"market_type\":\"binary\",\"title\":\"%s\",\"status\":\"%s\","
	    "\"result\":\"%s\",\"expiration_value\":\"%s\",\"volume_fp\":\"%llu.00\",\"updated_time\":\"%s\"",
	    m->ticker, e->ticker, m->ticker, statuses[v->status], v->result, v->expiration,
	    (unsigned long long)sim_below(1000), frame_time(v->at_ns, 6));
	if (v->value)
		kmd_buf_addf(b, ",\"settlement_value_dollars\":\"%s\"", v->value);
	if (v->settled_ns)
		kmd_buf_addf(b, ",\"settlement_ts\":\"%s\"", frame_time(v->settled_ns, 6));
	kmd_buf_addc(b, '}');
}

void exchange_event_body(struct kmd_buf *b, const struct ex_event *e)
{
	kmd_buf_addf(b, "{\"event_ticker\":\"%s\",\"series_ticker\":\"%s\",\"title\":\"%s\"}", e->ticker,
	    sim->exchange->series[e->series], e->ticker);
}

static struct ex_version *add_version(struct ex_market *m, int64_t shown_in_ns)
{
	struct ex_version *v;

	m->versions = sim_grow(m->versions, m->versions_count, &m->versions_cap, sizeof(*m->versions));
	v = &m->versions[m->versions_count];
	*v = m->versions_count > 0 ? m->versions[m->versions_count - 1]
				   : (struct ex_version){.status = EX_ACTIVE, .result = "", .expiration = ""};
	m->versions_count++;
	v->at_ns = sim->now_ns;
	/* In the order it came about. */
	if (sim->now_ns + shown_in_ns > v->shown_ns)
		v->shown_ns = sim->now_ns + shown_in_ns;
	return v;
}

/* Without an enricher topic `markets` is written by us, the way it would be. */
static void tell_market(void *ctx, uint64_t arg)
{
	const struct ex_market *m = ctx;
	const struct ex_version *v = exchange_shows(m, sim->now_ns);
	struct kmd_buf b = {0};

	(void)arg;
	kmd_buf_addf(&b, "{\"ticker\":\"%s\",\"event_ticker\":\"%s\",\"fetched_at\":\"%s\",\"body\":", m->ticker,
	    sim->exchange->events[m->event].ticker, frame_time(sim->now_ns, 9));
	exchange_market_body(&b, m, v ? v : &m->versions[0]);
	kmd_buf_addc(&b, '}');
	broker_append(
	    broker_record_new(KMD_TOPIC_MARKETS, kmd_str_z(m->ticker), kmd_buf_str(&b), NULL, 0, sim->now_ns / SIM_MS));
	kmd_buf_fini(&b);
}

static void tell_later(struct ex_market *m, int64_t least_ns)
{
	if (sim->exchange->tells_markets)
		sim_after(least_ns + sim_between(0, 5 * SIM_S), tell_market, m, 0);
}

/* ---- frames ---- */

static void write_lifecycle(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m)
{
	frame_lifecycle(b, at, m->market->ticker, m->event_type, m->more);
}

static void write_event(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m)
{
	frame_event(b, at, m->event->ticker, sim->exchange->series[m->event->series]);
}

static void write_trade(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m)
{
	frame_trade(b, at, &m->trade->t);
}

static void write_delta(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m)
{
	frame_delta(b, at, m->market->ticker, m->side, m->price, m->delta);
}

static void write_ticker(struct kmd_buf *b, const struct frame_at *at, const struct ex_message *m)
{
	frame_ticker(b, at, m->market->ticker, m->price);
}

static void announce(const struct ex_market *m, const char *event_type, const char *more)
{
	const struct ex_message message = {
	    .channel = INGEST_CHANNEL_LIFECYCLE,
	    .type = "market_lifecycle_v2",
	    .market = m,
	    .write = write_lifecycle,
	    .event_type = event_type,
	    .more = more,
	};

	exchange_publish(&message);
}

/* ---- creation ---- */

static size_t new_event(void)
{
	struct exchange *x = sim->exchange;
	struct ex_event *e = &x->events[x->events_count];

	e->series = sim_below(x->series_count);
	e->ticker = text("%s-E%zu", x->series[e->series], x->events_count + 1);
	e->created_ns = sim->now_ns;
	if (sim->now_ns > sim->began_ns) {
		const struct ex_message m = {
		    .channel = INGEST_CHANNEL_LIFECYCLE, .type = "event_lifecycle", .event = e, .write = write_event};

		exchange_publish(&m);
	}
	return x->events_count++;
}

static void new_market(void)
{
	struct exchange *x = sim->exchange;
	struct ex_market *m = &x->markets[x->markets_count];
	const bool fresh = x->events_count == 0 || (x->events_count < EX_EVENTS_MAX && sim_chance(300));

	m->event = fresh ? new_event() : sim_below(x->events_count);
	m->ticker = text("%s-M%zu", x->events[m->event].ticker, ++x->markets_count);
	m->created_ns = sim->now_ns;
	for (int i = 0; i < 6; i++) {
		m->yes[sim_between(1, 99)] = (int)sim_between(0, 50);
		m->no[sim_between(1, 99)] = (int)sim_between(0, 50);
	}
	if (sim->now_ns == sim->began_ns) {
		add_version(m, -SIM_S)->shown_ns = sim->now_ns - SIM_S;
		tell_later(m, -5 * SIM_S);
		return;
	}
	add_version(m, sim_chance(300) ? sim_between(0, 20 * SIM_S) : 0);
	m->told = true;
	announce(m, "created",
	    text(",\"open_ts\":%lld,\"additional_metadata\":{\"name\":\"n\",\"event_ticker\":\"%s\"}",
		(long long)(sim->now_ns / SIM_S), x->events[m->event].ticker));
	tell_later(m, SIM_S);
}

/* ---- the lives of markets ---- */

static struct ex_market *a_market(enum ex_status status)
{
	struct exchange *x = sim->exchange;
	const size_t first = sim_below(x->markets_count);

	for (size_t i = 0; i < x->markets_count; i++) {
		struct ex_market *m = &x->markets[(first + i) % x->markets_count];

		if (m->versions[m->versions_count - 1].status == status)
			return m;
	}
	return NULL;
}

static int64_t rest_delay(void)
{
	return sim_strikes(SIM_FAULT_rest_empty) ? sim_between(0, 90 * SIM_S) : 0;
}

static void determine(struct ex_market *m)
{
	static const char *const results[] = {"yes", "no", "scalar"}, *const values[] = {"1.0000", "0.0000", "0.3700"};
	const size_t r = sim_below(3);
	struct ex_version *v = add_version(m, rest_delay());

	v->status = EX_DETERMINED;
	v->result = results[r];
	v->value = values[r];
	v->expiration = sim_chance(500) ? "12.5" : "";
	sim_trace("exchange: %s is determined: %s", m->ticker, v->result);
	announce(m, "determined",
	    text(",\"result\":\"%s\",\"determination_ts\":%lld,\"settlement_value\":\"%s\"", v->result,
		(long long)(sim->now_ns / SIM_S), v->value));
}

static void settle(struct ex_market *m)
{
	struct ex_version *v = add_version(m, rest_delay());

	v->status = EX_FINALIZED;
	v->settled_ns = sim->now_ns / 1000 * 1000;
	m->settled = true;
	sim_trace("exchange: %s is settled", m->ticker);
	announce(m, "settled", text(",\"settled_ts\":%lld", (long long)(sim->now_ns / SIM_S)));
	tell_later(m, v->shown_ns - sim->now_ns);
}

/* ---- market data ---- */

static void trade(struct ex_market *m)
{
	struct exchange *x = sim->exchange;
	struct ex_trade *t = sim_alloc(sizeof(*t));
	const struct ex_message message = {
	    .channel = INGEST_CHANNEL_TRADE, .type = "trade", .market = m, .trade = t, .write = write_trade};

	*t = (struct ex_trade){.at_ns = sim->now_ns, .shown_ns = sim->now_ns + sim_between(0, SIM_S)};
	t->t = (struct frame_trade){
	    .id = text("%s%llu", sim->mode != SIM_INGEST && sim_strikes(SIM_FAULT_poison) ? "poison" : "t",
		(unsigned long long)++x->serial),
	    .ticker = m->ticker,
	    .price = (int)sim_between(1, 99),
	    .count = (int)sim_between(1, 99),
	    .ms = sim->now_ns / SIM_MS,
	};
	x->trades = sim_grow(x->trades, x->trades_count, &x->trades_cap, sizeof(struct ex_trade *));
	x->trades[x->trades_count++] = t;
	exchange_publish(&message);
}

static void delta(struct ex_market *m)
{
	struct ex_message message = {
	    .channel = INGEST_CHANNEL_BOOK, .type = "orderbook_delta", .market = m, .write = write_delta};
	int *side;

	message.side = sim_chance(500) ? "yes" : "no";
	side = message.side[0] == 'y' ? m->yes : m->no;
	message.price = (int)sim_between(1, 99);
	message.delta = (int)sim_between(-30, 40);
	if (side[message.price] + message.delta < 0)
		message.delta = -side[message.price];
	if (message.delta == 0)
		return;
	side[message.price] += message.delta;
	exchange_publish(&message);
}

static void tick(const struct ex_market *m)
{
	const struct ex_message message = {.channel = INGEST_CHANNEL_TICKER,
	    .type = "ticker",
	    .market = m,
	    .price = (int)sim_between(1, 99),
	    .write = write_ticker};

	exchange_publish(&message);
}

static void happen(void)
{
	struct exchange *x = sim->exchange;
	const uint64_t what = sim_below(1000);
	struct ex_market *m = a_market(EX_ACTIVE);

	if (what < 12 && x->markets_count < EX_MARKETS_MAX)
		new_market();
	else if (what < 24 && m && sim_chance(500))
		determine(m);
	else if (what < 36 && (m = a_market(EX_DETERMINED)))
		sim_chance(200) ? determine(m) : settle(m);
	else if (what < 60 && m)
		announce(m, sim_chance(500) ? "activated" : "close_date_updated", ",\"close_ts\":1795999999");
	else if (what < 350 && m)
		trade(m);
	else if (what < 850 && m)
		delta(m);
	else
		tick(m ? m : &x->markets[0]);
}

static void on_turn(void *ctx, uint64_t arg)
{
	struct exchange *x = ctx;
	uint64_t n = sim_below(5);

	if (x->quiet) {
		tick(&x->markets[0]);
		sim_after(2 * SIM_S, on_turn, ctx, arg);
		return;
	}
	while (n-- > 0)
		happen();
	exchange_disturb();
	sim_after(sim_between(TURN_NS / 4, 2 * TURN_NS), on_turn, ctx, arg);
}

void exchange_open(void)
{
	struct exchange *x = sim_alloc(sizeof(*x));
	const size_t markets = (size_t)sim_between(2, 10);

	sim->exchange = x;
	x->tells_markets = sim->mode == SIM_INGEST;
	x->page = (size_t)(sim_chance(500) ? sim_between(1, 5) : 200);
	x->cutoff_ns = sim_chance(300) ? sim->now_ns + sim_between(0, 60 * SIM_S) : 0;
	x->series_count = (size_t)sim_between(1, EX_SERIES_MAX);
	for (size_t i = 0; i < x->series_count; i++)
		x->series[i] = text("KX%c", (int)('A' + (int)i));
	while (x->markets_count < markets)
		new_market();
	sim_after(SIM_S, on_turn, x, 0);
}

void exchange_quiet(void)
{
	sim->exchange->quiet = true;
}
