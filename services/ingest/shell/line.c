#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest_int.h"
#include "kmd_mem.h"

/* Dialling, and what becomes of connections. */

#define CLOCK_OFF_MS 5000 /* the exchange's window for a signature's time */

void ingest_lines_init(struct ingest *g)
{
	g->lines_count = (size_t)g->settings->shards;
	g->lines = kmd_calloc(g->lines_count, sizeof(*g->lines));
	ingest_shards_init(&g->owner.shards, g->lines_count);
	g->conns_count = INGEST_CONNS_SPARE + 2 * g->lines_count;
	g->conns = kmd_calloc(g->conns_count, sizeof(*g->conns));
	for (size_t i = 0; i < g->lines_count; i++) {
		struct ingest_line *line = &g->lines[i];

		line->shard = (int64_t)i;
		line->held = ingest_stats_shard(kmd_app_metrics(g->app), i);
		ingest_dial_init(&line->dial, (uint64_t)(g->wall.ns ^ g->now.ns ^ getpid() ^ (int64_t)(i << 32)));
		ingest_stale_init(&line->stale, g->settings->stale_after_ns);
		snprintf(line->trouble, sizeof(line->trouble), "not connected yet");
	}
}

void ingest_lines_fini(struct ingest *g)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		struct ingest_conn *conn = &g->conns[i];

		ingest_notes_free(&conn->notes);
		ingest_session_fini(&conn->session);
		ingest_durable_fini(&conn->durable);
	}
	for (size_t i = 0; i < g->lines_count; i++)
		ingest_ends_fini(&g->lines[i].ends);
	free(g->conns);
	free(g->lines);
}

/* Shard 0 takes what belongs to no market. */
static unsigned channels_of(const struct ingest *g, const struct ingest_line *line)
{
	return line->shard == 0 ? g->conf.channels : g->conf.channels & 1u << INGEST_CHANNEL_BOOK;
}

static struct ingest_line *line_of(struct ingest *g, struct kmd_str ticker)
{
	return &g->lines[ingest_shard_of(ticker, (int64_t)g->lines_count)];
}

struct ingest_conn *ingest_find_conn(struct ingest *g, int64_t lineage)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		if (g->conns[i].state != INGEST_CONN_FREE && g->conns[i].lineage == lineage)
			return &g->conns[i];
	}
	return NULL;
}

static struct ingest_conn *free_conn(struct ingest *g)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		if (g->conns[i].state == INGEST_CONN_FREE)
			return &g->conns[i];
	}
	return NULL;
}

void ingest_want(struct ingest *g, struct kmd_str ticker, enum ingest_want want)
{
	struct ingest_line *line;

	if (want == INGEST_WANT_SAME)
		return;
	line = line_of(g, ticker);
	line->wanted += want == INGEST_WANT ? 1 : 0;
	line->wanted -= want == INGEST_WANT_NOT ? 1 : 0;
	if (line->conn && line->conn->state == INGEST_CONN_OPEN)
		ingest_session_want(&line->conn->session, ticker, want == INGEST_WANT);
}

/* The whole universe, to the connections of @only (NULL: of all shards). */
static void want_all(struct ingest *g, const struct ingest_line *only)
{
	struct kmd_str ticker;
	size_t it = 0;

	while (ingest_markets_each(&g->markets, &it, &ticker)) {
		const struct ingest_line *line = line_of(g, ticker);

		if ((!only || line == only) && line->conn && line->conn->state == INGEST_CONN_OPEN)
			ingest_session_want(&line->conn->session, ticker, true);
	}
}

/* True: there is a new key. */
static bool refresh_key(struct ingest *g)
{
	struct kmd_err err = {0};
	int rc = kmd_signer_refresh(g->signer, &err);

	if (rc > 0)
		kmd_log(KMD_LOG_INFO, "key_changed", NULL);
	if (rc < 0)
		kmd_log(KMD_LOG_WARN, "key_unusable", "error", "%s", err.text, NULL);
	return rc > 0;
}

/* Nobody should wait minutes for a dial after putting the right key in its place. */
static void look_for_new_key(struct ingest *g, struct ingest_line *line)
{
	if (!line->key_refused || g->now.ns < line->key_due.ns)
		return;
	line->key_due.ns = g->now.ns + INGEST_KEY_LOOK_NS;
	if (refresh_key(g))
		line->dial.due = g->now;
}

/* Above every number that any line has used. */
static int64_t new_lineage(struct ingest *g, struct ingest_line *line)
{
	int64_t lineage = ingest_dial_lineage(&line->dial, g->wall);

	for (size_t i = 0; i < g->lines_count; i++)
		ingest_dial_seen(&g->lines[i].dial, lineage);
	if (!g->owner.first_lineage)
		g->owner.first_lineage = lineage;
	if (!line->first_lineage)
		line->first_lineage = lineage;
	return lineage;
}

static void dial(struct ingest *g, struct ingest_line *line)
{
	struct ingest_conn *conn = free_conn(g);
	struct kmd_sign_headers headers;
	struct kmd_err err = {0};

	if (!conn)
		return;
	refresh_key(g);
	if (kmd_signer_sign(g->signer, g->wall, "GET", kmd_str_z(g->conf.url.target), &headers, &err) < 0) {
		snprintf(line->trouble, sizeof(line->trouble), "cannot sign: %.200s", err.text);
		ingest_dial_again(&line->dial, g->now, 401);
		return;
	}
	*conn = (struct ingest_conn){.state = INGEST_CONN_DIALING, .line = line, .since = g->now};
	conn->lineage = new_lineage(g, line);
	if (ingest_ws_dial(g->ws, conn->lineage, &headers))
		line->conn = conn;
	else
		conn->state = INGEST_CONN_FREE;
}

void ingest_line_give_up(struct ingest *g, struct ingest_conn *conn, const char *reason)
{
	if (!conn->giving_up && ingest_ws_close(g->ws, conn->lineage, reason))
		conn->giving_up = true;
}

void ingest_line_on_opened(struct ingest *g, const struct ingest_ws_event *event)
{
	struct ingest_conn *conn = ingest_find_conn(g, event->lineage);
	struct ingest_line *line = conn->line;

	conn->state = INGEST_CONN_OPEN;
	conn->since = g->now;
	conn->alive_at = g->now;
	ingest_durable_init(&conn->durable);
	ingest_session_init(&conn->session, channels_of(g, line), (uint64_t)conn->lineage);
	if (line->conn == conn)
		want_all(g, line);
	ingest_stale_reset(&line->stale);
	ingest_note_add(g, conn, KMD_FEED_opened, event->recv_ns);
	kmd_counter_add(g->stats.connections, 1);
	snprintf(line->trouble, sizeof(line->trouble), "subscribing");
	kmd_log(KMD_LOG_INFO, "connected", "shard", "%lld", (long long)line->shard, "lineage", "%lld",
	    (long long)conn->lineage, NULL);
}

static void describe_refusal(const struct ingest_ws_event *event, char *ret, size_t cap)
{
	if (event->http_status == 0) {
		snprintf(ret, cap, "%.*s", KMD_STR_ARG(event->text));
		return;
	}
	snprintf(ret, cap, "HTTP %d", event->http_status);
	if (event->http_status == 401 && event->has_clock && llabs(event->clock_offset_ms) > CLOCK_OFF_MS)
		snprintf(ret, cap, "HTTP 401, our clock is %lld s %s the exchange's",
		    llabs(event->clock_offset_ms) / 1000, event->clock_offset_ms > 0 ? "behind" : "ahead of");
}

static void log_end(const struct ingest_conn *conn, const char *reason, int64_t delay_ns)
{
	kmd_log(KMD_LOG_WARN, conn->state == INGEST_CONN_OPEN ? "disconnected" : "connection_refused", "lineage",
	    "%lld", (long long)conn->lineage, "last_n", "%lld", (long long)conn->last_n, "reason", "%s", reason,
	    "retry_ms", "%lld", (long long)(delay_ns / KMD_NS_PER_MS), NULL);
}

void ingest_line_on_ended(struct ingest *g, const struct ingest_ws_event *event)
{
	struct ingest_conn *conn = ingest_find_conn(g, event->lineage);
	struct ingest_line *line = conn->line;
	int64_t delay_ns;

	if (event->kind == INGEST_WS_REFUSED)
		describe_refusal(event, conn->reason, sizeof(conn->reason));
	else
		snprintf(conn->reason, sizeof(conn->reason), "%.*s", KMD_STR_ARG(event->text));
	delay_ns = ingest_dial_again(&line->dial, g->now, event->http_status);
	line->key_refused = event->http_status == 401 || event->http_status == 403;
	log_end(conn, conn->reason, delay_ns);
	snprintf(line->trouble, sizeof(line->trouble), "%s", conn->reason);
	if (line->conn == conn)
		line->conn = NULL;
	conn->state = conn->state == INGEST_CONN_OPEN ? INGEST_CONN_ENDED : INGEST_CONN_FREE;
}

void ingest_line_on_data(struct ingest *g, struct ingest_conn *conn)
{
	if (!conn->delivered)
		ingest_dial_delivered(&conn->line->dial);
	conn->delivered = true;
	ingest_stale_data(&conn->line->stale, g->now);
}

static void act_subscribed(
    struct ingest *g, struct ingest_conn *conn, const struct ingest_act *act, int64_t n, int64_t recv_ns)
{
	struct ingest_note *note = ingest_note_add(g, conn, KMD_FEED_subscribed, recv_ns);

	note->needs_end = true;
	note->channel = act->channel;
	note->n = n;
	note->record.channel = kmd_str_z(ingest_channel_name(act->channel));
	note->record.sid = (struct kmd_feed_num){act->has_sid, act->sid};
	if (act->channel == INGEST_CHANNEL_BOOK) {
		note->record.markets = (struct kmd_feed_num){true, (int64_t)act->markets};
		note->record.use_yes_price = 0;
	}
	kmd_log(KMD_LOG_INFO, "subscribed", "channel", "%s", ingest_channel_name(act->channel), "sid", "%lld",
	    (long long)act->sid, NULL);
}

static void act_gap(struct ingest *g, struct ingest_conn *conn, const struct ingest_act *act)
{
	const struct ingest_seq_gap *gap = &act->gap;
	struct ingest_note *note = ingest_note_add(g, conn, KMD_FEED_gap, g->wall.ns);
	struct kmd_feed_record *r = &note->record;
	const char *channel = act->channel < INGEST_CHANNEL_COUNT ? ingest_channel_name(act->channel) : "";

	if (act->channel < INGEST_CHANNEL_COUNT) {
		r->channel = kmd_str_z(channel);
		kmd_counter_add(g->stats.gaps[act->channel], 1);
	}
	r->sid = (struct kmd_feed_num){true, gap->sid};
	r->expected_seq = (struct kmd_feed_num){true, gap->expected};
	r->got_seq = (struct kmd_feed_num){true, gap->got};
	r->from_recv_ns = (struct kmd_feed_num){gap->from_recv_ns > 0, gap->from_recv_ns};
	r->to_recv_ns = (struct kmd_feed_num){true, gap->to_recv_ns};
	r->from_ts_ms = (struct kmd_feed_num){gap->has_from_ts, gap->from_ts_ms};
	r->to_ts_ms = (struct kmd_feed_num){gap->has_to_ts, gap->to_ts_ms};
	kmd_log(KMD_LOG_WARN, "gap", "channel", "%s", channel, "sid", "%lld", (long long)gap->sid, "expected", "%lld",
	    (long long)gap->expected, "got", "%lld", (long long)gap->got, NULL);
}

static void act_resynced(struct ingest *g, struct ingest_conn *conn, const struct ingest_act *act)
{
	struct ingest_note *note = ingest_note_add(g, conn, KMD_FEED_resynced, g->wall.ns);

	note->record.channel = kmd_str_z(ingest_channel_name(act->channel));
	note->record.sid = (struct kmd_feed_num){act->has_sid, act->sid};
	kmd_log(KMD_LOG_INFO, "resynced", "sid", "%lld", (long long)act->sid, NULL);
}

static void act_fault(struct ingest_line *line, const char *event, const struct ingest_act *act)
{
	const char *channel = act->channel < INGEST_CHANNEL_COUNT ? ingest_channel_name(act->channel) : "";

	kmd_log(KMD_LOG_WARN, event, "channel", "%s", channel, "code", "%lld", (long long)act->code, "sid", "%lld",
	    (long long)act->sid, NULL);
	snprintf(line->trouble, sizeof(line->trouble), "%s: %s, code %lld", event, channel, (long long)act->code);
}

static void act_send(struct ingest *g, struct ingest_conn *conn, struct kmd_str text)
{
	if (!conn->giving_up && !ingest_ws_send(g->ws, conn->lineage, text))
		ingest_line_give_up(g, conn, "commands cannot be sent");
}

static void act_close(struct ingest *g, struct ingest_conn *conn, struct kmd_str why)
{
	char reason[64];

	snprintf(reason, sizeof(reason), "%.*s", KMD_STR_ARG(why));
	ingest_line_give_up(g, conn, reason);
}

void ingest_line_act(struct ingest *g, struct ingest_conn *conn, int64_t n, int64_t recv_ns)
{
	for (size_t i = 0; i < g->acts.count; i++) {
		const struct ingest_act *act = &g->acts.items[i];

		switch (act->kind) {
		case INGEST_ACT_SEND:
			act_send(g, conn, act->text);
			break;
		case INGEST_ACT_SUBSCRIBED:
			act_subscribed(g, conn, act, n, recv_ns);
			break;
		case INGEST_ACT_GONE:
			act_fault(conn->line, "subscription_gone", act);
			break;
		case INGEST_ACT_GAP:
			act_gap(g, conn, act);
			break;
		case INGEST_ACT_RESYNCED:
			act_resynced(g, conn, act);
			break;
		case INGEST_ACT_FAULT:
			act_fault(conn->line, "command_refused", act);
			break;
		case INGEST_ACT_CLOSE:
			act_close(g, conn, act->text);
			break;
		}
	}
	ingest_acts_reset(&g->acts);
}

static void give_up_stale(struct ingest *g, struct ingest_conn *conn)
{
	struct ingest_note *note = ingest_note_add(g, conn, KMD_FEED_stale, g->wall.ns);

	ingest_note_reason(note, "no data");
	kmd_counter_add(g->stats.stale, 1);
	ingest_line_give_up(g, conn, "stale");
}

static void check_silence(struct ingest *g, struct ingest_conn *conn)
{
	struct ingest_stale *stale = &conn->line->stale;

	if (ingest_session_expects_data(&conn->session))
		ingest_stale_arm(stale, g->now);
	if (conn->giving_up)
		return;
	switch (ingest_stale_check(stale, g->now, conn->session.books.held > 0)) {
	case INGEST_STALE_FINE:
		break;
	case INGEST_STALE_ASK:
		ingest_stale_asked(stale, g->now);
		ingest_probe_send(&conn->session, &g->acts);
		ingest_line_act(g, conn, 0, g->wall.ns);
		break;
	case INGEST_STALE_DEAD:
		give_up_stale(g, conn);
		break;
	}
}

static int64_t alive_every_ns(const struct ingest *g, const struct ingest_line *line)
{
	return ingest_owner_is_leaving(g, line) ? INGEST_ALIVE_LEAVING_NS : INGEST_ALIVE_NS;
}

static void tick_open(struct ingest *g, struct ingest_conn *conn)
{
	if (g->markets_known || g->spooling.remembering || g->now.ns - conn->since.ns >= INGEST_MARKETS_WAIT_NS)
		ingest_session_open_books(&conn->session);
	if (g->lag_ns < INGEST_LAG_MAX_NS && !conn->giving_up) {
		ingest_session_tick(&conn->session, g->now, &g->acts);
		ingest_line_act(g, conn, 0, g->wall.ns);
		check_silence(g, conn);
	}
	if (g->now.ns - conn->alive_at.ns >= alive_every_ns(g, conn->line) && ingest_notes_alive(g, conn))
		conn->alive_at = g->now;
}

static void tick_line(struct ingest *g, struct ingest_line *line)
{
	struct ingest_conn *conn = line->conn;

	if (!ingest_owner_captures(g, line)) {
		line->first_lineage = 0;
		if (conn)
			ingest_line_give_up(g, conn, g->owner.leaving ? "shutdown" : "handed over");
	}
	if (!conn) {
		look_for_new_key(g, line);
		if (ingest_owner_captures(g, line) && ingest_intake_ready(g) && g->now.ns >= line->dial.due.ns &&
		    channels_of(g, line))
			dial(g, line);
		return;
	}
	if (conn->state == INGEST_CONN_OPEN)
		tick_open(g, conn);
	else if (g->now.ns - conn->since.ns >= INGEST_DIAL_TIMEOUT_NS)
		ingest_line_give_up(g, conn, "handshake timed out");
}

void ingest_lines_tick(struct ingest *g)
{
	for (size_t i = 0; i < g->lines_count; i++)
		tick_line(g, &g->lines[i]);
	if (g->now.ns < g->reconcile_due.ns)
		return;
	g->reconcile_due.ns = g->now.ns + INGEST_RECONCILE_NS;
	want_all(g, NULL);
}
