#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_int.h"
#include "kmd_mem.h"
#include "spool_dead.h"

/* The spool at the beginning of a life and at its end, and what is kept of refused records. */

static void scan(void *ctx, const struct ingest_spool_record *r)
{
	struct ingest *g = ctx;
	struct kmd_feed_record f;

	if (!r) {
		ingest_dead_damage(g->spooling.dead);
		return;
	}
	if (r->kind == INGEST_SPOOL_FRAME) {
		ingest_dead_frame(g->spooling.dead, r);
		return;
	}
	kmd_arena_reset(&g->arena);
	if (kmd_json_parse(&g->doc, r->value) == 0 && kmd_feed_decode(kmd_json_root(&g->doc), &g->arena, &f) == 0)
		ingest_dead_feed(g->spooling.dead, &f, r->kind == INGEST_SPOOL_MARK);
}

static void learn_end(struct ingest *g, const struct kmd_feed_record *closed)
{
	for (size_t i = 0; i < g->lines_count; i++) {
		ingest_dial_seen(&g->lines[i].dial, closed->lineage);
		if (closed->shard.has && closed->shard.v == (int64_t)i)
			ingest_ends_learn(&g->lines[i].ends, closed, kmd_str_z(g->settings->group));
	}
}

static int write_closed(struct ingest *g, const struct kmd_feed_record *closed)
{
	kmd_log(KMD_LOG_WARN, "lineage_crashed", "lineage", "%lld", (long long)closed->lineage, "last_n", "%lld",
	    (long long)closed->last_n.v, NULL);
	return ingest_notes_send(g, closed, false);
}

/* Lineages that a former life did not close are closed behind what it spooled. */
static void close_the_dead(struct ingest *g)
{
	struct ingest_dead dead = {0};

	g->spooling.dead = &dead;
	ingest_spool_scan(g->spooling.spool, scan, g);
	g->spooling.dead = NULL;
	g->spooling.on = !ingest_spool_is_level(g->spooling.spool) || dead.count > 0;
	for (size_t i = 0; i < dead.count; i++) {
		struct kmd_feed_record closed;

		kmd_arena_reset(&g->arena);
		closed = ingest_dead_closed(dead.lineages[i], &g->arena);
		learn_end(g, &closed);
		if (!dead.lineages[i]->closed && write_closed(g, &closed) < 0)
			kmd_log(
			    KMD_LOG_ERROR, "lineage_not_closed", "lineage", "%lld", (long long)closed.lineage, NULL);
	}
	ingest_dead_fini(&dead);
}

int ingest_spooling_start(struct ingest *g, struct kmd_err *err)
{
	struct ingest_spooling *sp = &g->spooling;
	const struct ingest_spool_conf conf = {
	    .dir = g->settings->spool_dir,
	    .max_bytes = g->settings->spool_max_bytes,
	    .now = g->wall,
	    .seed = (uint64_t)g->wall.ns * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)g->now.ns,
	};
	int rc;

	if (!conf.dir)
		return 0;
	rc = ingest_spool_open(&sp->spool, &conf, err);
	if (rc < 0)
		return rc;
	sp->front.n = kmd_calloc(g->conns_count, sizeof(*sp->front.n));
	sp->given.n = kmd_calloc(g->conns_count, sizeof(*sp->given.n));
	sp->feed_ends = kmd_calloc(g->lines_count, sizeof(*sp->feed_ends));
	sp->broker_seen = g->now;
	sp->policy.progress_ns = g->now.ns;
	close_the_dead(g);
	return 0;
}

void ingest_spooling_stop(struct ingest *g)
{
	struct ingest_spooling *sp = &g->spooling;

	ingest_spool_close(sp->spool);
	for (size_t i = 0; sp->feed_ends && i < g->lines_count; i++)
		ingest_ends_fini(&sp->feed_ends[i]);
	free(sp->feed_ends);
	free(sp->front.n);
	free(sp->given.n);
}

void ingest_spooling_learn(struct ingest *g, const struct kmd_feed_record *r, size_t line)
{
	if (g->spooling.feed_ends)
		ingest_ends_learn(&g->spooling.feed_ends[line], r, kmd_str_z(g->settings->group));
}

static void describe(struct kmd_buf *out, const struct kmd_delivery *d)
{
	const char *between = "";

	kmd_buf_addz(out, "{\"topic\":");
	kmd_buf_add_json(out, kmd_str_z(kmd_topic_name(d->topic)));
	kmd_buf_addz(out, ",\"reason\":");
	kmd_buf_add_json(out, kmd_str_z(d->reason ? d->reason : kmd_rc_text(d->rc)));
	kmd_buf_addz(out, ",\"key\":");
	kmd_buf_add_json(out, d->key);
	kmd_buf_addz(out, ",\"headers\":[");
	for (size_t i = 0; i < d->headers_count; i++) {
		kmd_buf_addf(out, "%s[", between);
		kmd_buf_add_json(out, kmd_str_z(d->headers[i].name));
		kmd_buf_addz(out, ",");
		kmd_buf_add_json(out, d->headers[i].value);
		kmd_buf_addz(out, "]");
		between = ",";
	}
	kmd_buf_addz(out, "]}\n");
}

void ingest_spooling_keep(struct ingest *g, const struct kmd_delivery *d, int64_t lineage, int64_t n)
{
	struct kmd_buf facts = {0};
	char name[100];

	if (!g->spooling.spool)
		return;
	snprintf(
	    name, sizeof(name), "refused/%s-%lld-%lld", kmd_topic_name(d->topic), (long long)lineage, (long long)n);
	ingest_spool_keep(g->spooling.spool, name, d->value);
	describe(&facts, d);
	strcat(name, ".json");
	ingest_spool_keep(g->spooling.spool, name, kmd_buf_str(&facts));
	kmd_buf_fini(&facts);
}
