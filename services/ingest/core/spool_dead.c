#include "spool_dead.h"

#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

void ingest_dead_fini(struct ingest_dead *d)
{
	for (size_t i = 0; i < d->count; i++) {
		kmd_buf_fini(&d->lineages[i]->group);
		kmd_buf_fini(&d->lineages[i]->instance);
		free(d->lineages[i]);
	}
	free(d->lineages);
	*d = (struct ingest_dead){0};
}

/* The place of @lineage: found or made. */
static struct ingest_dead_lineage *lineage_of(struct ingest_dead *d, int64_t lineage)
{
	size_t at = d->count;

	while (at > 0 && d->lineages[at - 1]->lineage > lineage)
		at--;
	if (at > 0 && d->lineages[at - 1]->lineage == lineage)
		return d->lineages[at - 1];
	d->lineages = kmd_realloc(d->lineages, (d->count + 1) * sizeof(struct ingest_dead_lineage *));
	memmove(&d->lineages[at + 1], &d->lineages[at], (d->count - at) * sizeof(struct ingest_dead_lineage *));
	d->lineages[at] = kmd_calloc(1, sizeof(*d->lineages[at]));
	d->lineages[at]->lineage = lineage;
	d->count++;
	return d->lineages[at];
}

static struct ingest_dead_sid *sid_of(struct ingest_dead_lineage *l, int64_t sid)
{
	struct ingest_dead_sid *s;

	for (size_t i = 0; i < l->sids_count; i++) {
		if (l->sids[i].mark.sid == sid)
			return &l->sids[i];
	}
	if (l->sids_count == INGEST_DURABLE_SIDS_MAX)
		return NULL;
	s = &l->sids[l->sids_count++];
	*s = (struct ingest_dead_sid){.channel = INGEST_CHANNEL_COUNT, .mark = {.sid = sid}};
	return s;
}

static void reach(struct ingest_dead_lineage *l, int64_t n, int64_t at_ns)
{
	if (n > l->last_n)
		l->last_n = n;
	if (at_ns > l->at_ns)
		l->at_ns = at_ns;
}

void ingest_dead_frame(struct ingest_dead *d, const struct ingest_spool_record *r)
{
	const struct ingest_durable_frame *f = &r->frame;
	struct ingest_dead_lineage *l;
	struct ingest_dead_sid *s;

	if (d->damaged)
		return;
	l = lineage_of(d, r->lineage);
	reach(l, f->n, f->recv_ns);
	s = f->has_sid ? sid_of(l, f->sid) : NULL;
	if (s && f->n > s->mark.n)
		ingest_durable_mark_pass(&s->mark, f);
}

static void keep_text(struct kmd_buf *b, struct kmd_str text)
{
	if (!text.p || b->n > 0)
		return;
	kmd_buf_add_str(b, text);
}

static void learn_mark(struct ingest_dead_lineage *l, const struct kmd_feed_sid *sid)
{
	struct ingest_dead_sid *s = sid_of(l, sid->sid);

	if (!s)
		return;
	ingest_channel_find(sid->channel, &s->channel);
	if (sid->subscribed_ns.has)
		s->subscribed_ns = sid->subscribed_ns.v;
	reach(l, 0, s->subscribed_ns);
	if (!sid->n.has || sid->n.v <= s->mark.n)
		return;
	reach(l, sid->n.v, sid->recv_ns.v);
	s->mark = (struct ingest_durable_mark){
	    .sid = sid->sid,
	    .any = true,
	    .n = sid->n.v,
	    .recv_ns = sid->recv_ns.v,
	    .has_seq = sid->seq.has,
	    .seq = sid->seq.v,
	    .has_ts = sid->ts_ms.has,
	    .ts_ms = sid->ts_ms.v,
	};
}

static void learn_subscribed(struct ingest_dead_lineage *l, const struct kmd_feed_record *r)
{
	struct ingest_dead_sid *s = r->sid.has ? sid_of(l, r->sid.v) : NULL;

	if (!s)
		return;
	ingest_channel_find(r->channel, &s->channel);
	s->subscribed_ns = r->at_ns;
}

void ingest_dead_feed(struct ingest_dead *d, const struct kmd_feed_record *r, bool is_mark)
{
	struct ingest_dead_lineage *l;

	if (d->damaged && r->kind != KMD_FEED_closed)
		return;
	l = lineage_of(d, r->lineage);
	keep_text(&l->group, r->group);
	keep_text(&l->instance, r->instance);
	if (r->shard.has)
		l->shard = r->shard;
	if (r->kind == KMD_FEED_closed)
		l->closed = true;
	if (r->kind == KMD_FEED_subscribed)
		learn_subscribed(l, r);
	if (r->kind == KMD_FEED_opened || r->kind == KMD_FEED_subscribed)
		reach(l, 0, r->at_ns);
	else if (r->at_ns > l->heard_ns)
		l->heard_ns = r->at_ns;
	if (is_mark && r->last_n.has)
		reach(l, r->last_n.v, 0);
	for (uint32_t i = 0; is_mark && i < r->sids_count; i++)
		learn_mark(l, &r->sids[i]);
}

void ingest_dead_damage(struct ingest_dead *d)
{
	d->damaged = true;
}

static struct kmd_feed_num num(bool has, int64_t v)
{
	return (struct kmd_feed_num){has, has ? v : 0};
}

static void tell_sid(struct kmd_feed_sid *ret, const struct ingest_dead_sid *s)
{
	const struct ingest_durable_mark *m = &s->mark;

	*ret = (struct kmd_feed_sid){
	    .sid = m->sid,
	    .channel = kmd_str_z(ingest_channel_name(s->channel)),
	    .n = num(m->any, m->n),
	    .recv_ns = num(m->any, m->recv_ns),
	    .seq = num(m->any && m->has_seq, m->seq),
	    .ts_ms = num(m->any && m->has_ts, m->ts_ms),
	    .subscribed_ns = num(s->subscribed_ns > 0, s->subscribed_ns),
	};
}

struct kmd_feed_record ingest_dead_closed(const struct ingest_dead_lineage *l, struct kmd_arena *arena)
{
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_closed, l->lineage, l->at_ns ? l->at_ns : l->heard_ns);

	r.last_n = num(true, l->last_n);
	r.shard = l->shard;
	if (l->group.n > 0)
		r.group = kmd_buf_str(&l->group);
	if (l->instance.n > 0)
		r.instance = kmd_buf_str(&l->instance);
	r.reason = KMD_STR("crashed");
	r.sids = kmd_arena_alloc(arena, (l->sids_count + 1) * sizeof(*r.sids));
	for (size_t i = 0; i < l->sids_count; i++) {
		if (l->sids[i].channel < INGEST_CHANNEL_COUNT)
			tell_sid(&r.sids[r.sids_count++], &l->sids[i]);
	}
	return r;
}
