#include <stdio.h>
#include <string.h>

#include "kmd_json.h"
#include "kmd_map.h"
#include "kmd_settlement.h"
#include "sim_check.h"
#include "sim_check_feed.h"
#include "sim_exchange.h"

/*
 * What the enricher has to have published: for each settlement frame a record of its trigger, for each settled market
 * what it paid, for each market its record, and every trade that nobody received.
 */

#define SKEW_NS (100 * SIM_MS) /* two processes' clocks */
#define LOOK_EVERY_NS (2 * SIM_S)

/* A settlement record. */
struct told {
	struct kmd_str trigger, result, value;
	int64_t known_ns, determined_ns, settled_ns;
};

/* A lifecycle frame. */
struct want {
	const struct ex_market *market;
	const char *trigger; /* NULL: it asks for the market's record */
	int64_t determined_ns, recv_ns;
};

struct about {
	struct told *told;
	size_t told_count, told_cap;
	bool listed, final; /* there is a record in `markets`; the one fetched last says that it is finalized */
	int64_t fetched_ns;
	bool buried; /* a dead letter names it */
};

struct model {
	struct about abouts[EX_MARKETS_MAX];
	struct want *wants[BROKER_PARTITIONS_MAX]; /* by offset */
	size_t wants_cap[BROKER_PARTITIONS_MAX];
	size_t seen[KMD_TOPIC_COUNT][BROKER_PARTITIONS_MAX];
	int64_t checked[BROKER_PARTITIONS_MAX]; /* offsets of lifecycle */
	struct kmd_map trades;
	struct kmd_json doc;
	struct kmd_arena arena;
	int64_t looked_ns;
};

static struct model *model;

void check_enricher_open(void)
{
	model = sim_alloc(sizeof(*model));
}

/* ---- reading ---- */

static struct about *about(const struct ex_market *m)
{
	return &model->abouts[m - sim->exchange->markets];
}

static struct kmd_str text(struct kmd_json_val v, const char *name)
{
	return kmd_json_text(kmd_json_get(v, name), &model->arena);
}

static int64_t time_of(struct kmd_str text)
{
	int64_t ns;

	return kmd_time_parse(text, &ns) == 0 ? ns : 0;
}

static void take_settlement(const struct broker_record *r, struct kmd_json_val root)
{
	const struct ex_market *m = exchange_market(r->key);
	struct kmd_settlement_data d;
	struct about *a;

	SIM_CHECK(m && kmd_settlement_decode(root, &model->arena, &d) == 0 && kmd_str_eqz(d.market_ticker, m->ticker),
	    "a settlement of nothing: %.*s", KMD_STR_ARG(r->value));
	a = about(m);
	a->told = sim_grow(a->told, a->told_count, &a->told_cap, sizeof(*a->told));
	a->told[a->told_count++] = (struct told){sim_dup(d.trigger), sim_dup(d.result),
	    sim_dup(d.settlement_value_dollars), time_of(d.known_at), time_of(d.determined_at), time_of(d.settled_at)};
}

static void take_market(const struct broker_record *r, struct kmd_json_val root)
{
	const struct ex_market *m = exchange_market(r->key);

	SIM_CHECK(m, "a record of a market that is none: %.*s", KMD_STR_ARG(r->key));
	about(m)->listed = r->value.p != NULL;
	if (!r->value.p || time_of(text(root, "fetched_at")) < about(m)->fetched_ns)
		return; /* what a former member still had in hand comes behind what is newer */
	about(m)->fetched_ns = time_of(text(root, "fetched_at"));
	about(m)->final = kmd_str_eqz(text(kmd_json_get(root, "body"), "status"), "finalized");
}

static void take_frame(const struct broker_record *r, struct kmd_json_val root)
{
	const struct kmd_json_val msg = kmd_json_get(root, "msg");
	const struct kmd_str type = text(msg, "event_type");
	struct want *w;
	int64_t s;

	model->wants[r->partition] =
	    sim_grow(model->wants[r->partition], (size_t)r->offset, &model->wants_cap[r->partition], sizeof(*w));
	w = &model->wants[r->partition][r->offset];
	*w = (struct want){.market = exchange_market(text(msg, "market_ticker"))};
	w->recv_ns = broker_header_i64(r, "recv_ns");
	if (kmd_str_eqz(type, "determined"))
		w->trigger = "determined";
	if (kmd_str_eqz(type, "settled"))
		w->trigger = "settled";
	if (kmd_json_i64(kmd_json_get(msg, "determination_ts"), &s) == 0)
		w->determined_ns = s * KMD_NS_PER_S;
}

static void take_trade(struct kmd_json_val root)
{
	kmd_map_put(&model->trades, text(kmd_json_get(root, "msg"), "trade_id"), model);
}

static void take_dead(const struct broker_record *r)
{
	const struct ex_market *m = exchange_market(r->key);

	if (m)
		about(m)->buried = true;
}

static void take(const struct broker_record *r)
{
	const bool parsed = r->value.p && kmd_json_parse(&model->doc, r->value) == 0;
	const struct kmd_json_val root = kmd_json_root(&model->doc);

	kmd_arena_reset(&model->arena);
	if (r->topic == KMD_TOPIC_MARKETS)
		take_market(r, root);
	else if (r->topic == KMD_TOPIC_DLQ)
		take_dead(r);
	else if (!parsed)
		sim_fail(
		    "%s [%d] at %lld is not JSON", kmd_topic_name(r->topic), (int)r->partition, (long long)r->offset);
	else if (r->topic == KMD_TOPIC_SETTLEMENTS)
		take_settlement(r, root);
	else if (r->topic == KMD_TOPIC_LIFECYCLE)
		take_frame(r, root);
	else
		take_trade(root);
}

/* What came since it was looked last. */
static void read_all(void)
{
	static const enum kmd_topic topics[] = {
	    KMD_TOPIC_SETTLEMENTS, KMD_TOPIC_MARKETS, KMD_TOPIC_DLQ, KMD_TOPIC_LIFECYCLE, KMD_TOPIC_TRADES};
	struct heap *former = heap_use(&sim->heap);

	for (size_t k = 0; k < sizeof(topics) / sizeof(topics[0]); k++)
		for (int32_t i = 0; i < sim->broker->topics[topics[k]].partitions; i++) {
			const struct broker_log *l = broker_log(topics[k], i);

			while (model->seen[topics[k]][i] < l->count)
				take(l->records[model->seen[topics[k]][i]++]);
		}
	heap_use(former);
}

/* ---- a frame ---- */

static bool is_satisfied(const struct want *w)
{
	const struct about *a = w->market ? about(w->market) : NULL;

	if (!a)
		return true; /* about an event */
	if (!w->trigger)
		return a->listed || a->buried;
	for (size_t i = 0; i < a->told_count; i++) {
		const struct told *t = &a->told[i];

		if (kmd_str_eqz(t->trigger, w->trigger) && t->known_ns + SKEW_NS >= w->recv_ns &&
		    t->determined_ns >= w->determined_ns)
			return true;
	}
	return false;
}

void check_enricher_commit(int32_t partition, int64_t offset)
{
	read_all();
	for (; model->checked[partition] < offset; model->checked[partition]++) {
		const struct want *w = &model->wants[partition][model->checked[partition]];

		SIM_CHECK(is_satisfied(w),
		    "lifecycle [%d] is committed to %lld, and the frame of %s (%s) at %lld led to nothing",
		    (int)partition, (long long)offset, w->market->ticker, w->trigger ? w->trigger : "its record",
		    (long long)model->checked[partition]);
	}
}

/* ---- the end ---- */

static const char *text_of(const char *what, const char *whose)
{
	static char said[200];

	snprintf(said, sizeof(said), "%s %s", what, whose);
	return said;
}

bool check_enricher_hides(const struct ex_market *m)
{
	if (sim->exchange->tells_markets || m->versions[m->versions_count - 1].status != EX_DETERMINED)
		return false;
	read_all();
	return !about(m)->listed;
}

/* The last record says what the exchange paid. */
static bool tells_outcome(const struct about *a, const struct ex_version *v)
{
	const struct told *last = NULL;

	for (size_t i = 0; i < a->told_count; i++)
		if (!last || a->told[i].known_ns >= last->known_ns)
			last = &a->told[i];
	return last && kmd_str_eqz(last->result, v->result) && kmd_str_eqz(last->value, v->value) &&
	       last->settled_ns == v->settled_ns;
}

static const char *wrong_with_market(const struct ex_market *m)
{
	const struct ex_version *v = &m->versions[m->versions_count - 1];
	const struct about *a = about(m);

	if (!a->listed)
		return check_enricher_hides(m) ? NULL : text_of("no record of market", m->ticker);
	if (v->status != EX_FINALIZED)
		return NULL;
	if (!tells_outcome(a, v))
		return text_of("no record of the settlement of", m->ticker);
	return a->final ? NULL : text_of("the newest record does not say final of", m->ticker);
}

static const char *wrong_with_frames(int32_t partition)
{
	for (size_t i = 0; i < broker_log(KMD_TOPIC_LIFECYCLE, partition)->count; i++) {
		const struct want *w = &model->wants[partition][i];

		if (!is_satisfied(w))
			return text_of(w->trigger ? w->trigger : "a frame without its record:", w->market->ticker);
	}
	return NULL;
}

static const char *trade_text(const struct ex_trade *t)
{
	static char said[100];

	snprintf(said, sizeof(said), "trade %s of %s at %lld ms is missing", t->t.id, t->t.ticker,
	    (long long)((t->at_ns - sim->began_ns) / SIM_MS));
	return said;
}

/* Trades since the first subscription was received: there are windows from then on. */
static const char *wrong_with_trades(void)
{
	const struct exchange *x = sim->exchange;
	struct seens all;
	int64_t from_ns;

	feed_read(&all);
	from_ns = feed_received(&all, INGEST_CHANNEL_TRADE);
	if (feed_waits_for_data(&all, INGEST_CHANNEL_TRADE))
		return NULL;
	for (size_t i = 0; i < x->trades_count; i++)
		if (x->trades[i]->at_ns - SKEW_NS >= from_ns &&
		    !kmd_map_get(&model->trades, kmd_str_z(x->trades[i]->t.id)))
			return trade_text(x->trades[i]);
	return NULL;
}

/* NULL: nothing. */
static const char *what_is_wrong(void)
{
	const char *wrong = NULL;

	read_all();
	for (size_t i = 0; i < sim->exchange->markets_count && !wrong; i++)
		wrong = wrong_with_market(&sim->exchange->markets[i]);
	for (int32_t i = 0; i < sim->broker->topics[KMD_TOPIC_LIFECYCLE].partitions && !wrong; i++)
		wrong = wrong_with_frames(i);
	return wrong ? wrong : wrong_with_trades();
}

bool check_enricher_done(void)
{
	if (sim->now_ns - model->looked_ns < LOOK_EVERY_NS)
		return false;
	model->looked_ns = sim->now_ns;
	return !what_is_wrong();
}

void check_enricher_end(void)
{
	const char *wrong = what_is_wrong();

	SIM_CHECK(!wrong, "%s", wrong);
}
