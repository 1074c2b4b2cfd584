#include "sim_check_feed.h"

#include <string.h>

#include "kmd_json.h"
#include "sim_proc.h"

#define FEED_READ_NS SIM_S /* from the end that is read to, to the first dial, about */

/* ---- reading ---- */

struct seen *seen_find(struct seens *all, int64_t lineage)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->of[i].conn->lineage == lineage)
			return &all->of[i];
	return NULL;
}

static void take_conns(struct seens *all)
{
	for (struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		all->count += c->opened_ns != 0;
	all->of = sim_alloc((all->count + 1) * sizeof(*all->of));
	all->count = 0;
	for (struct ex_conn *c = sim->exchange->conns; c; c = c->next) {
		struct seen *s = &all->of[all->count];

		if (!c->opened_ns)
			continue;
		s->conn = c;
		s->stored = sim_alloc((c->received_count + 1) * sizeof(struct broker_record *));
		s->refused = sim_alloc(c->received_count + 1);
		all->count++;
	}
}

static void take_hole(struct seens *all, struct seen *s, const struct kmd_feed_record *r)
{
	enum ingest_channel channel;

	SIM_CHECK(ingest_channel_find(r->channel, &channel), "a `subscribed` without a channel");
	all->holes = sim_grow(all->holes, all->holes_count, &all->holes_cap, sizeof(*all->holes));
	all->holes[all->holes_count++] = (struct told_hole){
	    .seen = s,
	    .channel = channel,
	    .at_ns = r->at_ns,
	    .has = r->from_recv_ns.has,
	    .from_ns = r->from_recv_ns.v,
	    .to_ns = r->to_recv_ns.v,
	    .sid = r->sid.v,
	    .end_ns = r->at_ns,
	};
}

/* How far the subscription is told safe. */
static void reach(struct seens *all, const struct seen *s, const struct kmd_feed_sid *sid)
{
	for (size_t i = 0; i < all->holes_count; i++) {
		struct told_hole *h = &all->holes[i];

		if (h->seen == s && h->sid == sid->sid && sid->recv_ns.has && sid->recv_ns.v > h->end_ns)
			h->end_ns = sid->recv_ns.v;
	}
}

static void take_alive(
    struct seens *all, struct seen *s, const struct kmd_feed_record *r, const struct broker_record *rec)
{
	struct told_alive *a;

	all->alives = sim_grow(all->alives, all->alives_count, &all->alives_cap, sizeof(*all->alives));
	a = &all->alives[all->alives_count++];
	*a = (struct told_alive){s, rec, r->last_n.v, NULL, r->sids_count};
	a->sids = sim_alloc((r->sids_count + 1) * sizeof(*a->sids));
	for (uint32_t i = 0; i < r->sids_count; i++) {
		a->sids[i] = r->sids[i];
		a->sids[i].channel = sim_dup(r->sids[i].channel);
		reach(all, s, &r->sids[i]);
	}
	SIM_CHECK(r->last_n.v >= s->last_n, "lineage %lld: safe up to %lld, then up to %lld", (long long)r->lineage,
	    (long long)s->last_n, (long long)r->last_n.v);
	s->last_n = r->last_n.v;
}

/* A process reads `feed` before it dials, so what comes in about then, or later, it need not have read. */
static bool is_late(const struct seen *s, const struct broker_record *rec)
{
	for (const struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		if (c->proc != s->conn->proc && c->lineage > s->conn->lineage &&
		    c->dialled_ns - FEED_READ_NS <= rec->appended_ns)
			return true;
	return false;
}

static void take_record(struct seens *all, const struct kmd_feed_record *r, const struct broker_record *rec)
{
	struct seen *s = seen_find(all, r->lineage);

	SIM_CHECK(s, "`feed` tells of lineage %lld, which never was", (long long)r->lineage);
	SIM_CHECK(!s->closed, "lineage %lld: %s behind closed", (long long)r->lineage, kmd_feed_kind_name(r->kind));
	SIM_CHECK(s->opened == (r->kind != KMD_FEED_opened), "lineage %lld: %s %s", (long long)r->lineage,
	    kmd_feed_kind_name(r->kind), s->opened ? "twice" : "before opened");
	s->opened = true;
	s->late = s->late || is_late(s, rec);
	s->closed = r->kind == KMD_FEED_closed;
	if (r->kind == KMD_FEED_subscribed)
		take_hole(all, s, r);
	if (r->kind == KMD_FEED_alive || r->kind == KMD_FEED_closed)
		take_alive(all, s, r, rec);
	if (r->kind == KMD_FEED_refused && r->n.v > 0 && (size_t)r->n.v <= s->conn->received_count)
		s->refused[r->n.v - 1] = true;
	if (r->kind == KMD_FEED_gap) {
		s->gaps = sim_grow(s->gaps, s->gaps_count, &s->gaps_cap, sizeof(*s->gaps));
		s->gaps[s->gaps_count++] = (struct told_gap){r->sid.v, r->expected_seq.v, r->got_seq.v};
	}
}

void feed_read(struct seens *ret)
{
	const struct broker_log *l = broker_log(KMD_TOPIC_FEED, 0);
	struct kmd_json doc = {0};
	struct kmd_arena arena = {0};
	struct kmd_feed_record r;

	*ret = (struct seens){0};
	take_conns(ret);
	for (size_t i = 0; i < l->count; i++) {
		kmd_arena_reset(&arena);
		SIM_CHECK(kmd_json_parse(&doc, l->records[i]->value) == 0 &&
			      kmd_feed_decode(kmd_json_root(&doc), &arena, &r) == 0,
		    "a feed record that cannot be read");
		take_record(ret, &r, l->records[i]);
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

/* ---- gaps ---- */

/*
 * Was @sid named as subscribed by an answer that was received? Its number, or 0. An `ok` names no channel: one that
 * comes when its command was given up already says nothing.
 */
static int64_t claimed_at(const struct seen *s, int64_t sid)
{
	for (size_t i = 0; i < s->conn->received_count; i++)
		if (s->conn->received[i]->claims && s->conn->received[i]->sid == sid &&
		    strcmp(s->conn->received[i]->type, "ok") != 0)
			return (int64_t)i + 1;
	return 0;
}

static bool is_told(const struct seen *s, const struct told_gap *g)
{
	for (size_t i = 0; i < s->gaps_count; i++)
		if (memcmp(&s->gaps[i], g, sizeof(*g)) == 0)
			return true;
	return false;
}

/* Must the gap that frame @n showed be in `feed`? Its sid has to be known, and the process to have lived on. */
static bool must_be_told(const struct seen *s, int64_t sid, int64_t n, bool whole)
{
	const int64_t claimed = claimed_at(s, sid);
	const int64_t late = claimed > n ? claimed : n;

	if (!claimed || s->conn->received[late - 1]->recv_ns > sim->now_ns - 5 * SIM_S)
		return false;
	return whole || late <= s->last_n;
}

void seen_check_gaps(const struct seen *s, bool whole)
{
	int64_t last[EX_SIDS_MAX] = {0};
	size_t there = 0;

	for (size_t i = 0; i < s->conn->received_count; i++) {
		const struct ex_frame *f = s->conn->received[i];
		const struct told_gap g = {f->sid, last[f->sid] + 1, f->seq};

		if (!f->seq || f->seq <= last[f->sid])
			continue;
		last[f->sid] = f->seq;
		if (g.got == g.expected)
			continue;
		there += is_told(s, &g);
		SIM_CHECK(is_told(s, &g) || !must_be_told(s, f->sid, f->n, whole),
		    "lineage %lld: sid %lld jumped from %lld to %lld at frame %lld and `feed` does not say so",
		    (long long)s->conn->lineage, (long long)f->sid, (long long)g.expected - 1, (long long)g.got,
		    (long long)f->n);
	}
	SIM_CHECK(there == s->gaps_count, "lineage %lld: %zu gaps told, %zu of them were there",
	    (long long)s->conn->lineage, s->gaps_count, there);
}

bool seen_tells_gap(const struct seen *s, const struct ex_frame *f)
{
	for (size_t i = 0; i < s->gaps_count; i++)
		if (s->gaps[i].sid == f->sid && s->gaps[i].expected <= f->seq && f->seq < s->gaps[i].got)
			return true;
	return false;
}

bool seen_is_last(const struct seen *s, size_t k)
{
	const struct ex_frame *f = s->conn->sent[k];

	for (size_t i = k + 1; i < s->conn->sent_count; i++)
		if (s->conn->sent[i]->sid == f->sid && s->conn->sent[i]->seq && s->conn->sent[i]->n)
			return false;
	return true;
}

/* ---- how far it is safe ---- */

static bool is_safe(const struct seen *s, int64_t n, int64_t by_ns)
{
	return s->refused[n - 1] || (s->stored[n - 1] && s->stored[n - 1]->appended_ns <= by_ns);
}

static void check_alive(const struct told_alive *a)
{
	const struct seen *s = a->seen;

	SIM_CHECK(a->last_n >= 0 && (size_t)a->last_n <= s->conn->received_count,
	    "lineage %lld: safe up to %lld of %zu", (long long)s->conn->lineage, (long long)a->last_n,
	    s->conn->received_count);
	for (int64_t n = 1; n <= a->last_n; n++)
		SIM_CHECK(is_safe(s, n, a->record->appended_ns),
		    "lineage %lld: told safe up to %lld, frame %lld was not", (long long)s->conn->lineage,
		    (long long)a->last_n, (long long)n);
	for (size_t i = 0; i < a->sids_count; i++) {
		const struct kmd_feed_sid *sid = &a->sids[i];

		/* The answer that names a sid is not a frame of it: it counts for the lineage alone. */
		for (int64_t n = 1; sid->n.has && n <= sid->n.v; n++)
			SIM_CHECK(s->conn->received[n - 1]->sid != sid->sid || s->conn->received[n - 1]->claims ||
				      is_safe(s, n, a->record->appended_ns),
			    "lineage %lld: sid %lld told safe up to %lld, frame %lld was not",
			    (long long)s->conn->lineage, (long long)sid->sid, (long long)sid->n.v, (long long)n);
	}
}

/* ---- holes ---- */

/* When the exchange sent what was received at @recv_ns; @else_ns: no frame has that time. */
static int64_t sent_at(const struct seens *all, int64_t recv_ns, int64_t else_ns)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t k = 0; k < all->of[i].conn->received_count; k++)
			if (all->of[i].conn->received[k]->recv_ns == recv_ns)
				return all->of[i].conn->received[k]->sent_ns;
	return else_ns;
}

/*
 * What was on its way to the broker when a process died may come in behind what its successor has read: that one cannot
 * carry the hole then. Whoever reads the whole of `feed` still finds it, because a lineage ends at its last sign of
 * life.
 */
static bool follows_from_ends(const struct seens *all, const struct ex_pub *p)
{
	bool late = false;

	for (size_t i = 0; i < all->count; i++)
		late = late || all->of[i].late;
	for (size_t i = 0; i < all->holes_count; i++) {
		const struct told_hole *h = &all->holes[i];

		if (h->channel == p->channel && sent_at(all, h->at_ns, h->at_ns) <= p->at_ns &&
		    p->at_ns <= sent_at(all, h->end_ns, h->end_ns))
			return false;
	}
	return late;
}

bool feed_tells_hole(const struct seens *all, const struct ex_pub *p)
{
	for (size_t i = 0; i < all->holes_count; i++) {
		const struct told_hole *h = &all->holes[i];

		if (h->channel == p->channel && h->has && sent_at(all, h->from_ns, h->from_ns) <= p->at_ns &&
		    p->at_ns <= sent_at(all, h->to_ns, h->to_ns))
			return true;
	}
	return follows_from_ends(all, p);
}

int64_t feed_received(const struct seens *all, enum ingest_channel channel)
{
	for (size_t i = 0; i < all->holes_count; i++)
		if (all->holes[i].channel == channel)
			return all->holes[i].at_ns;
	return INT64_MAX;
}

bool feed_waits_for_data(const struct seens *all, enum ingest_channel channel)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct ex_conn *c = all->of[i].conn;
		bool came = false;

		for (size_t k = 0; k < c->received_count && !came; k++)
			came = c->received[k]->channel == channel && c->received[k]->pub;
		if (c->state == EX_OPEN && c->old_shapes && !came)
			return true;
	}
	return false;
}

int64_t feed_began(const struct seens *all, enum ingest_channel channel)
{
	for (size_t i = 0; i < all->holes_count; i++)
		if (all->holes[i].channel == channel)
			return sent_at(all, all->holes[i].at_ns, all->holes[i].at_ns);
	return INT64_MAX;
}

/* A hole begins where the channel's coverage ended, not before: what the same process had received and stored is none.
 */
static void check_hole(const struct seens *all, const struct told_hole *h)
{
	for (size_t i = 0; i < all->count && h->has; i++) {
		const struct seen *s = &all->of[i];

		if (s->conn->proc != h->seen->conn->proc || s->conn->lineage >= h->seen->conn->lineage)
			continue;
		for (size_t k = 0; k < s->conn->received_count; k++) {
			const struct ex_frame *f = s->conn->received[k];

			SIM_CHECK(!f->pub || f->channel != h->channel || !s->stored[k] || f->recv_ns <= h->from_ns ||
				      f->recv_ns >= h->to_ns || !claimed_at(s, f->sid),
			    "lineage %lld: the hole of %s begins before frame %zu of lineage %lld",
			    (long long)h->seen->conn->lineage, ingest_channel_name(h->channel), k + 1,
			    (long long)s->conn->lineage);
		}
	}
}

static void check_goodbye(const struct seen *s)
{
	if (s->conn->state == EX_CLOSED && proc_is_alive(s->conn->proc))
		SIM_CHECK(s->closed, "lineage %lld has ended and `feed` does not say so", (long long)s->conn->lineage);
	if (proc_exit_code(s->conn->proc) == KMD_EXIT_OK)
		SIM_CHECK(s->closed, "lineage %lld was stopped cleanly and is not closed in `feed`",
		    (long long)s->conn->lineage);
}

void feed_check(const struct seens *all)
{
	for (size_t i = 0; i < all->alives_count; i++)
		check_alive(&all->alives[i]);
	for (size_t i = 0; i < all->holes_count; i++)
		check_hole(all, &all->holes[i]);
	for (size_t i = 0; i < all->count; i++)
		check_goodbye(&all->of[i]);
}
