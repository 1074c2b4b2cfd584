#include "ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_int.h"
#include "kmd_kafka_metrics.h"
#include "kmd_mem.h"

#define RECOUNT_NS KMD_NS_PER_S
#define KAFKA_LOOK_NS (250 * KMD_NS_PER_MS)

static int open_parts(struct ingest *g, const struct kmd_conf *conf, struct kmd_err *err)
{
	const struct ingest_settings *s = g->settings;
	int rc = ingest_conf_read(&g->conf, s, conf, err);

	ingest_markets_init(&g->markets, &g->conf.globs);
	if (rc == 0)
		rc = kmd_signer_new(&g->signer, s->api_key_id, s->private_key_file, err);
	g->conf.kafka.producer_metrics = kmd_kafka_metrics_new(kmd_app_metrics(g->app), "producer");
	if (rc == 0)
		rc = kmd_producer_new(&g->producer, &g->conf.kafka,
		    s->spool_dir ? ingest_spool_queue_bytes(s->spool_max_bytes) : INGEST_PRODUCER_BYTES,
		    ingest_frames_on_delivery, g, err);
	if (rc == 0)
		rc = ingest_spooling_start(g, err);
	if (rc == 0)
		rc = ingest_intake_start(g, err);
	if (rc == 0)
		rc = ingest_ws_start(&g->ws, &g->conf.url, s->ca_file, err);
	if (rc == 0)
		rc = ingest_setup_start(&g->setup, g->app, &g->conf.kafka, err);
	if (rc == 0)
		rc = ingest_owner_start(g, err);
	return rc;
}

static void close_parts(struct ingest *g)
{
	ingest_ws_stop(g->ws);
	ingest_owner_stop(g);
	ingest_setup_stop(g->setup);
	ingest_intake_stop(g);
	kmd_producer_free(g->producer);
	kmd_kafka_metrics_free(g->conf.kafka.producer_metrics);
	ingest_spooling_stop(g);
	kmd_signer_free(g->signer);
	ingest_lines_fini(g);
	ingest_notes_free(&g->outbox);
	ingest_markets_fini(&g->markets);
	ingest_conf_fini(&g->conf);
	ingest_scanner_fini(&g->scanner);
	ingest_acts_fini(&g->acts);
	kmd_json_fini(&g->doc);
	kmd_arena_fini(&g->arena);
	free(g);
}

int ingest_init(
    struct kmd_app *app, const void *settings, const struct kmd_conf *conf, void **ret_service, struct kmd_err *err)
{
	struct ingest *g = kmd_calloc(1, sizeof(*g));
	int rc;

	g->app = app;
	g->settings = settings;
	g->now = kmd_mono_now();
	g->wall = kmd_wall_now();
	g->even_at = g->now;
	ingest_instance_name(g->instance);
	ingest_stats_init(&g->stats, kmd_app_metrics(app));
	kmd_gauge_set(g->stats.spool_max_bytes, g->settings->spool_dir ? (double)g->settings->spool_max_bytes : 0);
	ingest_lines_init(g);
	kmd_app_ready(app, "exchange", false, "not connected yet");
	rc = open_parts(g, conf, err);
	if (rc < 0) {
		close_parts(g);
		return rc;
	}
	*ret_service = g;
	return 0;
}

static void look_at_kafka(struct ingest *g)
{
	const char *why = NULL;
	bool ok;

	if (g->now.ns < g->kafka_due.ns || !ingest_setup_done(g->setup))
		return;
	g->kafka_due.ns = g->now.ns + KAFKA_LOOK_NS;
	ok = kmd_producer_connected(g->producer, &why);
	if (ok && !g->feed_known) {
		ok = false;
		why = "reading topic feed for the predecessor's end";
	}
	kmd_app_ready(g->app, "kafka", ok, why);
}

static bool is_complete(const struct ingest_line *line)
{
	return line->conn && line->conn->state == INGEST_CONN_OPEN && ingest_session_is_complete(&line->conn->session);
}

/* The first shard in trouble speaks for all. */
static void look_at_exchange(struct ingest *g)
{
	char why[320];

	for (size_t i = 0; i < g->lines_count; i++) {
		const struct ingest_line *line = &g->lines[i];

		if (is_complete(line) || !ingest_owner_captures(g, line))
			continue;
		snprintf(why, sizeof(why), "shard %lld: %s", (long long)line->shard, line->trouble);
		kmd_app_ready(g->app, "exchange", false, g->lines_count > 1 ? why : line->trouble);
		return;
	}
	kmd_app_ready(g->app, "exchange", true, NULL);
}

static bool books_captured(const struct ingest *g)
{
	return g->conf.channels & 1u << INGEST_CHANNEL_BOOK;
}

static void look_at_books(struct ingest *g)
{
	size_t expected = 0, held = 0, suspect = 0;
	char why[96];

	for (size_t i = 0; i < g->lines_count; i++) {
		const struct ingest_conn *conn = g->lines[i].conn;

		if (!ingest_owner_captures(g, &g->lines[i]))
			continue;
		expected += books_captured(g) ? g->lines[i].wanted : 0;
		held += conn && conn->state == INGEST_CONN_OPEN ? conn->session.books.held : 0;
		suspect += conn ? conn->session.books.suspects : 0;
	}
	kmd_gauge_set(g->stats.expected, (double)expected);
	kmd_gauge_set(g->stats.subscribed, (double)held);
	kmd_gauge_set(g->stats.suspect, (double)suspect);
	if (expected == held)
		g->even_at = g->now;
	if (!books_captured(g))
		return;
	snprintf(why, sizeof(why), "%zu of %zu books subscribed", held, expected);
	kmd_app_ready(g->app, "books", g->now.ns - g->even_at.ns < INGEST_BOOKS_GRACE_NS, why);
}

/* While messages wait for the pipeline (the broker is away), nobody knows how silent the exchange is. */
static void look_at_silence(struct ingest *g)
{
	int64_t longest_ns = 0;

	for (size_t i = 0; i < g->lines_count && g->lag_ns < INGEST_LAG_MAX_NS; i++) {
		const struct kmd_mono since = g->lines[i].stale.since;

		if (ingest_owner_captures(g, &g->lines[i]) && since.ns > 0 && g->now.ns - since.ns > longest_ns)
			longest_ns = g->now.ns - since.ns;
	}
	kmd_gauge_set(g->stats.silence, (double)longest_ns / 1e9);
}

static void recount(struct ingest *g)
{
	uint64_t bytes = 0;

	if (g->now.ns < g->recount_due.ns)
		return;
	g->recount_due.ns = g->now.ns + RECOUNT_NS / 4;
	kmd_producer_outstanding(g->producer, &bytes);
	kmd_gauge_set(g->stats.queue_bytes, (double)(bytes + ingest_ws_queued_bytes(g->ws)));
	look_at_exchange(g);
	look_at_books(g);
	look_at_silence(g);
	ingest_owner_look(g);
	ingest_spooling_look(g);
}

/* Nothing more is read; what was received goes out. */
static void begin_drain(struct ingest *g)
{
	g->draining = true;
	ingest_spooling_drain(g);
	for (size_t i = 0; i < g->conns_count; i++) {
		struct ingest_conn *conn = &g->conns[i];

		if (conn->state == INGEST_CONN_DIALING || conn->state == INGEST_CONN_OPEN)
			ingest_line_give_up(g, conn, "shutdown");
	}
}

static bool is_drained(struct ingest *g)
{
	for (size_t i = 0; i < g->conns_count; i++) {
		if (g->conns[i].state != INGEST_CONN_FREE)
			return false;
	}
	return !g->outbox.head && ingest_spooling_at_rest(g);
}

static enum kmd_verdict verdict(struct ingest *g)
{
	const char *why = NULL;

	if (g->fatal || kmd_producer_fatal(g->producer, &why)) {
		if (g->draining)
			return !g->spooling.spool || is_drained(g) ? KMD_APP_DONE : KMD_APP_MORE;
		if (g->owner.leaving) {
			ingest_owner_abandon(g);
			return KMD_APP_MORE;
		}
		kmd_app_fail(
		    g->app, KMD_EXIT_SOFTWARE, "the broker client has failed for good: %s", why ? why : "a consumer");
		return KMD_APP_FATAL;
	}
	return g->draining && is_drained(g) ? KMD_APP_DONE : KMD_APP_MORE;
}

/* Serves messages as far as the broker client takes them. Sleeps only where there is nothing else to do. */
static void pump(struct ingest *g)
{
	bool blocked = !ingest_notes_flush(g), busy = false;
	int reported;

	if (blocked)
		g->lag_ns = INGEST_LAG_MAX_NS;
	else
		busy = ingest_frames_serve(g);
	blocked |= g->decided;
	reported = kmd_producer_poll(g->producer, blocked ? INGEST_IDLE_MS : 0);
	busy |= ingest_spooling_step(g, reported);
	if (!busy && !blocked)
		ingest_ws_wait(g->ws, INGEST_IDLE_MS);
}

enum kmd_verdict ingest_step(void *service, const struct kmd_tick *tick)
{
	struct ingest *g = service;

	g->now = tick->mono;
	g->wall = tick->wall;
	g->deadline = tick->deadline;
	if (tick->phase == KMD_PHASE_DRAIN && !g->owner.leaving)
		ingest_owner_leave(g);
	if (!g->draining && ingest_owner_is_done(g))
		begin_drain(g);
	pump(g);
	if (!g->draining) {
		ingest_intake_step(g);
		ingest_owner_step(g);
	}
	ingest_lines_tick(g);
	look_at_kafka(g);
	recount(g);
	return verdict(g);
}

/* What the ring still holds was received and is lost with us: counted with the rest. */
static void count_ring(struct ingest *g)
{
	struct ingest_ws_event event;

	while (ingest_ws_peek(g->ws, &event)) {
		if (event.kind == INGEST_WS_MESSAGE) {
			struct ingest_frame f = ingest_frame_scan(&g->scanner, event.text, event.binary);
			const struct ingest_origin origin = {event.lineage, event.n, event.recv_ns, event.mono_ns};

			ingest_route_frame(&f, &origin, -1, &g->route);
			g->unsettled[g->route.topic]++;
		}
		ingest_ws_pop(g->ws);
	}
}

static bool tell_left(struct ingest *g)
{
	struct kmd_buf line = {0};
	bool nothing;

	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		if (g->unsettled[t] > 0)
			kmd_buf_addf(&line, "%s%s=%llu", line.n > 0 ? " " : "", kmd_topic_name((enum kmd_topic)t),
			    (unsigned long long)g->unsettled[t]);
	}
	nothing = line.n == 0;
	kmd_buf_addc(&line, 0);
	if (!nothing)
		kmd_log(KMD_LOG_ERROR, "left_unflushed", "records", "%s", line.p, NULL);
	kmd_buf_fini(&line);
	return nothing;
}

bool ingest_fini(void *service)
{
	struct ingest *g = service;
	bool clean, undelivered = false;

	for (size_t i = 0; i < g->conns_count; i++)
		undelivered |= g->conns[i].state != INGEST_CONN_FREE;
	count_ring(g);
	clean = tell_left(g) && !undelivered && !g->fatal;
	close_parts(g);
	return clean;
}
