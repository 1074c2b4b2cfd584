#include "sink_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

#define RECORD_OVERHEAD_BYTES 256 /* of a record in memory: struct, headers, entry */

int64_t sink_batch_weight(struct kmd_str key, struct kmd_str value)
{
	return (int64_t)(key.n + value.n) + RECORD_OVERHEAD_BYTES;
}

bool sink_batch_due(const struct sink_batch *b, const struct sink_limits *limits, struct kmd_mono now)
{
	if (b->count == 0)
		return false;
	return b->count >= limits->rows || b->bytes >= limits->bytes || now.ns - b->opened.ns >= limits->age_ns;
}

static struct sink_entry *new_entry(struct sink_batch *b)
{
	if (b->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 256;
		b->entries = kmd_realloc(b->entries, b->cap * sizeof(*b->entries));
	}
	return &b->entries[b->count++];
}

static void need_partition(struct sink_batch *b, enum sink_table table, int32_t day)
{
	const struct sink_need need = {(uint8_t)table, sink_table_period_start(table, day)};

	if (sink_tables[table].period == SINK_BY_NOTHING)
		return;
	for (size_t i = b->needs_count; i-- > 0;)
		if (b->needs[i].table == need.table && b->needs[i].first_day == need.first_day)
			return;
	if (b->needs_count == b->needs_cap) {
		b->needs_cap = b->needs_cap ? b->needs_cap * 2 : 16;
		b->needs = kmd_realloc(b->needs, b->needs_cap * sizeof(*b->needs));
	}
	b->needs[b->needs_count++] = need;
}

/* Where the row of @e begins in its stream. */
static struct kmd_buf *begin_row(struct sink_batch *b, struct sink_entry *e, enum sink_table table, int32_t day)
{
	struct kmd_buf *stream = &b->stream[table];

	if (stream->n == 0)
		sink_encode_head(stream);
	e->table = (uint8_t)table;
	e->at = stream->n;
	b->stream_rows[table]++;
	need_partition(b, table, day);
	return stream;
}

static void put_row(struct sink_batch *b, struct sink_entry *e, const struct sink_row *row, int32_t day)
{
	struct kmd_buf *stream = begin_row(b, e, row->table, day);

	sink_encode_row(row, stream);
	e->length = stream->n - e->at;
}

static void count_dead(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, enum sink_fault fault)
{
	e->counted = SINK_COUNTED_DEAD;
	p->tally.dead_letters++;
	b->counts.dead[fault]++;
}

static void count_duplicate(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, enum sink_table table)
{
	e->counted = SINK_COUNTED_DUPLICATE;
	p->tally.duplicates++;
	b->counts.duplicates[table]++;
}

static void count_row(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, enum sink_table table)
{
	e->counted = SINK_COUNTED_ROW;
	p->tally.rows++;
	b->counts.rows[table]++;
}

/* The table a record without a row would have gone to, for counting. */
static enum sink_table table_of(const struct sink_record *r, const struct sink_facts *f)
{
	switch (r->topic) {
	case KMD_TOPIC_TRADES:
		return SINK_T_TRADES;
	case KMD_TOPIC_ORDERBOOK:
		return kmd_str_eqz(f->type, "orderbook_snapshot") ? SINK_T_SNAPSHOTS : SINK_T_DELTAS;
	case KMD_TOPIC_TICKERS:
		return SINK_T_TICKERS;
	case KMD_TOPIC_LIFECYCLE:
		return SINK_T_LIFECYCLE;
	case KMD_TOPIC_CONTROL:
		return SINK_T_CONTROL;
	case KMD_TOPIC_FEED:
		return SINK_T_FEED;
	case KMD_TOPIC_SETTLEMENTS:
		return SINK_T_REVISIONS;
	case KMD_TOPIC_MARKETS:
		return SINK_T_MARKETS;
	case KMD_TOPIC_EVENTS:
		return SINK_T_EVENTS;
	case KMD_TOPIC_SERIES:
		return SINK_T_SERIES;
	case KMD_TOPIC_OTHER:
	case KMD_TOPIC_DLQ:
	case KMD_TOPIC_SHARDS:
	case KMD_TOPIC_COUNT:
		break;
	}
	return SINK_T_OTHER;
}

/* Frames come with lineage and n; feed records have a lineage alone, and topic dlq has other topics' headers. */
static bool is_repeated_frame(struct sink_progress *p, const struct sink_record *r, const struct sink_facts *f)
{
	if (r->topic == KMD_TOPIC_DLQ || r->topic == KMD_TOPIC_FEED || !f->lineage.has || !f->n.has)
		return false;
	return !sink_lineages_pass(&p->lineages, f->lineage.v, f->n.v, f->recv_ns.has ? f->recv_ns.v : INT64_MIN);
}

static bool is_repeated_trade(struct sink_batch *b, const struct sink_row *row)
{
	return !sink_keys_add(
	    &b->trades, row->v[SINK_TRADES_trade_id].str, (int32_t)row->v[SINK_TRADES_trade_date].num);
}

static void note_listing(struct sink_batch *b, size_t entry, const struct sink_row *row)
{
	const struct sink_value *updated_at = &row->v[SINK_LISTING_updated_at],
				*fetched_at = &row->v[SINK_LISTING_fetched_at];

	if (b->listings_count == b->listings_cap) {
		b->listings_cap = b->listings_cap ? b->listings_cap * 2 : 64;
		b->listings = kmd_realloc(b->listings, b->listings_cap * sizeof(*b->listings));
	}
	b->listings[b->listings_count++] = (struct sink_listing_entry){
	    .entry = entry,
	    .ticker = kmd_arena_dup(&b->arena, row->v[SINK_LISTING_ticker].str),
	    .updated_at = updated_at->num,
	    .fetched_at = fetched_at->num,
	    .has_updated_at = updated_at->has,
	    .has_fetched_at = fetched_at->has,
	};
}

static void put_dead(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, const struct sink_record *r,
    const struct sink_facts *f, const char *topic, enum sink_fault fault, const struct sink_clock *clock)
{
	struct kmd_str reason = kmd_str_z(sink_fault_name(fault));
	struct sink_row row;
	struct sink_outcome o;

	if (fault == SINK_FAULT_DLQ && f->reason.p)
		reason = f->reason;
	o = sink_row_dead(r, topic, reason, clock, &b->work, &row);
	put_row(b, e, &row, o.day);
	count_dead(b, p, e, fault);
}

static bool is_listing(enum sink_table t)
{
	return t == SINK_T_MARKETS || t == SINK_T_EVENTS || t == SINK_T_SERIES;
}

static void put_live(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, const struct sink_facts *f,
    const struct sink_row *row, int32_t day)
{
	if (row->table == SINK_T_TRADES && is_repeated_trade(b, row)) {
		count_duplicate(b, p, e, SINK_T_TRADES);
		return;
	}
	put_row(b, e, row, day);
	count_row(b, p, e, row->table);
	if (is_listing(row->table))
		note_listing(b, (size_t)(e - b->entries), row);
	if (f->recv_ns.has)
		e->recv_ns = f->recv_ns.v;
	if (row->table == SINK_T_TRADES && kmd_str_eqz(f->source, "rest"))
		b->rest_trades = true;
}

/* The row is there already. */
static void put_quick(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, const struct sink_quick *q)
{
	const enum sink_table table = (enum sink_table)q->table;

	if (table == SINK_T_TRADES && !sink_keys_add(&b->trades, q->trade_id, q->day)) {
		count_duplicate(b, p, e, table);
		return;
	}
	kmd_buf_add(begin_row(b, e, table, q->day), q->row, q->length);
	e->length = q->length;
	e->recv_ns = q->recv_ns;
	count_row(b, p, e, table);
}

static void put_record(struct sink_batch *b, struct sink_progress *p, struct sink_entry *e, const struct sink_record *r,
    const struct sink_facts *f, const char *topic, const struct sink_clock *clock)
{
	struct sink_outcome o;
	struct sink_row row;

	if (is_repeated_frame(p, r, f)) {
		count_duplicate(b, p, e, r->quick ? (enum sink_table)r->quick->table : table_of(r, f));
		return;
	}
	assert(!r->quick || !e->refused); /* a record is refused when the batch is built anew, the long way */
	if (r->quick) {
		put_quick(b, p, e, r->quick);
		return;
	}
	if (e->refused) {
		put_dead(b, p, e, r, f, topic, (enum sink_fault)e->refused, clock);
		return;
	}
	o = sink_row_make(r, f, clock, &b->work, &row);
	switch (o.fate) {
	case SINK_IS_ROW:
		put_live(b, p, e, f, &row, o.day);
		break;
	case SINK_IS_DEAD:
		put_dead(b, p, e, r, f, topic, o.fault, clock);
		break;
	case SINK_IS_NOTHING:
		count_duplicate(b, p, e, table_of(r, f));
		break;
	}
}

/* Of a row that was made ahead: what the batch and the progress ask for. */
static struct sink_facts facts_of(const struct sink_quick *q)
{
	return (struct sink_facts){.lineage = {true, q->lineage}, .n = {true, q->n}, .recv_ns = {true, q->recv_ns}};
}

void sink_batch_add(struct sink_batch *b, struct sink_progress *p, void *handle, const struct sink_record *r,
    const char *topic, enum sink_fault refused, const struct sink_clock *clock, struct kmd_mono now)
{
	const struct sink_facts f = r->quick ? facts_of(r->quick) : sink_record_facts(r);
	struct sink_entry *e = new_entry(b);

	*e = (struct sink_entry){
	    .handle = handle,
	    .progress = p,
	    .table = SINK_TABLE_COUNT,
	    .refused = (uint8_t)refused,
	    .recv_ns = INT64_MIN,
	};
	if (b->count == 1)
		b->opened = now;
	b->bytes += sink_batch_weight(r->key, r->value);
	put_record(b, p, e, r, &f, topic, clock);
	sink_progress_take(p, r, &f, clock->now_ns + SINK_AHEAD_NS);
}

size_t sink_batch_place(const struct sink_batch *b, enum sink_table table, int64_t row)
{
	for (size_t i = 0; i < b->count && row > 0; i++)
		if (b->entries[i].table == table && --row == 0)
			return i + 1;
	return 0;
}

void sink_batch_seal(struct sink_batch *b)
{
	for (int t = 0; t < SINK_TABLE_COUNT && !b->sealed; t++)
		if (b->stream[t].n > 0)
			sink_encode_tail(&b->stream[t]);
	b->sealed = true;
}

/* Everything but the entries. */
static void forget_rows(struct sink_batch *b)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		kmd_buf_reset(&b->stream[t]);
	memset(b->stream_rows, 0, sizeof(b->stream_rows));
	b->listings_count = b->needs_count = 0;
	b->bytes = 0;
	b->counts = (struct sink_counts){0};
	b->rest_trades = b->sealed = false;
	sink_keys_clear(&b->trades);
	kmd_arena_reset(&b->arena);
}

struct sink_entry *sink_batch_take_entries(struct sink_batch *b, size_t *ret_count)
{
	struct sink_entry *entries = b->entries;

	*ret_count = b->count;
	b->entries = NULL;
	b->count = b->cap = 0;
	forget_rows(b);
	return entries;
}

void sink_batch_clear(struct sink_batch *b)
{
	b->count = 0;
	forget_rows(b);
}

void sink_batch_fini(struct sink_batch *b)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		kmd_buf_fini(&b->stream[t]);
	sink_keys_fini(&b->trades);
	kmd_arena_fini(&b->arena);
	sink_work_fini(&b->work);
	free(b->entries);
	free(b->listings);
	free(b->needs);
	*b = (struct sink_batch){0};
}
