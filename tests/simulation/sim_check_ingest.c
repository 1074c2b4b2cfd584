#include <stdio.h>
#include <string.h>

#include "kmd_feed.h"
#include "kmd_json.h"
#include "sim_check.h"
#include "sim_check_feed.h"
#include "sim_exchange.h"
#include "sim_proc.h"

/*
 * What the exchange sent against what stands in the broker: every received frame is there, once, as it came and in its
 * order, or `feed` says that it may be missing.
 */

#define IN_FLIGHT_NS (5 * SIM_S) /* what was received so short a time ago may be on its way */

/* ---- frames ---- */

static enum kmd_topic topic_for(const struct ex_frame *f)
{
	if (strcmp(f->type, "trade") == 0)
		return KMD_TOPIC_TRADES;
	if (strncmp(f->type, "orderbook", 9) == 0)
		return KMD_TOPIC_ORDERBOOK;
	if (strcmp(f->type, "ticker") == 0)
		return KMD_TOPIC_TICKERS;
	return strstr(f->type, "lifecycle") ? KMD_TOPIC_LIFECYCLE : KMD_TOPIC_CONTROL;
}

static void check_frame(const struct seen *s, const struct broker_record *r, struct ex_frame *f)
{
	const int64_t n = broker_header_i64(r, "n");

	SIM_CHECK(kmd_str_eq(r->value, f->bytes), "lineage %lld, frame %lld: not the bytes that came",
	    (long long)s->conn->lineage, (long long)n);
	SIM_CHECK(r->topic == topic_for(f), "lineage %lld, frame %lld: %s in topic %s", (long long)s->conn->lineage,
	    (long long)n, f->type, kmd_topic_name(r->topic));
	SIM_CHECK(broker_header_i64(r, "recv_ns") == f->recv_ns, "lineage %lld, frame %lld: another receipt",
	    (long long)s->conn->lineage, (long long)n);
	SIM_CHECK(kmd_str_eqz(broker_header(r, "type"), f->type), "lineage %lld, frame %lld: another type",
	    (long long)s->conn->lineage, (long long)n);
	if (*f->ticker)
		SIM_CHECK(kmd_str_eqz(r->key, f->ticker), "lineage %lld, frame %lld: key %.*s",
		    (long long)s->conn->lineage, (long long)n, KMD_STR_ARG(r->key));
}

static void see_record(struct seens *all, const struct broker_record *r, int64_t *last_n, size_t last_count)
{
	struct seen *s = seen_find(all, broker_header_i64(r, "lineage"));
	const int64_t n = broker_header_i64(r, "n");
	const size_t i = s ? (size_t)(s - all->of) : 0;
	struct ex_frame *f;

	if (!n)
		return; /* of REST */
	SIM_CHECK(s, "%s [%d] at %lld: of no lineage there is", kmd_topic_name(r->topic), (int)r->partition,
	    (long long)r->offset);
	SIM_CHECK(n > 0 && (size_t)n <= s->conn->received_count, "lineage %lld never had frame %lld",
	    (long long)s->conn->lineage, (long long)n);
	SIM_CHECK(!s->stored[n - 1], "lineage %lld: frame %lld twice", (long long)s->conn->lineage, (long long)n);
	SIM_CHECK(i >= last_count || n > last_n[i], "lineage %lld: frame %lld behind frame %lld in %s [%d]",
	    (long long)s->conn->lineage, (long long)n, (long long)last_n[i], kmd_topic_name(r->topic),
	    (int)r->partition);
	last_n[i] = n;
	s->stored[n - 1] = r;
	f = s->conn->received[n - 1];
	check_frame(s, r, f);
	if (f->pub && !f->pub->stored)
		f->pub->stored = r;
}

static void see_topics(struct seens *all)
{
	int64_t *last_n = sim_alloc((all->count + 1) * sizeof(*last_n));

	for (int t = 0; t <= KMD_TOPIC_OTHER; t++)
		for (int32_t i = 0; i < sim->broker->topics[t].partitions; i++) {
			const struct broker_log *l = broker_log((enum kmd_topic)t, i);

			memset(last_n, 0, (all->count + 1) * sizeof(*last_n));
			for (size_t k = 0; k < l->count; k++)
				see_record(all, l->records[k], last_n, all->count);
		}
}

/* A process that was not killed, and did not run out of time, has brought everything there. */
static bool is_whole(const struct seen *s)
{
	return proc_is_alive(s->conn->proc) || proc_exit_code(s->conn->proc) == KMD_EXIT_OK;
}

static void check_complete(const struct seen *s)
{
	const int64_t now_ns = sim->now_ns;

	for (size_t i = 0; i < s->conn->received_count; i++) {
		const struct ex_frame *f = s->conn->received[i];
		const bool told = (int64_t)i + 1 > s->last_n;

		if (s->stored[i] || s->refused[i] || f->recv_ns > now_ns - IN_FLIGHT_NS)
			continue;
		SIM_CHECK(!is_whole(s), "lineage %lld: frame %zu was received and is nowhere",
		    (long long)s->conn->lineage, i + 1);
		SIM_CHECK(told, "lineage %lld: frame %zu is nowhere, and `feed` says that all are there up to %lld",
		    (long long)s->conn->lineage, i + 1, (long long)s->last_n);
	}
}

/* ---- what nobody received, or what died with its process ---- */

static bool is_told_by_gap(const struct seens *all, const struct ex_pub *p)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct seen *s = &all->of[i];

		for (size_t k = 0; k < s->conn->sent_count; k++) {
			const struct ex_frame *f = s->conn->sent[k];

			if (f->pub == p && seen_tells_gap(s, f))
				return true;
			if (f->pub == p && f->n && s->refused[f->n - 1])
				return true;
			/* Nothing came behind it that could show the jump. */
			if (f->pub == p && s->conn->state == EX_OPEN && seen_is_last(s, k))
				return true;
		}
	}
	return false;
}

static void check_losses(const struct seens *all)
{
	const struct exchange *x = sim->exchange;

	for (size_t i = 0; i < x->pubs_count; i++) {
		const struct ex_pub *p = x->pubs[i];

		if (p->stored || (p->channel != INGEST_CHANNEL_TRADE && p->channel != INGEST_CHANNEL_LIFECYCLE))
			continue;
		if (p->at_ns < feed_began(all, p->channel) || p->at_ns > sim->now_ns - IN_FLIGHT_NS)
			continue;
		SIM_CHECK(feed_tells_hole(all, p) || is_told_by_gap(all, p) || feed_waits_for_data(all, p->channel),
		    "%s of %lld ms (%s) is missing and `feed` does not say so", ingest_channel_name(p->channel),
		    (long long)((p->at_ns - sim->began_ns) / SIM_MS), p->what);
	}
}

/* ---- books ---- */

struct book {
	bool valid;
	bool refused; /* a frame of it never got into the broker, as `feed` says: nobody can know it until a snapshot */
	int64_t yes[100], no[100];
};

static int cents(struct kmd_str price)
{
	return price.n >= 4 ? (price.p[2] - '0') * 10 + (price.p[3] - '0') : 0;
}

static int64_t contracts(struct kmd_str count)
{
	const char *point = memchr(count.p, '.', count.n);
	int64_t v = 0;

	SIM_CHECK(point && kmd_str_i64((struct kmd_str){count.p, (size_t)(point - count.p)}, &v) == 0, "no count");
	return v;
}

static void take_ladder(int64_t side[100], struct kmd_json_val levels)
{
	struct kmd_json_val level;

	memset(side, 0, 100 * sizeof(*side));
	for (uint32_t it = 0; kmd_json_each(levels, &it, &level);) {
		struct kmd_json_val price, count;
		uint32_t k = 0;

		if (kmd_json_each(level, &k, &price) && kmd_json_each(level, &k, &count))
			side[cents(kmd_json_plain(price))] = contracts(kmd_json_plain(count));
	}
}

static void apply(struct book *b, struct kmd_json *doc, const struct broker_record *r)
{
	struct kmd_json_val msg;

	SIM_CHECK(kmd_json_parse(doc, r->value) == 0, "a book frame that is not JSON");
	msg = kmd_json_get(kmd_json_root(doc), "msg");
	if (kmd_str_eqz(broker_header(r, "type"), "orderbook_snapshot")) {
		take_ladder(b->yes, kmd_json_get(msg, "yes_dollars_fp"));
		take_ladder(b->no, kmd_json_get(msg, "no_dollars_fp"));
		b->valid = true;
		b->refused = false;
		return;
	}
	int64_t *side = kmd_str_eqz(kmd_json_plain(kmd_json_get(msg, "side")), "yes") ? b->yes : b->no;
	side[cents(kmd_json_plain(kmd_json_get(msg, "price_dollars")))] +=
	    contracts(kmd_json_plain(kmd_json_get(msg, "delta_fp")));
}

/* As a user would replay it: from snapshots, thrown away at a jump of the sequence. */
static void replay(const struct seen *s, struct book books[EX_MARKETS_MAX])
{
	struct kmd_json doc = {0};
	int64_t last_seq[EX_SIDS_MAX] = {0};

	for (size_t i = 0; i < s->conn->received_count; i++) {
		const struct ex_frame *f = s->conn->received[i];
		const struct ex_market *m = exchange_market(kmd_str_z(f->ticker));

		if (!f->seq || f->channel != INGEST_CHANNEL_BOOK || f->seq <= last_seq[f->sid])
			continue;
		for (size_t k = 0; f->seq != last_seq[f->sid] + 1 && k < EX_MARKETS_MAX; k++)
			books[k].valid = false;
		last_seq[f->sid] = f->seq;
		if (s->refused[i] && m)
			books[m - sim->exchange->markets] = (struct book){.refused = true};
		else if (s->stored[i] && s->stored[i]->topic == KMD_TOPIC_ORDERBOOK)
			apply(&books[m - sim->exchange->markets], &doc, s->stored[i]);
	}
	kmd_json_fini(&doc);
}

static void check_side(const struct ex_market *m, const char *side, const int64_t have[100], const int truth[100])
{
	for (int i = 1; i < 100; i++)
		SIM_CHECK(have[i] == truth[i], "the book of %s has %lld at %d cents (%s), the exchange %d", m->ticker,
		    (long long)have[i], i, side, truth[i]);
}

/* Nobody knows that it is subscribed, and nothing comes of it any more. */
static bool is_forgotten(const struct ex_sub *sub, size_t market)
{
	return sim->exchange->markets[market].settled && sub->unsure[market];
}

static void check_books(const struct seen *s)
{
	struct book *books = sim_alloc(EX_MARKETS_MAX * sizeof(*books));

	replay(s, books);
	for (int64_t sid = 1; sid <= s->conn->last_sid; sid++)
		for (size_t m = 0; m < sim->exchange->markets_count; m++) {
			const struct ex_market *market = &sim->exchange->markets[m];

			if (!s->conn->subs[sid].live || !s->conn->subs[sid].markets[m] || books[m].refused ||
			    is_forgotten(&s->conn->subs[sid], m))
				continue;
			SIM_CHECK(books[m].valid, "the book of %s has no snapshot behind its last gap", market->ticker);
			check_side(market, "yes", books[m].yes, market->yes);
			check_side(market, "no", books[m].no, market->no);
		}
}

/* ---- what is subscribed ---- */

/* How often a market's book is held, over all open connections. */
static int holds(size_t market)
{
	int n = 0;

	for (const struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		for (int64_t sid = 1; c->state == EX_OPEN && sid <= c->last_sid; sid++)
			n += c->subs[sid].live && c->subs[sid].markets[market] && !is_forgotten(&c->subs[sid], market);
	return n;
}

/* NULL: everything that should be subscribed is, and nothing else. */
static const char *what_is_wrong(void)
{
	static char text[160];
	const struct exchange *x = sim->exchange;

	for (int ch = 0; ch < INGEST_CHANNEL_BOOK; ch++) {
		int n = 0;

		for (const struct ex_conn *c = x->conns; c; c = c->next)
			for (int64_t sid = 1; c->state == EX_OPEN && sid <= c->last_sid; sid++)
				n += c->subs[sid].live && c->subs[sid].channel == (enum ingest_channel)ch;
		snprintf(text, sizeof(text), "channel %s is subscribed %d times",
		    ingest_channel_name((enum ingest_channel)ch), n);
		if (n != 1)
			return text;
	}
	for (size_t m = 0; m < x->markets_count; m++) {
		snprintf(text, sizeof(text), "the book of %s (%s) is held %d times", x->markets[m].ticker,
		    x->markets[m].settled ? "settled" : "live", holds(m));
		if (holds(m) != (x->markets[m].settled ? 0 : 1) && !check_enricher_hides(&x->markets[m]))
			return text;
	}
	return NULL;
}

/* Is every frame that was received stored, and every lineage that ended said goodbye to? */
static bool is_settled(void)
{
	for (const struct ex_conn *c = sim->exchange->conns; c; c = c->next)
		if (c->state == EX_OPEN && c->received_count == 0)
			return false;
	return true;
}

static bool books_are_whole(void)
{
	struct seens all;

	feed_read(&all);
	see_topics(&all);
	for (size_t i = 0; i < all.count; i++) {
		const struct seen *s = &all.of[i];
		struct book *books = sim_alloc(EX_MARKETS_MAX * sizeof(*books));

		if (s->conn->state != EX_OPEN)
			continue;
		replay(s, books);
		for (int64_t sid = 1; sid <= s->conn->last_sid; sid++)
			for (size_t m = 0; m < sim->exchange->markets_count; m++)
				if (s->conn->subs[sid].live && s->conn->subs[sid].markets[m] && !books[m].valid &&
				    !books[m].refused && !is_forgotten(&s->conn->subs[sid], m))
					return false;
	}
	return true;
}

bool check_ingest_done(void)
{
	static int64_t well_since_ns, looked_ns;
	const bool well = !what_is_wrong() && is_settled();

	if (!well || well_since_ns < sim->heal_ns || well_since_ns > sim->now_ns)
		well_since_ns = sim->now_ns;
	/* Two `alive` later, and as long as a command may be repeated. */
	if (!well || sim->now_ns - well_since_ns < 15 * SIM_S ||
	    (looked_ns > well_since_ns && sim->now_ns - looked_ns < 5 * SIM_S && sim->now_ns > looked_ns))
		return false;
	looked_ns = sim->now_ns;
	return books_are_whole();
}

void check_ingest_end(void)
{
	const char *wrong = what_is_wrong();
	struct seens all;

	SIM_CHECK(!wrong, "%s", wrong);
	feed_read(&all);
	see_topics(&all);
	feed_check(&all);
	for (size_t i = 0; i < all.count; i++) {
		check_complete(&all.of[i]);
		seen_check_gaps(&all.of[i], is_whole(&all.of[i]));
		if (all.of[i].conn->state == EX_OPEN)
			check_books(&all.of[i]);
	}
	check_losses(&all);
}
