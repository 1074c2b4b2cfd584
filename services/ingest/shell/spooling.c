#include "spooling.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_int.h"
#include "kmd_mem.h"

/* The way out of the pipeline, and when it leads over the disk. */

#define REF_SPOOL (UINT64_C(1) << 63) /* of a reference: the rest is a position in the spool */
#define LOOK_NS (100 * KMD_NS_PER_MS)

static struct ingest_spooling *sp_of(struct ingest *g)
{
	return &g->spooling;
}

static void put_mark(struct ingest *g, struct ingest_conn *conn)
{
	struct ingest_spool_record r = {.kind = INGEST_SPOOL_MARK, .topic = KMD_TOPIC_FEED, .lineage = conn->lineage};
	struct kmd_buf text = {0};

	ingest_notes_mark(g, conn, &text);
	r.value = kmd_buf_str(&text);
	ingest_spool_append(g->spooling.spool, &r, false, g->now);
	kmd_buf_fini(&text);
	conn->marked_sids = conn->session.sids_count;
}

/* The first record of a batch now and then, and of a segment always, are marks. */
static void put_marks(struct ingest *g)
{
	struct ingest_spooling *sp = sp_of(g);

	if (!ingest_spool_starts_batch(sp->spool) ||
	    (!ingest_spool_starts_segment(sp->spool) && g->now.ns < sp->mark_due.ns))
		return;
	sp->mark_due.ns = g->now.ns + INGEST_SPOOL_MARK_NS;
	for (size_t i = 0; i < g->conns_count; i++) {
		struct ingest_conn *conn = &g->conns[i];

		if (conn->state == INGEST_CONN_OPEN || conn->state == INGEST_CONN_ENDED)
			put_mark(g, conn);
	}
}

static void copy_headers(struct ingest_spool_record *r, const struct kmd_header *headers, size_t n)
{
	assert(n <= INGEST_HEADERS_MAX);
	r->headers_count = n;
	for (size_t i = 0; i < n; i++)
		r->headers[i] = (struct ingest_header){headers[i].name, headers[i].value};
}

/* Returns the position. */
static int64_t put(struct ingest *g, struct ingest_conn *conn, struct ingest_spool_record *r, bool sent)
{
	struct ingest_spooling *sp = sp_of(g);
	int64_t position;

	put_marks(g);
	r->kind = conn ? INGEST_SPOOL_FRAME : INGEST_SPOOL_FEED;
	if (conn) {
		r->frame = *ingest_durable_frame(&conn->durable, r->frame.n);
		sp->front.n[conn - g->conns] = r->frame.n;
	}
	sp->front.counts[r->topic]++;
	position = ingest_spool_append(sp->spool, r, sent, g->now);
	if (conn && (r->topic == KMD_TOPIC_CONTROL || conn->session.sids_count != conn->marked_sids))
		put_mark(g, conn); /* a reply: what its sids are may have changed */
	return position;
}

/* A record that the producer has and nobody has acknowledged. */
static void put_away(void *ctx, const struct kmd_outstanding *o, uint64_t *ref)
{
	struct ingest *g = ctx;
	struct ingest_spool_record r = {
	    .topic = o->topic, .key = o->key, .value = o->value, .timestamp_ms = o->timestamp_ms};
	struct ingest_conn *conn;

	if (*ref & REF_SPOOL)
		return;
	conn = ingest_conn_of_ref(g, *ref, &r.frame.n);
	copy_headers(&r, o->headers, o->headers_count);
	r.lineage = ingest_header_number(o->headers, o->headers_count, "lineage");
	*ref = REF_SPOOL | (uint64_t)put(g, conn, &r, true);
}

static void begin(struct ingest *g, const char *why)
{
	uint64_t bytes;
	uint64_t records = kmd_producer_outstanding(g->producer, &bytes);

	sp_of(g)->on = true;
	kmd_log(
	    KMD_LOG_WARN, "spooling", "why", "%s", why, "unacknowledged", "%llu", (unsigned long long)records, NULL);
	kmd_producer_each(g->producer, put_away, g);
}

static int send_direct(struct ingest *g, const struct ingest_parcel *p, uint64_t ref)
{
	struct kmd_header headers[INGEST_HEADERS_MAX];

	assert(p->headers_count <= INGEST_HEADERS_MAX);
	for (size_t i = 0; i < p->headers_count; i++)
		headers[i] = (struct kmd_header){p->headers[i].name, p->headers[i].value};
	return kmd_producer_send(
	    g->producer, p->topic, p->key, p->value, headers, p->headers_count, p->timestamp_ms, ref);
}

static int send_to_spool(struct ingest *g, const struct ingest_parcel *p)
{
	struct ingest_spool_record r = {
	    .late_end = p->late_end,
	    .topic = p->topic,
	    .lineage = p->lineage,
	    .timestamp_ms = p->timestamp_ms,
	    .frame = {.n = p->n},
	    .key = p->key,
	    .value = p->value,
	    .headers_count = p->headers_count,
	};

	if (!ingest_spool_accepts(g->spooling.spool, p->conn ? INGEST_SPOOL_FRAME : INGEST_SPOOL_FEED))
		return KMD_EAGAIN;
	memcpy(r.headers, p->headers, p->headers_count * sizeof(r.headers[0]));
	put(g, p->conn, &r, false);
	kmd_counter_add(g->stats.spooled, 1);
	return 0;
}

int ingest_out(struct ingest *g, const struct ingest_parcel *p)
{
	int rc;

	if (!g->spooling.on) {
		rc = send_direct(g, p, p->conn ? ingest_ref(g, p->conn, p->n) : 0);
		if (!g->spooling.spool || (rc != KMD_EAGAIN && rc != KMD_EFAULT))
			return rc;
		g->spooling.producer_full = true;
		begin(g, rc == KMD_EAGAIN ? "the queue in memory is full" : "the broker client has failed for good");
	}
	return send_to_spool(g, p);
}

static void settle(struct ingest *g, struct ingest_spooled *s)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		if (s->n[i] > 0)
			ingest_durable_end_until(&g->conns[i].durable, s->n[i]);
		s->n[i] = 0;
	}
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		g->unsettled[t] -= s->counts[t];
		s->counts[t] = 0;
	}
}

/* A `subscribed` of a lineage that began before topic feed could be read: what feed knows of its channel's former end.
 */
static struct kmd_str tell_end(struct ingest *g, const struct ingest_spool_record *r, struct kmd_buf *scratch)
{
	struct kmd_feed_record f;
	enum ingest_channel channel;
	int64_t end_ns;

	kmd_arena_reset(&g->arena);
	if (kmd_json_parse(&g->doc, r->value) < 0 || kmd_feed_decode(kmd_json_root(&g->doc), &g->arena, &f) < 0 ||
	    f.shard.v < 0 || (size_t)f.shard.v >= g->lines_count || !ingest_channel_find(f.channel, &channel))
		return r->value;
	end_ns = ingest_ends_hole(&g->spooling.feed_ends[f.shard.v], channel, f.at_ns);
	if (end_ns <= 0 || (f.from_recv_ns.has && f.from_recv_ns.v >= end_ns))
		return r->value;
	f.from_recv_ns = (struct kmd_feed_num){true, end_ns};
	f.to_recv_ns = (struct kmd_feed_num){true, f.at_ns};
	kmd_feed_encode(&f, scratch);
	return kmd_buf_str(scratch);
}

static int send_spooled(struct ingest *g, const struct ingest_spool_record *r, int64_t position)
{
	struct kmd_buf scratch = {0};
	const struct ingest_parcel p = {
	    .topic = r->topic,
	    .key = r->key,
	    .value = r->late_end ? tell_end(g, r, &scratch) : r->value,
	    .headers = r->headers,
	    .headers_count = r->headers_count,
	    .timestamp_ms = r->timestamp_ms,
	};
	int rc = send_direct(g, &p, REF_SPOOL | (uint64_t)position);

	kmd_buf_fini(&scratch);
	return rc;
}

static void tell_lost(struct ingest *g, const struct ingest_spool_record *r, uint64_t bytes)
{
	struct ingest_note *note = ingest_note_orphan(g, r->lineage, KMD_FEED_refused, g->wall.ns);

	note->record.size = (struct kmd_feed_num){true, (int64_t)bytes};
	ingest_note_reason(note, "spool_damaged");
}

/* Feeds the producer from the spool, as far as it takes it. */
static bool send_some(struct ingest *g)
{
	struct ingest_spooling *sp = sp_of(g);
	struct ingest_spool_record r;
	int64_t position;
	uint64_t lost;
	int n = 0;

	while (n < INGEST_TURN_EVENTS && ingest_spool_next(sp->spool, &r, &position, &lost)) {
		int rc;

		if (r.late_end && !g->feed_known)
			break;
		rc = send_spooled(g, &r, position);
		sp->producer_full = rc == KMD_EAGAIN;
		if (rc == KMD_EAGAIN || rc == KMD_EFAULT)
			break;
		if (lost > 0)
			tell_lost(g, &r, lost);
		if (rc < 0)
			ingest_refused(
			    g, r.topic, r.lineage, r.frame.n, r.value.n, rc, "larger than any record can be");
		ingest_spool_taken(sp->spool);
		if (rc < 0)
			ingest_spool_done(sp->spool, position);
		n++;
	}
	return n > 0;
}

static bool is_in_a_hurry(const struct ingest *g)
{
	return g->draining && g->now.ns >= g->deadline.ns - INGEST_SPOOL_HURRY_NS;
}

static const char *reason_to_begin(const struct ingest *g)
{
	if (ingest_spool_stalled(&g->spooling.policy, g->now))
		return "the broker acknowledges nothing";
	if (ingest_spooling_stands_in(g))
		return "the broker is away";
	if (kmd_producer_fatal(g->producer, NULL))
		return "the broker client has failed for good";
	return is_in_a_hurry(g) ? "the time to stop is nearly over" : NULL;
}

static void end_if_level(struct ingest *g)
{
	struct ingest_spooling *sp = sp_of(g);

	if (!sp->on || !ingest_spool_is_level(sp->spool) || sp->producer_full || !g->feed_known || reason_to_begin(g))
		return;
	sp->on = false;
	kmd_log(KMD_LOG_INFO, "spool_sent", NULL);
}

/* Reading has stopped: that is told, once, by everyone who does not read. */
static void watch_room(struct ingest *g)
{
	struct ingest_spooling *sp = sp_of(g);
	const char *trouble = ingest_spool_trouble(sp->spool);
	bool stopped = sp->on && !ingest_spool_accepts(sp->spool, INGEST_SPOOL_FRAME) &&
		       (trouble || ingest_spool_is_full(sp->spool));

	if (stopped == sp->full_told)
		return;
	sp->full_told = stopped;
	if (!stopped) {
		kmd_log(KMD_LOG_WARN, "spool_has_room", NULL);
		return;
	}
	kmd_log(KMD_LOG_ERROR, "spool_full", "bytes", "%lld", (long long)ingest_spool_bytes(sp->spool), "disk", "%s",
	    trouble ? trouble : "", NULL);
	for (size_t i = 0; i < g->conns_count; i++) {
		if (g->conns[i].state == INGEST_CONN_OPEN)
			ingest_note_reason(ingest_note_add(g, &g->conns[i], KMD_FEED_stale, g->wall.ns), "spool_full");
	}
}

static void watch_broker(struct ingest *g)
{
	struct ingest_spooling *sp = sp_of(g);

	if (g->now.ns < sp->look_due.ns)
		return;
	sp->look_due.ns = g->now.ns + LOOK_NS;
	if (kmd_producer_connected(g->producer, NULL))
		sp->broker_seen = g->now;
}

static void swap_batches(struct ingest_spooling *sp)
{
	struct ingest_spooled given = sp->given;

	sp->given = sp->front;
	sp->front = given;
}

bool ingest_spooling_step(struct ingest *g, int reported)
{
	struct ingest_spooling *sp = sp_of(g);
	const char *why;
	bool busy = false;

	if (!sp->spool)
		return false;
	watch_broker(g);
	ingest_spooling_markets(g);
	ingest_spool_polled(&sp->policy, g->now, kmd_producer_outstanding(g->producer, NULL), reported);
	if (ingest_spool_collect(sp->spool))
		settle(g, &sp->given);
	why = sp->on ? NULL : reason_to_begin(g);
	if (why)
		begin(g, why);
	if (reported > 0)
		sp->producer_full = false;
	if (sp->on && !sp->producer_full)
		busy = send_some(g);
	end_if_level(g);
	if (ingest_spool_flush(sp->spool, g->now))
		swap_batches(sp);
	if (ingest_spool_tidy(sp->spool, g->now))
		settle(g, &sp->front);
	watch_room(g);
	return busy;
}

bool ingest_spooling_delivered(struct ingest *g, const struct kmd_delivery *d)
{
	if (!(d->ref & REF_SPOOL))
		return false;
	ingest_spool_done(g->spooling.spool, (int64_t)(d->ref & ~REF_SPOOL));
	return true;
}

bool ingest_spooling_stands_in(const struct ingest *g)
{
	const struct ingest_spooling *sp = &g->spooling;

	return sp->spool && !g->feed_known && g->now.ns - sp->broker_seen.ns >= INGEST_SPOOL_BROKER_WAIT_NS;
}

bool ingest_spooling_cut_off(const struct ingest *g)
{
	const struct ingest_spooling *sp = &g->spooling;

	return sp->spool && (ingest_spool_stalled(&sp->policy, g->now) || ingest_spooling_stands_in(g));
}

void ingest_spooling_drain(struct ingest *g)
{
	if (g->spooling.spool)
		ingest_spool_stop(g->spooling.spool);
}

bool ingest_spooling_at_rest(const struct ingest *g)
{
	const struct ingest_spooling *sp = &g->spooling;
	uint64_t outstanding = kmd_producer_outstanding(g->producer, NULL);

	if (!sp->spool)
		return outstanding == 0;
	if (!ingest_spool_is_settled(sp->spool))
		return false;
	return (outstanding == 0 && ingest_spool_is_level(sp->spool)) || (sp->on && reason_to_begin(g));
}

void ingest_spooling_look(struct ingest *g)
{
	const struct ingest_spooling *sp = &g->spooling;
	const char *trouble;
	char why[256];
	long long bytes;

	if (!sp->spool)
		return;
	bytes = ingest_spool_unsent_bytes(sp->spool);
	trouble = ingest_spool_trouble(sp->spool);
	kmd_gauge_set(g->stats.spool_bytes, (double)ingest_spool_bytes(sp->spool));
	if (sp->full_told)
		snprintf(why, sizeof(why), "full, reading is stopped: %lld bytes wait%s%s", bytes, trouble ? ": " : "",
		    trouble ? trouble : "");
	else if (trouble)
		snprintf(why, sizeof(why), "%s: %lld bytes wait", trouble, bytes);
	else if (reason_to_begin(g))
		snprintf(why, sizeof(why), "%s: spooling to disk, %lld bytes wait", reason_to_begin(g), bytes);
	else
		snprintf(why, sizeof(why), "what was spooled is being sent: %lld bytes wait", bytes);
	kmd_app_ready(g->app, "spool", !sp->on && !trouble, sp->on || trouble ? why : NULL);
}
