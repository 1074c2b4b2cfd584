/*
 * The enricher reads back its own topics. Input: records as kafka_record.h has them, a line "====" between them.
 *
 * - A market, event or series record is known by the hash of its body's content, unless it is older than what is known;
 *   the same record again changes nothing and is not worth a record.
 * - A tombstone makes a market unknown to `markets` and leaves its settlement.
 * - A settlement's outcome is known: the same outcome is no difference; the greatest settled_at only grows.
 * - What is expired is finalized and was seen; pruning forgets no market that has a record.
 */
#include "content.h"
#include "kafka_record.h"
#include "kmd_settlement.h"
#include "kmd_time.h"
#include "published.h"

static bool is_ours(enum kmd_topic t)
{
	return t == KMD_TOPIC_MARKETS || t == KMD_TOPIC_EVENTS || t == KMD_TOPIC_SERIES || t == KMD_TOPIC_SETTLEMENTS;
}

static int64_t fetched_of(struct kmd_json_val record, struct kmd_arena *arena)
{
	int64_t ns;

	return kmd_time_parse(kmd_json_text(kmd_json_get(record, "fetched_at"), arena), &ns) == 0 ? ns : 0;
}

static void check_market(
    struct enrich_published *p, struct kmd_str ticker, struct kmd_json_val record, struct kmd_arena *arena)
{
	const struct enrich_market *m = enrich_published_market(p, ticker);
	const uint64_t hash = enrich_content_hash(kmd_json_get(record, "body"), arena);
	const int64_t fetched_ns = fetched_of(record, arena);

	HOLDS(m && m->fetched_ns >= fetched_ns);
	if (m->fetched_ns == fetched_ns) {
		HOLDS(m->hash == hash);
		HOLDS(!enrich_published_market_changed(p, ticker, hash, m->has_series, fetched_ns));
	}
}

static void check_parent(struct enrich_published *p, enum kmd_topic topic, struct kmd_str ticker,
    struct kmd_json_val record, struct kmd_arena *arena)
{
	const struct enrich_parent *e = enrich_published_parent(p, topic, ticker);
	const uint64_t hash = enrich_content_hash(kmd_json_get(record, "body"), arena);
	const int64_t fetched_ns = fetched_of(record, arena);

	HOLDS(e && e->fetched_ns >= fetched_ns);
	if (e->fetched_ns == fetched_ns)
		HOLDS(!enrich_published_parent_changed(p, topic, ticker, hash, fetched_ns));
}

static void check_settlement(struct enrich_published *p, struct kmd_json_val record, struct kmd_arena *arena)
{
	struct kmd_settlement_data d;
	const struct enrich_market *m;
	int64_t known_ns = 0, settled_ns = 0;

	if (kmd_settlement_decode(record, arena, &d) != 0)
		return;
	(void)!kmd_time_parse(d.known_at, &known_ns);
	(void)!kmd_time_parse(d.settled_at, &settled_ns);
	m = enrich_published_market(p, d.market_ticker);
	HOLDS(p->last_settled_ns >= settled_ns);
	HOLDS(m && m->known_ns >= known_ns);
	if (m->known_ns == known_ns)
		HOLDS(!enrich_published_outcome_differs(p, &d, settled_ns));
}

static void check_applied(struct enrich_published *p, const struct sink_record *r)
{
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_json_val record;
	struct kmd_str ticker;

	if (kmd_json_parse(&doc, r->value) == 0) {
		record = kmd_json_root(&doc);
		ticker = kmd_json_text(kmd_json_get(record, "ticker"), &arena);
		if (r->topic == KMD_TOPIC_SETTLEMENTS)
			check_settlement(p, record, &arena);
		else if (ticker.n > 0 && r->topic == KMD_TOPIC_MARKETS)
			check_market(p, ticker, record, &arena);
		else if (ticker.n > 0)
			check_parent(p, r->topic, ticker, record, &arena);
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static void check_tombstone(const struct enrich_published *p, const struct sink_record *r)
{
	const struct enrich_market *m = enrich_published_market(p, r->key);

	HOLDS(r->topic != KMD_TOPIC_MARKETS || !m || m->hash == 0);
}

/* When the market of the record was fetched, as far as is known; INT64_MIN: it is not. */
static int64_t fetched_before(const struct enrich_published *p, const struct sink_record *r)
{
	const struct enrich_market *m = NULL;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};

	if (r->topic == KMD_TOPIC_MARKETS && r->value.p && kmd_json_parse(&doc, r->value) == 0)
		m = enrich_published_market(p, kmd_json_text(kmd_json_get(kmd_json_root(&doc), "ticker"), &arena));
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return m ? m->fetched_ns : INT64_MIN;
}

static void apply(struct enrich_published *p, const struct sink_record *r)
{
	const int64_t settled_before = p->last_settled_ns, fetched = fetched_before(p, r);

	if (!is_ours(r->topic))
		return;
	enrich_published_apply(p, r->topic, r->key, r->value);
	HOLDS(p->last_settled_ns >= settled_before);
	HOLDS(fetched_before(p, r) >= fetched);
	if (r->value.p)
		check_applied(p, r);
	else
		check_tombstone(p, r);
}

static void check_end(struct enrich_published *p)
{
	struct kmd_arena arena = {0};
	struct kmd_str expired[8], key;
	const size_t n = enrich_published_expired(p, INT64_MAX, &arena, expired, 8);
	size_t before = 0, after = 0;
	void *value;

	for (size_t i = 0; i < n; i++) {
		const struct enrich_market *m = enrich_published_market(p, expired[i]);

		HOLDS(m && m->hash && m->finalized_ns);
	}
	for (size_t it = 0; kmd_map_next(&p->markets, &it, &key, &value);)
		before += ((const struct enrich_market *)value)->hash != 0;
	p->forget_ns = INT64_MAX / 2;
	enrich_published_prune(p);
	for (size_t it = 0; kmd_map_next(&p->markets, &it, &key, &value);)
		after += ((const struct enrich_market *)value)->hash != 0;
	HOLDS(before == after);
	kmd_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	struct enrich_published p = {.forget_ns = INT64_MIN};
	struct record rec;

	for (int i = 0; rest.n > 0 && i < 12; i++) {
		record_read(&rec, record_take(&rest), i);
		apply(&p, &rec.r);
		apply(&p, &rec.r);
		record_free(&rec);
	}
	check_end(&p);
	enrich_published_fini(&p);
	return 0;
}
