#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_int.h"
#include "kmd_mem.h"

/*
 * Records of topic `feed`. Those of a connection keep their order. A `subscribed` carries the hole since its channel's
 * former end, so it waits until the fate of every frame of that time is known, and until another instance that may have
 * had the channel then has told; `alive` waits behind it.
 */

static void append(struct ingest_notes *notes, struct ingest_note *note)
{
	note->next = NULL;
	if (notes->tail)
		notes->tail->next = note;
	else
		notes->head = note;
	notes->tail = note;
}

static struct ingest_note *take_first(struct ingest_notes *notes)
{
	struct ingest_note *note = notes->head;

	notes->head = note->next;
	if (!notes->head)
		notes->tail = NULL;
	return note;
}

void ingest_notes_free(struct ingest_notes *notes)
{
	while (notes->head) {
		struct ingest_note *note = take_first(notes);

		free(note->record.sids);
		free(note);
	}
}

static struct ingest_note *make(struct ingest *g, int64_t lineage, enum kmd_feed_kind kind, int64_t at_ns)
{
	struct ingest_note *note = kmd_calloc(1, sizeof(*note));

	note->lineage = lineage;
	note->record = kmd_feed_make(kind, lineage, at_ns);
	note->record.group = kmd_str_z(g->settings->group);
	note->record.instance = kmd_str_z(g->instance);
	return note;
}

struct ingest_note *ingest_note_add(struct ingest *g, struct ingest_conn *conn, enum kmd_feed_kind kind, int64_t at_ns)
{
	struct ingest_note *note = make(g, conn->lineage, kind, at_ns);

	note->record.shard = (struct kmd_feed_num){true, conn->line->shard};
	append(&conn->notes, note);
	return note;
}

struct ingest_note *ingest_note_orphan(struct ingest *g, int64_t lineage, enum kmd_feed_kind kind, int64_t at_ns)
{
	struct ingest_note *note = make(g, lineage, kind, at_ns);

	append(&g->outbox, note);
	return note;
}

void ingest_note_reason(struct ingest_note *note, const char *reason)
{
	snprintf(note->text, sizeof(note->text), "%s", reason);
	note->record.reason = kmd_str_z(note->text);
}

static struct kmd_feed_num num(bool has, int64_t v)
{
	return (struct kmd_feed_num){has, has ? v : 0};
}

static struct kmd_feed_sid describe(const struct ingest_conn *conn, const struct ingest_session_sid *sid)
{
	const struct ingest_durable_mark *m = ingest_durable_sid(&conn->durable, sid->sid);
	bool any = m && m->any && m->recv_ns >= 0;

	return (struct kmd_feed_sid){
	    .sid = sid->sid,
	    .channel = kmd_str_z(ingest_channel_name(sid->channel)),
	    .seq = num(any && m->has_seq, m ? m->seq : 0),
	    .n = num(any, m ? m->n : 0),
	    .recv_ns = num(any, m ? m->recv_ns : 0),
	    .ts_ms = num(any && m->has_ts, m ? m->ts_ms : 0),
	    .subscribed_ns = num(true, sid->subscribed_ns),
	};
}

/* @all: sids that are gone too. */
static void add_sids(struct kmd_feed_record *record, const struct ingest_conn *conn, bool all)
{
	const struct ingest_session *s = &conn->session;

	record->sids = kmd_calloc(s->sids_count + 1, sizeof(*record->sids));
	for (size_t i = 0; i < s->sids_count; i++) {
		if (all || s->sids[i].live)
			record->sids[record->sids_count++] = describe(conn, &s->sids[i]);
	}
}

void ingest_notes_mark(const struct ingest *g, const struct ingest_conn *conn, struct kmd_buf *out)
{
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_alive, conn->lineage, g->wall.ns);

	r.group = kmd_str_z(g->settings->group);
	r.instance = kmd_str_z(g->instance);
	r.shard = num(true, conn->line->shard);
	r.last_n = num(true, ingest_durable_below(&conn->durable) - 1);
	add_sids(&r, conn, true);
	kmd_feed_encode(&r, out);
	free(r.sids);
}

bool ingest_notes_alive(struct ingest *g, struct ingest_conn *conn)
{
	struct ingest_note *note;

	if (conn->notes.head || g->outbox.head)
		return false;
	note = ingest_note_add(g, conn, KMD_FEED_alive, g->wall.ns);
	note->record.last_n = num(true, ingest_durable_below(&conn->durable) - 1);
	add_sids(&note->record, conn, false);
	return true;
}

/* Of subscriptions that came before @before_ns: with the broker away, later ones may have come and gone meanwhile. */
static void reach_ends(const struct ingest_conn *conn, bool all, int64_t before_ns)
{
	const struct ingest_session *s = &conn->session;

	for (size_t i = 0; i < s->sids_count; i++) {
		const struct ingest_durable_mark *m = ingest_durable_sid(&conn->durable, s->sids[i].sid);

		if ((!all && s->sids[i].live) || s->sids[i].subscribed_ns >= before_ns)
			continue;
		ingest_ends_reach(&conn->line->ends, s->sids[i].channel, s->sids[i].subscribed_ns);
		if (m && m->any)
			ingest_ends_reach(&conn->line->ends, s->sids[i].channel, m->recv_ns);
	}
}

static bool has_older(const struct ingest *g, const struct ingest_conn *conn)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		const struct ingest_conn *other = &g->conns[i];

		if (other->state == INGEST_CONN_ENDED && other->line == conn->line && other->lineage < conn->lineage)
			return true;
	}
	return false;
}

/* The hole between the channel's former end and this `subscribed`, left out where there is none. */
static void fill_hole(const struct ingest_conn *conn, struct ingest_note *note)
{
	int64_t from_ns, to_ns = note->record.at_ns;

	reach_ends(conn, false, to_ns);
	from_ns = ingest_ends_hole(&conn->line->ends, note->channel, to_ns);
	note->record.from_recv_ns = num(from_ns > 0, from_ns);
	note->record.to_recv_ns = num(note->record.from_recv_ns.has, to_ns);
	ingest_ends_reach(&conn->line->ends, note->channel, to_ns);
}

/* A spool keeps the order: what stands behind the frames there is durable only when they are. That tells nothing of a
 * former subscription on the same connection, whose end has to be known. */
static bool is_behind_frames(const struct ingest *g, const struct ingest_conn *conn, enum ingest_channel channel)
{
	const struct ingest_session *s = &conn->session;

	for (size_t i = 0; i < s->sids_count; i++) {
		if (s->sids[i].channel == channel && !s->sids[i].live)
			return false;
	}
	return g->spooling.on;
}

static bool may_go(const struct ingest *g, const struct ingest_conn *conn, const struct ingest_note *note)
{
	if (!note->needs_end)
		return true;
	if (has_older(g, conn) || ingest_owner_must_wait(g, conn, note->record.at_ns))
		return false;
	return ingest_durable_below(&conn->durable) >= note->n || is_behind_frames(g, conn, note->channel);
}

static void release(struct ingest *g, struct ingest_conn *conn)
{
	while (conn->notes.head && may_go(g, conn, conn->notes.head)) {
		struct ingest_note *note = take_first(&conn->notes);

		if (note->needs_end)
			fill_hole(conn, note);
		append(&g->outbox, note);
	}
}

/* Everything of the connection is safe or told: its last word, and its place is free. */
static void bury(struct ingest *g, struct ingest_conn *conn)
{
	struct ingest_note *note;

	if (conn->state != INGEST_CONN_ENDED || ingest_durable_below(&conn->durable) <= conn->last_n ||
	    conn->notes.head)
		return;
	reach_ends(conn, true, INT64_MAX);
	note = ingest_note_add(g, conn, KMD_FEED_closed, g->wall.ns);
	note->record.last_n = num(true, conn->last_n);
	ingest_note_reason(note, conn->reason);
	add_sids(&note->record, conn, true);
	release(g, conn);
	ingest_session_fini(&conn->session);
	ingest_durable_fini(&conn->durable);
	*conn = (struct ingest_conn){0};
}

int ingest_notes_send(struct ingest *g, const struct kmd_feed_record *record, bool late_end)
{
	struct kmd_buf value = {0}, key = {0};
	int rc;

	kmd_feed_encode(record, &value);
	kmd_buf_add_i64(&key, record->lineage);
	const struct ingest_header headers[] = {
	    {"type", KMD_STR("feed")},
	    {"content-type", KMD_STR("application/json")},
	    {"lineage", kmd_buf_str(&key)},
	};
	const struct ingest_parcel p = {
	    .lineage = record->lineage,
	    .timestamp_ms = record->at_ns / KMD_NS_PER_MS,
	    .late_end = late_end,
	    .topic = KMD_TOPIC_FEED,
	    .key = kmd_buf_str(&key),
	    .value = kmd_buf_str(&value),
	    .headers = headers,
	    .headers_count = sizeof(headers) / sizeof(headers[0]),
	};
	rc = ingest_out(g, &p);
	kmd_buf_fini(&value);
	kmd_buf_fini(&key);
	if (rc == KMD_EFAULT)
		g->fatal = true;
	if (rc == 0)
		g->unsettled[KMD_TOPIC_FEED]++;
	return rc;
}

static bool send_note(struct ingest *g, const struct ingest_note *note)
{
	int rc = ingest_notes_send(g, &note->record, note->needs_end && !g->feed_known);

	return rc != KMD_EAGAIN && rc != KMD_EFAULT;
}

bool ingest_notes_flush(struct ingest *g)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		if (g->conns[i].state == INGEST_CONN_FREE)
			continue;
		release(g, &g->conns[i]);
		bury(g, &g->conns[i]);
	}
	while (g->outbox.head) {
		struct ingest_note *note;

		if (!send_note(g, g->outbox.head))
			return false;
		note = take_first(&g->outbox);
		free(note->record.sids);
		free(note);
	}
	return true;
}
