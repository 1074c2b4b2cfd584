#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_int.h"
#include "kmd_mem.h"

/* A reference names a place in g->conns (from 1) and a frame number; 0 is a record of `feed` or `dlq`. */
#define REF_SLOT_SHIFT 48

uint64_t ingest_ref(const struct ingest *g, const struct ingest_conn *conn, int64_t n)
{
	return (uint64_t)(conn - g->conns + 1) << REF_SLOT_SHIFT | (uint64_t)n;
}

struct ingest_conn *ingest_conn_of_ref(struct ingest *g, uint64_t ref, int64_t *ret_n)
{
	uint64_t slot = ref >> REF_SLOT_SHIFT;

	*ret_n = (int64_t)(ref & ((UINT64_C(1) << REF_SLOT_SHIFT) - 1));
	return slot == 0 ? NULL : &g->conns[slot - 1];
}

int64_t ingest_header_number(const struct kmd_header *headers, size_t n, const char *name)
{
	int64_t v;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(headers[i].name, name) == 0 && kmd_str_i64(headers[i].value, &v) == 0)
			return v;
	}
	return 0;
}

void ingest_refused(
    struct ingest *g, enum kmd_topic topic, int64_t lineage, int64_t n, size_t size, int rc, const char *reason)
{
	struct ingest_conn *conn = ingest_find_conn(g, lineage);
	struct ingest_note *note = conn ? ingest_note_add(g, conn, KMD_FEED_refused, g->wall.ns)
					: ingest_note_orphan(g, lineage, KMD_FEED_refused, g->wall.ns);

	kmd_counter_add(g->stats.refused[rc == KMD_ETOOBIG ? INGEST_REFUSAL_TOO_LARGE : INGEST_REFUSAL_REFUSED], 1);
	note->record.topic = kmd_str_z(kmd_topic_name(topic));
	note->record.n = (struct kmd_feed_num){true, n};
	note->record.size = (struct kmd_feed_num){true, (int64_t)size};
	ingest_note_reason(note, reason);
	kmd_log(KMD_LOG_ERROR, "record_refused", "topic", "%s", kmd_topic_name(topic), "lineage", "%lld",
	    (long long)lineage, "n", "%lld", (long long)n, "bytes", "%zu", size, "reason", "%s", reason, NULL);
}

/* The record as it is, to `dlq`: what one topic does not take another may. */
static void send_letter(struct ingest *g, const struct kmd_delivery *d, const char *reason)
{
	struct kmd_header *headers = kmd_calloc(d->headers_count + 3, sizeof(*headers));
	struct kmd_header *more = headers + d->headers_count;
	char topic[256];

	kmd_kafka_topic_name(&g->conf.kafka, d->topic, topic);
	memcpy(headers, d->headers, d->headers_count * sizeof(*headers));
	more[0] = (struct kmd_header){"__connect.errors.topic", kmd_str_z(topic)};
	more[1] = (struct kmd_header){"__connect.errors.stage", KMD_STR("KAFKA_PRODUCE")};
	more[2] = (struct kmd_header){"__connect.errors.exception.message", kmd_str_z(reason)};
	if (kmd_producer_send(g->producer, KMD_TOPIC_DLQ, d->key, d->value, headers, d->headers_count + 3,
		g->wall.ns / KMD_NS_PER_MS, 0) == 0)
		g->unsettled[KMD_TOPIC_DLQ]++;
	else
		kmd_log(KMD_LOG_ERROR, "letter_not_sent", "topic", "%s", topic, NULL);
	free(headers);
}

static void refused_by_broker(struct ingest *g, const struct kmd_delivery *d)
{
	const char *reason = d->reason ? d->reason : kmd_rc_text(d->rc);
	int64_t lineage = ingest_header_number(d->headers, d->headers_count, "lineage");
	int64_t n = ingest_header_number(d->headers, d->headers_count, "n");

	if (d->topic == KMD_TOPIC_DLQ) {
		kmd_log(KMD_LOG_ERROR, "letter_refused", "reason", "%s", reason, NULL);
		return;
	}
	send_letter(g, d, reason);
	if (n > 0)
		ingest_refused(g, d->topic, lineage, n, d->value.n, d->rc, reason);
	else
		kmd_log(KMD_LOG_ERROR, "feed_record_refused", "reason", "%s", reason, NULL);
	ingest_spooling_keep(g, d, lineage, n);
}

void ingest_frames_on_delivery(void *ctx, const struct kmd_delivery *d)
{
	struct ingest *g = ctx;
	struct ingest_conn *conn;
	int64_t n;

	if (d->rc == 0)
		kmd_counter_add(g->stats.delivered[d->topic], 1);
	else
		refused_by_broker(g, d);
	if (ingest_spooling_delivered(g, d))
		return;
	g->unsettled[d->topic]--;
	conn = ingest_conn_of_ref(g, d->ref, &n);
	if (conn)
		ingest_durable_end(&conn->durable, n);
}

static void observe(struct ingest *g, const struct ingest_ws_event *event, const struct ingest_frame *f)
{
	double age_s;

	kmd_counter_add(g->stats.frames[f->type], 1);
	if (!f->has_ts)
		return;
	age_s = (double)event->recv_ns / (double)KMD_NS_PER_S - (double)f->ts_ms / 1000.0;
	kmd_histogram_observe(g->stats.age, age_s > 0 ? age_s : 0);
}

static void learn_market(struct ingest *g, const struct ingest_frame *f)
{
	if (f->type != INGEST_TYPE_LIFECYCLE && f->type != INGEST_TYPE_MULTIVARIATE)
		return;
	if (f->market_ticker.n > 0)
		ingest_want(g, f->market_ticker, ingest_markets_event(&g->markets, f->market_ticker, f->event_type));
}

static void begin(struct ingest_conn *conn, const struct ingest_ws_event *event, const struct ingest_frame *f)
{
	const struct ingest_durable_frame frame = {
	    .n = event->n,
	    .recv_ns = event->recv_ns,
	    .has_sid = f->has_sid,
	    .has_seq = f->has_seq,
	    .has_ts = f->has_ts && !ingest_type_is_reply(f->type),
	    .sid = f->sid,
	    .seq = f->seq,
	    .ts_ms = f->ts_ms,
	};

	ingest_durable_begin(&conn->durable, &frame);
	conn->last_n = event->n;
}

/* Everything a message means to us, once; g->route says where it goes. */
static void decide(struct ingest *g, struct ingest_conn *conn, const struct ingest_ws_event *event)
{
	struct ingest_frame f = ingest_frame_scan(&g->scanner, event->text, event->binary);
	const struct ingest_origin origin = {event->lineage, event->n, event->recv_ns, event->mono_ns};
	struct kmd_mono at = {event->mono_ns};

	observe(g, event, &f);
	begin(conn, event, &f);
	if (ingest_session_frame(&conn->session, &g->scanner, &f, event->recv_ns, at, &g->acts) == INGEST_SEQ_NOT_NEW)
		kmd_counter_add(g->stats.not_new, 1);
	ingest_line_act(g, conn, event->n, event->recv_ns);
	if (!ingest_type_is_reply(f.type) || f.has_seq)
		ingest_line_on_data(g, conn);
	if (!ingest_type_is_reply(f.type)) {
		learn_market(g, &f);
		if (f.has_sid && !ingest_session_find_sid(&conn->session, f.sid))
			kmd_counter_add(g->stats.unknown_sid, 1);
	}
	ingest_route_frame(&f, &origin, ingest_session_use_yes_price(&conn->session, &f), &g->route);
}

static int send(struct ingest *g, struct ingest_conn *conn, const struct ingest_ws_event *event)
{
	const struct ingest_parcel p = {
	    .conn = conn,
	    .lineage = event->lineage,
	    .n = event->n,
	    .timestamp_ms = event->recv_ns / KMD_NS_PER_MS,
	    .topic = g->route.topic,
	    .key = g->route.key,
	    .value = event->text,
	    .headers = g->route.headers,
	    .headers_count = g->route.headers_count,
	};

	return ingest_out(g, &p);
}

/* False: it stays at the head of the ring, to be sent again. */
static bool serve_message(struct ingest *g, const struct ingest_ws_event *event)
{
	struct ingest_conn *conn = ingest_find_conn(g, event->lineage);
	int rc;

	assert(conn);
	if (!g->decided)
		decide(g, conn, event);
	g->decided = true;
	rc = send(g, conn, event);
	if (rc == KMD_EFAULT)
		g->fatal = true;
	if (rc == KMD_EAGAIN || rc == KMD_EFAULT)
		return false;
	if (rc == 0) {
		g->unsettled[g->route.topic]++;
	} else {
		ingest_refused(
		    g, g->route.topic, event->lineage, event->n, event->text.n, rc, "larger than any record can be");
		ingest_durable_end(&conn->durable, event->n);
	}
	g->decided = false;
	return true;
}

static bool serve(struct ingest *g, const struct ingest_ws_event *event)
{
	switch (event->kind) {
	case INGEST_WS_MESSAGE:
		return serve_message(g, event);
	case INGEST_WS_OPENED:
		ingest_line_on_opened(g, event);
		return true;
	case INGEST_WS_REFUSED:
	case INGEST_WS_CLOSED:
		ingest_line_on_ended(g, event);
		return true;
	}
	return true;
}

bool ingest_frames_serve(struct ingest *g)
{
	struct ingest_ws_event event;
	int n = 0;

	g->lag_ns = 0;
	while (n < INGEST_TURN_EVENTS && ingest_ws_peek(g->ws, &event)) {
		g->lag_ns = g->now.ns - event.mono_ns;
		if (!serve(g, &event))
			break;
		ingest_ws_pop(g->ws);
		n++;
	}
	if (n < INGEST_TURN_EVENTS && !g->decided)
		g->lag_ns = 0;
	return n > 0;
}
