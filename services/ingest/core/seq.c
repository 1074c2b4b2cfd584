#include "seq.h"

#include <stdlib.h>

#include "kmd_mem.h"

static struct ingest_seq_sid *find(const struct ingest_seq *s, int64_t sid)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->sids[i].sid == sid)
			return (struct ingest_seq_sid *)&s->sids[i];
	}
	return NULL;
}

/* The table is full: a number that is gone, or that was never ours, makes room; ours never do. */
static struct ingest_seq_sid *evict(struct ingest_seq *s, enum ingest_seq_state state)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->sids[i].state == state) {
			free(s->sids[i].kept);
			return &s->sids[i];
		}
	}
	return NULL;
}

static struct ingest_seq_sid *add(struct ingest_seq *s, int64_t sid, bool ours)
{
	struct ingest_seq_sid *e;

	if (s->count < INGEST_SEQ_SIDS_MAX)
		e = &s->sids[s->count++];
	else
		e = evict(s, INGEST_SEQ_RETIRED);
	if (!e && ours)
		e = evict(s, INGEST_SEQ_PROVISIONAL);
	if (e)
		*e = (struct ingest_seq_sid){.state = INGEST_SEQ_PROVISIONAL, .sid = sid};
	return e;
}

static void start_afresh(struct ingest_seq_sid *e, enum ingest_seq_state state)
{
	free(e->kept);
	*e = (struct ingest_seq_sid){.state = state, .sid = e->sid};
}

static void keep_back(struct ingest_seq_sid *e, const struct ingest_seq_gap *gap)
{
	if (e->kept_count == INGEST_SEQ_KEPT_GAPS_MAX) {
		struct ingest_seq_gap *last = &e->kept[e->kept_count - 1];

		last->got = gap->got;
		last->to_recv_ns = gap->to_recv_ns;
		last->has_to_ts = gap->has_to_ts;
		last->to_ts_ms = gap->to_ts_ms;
		return;
	}
	if (!e->kept)
		e->kept = kmd_calloc(INGEST_SEQ_KEPT_GAPS_MAX, sizeof(*e->kept));
	e->kept[e->kept_count++] = *gap;
}

static void advance(struct ingest_seq_sid *e, const struct ingest_seq_obs *obs)
{
	e->last = obs->seq;
	e->recv_ns = obs->recv_ns;
	if (obs->has_ts) {
		e->has_ts = true;
		e->ts_ms = obs->ts_ms;
	}
}

static struct ingest_seq_gap jump(const struct ingest_seq_sid *e, const struct ingest_seq_obs *obs)
{
	return (struct ingest_seq_gap){
	    .sid = e->sid,
	    .expected = e->last + 1,
	    .got = obs->seq,
	    .from_recv_ns = e->recv_ns,
	    .to_recv_ns = obs->recv_ns,
	    .has_from_ts = e->has_ts,
	    .from_ts_ms = e->ts_ms,
	    .has_to_ts = obs->has_ts,
	    .to_ts_ms = obs->ts_ms,
	};
}

enum ingest_seq_verdict ingest_seq_frame(
    struct ingest_seq *s, const struct ingest_seq_obs *obs, struct ingest_seq_gap *ret_gap)
{
	struct ingest_seq_sid *e = find(s, obs->sid);
	struct ingest_seq_gap gap;

	if (!e)
		e = add(s, obs->sid, false);
	if (e && e->state == INGEST_SEQ_RETIRED && obs->seq == 1)
		start_afresh(e, INGEST_SEQ_PROVISIONAL);
	if (!e || e->state == INGEST_SEQ_RETIRED)
		return INGEST_SEQ_NEXT;
	if (obs->seq <= e->last)
		return e->state == INGEST_SEQ_OURS ? INGEST_SEQ_NOT_NEW : INGEST_SEQ_NEXT;
	gap = jump(e, obs);
	advance(e, obs);
	if (gap.expected == gap.got)
		return INGEST_SEQ_NEXT;
	if (e->state == INGEST_SEQ_PROVISIONAL) {
		keep_back(e, &gap);
		return INGEST_SEQ_NEXT;
	}
	*ret_gap = gap;
	return INGEST_SEQ_GAP;
}

size_t ingest_seq_claim(struct ingest_seq *s, int64_t sid, int64_t recv_ns, const struct ingest_seq_gap **ret_gaps)
{
	struct ingest_seq_sid *e = find(s, sid);

	if (!e)
		e = add(s, sid, true);
	if (!e || e->state == INGEST_SEQ_OURS)
		return 0;
	if (e->state == INGEST_SEQ_RETIRED)
		start_afresh(e, INGEST_SEQ_PROVISIONAL);
	e->state = INGEST_SEQ_OURS;
	if (e->last == 0)
		e->recv_ns = recv_ns;
	*ret_gaps = e->kept;
	return e->kept_count;
}

void ingest_seq_retire(struct ingest_seq *s, int64_t sid)
{
	struct ingest_seq_sid *e = find(s, sid);

	if (e)
		start_afresh(e, INGEST_SEQ_RETIRED);
}

bool ingest_seq_is_ours(const struct ingest_seq *s, int64_t sid)
{
	const struct ingest_seq_sid *e = find(s, sid);

	return e && e->state == INGEST_SEQ_OURS;
}

void ingest_seq_fini(struct ingest_seq *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->sids[i].kept);
	s->count = 0;
}
