/*
 * Settlements. Input: market objects of REST, one a line.
 *
 * - What is read of a market is written as a record that is JSON and reads back the same, the body byte for byte.
 * - kmd_settlement_same is reflexive and symmetric; complete outcomes that are the same have one hash, so that a
 *   reconciliation does not publish what is published.
 * - An answer is published only when it is complete, and the waits between answers grow and stay within their bounds.
 */
#include "cause.h"
#include "fuzz.h"
#include "kmd_num.h"
#include "kmd_settlement.h"
#include "settle.h"

struct market {
	struct kmd_str text;
	struct kmd_json doc;
	struct kmd_arena arena;
	struct kmd_settlement_data data;
	bool is;
};

static void read_market(struct market *m, struct kmd_str line)
{
	*m = (struct market){.text = fuzz_exact(line)};
	m->is = kmd_json_parse(&m->doc, m->text) == 0 &&
		kmd_settlement_from_market(kmd_json_root(&m->doc), &m->arena, &m->data) == 0;
}

static void free_market(struct market *m)
{
	kmd_json_fini(&m->doc);
	kmd_arena_fini(&m->arena);
	free((char *)m->text.p);
}

/* What is not UTF-8 is written as U+FFFD. */
static void check_field(struct kmd_str before, struct kmd_str after)
{
	HOLDS(!before.p == !after.p);
	HOLDS(!kmd_str_is_utf8(before) || kmd_str_eq(before, after));
}

static void check_fields(const struct kmd_settlement_data *a, const struct kmd_settlement_data *b)
{
	check_field(a->market_ticker, b->market_ticker);
	check_field(a->event_ticker, b->event_ticker);
	check_field(a->series_ticker, b->series_ticker);
	check_field(a->market_type, b->market_type);
	check_field(a->status, b->status);
	check_field(a->result, b->result);
	check_field(a->settlement_value_dollars, b->settlement_value_dollars);
	check_field(a->expiration_value, b->expiration_value);
	check_field(a->determined_at, b->determined_at);
	check_field(a->settled_at, b->settled_at);
	check_field(a->known_at, b->known_at);
	check_field(a->trigger, b->trigger);
	HOLDS(fuzz_same(a->body, b->body));
}

static bool is_text(const struct kmd_settlement_data *d)
{
	return kmd_str_is_utf8(d->status) && kmd_str_is_utf8(d->result) &&
	       kmd_str_is_utf8(d->settlement_value_dollars) && kmd_str_is_utf8(d->expiration_value) &&
	       kmd_str_is_utf8(d->settled_at);
}

static void check_record(struct market *m)
{
	struct kmd_settlement_data d = m->data, again;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_buf record = {0};
	int rc;

	d.determined_at = KMD_STR("2026-11-22T10:00:00Z");
	d.known_at = KMD_STR("2026-11-22T10:00:05.123456789Z");
	d.trigger = KMD_STR("determined");
	kmd_settlement_encode(&d, &record);
	rc = kmd_json_parse(&doc, kmd_buf_str(&record));
	/* one level deeper than the market, which came one level deep in its answer */
	HOLDS(rc == 0 || rc == KMD_ETOOBIG);
	if (rc == 0) {
		HOLDS(kmd_settlement_decode(kmd_json_root(&doc), &arena, &again) == 0);
		check_fields(&d, &again);
		HOLDS(!is_text(&d) || kmd_settlement_same(&d, &again));
	}
	kmd_buf_fini(&record);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static void check_wait(const struct kmd_settlement_data *d)
{
	const int64_t retry_ns = INT64_C(5000000000);
	struct enrich_settle s = {0};
	uint64_t rng = 1;
	int64_t before = 0;

	for (int i = 0; i < 12; i++) {
		const enum enrich_settle_act act = enrich_settle_decide(&s, d, ENRICH_WANT_SETTLED);
		const int64_t delay = enrich_settle_delay(&s, retry_ns, &rng);

		HOLDS(act == ENRICH_SETTLE_WAIT || kmd_settlement_is_complete(d));
		HOLDS(act == ENRICH_SETTLE_PUBLISH || !kmd_settlement_is_complete(d) || i == 0);
		HOLDS(delay >= retry_ns && delay <= ENRICH_SETTLE_DELAY_MAX_NS);
		HOLDS(act == ENRICH_SETTLE_PUBLISH || delay >= before || delay == ENRICH_SETTLE_DELAY_MAX_NS);
		before = delay;
	}
}

static void check_pair(const struct kmd_settlement_data *a, const struct kmd_settlement_data *b)
{
	const bool same = kmd_settlement_same(a, b);

	HOLDS(same == kmd_settlement_same(b, a));
	HOLDS(kmd_settlement_same(a, a));
	if (same && kmd_settlement_is_complete(a) && kmd_settlement_is_complete(b))
		HOLDS(enrich_outcome_hash(a) == enrich_outcome_hash(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	struct market before = {0}, m;

	for (int lines = 0; rest.n > 0 && lines < 16; lines++) {
		read_market(&m, fuzz_piece(&rest, '\n'));
		if (m.is) {
			check_record(&m);
			check_wait(&m.data);
		}
		if (m.is && before.is)
			check_pair(&before.data, &m.data);
		free_market(&before);
		before = m;
	}
	free_market(&before);
	return 0;
}
