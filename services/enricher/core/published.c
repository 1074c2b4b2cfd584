#include "published.h"

#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "kmd_mem.h"
#include "kmd_time.h"
#include "settle.h"

static void free_values(struct kmd_map *m, bool parents)
{
	struct kmd_str key;
	void *value;

	for (size_t it = 0; kmd_map_next(m, &it, &key, &value);) {
		if (parents)
			free(((struct enrich_parent *)value)->series_ticker);
		free(value);
	}
	kmd_map_fini(m);
}

void enrich_published_fini(struct enrich_published *p)
{
	free_values(&p->markets, false);
	free_values(&p->events, true);
	free_values(&p->series, true);
	kmd_json_fini(&p->doc);
	kmd_arena_fini(&p->arena);
}

static const struct kmd_map *parents_of(const struct enrich_published *p, enum kmd_topic topic)
{
	return topic == KMD_TOPIC_EVENTS ? &p->events : &p->series;
}

struct enrich_market *enrich_published_market(const struct enrich_published *p, struct kmd_str ticker)
{
	return kmd_map_get(&p->markets, ticker);
}

struct enrich_parent *enrich_published_parent(
    const struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker)
{
	return kmd_map_get(parents_of(p, topic), ticker);
}

static struct enrich_market *make_market(struct enrich_published *p, struct kmd_str ticker)
{
	struct enrich_market *m = kmd_map_get(&p->markets, ticker);

	if (!m) {
		m = kmd_calloc(1, sizeof(*m));
		kmd_map_put(&p->markets, ticker, m);
	}
	return m;
}

static struct enrich_parent *make_parent(struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker)
{
	struct kmd_map *m = topic == KMD_TOPIC_EVENTS ? &p->events : &p->series;
	struct enrich_parent *e = kmd_map_get(m, ticker);

	if (!e) {
		e = kmd_calloc(1, sizeof(*e));
		kmd_map_put(m, ticker, e);
	}
	return e;
}

struct kmd_str enrich_published_series_of(const struct enrich_published *p, struct kmd_str event_ticker)
{
	struct enrich_parent *e = event_ticker.n ? kmd_map_get(&p->events, event_ticker) : NULL;

	return e ? kmd_str_z(e->series_ticker) : KMD_STR_NONE;
}

void enrich_published_learn_series(
    struct enrich_published *p, struct kmd_str event_ticker, struct kmd_str series_ticker)
{
	struct enrich_parent *e;

	if (event_ticker.n == 0 || series_ticker.n == 0)
		return;
	e = make_parent(p, KMD_TOPIC_EVENTS, event_ticker);
	if (kmd_str_eq(kmd_str_z(e->series_ticker), series_ticker))
		return;
	free(e->series_ticker);
	e->series_ticker = kmd_strndup(series_ticker.p, series_ticker.n);
}

void enrich_published_learn_determined(struct enrich_published *p, struct kmd_str ticker, int64_t determined_ns)
{
	struct enrich_market *m;

	if (determined_ns == 0)
		return;
	m = make_market(p, ticker);
	if (determined_ns > m->determined_ns)
		m->determined_ns = determined_ns;
}

static int64_t time_of(struct kmd_str text)
{
	int64_t ns;

	return kmd_time_parse(text, &ns) == 0 ? ns : 0;
}

static int64_t time_member(struct enrich_published *p, struct kmd_json_val v, const char *name)
{
	return time_of(kmd_json_text(kmd_json_get(v, name), &p->arena));
}

static void forget_market(struct enrich_published *p, struct kmd_str ticker)
{
	struct enrich_market *m = kmd_map_get(&p->markets, ticker);

	if (m)
		m->hash = m->sent = 0, m->fetched_ns = 0, m->finalized_ns = 0, m->has_series = false;
}

uint64_t enrich_market_mark(uint64_t hash, bool has_series)
{
	return has_series ? hash : ~hash;
}

/* Another's record came between: what was sent before it is worth a record again. An echo of ours changes nothing. */
static void forget_sent(uint64_t *sent, uint64_t before, uint64_t now)
{
	if (now != before && now != *sent)
		*sent = 0;
}

static void apply_market(struct enrich_published *p, struct kmd_str ticker, struct kmd_json_val record)
{
	struct kmd_json_val body = kmd_json_get(record, "body");
	int64_t fetched_ns = time_member(p, record, "fetched_at");
	struct enrich_market *m = make_market(p, ticker);
	uint64_t before = enrich_market_mark(m->hash, m->has_series);

	if (fetched_ns < m->fetched_ns)
		return;
	m->fetched_ns = fetched_ns;
	m->hash = enrich_content_hash(body, &p->arena);
	m->has_series = kmd_json_text(kmd_json_get(record, "series_ticker"), &p->arena).n > 0;
	forget_sent(&m->sent, before, enrich_market_mark(m->hash, m->has_series));
	m->finalized_ns = 0;
	if (kmd_str_eqz(kmd_json_text(kmd_json_get(body, "status"), &p->arena), "finalized")) {
		m->finalized_ns = time_member(p, body, "settlement_ts");
		if (m->finalized_ns == 0)
			m->finalized_ns = fetched_ns;
	}
}

static void apply_parent(
    struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, struct kmd_json_val record)
{
	int64_t fetched_ns = time_member(p, record, "fetched_at");
	struct enrich_parent *e = make_parent(p, topic, ticker);
	uint64_t before = e->hash;

	if (fetched_ns < e->fetched_ns)
		return;
	e->fetched_ns = fetched_ns;
	e->hash = enrich_content_hash(kmd_json_get(record, "body"), &p->arena);
	forget_sent(&e->sent, before, e->hash);
	if (topic == KMD_TOPIC_EVENTS)
		enrich_published_learn_series(
		    p, ticker, kmd_json_text(kmd_json_get(record, "series_ticker"), &p->arena));
}

/* Which frames a record answers is told by its trigger, whatever else its body shows. */
static void note_trigger(struct enrich_market *m, struct kmd_str trigger, int64_t known_ns, int64_t determined_ns)
{
	if (kmd_str_eqz(trigger, "settled") && known_ns > m->known_settled_ns)
		m->known_settled_ns = known_ns;
	if (!kmd_str_eqz(trigger, "determined"))
		return;
	if (known_ns > m->known_determined_ns)
		m->known_determined_ns = known_ns;
	if (determined_ns > m->recorded_ns)
		m->recorded_ns = determined_ns;
}

static void apply_settlement(struct enrich_published *p, struct kmd_json_val record)
{
	struct kmd_settlement_data d;
	struct enrich_market *m;
	int64_t settled_ns, known_ns, determined_ns;

	if (kmd_settlement_decode(record, &p->arena, &d) != 0)
		return;
	settled_ns = time_of(d.settled_at);
	known_ns = time_of(d.known_at);
	determined_ns = time_of(d.determined_at);
	if (settled_ns > p->last_settled_ns)
		p->last_settled_ns = settled_ns;
	m = enrich_published_market(p, d.market_ticker);
	if (!m && settled_ns != 0 && settled_ns < p->forget_ns)
		return;
	m = make_market(p, d.market_ticker);
	enrich_published_learn_determined(p, d.market_ticker, determined_ns);
	note_trigger(m, d.trigger, known_ns, determined_ns);
	if (known_ns < m->known_ns)
		return;
	m->known_ns = known_ns;
	m->settled_ns = settled_ns;
	m->outcome = enrich_outcome_hash(&d);
	m->shown = enrich_outcome_of(d.result, d.settlement_value_dollars);
}

void enrich_published_apply(struct enrich_published *p, enum kmd_topic topic, struct kmd_str key, struct kmd_str value)
{
	struct kmd_json_val record;
	struct kmd_str ticker;

	if (!value.p) {
		if (topic == KMD_TOPIC_MARKETS)
			forget_market(p, key);
		return;
	}
	if (kmd_json_parse(&p->doc, value) != 0)
		return;
	kmd_arena_reset(&p->arena);
	record = kmd_json_root(&p->doc);
	ticker = kmd_json_text(kmd_json_get(record, "ticker"), &p->arena);
	if (topic == KMD_TOPIC_SETTLEMENTS)
		apply_settlement(p, record);
	else if (ticker.n > 0 && topic == KMD_TOPIC_MARKETS)
		apply_market(p, ticker, record);
	else if (ticker.n > 0)
		apply_parent(p, topic, ticker, record);
}

bool enrich_published_market_changed(
    struct enrich_published *p, struct kmd_str ticker, uint64_t hash, bool has_series, int64_t fetched_ns)
{
	struct enrich_market *m = enrich_published_market(p, ticker);

	if (m)
		m->seen_ns = fetched_ns;
	if (!m || m->hash != hash || (has_series && !m->has_series))
		return true;
	if (fetched_ns > m->fetched_ns)
		m->fetched_ns = fetched_ns;
	return false;
}

bool enrich_published_parent_changed(
    struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t hash, int64_t fetched_ns)
{
	struct enrich_parent *e = enrich_published_parent(p, topic, ticker);

	if (!e || e->hash != hash) {
		make_parent(p, topic, ticker)->seen_ns = fetched_ns;
		return true;
	}
	if (fetched_ns > e->fetched_ns)
		e->fetched_ns = fetched_ns;
	return false;
}

static uint64_t *sent_of(const struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker)
{
	struct enrich_parent *e;
	struct enrich_market *m;

	if (topic == KMD_TOPIC_MARKETS) {
		m = enrich_published_market(p, ticker);
		return m ? &m->sent : NULL;
	}
	e = enrich_published_parent(p, topic, ticker);
	return e ? &e->sent : NULL;
}

void enrich_published_note_sent(struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t mark)
{
	if (topic == KMD_TOPIC_MARKETS)
		make_market(p, ticker)->sent = mark;
	else
		make_parent(p, topic, ticker)->sent = mark;
}

void enrich_published_refused(struct enrich_published *p, enum kmd_topic topic, struct kmd_str value)
{
	struct kmd_json_val record;
	struct kmd_str ticker;
	uint64_t *sent, mark;

	if (topic == KMD_TOPIC_SETTLEMENTS || kmd_json_parse(&p->doc, value) != 0)
		return;
	kmd_arena_reset(&p->arena);
	record = kmd_json_root(&p->doc);
	ticker = kmd_json_text(kmd_json_get(record, "ticker"), &p->arena);
	mark = enrich_content_hash(kmd_json_get(record, "body"), &p->arena);
	if (topic == KMD_TOPIC_MARKETS)
		mark = enrich_market_mark(mark, kmd_json_text(kmd_json_get(record, "series_ticker"), &p->arena).n > 0);
	sent = sent_of(p, topic, ticker);
	if (sent && *sent == mark)
		*sent = 0;
}

bool enrich_published_was_sent(
    const struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker, uint64_t mark)
{
	const uint64_t *sent = sent_of(p, topic, ticker);

	return sent && *sent == mark;
}

bool enrich_published_outcome_differs(
    const struct enrich_published *p, const struct kmd_settlement_data *d, int64_t settled_ns)
{
	const struct enrich_market *m = enrich_published_market(p, d->market_ticker);

	return !m || m->outcome != enrich_outcome_hash(d) || m->settled_ns != settled_ns;
}

bool enrich_published_has_market(const struct enrich_published *p, const struct enrich_cause *c, struct kmd_str ticker)
{
	const struct enrich_market *m = enrich_published_market(p, ticker);

	return m && m->hash && m->fetched_ns > c->recv_ns + ENRICH_STALE_NS;
}

/* Is a sight of an event or series at @at_ns late enough for the frame? */
static bool will_do(enum kmd_topic topic, const struct enrich_cause *c, int64_t at_ns)
{
	bool anew = (c->what & ENRICH_WANT_FRESH_EVENT) != 0;

	if (topic == KMD_TOPIC_EVENTS)
		return at_ns > c->recv_ns + (anew ? ENRICH_STALE_NS : -ENRICH_EVENT_FRESH_NS);
	return at_ns > c->recv_ns - (anew ? ENRICH_EVENT_FRESH_NS : ENRICH_SERIES_FRESH_NS);
}

bool enrich_published_has_parent(
    const struct enrich_published *p, enum kmd_topic topic, const struct enrich_cause *c, struct kmd_str ticker)
{
	const struct enrich_parent *e = enrich_published_parent(p, topic, ticker);

	return e && e->hash && will_do(topic, c, e->fetched_ns);
}

bool enrich_published_saw_parent(
    const struct enrich_published *p, enum kmd_topic topic, const struct enrich_cause *c, struct kmd_str ticker)
{
	const struct enrich_parent *e = enrich_published_parent(p, topic, ticker);

	return e && will_do(topic, c, e->seen_ns);
}

bool enrich_published_has_settlement(
    const struct enrich_published *p, const struct enrich_cause *c, struct kmd_str ticker)
{
	const struct enrich_market *m = enrich_published_market(p, ticker);

	if (!m)
		return false;
	if (c->what & ENRICH_WANT_SETTLED)
		return m->known_settled_ns > c->recv_ns;
	return m->known_determined_ns > c->recv_ns && m->recorded_ns >= c->determined_ns;
}
