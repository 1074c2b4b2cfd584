#include <stdlib.h>

#include "ingest_int.h"

/* The topics that are read, for ever: `markets`, and `feed` for the ends of former lineages and for other instances. */

#define TURN_RECORDS 500

int ingest_intake_start(struct ingest *g, struct kmd_err *err)
{
	int rc = kmd_consumer_read(&g->feed_reader, &g->conf.kafka, 1u << KMD_TOPIC_FEED, KMD_OFFSET_BEGINNING, err);

	if (rc == 0)
		rc = kmd_consumer_read(
		    &g->markets_reader, &g->conf.kafka, 1u << KMD_TOPIC_MARKETS, KMD_OFFSET_BEGINNING, err);
	return rc;
}

/* A younger lineage of another instance takes over from the one we have: it does not come before it. */
static bool is_former(const struct ingest_line *line, const struct kmd_feed_record *r)
{
	return !line->conn || r->lineage < line->conn->lineage;
}

static void learn_shard(struct ingest *g, struct ingest_line *line, const struct kmd_feed_record *r)
{
	if (is_former(line, r))
		ingest_ends_learn(&line->ends, r, kmd_str_z(g->settings->group));
	if (!g->feed_known)
		ingest_spooling_learn(g, r, (size_t)line->shard);
}

static void learn_feed(struct ingest *g, const struct kmd_record *record)
{
	struct kmd_feed_record r;

	kmd_arena_reset(&g->arena);
	if (kmd_json_parse(&g->doc, kmd_record_value(record)) < 0 ||
	    kmd_feed_decode(kmd_json_root(&g->doc), &g->arena, &r) < 0)
		return;
	for (size_t i = 0; i < g->lines_count; i++)
		ingest_dial_seen(&g->lines[i].dial, r.lineage);
	if (r.lineage > g->newest_lineage)
		g->newest_lineage = r.lineage;
	ingest_owner_learn(g, &r);
	if (!ingest_owner_is_ours(g, &r) && (!r.shard.has || (r.shard.v >= 0 && (size_t)r.shard.v < g->lines_count)))
		learn_shard(g, &g->lines[r.shard.v], &r);
}

static void learn_market(struct ingest *g, const struct kmd_record *record)
{
	struct kmd_str ticker = kmd_record_key(record), value = kmd_record_value(record);
	struct kmd_json_val root, status;

	if (!value.p) {
		ingest_want(g, ticker, ingest_markets_forget(&g->markets, ticker));
		return;
	}
	kmd_arena_reset(&g->arena);
	if (kmd_json_parse(&g->doc, value) < 0)
		return;
	root = kmd_json_root(&g->doc);
	status = kmd_json_get(root, "status");
	if (!kmd_json_is(status, KMD_JSON_STRING))
		status = kmd_json_get(kmd_json_get(root, "body"), "status");
	if (ticker.n == 0)
		ticker = kmd_json_text(kmd_json_get(root, "ticker"), &g->arena);
	ingest_want(g, ticker, ingest_markets_record(&g->markets, ticker, kmd_json_text(status, &g->arena)));
}

/* False: the client has failed for good. */
static bool read_some(
    struct ingest *g, struct kmd_consumer *c, void (*learn)(struct ingest *g, const struct kmd_record *record))
{
	struct kmd_record *records[TURN_RECORDS];
	int n = kmd_consumer_poll(c, records, TURN_RECORDS, 0);

	for (int i = 0; i < n; i++) {
		learn(g, records[i]);
		kmd_record_free(records[i]);
	}
	return n >= 0;
}

static void finish_feed(struct ingest *g)
{
	g->feed_known = true;
	kmd_log(KMD_LOG_INFO, "feed_read", "newest_lineage", "%lld", (long long)g->newest_lineage, NULL);
}

void ingest_intake_step(struct ingest *g)
{
	if (ingest_spooling_cut_off(g))
		return;
	g->fatal |= !read_some(g, g->feed_reader, learn_feed);
	if (!g->feed_known && ingest_setup_done(g->setup) && kmd_consumer_caught_up(g->feed_reader))
		finish_feed(g);
	g->fatal |= !read_some(g, g->markets_reader, learn_market);
	if (!g->markets_known && ingest_setup_done(g->setup) && kmd_consumer_caught_up(g->markets_reader)) {
		g->markets_known = true;
		kmd_log(KMD_LOG_INFO, "markets_read", "wanted", "%zu", g->markets.wanted, NULL);
	}
}

bool ingest_intake_ready(const struct ingest *g)
{
	return g->feed_known || ingest_spooling_stands_in(g);
}

void ingest_intake_stop(struct ingest *g)
{
	kmd_consumer_close(g->feed_reader);
	kmd_consumer_close(g->markets_reader);
}
