#include "window.h"

#include <stdlib.h>

#include "kmd_mem.h"
#include "kmd_time.h"

static int64_t floor_s(int64_t ns)
{
	return ns / KMD_NS_PER_S - (ns % KMD_NS_PER_S < 0);
}

static int64_t ceil_s(int64_t ns)
{
	return ns / KMD_NS_PER_S + (ns % KMD_NS_PER_S > 0);
}

/* Times come from frames of the exchange and may be any number: held within what a window can be made of. */
static int64_t held_ns(int64_t ns)
{
	const int64_t max_ns = INT64_MAX - ENRICH_WINDOW_MARGIN_NS;

	return ns > max_ns ? max_ns : ns < -max_ns ? -max_ns : ns;
}

static int64_t ms_as_ns(int64_t ms)
{
	const int64_t max_ms = INT64_MAX / KMD_NS_PER_MS;

	return (ms > max_ms ? max_ms : ms < -max_ms ? -max_ms : ms) * KMD_NS_PER_MS;
}

/* The exchange's clock may be ahead of ours: a window never ends before it begins. */
static struct enrich_window *add_window(struct enrich_windows *w, int64_t lineage, int64_t from_ns, int64_t to_ns)
{
	struct enrich_window *win;

	if (w->due_count == w->due_cap) {
		w->due_cap = w->due_cap ? w->due_cap * 2 : 4;
		w->due = kmd_realloc(w->due, w->due_cap * sizeof(*w->due));
	}
	from_ns = held_ns(from_ns);
	to_ns = held_ns(to_ns < from_ns ? from_ns : to_ns);
	win = &w->due[w->due_count++];
	*win = (struct enrich_window){
	    .lineage = lineage,
	    .from_s = floor_s(from_ns - ENRICH_WINDOW_MARGIN_NS),
	    .to_s = ceil_s(to_ns + ENRICH_WINDOW_MARGIN_NS),
	};
	return win;
}

static struct enrich_lineage *find(struct enrich_windows *w, int64_t id)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->lineages[i].id == id)
			return &w->lineages[i];
	return NULL;
}

static void drop_anchor(struct enrich_book *b, struct enrich_lineage *l)
{
	if (l->anchor)
		enrich_cause_drop(b, l->anchor);
	l->anchor = NULL;
}

static void forget(struct enrich_windows *w, struct enrich_book *b, size_t i)
{
	drop_anchor(b, &w->lineages[i]);
	kmd_buf_fini(&w->lineages[i].group);
	for (; i + 1 < w->count; i++)
		w->lineages[i] = w->lineages[i + 1];
	w->count--;
}

/* When the subscription stood: not before either time that the record tells. */
static int64_t stood_ns(const struct kmd_feed_record *r)
{
	return r->to_recv_ns.has && r->to_recv_ns.v > r->at_ns ? r->to_recv_ns.v : r->at_ns;
}

static struct enrich_lineage *make(struct enrich_windows *w, struct enrich_book *b, const struct kmd_feed_record *r)
{
	struct enrich_lineage *l = find(w, r->lineage);

	if (l)
		return l;
	if (w->count == ENRICH_LINEAGES_MAX) {
		forget(w, b, 0);
		w->given_up++;
	}
	if (w->count == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 8;
		w->lineages = kmd_realloc(w->lineages, w->cap * sizeof(*w->lineages));
	}
	l = &w->lineages[w->count++];
	*l = (struct enrich_lineage){.id = r->lineage, .subscribed_ns = stood_ns(r), .end_ns = r->at_ns};
	kmd_buf_add_str(&l->group, r->group);
	return l;
}

static bool are_mates(const struct enrich_lineage *a, const struct enrich_lineage *b)
{
	return a != b && kmd_str_eq(kmd_buf_str(&a->group), kmd_buf_str(&b->group));
}

/* Where its trades are safe up to. */
static int64_t covered_ns(const struct enrich_lineage *l)
{
	return l->last_ns ? l->last_ns : l->subscribed_ns;
}

/*
 * Does @m begin after a hole behind @l? By the clocks, or because @m said so: `closed` is written when the last frame
 * is acknowledged, which may be after the successor stands. Trades from after that prove the contrary.
 */
static bool takes_over(const struct enrich_lineage *l, const struct enrich_lineage *m)
{
	return m->subscribed_ns > l->end_ns || (m->after_hole && m->id > l->id && covered_ns(l) < m->subscribed_ns);
}

/* The mate that covers the time after the end of @l, or else takes over first after it; NULL: none yet. */
static const struct enrich_lineage *successor(
    const struct enrich_windows *w, const struct enrich_lineage *l, bool *ret_overlaps)
{
	const struct enrich_lineage *next = NULL;

	for (size_t i = 0; i < w->count; i++) {
		const struct enrich_lineage *m = &w->lineages[i];

		if (!are_mates(l, m))
			continue;
		if (takes_over(l, m)) {
			if (!next || m->subscribed_ns < next->subscribed_ns)
				next = m;
		} else if (!m->ended || m->end_ns > l->end_ns) {
			*ret_overlaps = true;
			return m;
		}
	}
	*ret_overlaps = false;
	return next;
}

/* Ended lineages whose successor is known leave a window, or none where they overlap. */
static void resolve(struct enrich_windows *w, struct enrich_book *b)
{
	for (size_t i = 0; i < w->count;) {
		struct enrich_lineage *l = &w->lineages[i];
		const struct enrich_lineage *next;
		bool overlaps = false;

		next = l->ended ? successor(w, l, &overlaps) : NULL;
		if (!next) {
			i++;
			continue;
		}
		if (!overlaps) {
			struct enrich_window *win = add_window(w, l->id, covered_ns(l), next->subscribed_ns);

			if (l->anchor)
				enrich_causes_add(&win->causes, l->anchor);
		}
		forget(w, b, i);
	}
}

/* The record replaces the anchor if the lineage could be rebuilt from it @alone. */
static void anchor(struct enrich_book *b, struct enrich_lineage *l, struct enrich_cause *c, bool alone)
{
	if (l->anchor && !alone)
		return;
	enrich_cause_hold(c);
	drop_anchor(b, l);
	l->anchor = c;
}

static bool is_trade(struct kmd_str channel)
{
	return kmd_str_eqz(channel, "trade");
}

static bool is_lifecycle(struct kmd_str channel)
{
	return kmd_str_eqz(channel, "market_lifecycle_v2") || kmd_str_eqz(channel, "multivariate_market_lifecycle");
}

/* A second subscription on a living lineage (its first was ended by the exchange). */
static void resubscribed(
    struct enrich_windows *w, struct enrich_lineage *l, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	struct enrich_window *win;

	if (!r->from_recv_ns.has || (r->sid.has && r->sid.v == l->sid))
		return;
	win = add_window(w, l->id, covered_ns(l), stood_ns(r));
	enrich_causes_add(&win->causes, l->anchor ? l->anchor : c);
	if (l->anchor != c)
		enrich_causes_add(&win->causes, c);
	l->last_ns = 0;
	l->subscribed_ns = stood_ns(r);
	l->sid = r->sid.has ? r->sid.v : 0;
}

/* A hole told by the successor: older mates that did not say goodbye are dead. Returns whether a mate is known. */
static bool bury_mates(struct enrich_windows *w, const struct enrich_lineage *l)
{
	bool known = false;

	for (size_t i = 0; i < w->count; i++) {
		struct enrich_lineage *m = &w->lineages[i];

		if (!are_mates(l, m) || m->id > l->id)
			continue;
		known = true;
		m->ended = true;
	}
	return known;
}

/* Mates that were silent for long at a sign of life of @l have died without anybody saying so. */
static void bury_silent(struct enrich_windows *w, const struct enrich_lineage *l, int64_t now_ns)
{
	for (size_t i = 0; i < w->count; i++) {
		struct enrich_lineage *m = &w->lineages[i];

		if (are_mates(l, m) && m->end_ns < now_ns - ENRICH_SILENT_NS)
			m->ended = true;
	}
}

/* Their anchors would hold the offset for ever. */
static void forget_gone(struct enrich_windows *w, struct enrich_book *b, int64_t now_ns)
{
	for (size_t i = w->count; i-- > 0;)
		if (w->lineages[i].end_ns < now_ns - ENRICH_AWAIT_NS) {
			forget(w, b, i);
			w->given_up++;
		}
}

static void on_trade_subscribed(
    struct enrich_windows *w, struct enrich_book *b, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	struct enrich_lineage *l = find(w, r->lineage);

	if (l) {
		resubscribed(w, l, r, c);
	} else {
		l = make(w, b, r);
		l->sid = r->sid.has ? r->sid.v : 0;
		l->after_hole = r->from_recv_ns.has;
		if (l->after_hole && !bury_mates(w, l))
			enrich_causes_add(&add_window(w, l->id, r->from_recv_ns.v, stood_ns(r))->causes, c);
	}
	anchor(b, l, c, true);
	resolve(w, b);
}

static const struct kmd_feed_sid *trade_sid(const struct kmd_feed_record *r)
{
	const struct kmd_feed_sid *found = NULL;

	for (uint32_t i = 0; i < r->sids_count; i++)
		if (is_trade(r->sids[i].channel))
			found = &r->sids[i];
	return found;
}

static void learn_sid(struct enrich_lineage *l, const struct kmd_feed_sid *s)
{
	if (!s)
		return;
	l->sid = s->sid;
	if (s->subscribed_ns.has)
		l->subscribed_ns = s->subscribed_ns.v;
	if (s->ts_ms.has)
		l->last_ns = ms_as_ns(s->ts_ms.v);
	else if (s->recv_ns.has)
		l->last_ns = s->recv_ns.v;
}

/* A sign of life, or of the end, of a lineage that covers trades. */
static void on_life(
    struct enrich_windows *w, struct enrich_book *b, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	const struct kmd_feed_sid *s = trade_sid(r);
	struct enrich_lineage *l = find(w, r->lineage);

	if (!l && !s)
		return;
	if (!l)
		l = make(w, b, r);
	learn_sid(l, s);
	l->end_ns = r->at_ns;
	l->ended = r->kind == KMD_FEED_closed;
	anchor(b, l, c, s && (r->group.p || l->group.n == 0));
	bury_silent(w, l, r->at_ns);
	resolve(w, b);
	forget_gone(w, b, r->at_ns);
}

static void on_hole(struct enrich_windows *w, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	int64_t from_ns = r->from_recv_ns.has && r->from_recv_ns.v > 0 ? r->from_recv_ns.v : r->at_ns;

	if (!w->has_hole || from_ns < w->hole_ns)
		w->hole_ns = from_ns;
	w->has_hole = true;
	enrich_causes_add(&w->hole_causes, c);
}

static void on_trade_gap(struct enrich_windows *w, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	int64_t to_ns = r->to_ts_ms.has ? ms_as_ns(r->to_ts_ms.v) : r->to_recv_ns.has ? r->to_recv_ns.v : r->at_ns;
	const struct enrich_lineage *l = find(w, r->lineage);
	int64_t from_ns = to_ns;

	if (r->from_ts_ms.has)
		from_ns = ms_as_ns(r->from_ts_ms.v);
	else if (r->from_recv_ns.has)
		from_ns = r->from_recv_ns.v;
	else if (l && covered_ns(l) < to_ns) /* nothing came before it */
		from_ns = covered_ns(l);
	enrich_causes_add(&add_window(w, r->lineage, from_ns, to_ns)->causes, c);
}

void enrich_windows_feed(
    struct enrich_windows *w, struct enrich_book *b, const struct kmd_feed_record *r, struct enrich_cause *c)
{
	switch (r->kind) {
	case KMD_FEED_subscribed:
		if (is_trade(r->channel))
			on_trade_subscribed(w, b, r, c);
		else if (is_lifecycle(r->channel) && r->from_recv_ns.has)
			on_hole(w, r, c);
		break;
	case KMD_FEED_gap:
		if (is_trade(r->channel))
			on_trade_gap(w, r, c);
		else if (is_lifecycle(r->channel))
			on_hole(w, r, c);
		break;
	case KMD_FEED_alive:
	case KMD_FEED_closed:
		on_life(w, b, r, c);
		break;
	default:
		break;
	}
}

bool enrich_windows_take(struct enrich_windows *w, struct enrich_window *ret)
{
	if (w->due_count == 0)
		return false;
	*ret = w->due[--w->due_count];
	return true;
}

bool enrich_windows_take_hole(struct enrich_windows *w, int64_t *ret_from_ns, struct enrich_causes *ret_causes)
{
	if (!w->has_hole)
		return false;
	w->has_hole = false;
	*ret_from_ns = w->hole_ns;
	enrich_causes_move(ret_causes, &w->hole_causes);
	return true;
}

void enrich_windows_reset(struct enrich_windows *w, struct enrich_book *b)
{
	while (w->count > 0)
		forget(w, b, w->count - 1);
	for (size_t i = 0; i < w->due_count; i++) {
		enrich_causes_drop(b, &w->due[i].causes);
		enrich_causes_fini(&w->due[i].causes);
	}
	w->due_count = 0;
	w->has_hole = false;
	enrich_causes_drop(b, &w->hole_causes);
}

void enrich_windows_fini(struct enrich_windows *w)
{
	for (size_t i = 0; i < w->count; i++)
		kmd_buf_fini(&w->lineages[i].group);
	for (size_t i = 0; i < w->due_count; i++)
		enrich_causes_fini(&w->due[i].causes);
	free(w->lineages);
	free(w->due);
	enrich_causes_fini(&w->hole_causes);
}
