/*
 * Feed records, and the trade windows that follow from them. Input: records, one a line, in the order of the topic.
 *
 * - A record that can be read is written as JSON that reads back the same.
 * - Windows end after they begin, name a lineage that was told, and each cause that a window, a hole or a lineage holds
 *   is let go exactly once: after a reset nothing is held.
 */
#include "fuzz.h"
#include "kmd_feed.h"
#include "window.h"

static bool same_num(struct kmd_feed_num a, struct kmd_feed_num b)
{
	return a.has == b.has && (!a.has || a.v == b.v);
}

static void check_text(struct kmd_str before, struct kmd_str after)
{
	HOLDS(!before.p == !after.p);
	HOLDS(!kmd_str_is_utf8(before) || kmd_str_eq(before, after));
}

static void check_sid(const struct kmd_feed_sid *a, const struct kmd_feed_sid *b)
{
	HOLDS(a->sid == b->sid);
	check_text(a->channel, b->channel);
	HOLDS(same_num(a->seq, b->seq) && same_num(a->n, b->n) && same_num(a->recv_ns, b->recv_ns));
	HOLDS(same_num(a->ts_ms, b->ts_ms) && same_num(a->subscribed_ns, b->subscribed_ns));
}

static void check_same(const struct kmd_feed_record *a, const struct kmd_feed_record *b)
{
	HOLDS(a->kind == b->kind && a->lineage == b->lineage && a->at_ns == b->at_ns);
	HOLDS(same_num(a->sid, b->sid) && same_num(a->expected_seq, b->expected_seq));
	HOLDS(same_num(a->got_seq, b->got_seq) && same_num(a->from_recv_ns, b->from_recv_ns));
	HOLDS(same_num(a->to_recv_ns, b->to_recv_ns) && same_num(a->last_n, b->last_n));
	HOLDS(same_num(a->markets, b->markets) && same_num(a->shard, b->shard));
	HOLDS(same_num(a->from_ts_ms, b->from_ts_ms) && same_num(a->to_ts_ms, b->to_ts_ms));
	HOLDS(same_num(a->n, b->n) && same_num(a->size, b->size) && a->use_yes_price == b->use_yes_price);
	check_text(a->channel, b->channel);
	check_text(a->group, b->group);
	check_text(a->instance, b->instance);
	check_text(a->reason, b->reason);
	check_text(a->topic, b->topic);
	HOLDS(a->sids_count == b->sids_count);
	for (uint32_t i = 0; i < a->sids_count; i++)
		check_sid(&a->sids[i], &b->sids[i]);
}

static void check_record(const struct kmd_feed_record *r)
{
	struct kmd_feed_record again;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};

	kmd_feed_encode(r, &b);
	HOLDS(kmd_json_parse(&doc, kmd_buf_str(&b)) == 0);
	HOLDS(kmd_feed_decode(kmd_json_root(&doc), &arena, &again) == 0);
	check_same(r, &again);
	kmd_buf_fini(&b);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

struct told {
	int64_t lineages[64];
	size_t count;
};

static bool was_told(const struct told *t, int64_t lineage)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->lineages[i] == lineage)
			return true;
	return false;
}

static void take_windows(struct enrich_windows *w, struct enrich_book *b, const struct told *t)
{
	struct enrich_causes hole = {0};
	struct enrich_window window;
	int64_t from_ns;

	while (enrich_windows_take(w, &window)) {
		HOLDS(window.from_s < window.to_s);
		HOLDS(was_told(t, window.lineage));
		enrich_causes_drop(b, &window.causes);
		enrich_causes_fini(&window.causes);
	}
	if (enrich_windows_take_hole(w, &from_ns, &hole)) {
		enrich_causes_drop(b, &hole);
		enrich_causes_fini(&hole);
	}
}

/* @take whether what is found is taken at once or stays until the reset. */
static void feed_line(
    struct enrich_windows *w, struct enrich_book *b, struct told *t, struct kmd_str line, int64_t offset, bool take)
{
	struct kmd_feed_record r;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct enrich_cause *c;

	if (kmd_json_parse(&doc, line) == 0 && kmd_feed_decode(kmd_json_root(&doc), &arena, &r) == 0) {
		check_record(&r);
		t->lineages[t->count++] = r.lineage;
		c = enrich_cause_open(b, 0, 1, offset);
		enrich_windows_feed(w, b, &r, c);
		enrich_cause_drop(b, c);
		if (take)
			take_windows(w, b, t);
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static void feed_all(struct kmd_str rest, bool take)
{
	struct enrich_windows w = {0};
	struct enrich_book b = {0};
	struct enrich_cause *c;
	struct told t = {.count = 0};

	for (int64_t offset = 0; rest.n > 0 && offset < 64; offset++) {
		const struct kmd_str line = fuzz_exact(fuzz_piece(&rest, '\n'));

		feed_line(&w, &b, &t, line, offset, take);
		free((char *)line.p);
	}
	enrich_windows_reset(&w, &b);
	while ((c = enrich_cause_take_done(&b)) != NULL)
		enrich_cause_free(&b, c);
	HOLDS(b.open == 0 && !b.first);
	enrich_windows_fini(&w);
	enrich_book_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	feed_all(fuzz_text(data, size), true);
	feed_all(fuzz_text(data, size), false);
	return 0;
}
