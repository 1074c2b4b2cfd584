/*
 * The sink: records of one partition become one batch. Input: records as kafka_record.h has them, a line "====" between
 * them.
 *
 * - Rows, dead letters and duplicates are the records, in the tally and in the counts.
 * - Each stream, sealed, is COPY BINARY that Postgres would take, with as many tuples as were counted for its table.
 * - A frame that was there comes out a duplicate when it comes again, also after the commit.
 * - Built anew from the same records a batch has the same bytes; built anew with one refused, that one is a dead letter
 *   or was none of its rows, and nobody else's fate changes but for what it had made a duplicate.
 */
#include "copy_check.h"
#include "kafka_record.h"
#include "sink_batch.h"

#define RECORDS_MAX 12

static const struct sink_clock clock_ = {.now_ns = INT64_C(1795341600123456789), .oldest_day = INT32_MIN};

struct input {
	struct record of[RECORDS_MAX];
	size_t count;
};

static void add_all(struct sink_batch *b, struct sink_progress *p, const struct input *in, size_t refused)
{
	for (size_t i = 0; i < in->count; i++) {
		struct sink_record r = in->of[i].r;

		/* all are of the topic of the first */
		r.topic = in->of[0].r.topic;
		HOLDS(sink_progress_wants(p, r.offset));
		sink_batch_add(b, p, (void *)&in->of[i], &r, "kalshi.topic",
		    i == refused ? SINK_FAULT_REJECTED : SINK_FAULT_NONE, &clock_, (struct kmd_mono){1});
	}
	sink_batch_seal(b);
}

static void check_counts(const struct sink_batch *b, const struct sink_progress *p, size_t records)
{
	uint64_t rows = 0, dead = 0, duplicates = 0;

	for (int t = 0; t < SINK_TABLE_COUNT; t++) {
		rows += b->counts.rows[t];
		duplicates += b->counts.duplicates[t];
	}
	for (int f = 0; f < SINK_FAULT_COUNT; f++)
		dead += b->counts.dead[f];
	HOLDS(rows + dead + duplicates == records && b->count == records);
	HOLDS((uint64_t)p->tally.rows == rows && (uint64_t)p->tally.dead_letters == dead);
	HOLDS((uint64_t)p->tally.duplicates == duplicates);
	HOLDS(p->next == (int64_t)records);
	HOLDS(dead == b->stream_rows[SINK_T_DEAD]);
}

static void check_streams(const struct sink_batch *b)
{
	for (int t = 0; t < SINK_TABLE_COUNT; t++) {
		HOLDS((b->stream[t].n == 0) == (b->stream_rows[t] == 0));
		if (b->stream[t].n > 0)
			HOLDS(copy_check_stream((enum sink_table)t, kmd_buf_str(&b->stream[t])) == b->stream_rows[t]);
	}
}

static void check_entries(const struct sink_batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct sink_entry *e = &b->entries[i];

		if (e->table == SINK_TABLE_COUNT)
			continue;
		HOLDS(e->at + e->length <= b->stream[e->table].n);
		struct kmd_str tuple = {b->stream[e->table].p + e->at, e->length};

		copy_take_row((enum sink_table)e->table, &tuple);
		HOLDS(tuple.n == 0);
	}
}

static void rebuild(struct sink_batch *b, struct sink_progress *p, const struct input *in, size_t refused)
{
	size_t count;

	free(sink_batch_take_entries(b, &count));
	HOLDS(count == in->count);
	sink_progress_rollback(p);
	add_all(b, p, in, refused);
	check_counts(b, p, in->count);
	check_streams(b);
	check_entries(b);
}

static void check_rebuilt(struct sink_batch *b, struct sink_progress *p, const struct input *in)
{
	struct kmd_buf before[SINK_TABLE_COUNT] = {0};

	for (int t = 0; t < SINK_TABLE_COUNT; t++)
		kmd_buf_add_str(&before[t], kmd_buf_str(&b->stream[t]));
	rebuild(b, p, in, 0);
	HOLDS(b->entries[0].counted != SINK_COUNTED_ROW);
	rebuild(b, p, in, SIZE_MAX);
	for (int t = 0; t < SINK_TABLE_COUNT; t++) {
		HOLDS(kmd_str_eq(kmd_buf_str(&before[t]), kmd_buf_str(&b->stream[t])));
		kmd_buf_fini(&before[t]);
	}
}

static bool is_numbered(const struct sink_record *r)
{
	const struct sink_facts f = sink_record_facts(r);

	return f.lineage.has && f.n.has;
}

/* All of them once more, as a broker gives them to one who lost his place. */
static void check_again(struct sink_batch *b, struct sink_progress *p, struct input *in)
{
	const enum kmd_topic topic = in->of[0].r.topic;

	sink_progress_commit(p);
	HOLDS(p->stored_next == (int64_t)in->count && !sink_progress_pending(p));
	HOLDS(!sink_progress_wants(p, 0));
	sink_batch_clear(b);
	for (size_t i = 0; i < in->count; i++)
		in->of[i].r.offset += (int64_t)in->count;
	add_all(b, p, in, SIZE_MAX);
	for (size_t i = 0; i < b->count; i++)
		if (is_numbered(&in->of[i].r) && topic != KMD_TOPIC_DLQ && topic != KMD_TOPIC_FEED)
			HOLDS(b->entries[i].counted == SINK_COUNTED_DUPLICATE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size);
	struct sink_progress p = {.partition = 3};
	struct sink_batch b = {0};
	struct input in = {.count = 0};

	while (in.count < RECORDS_MAX && (in.count == 0 || rest.n > 0)) {
		record_read(&in.of[in.count], record_take(&rest), (int64_t)in.count);
		in.count++;
	}
	p.topic = in.of[0].r.topic;
	sink_progress_begin(&p, 1, 0);
	add_all(&b, &p, &in, SIZE_MAX);
	check_counts(&b, &p, in.count);
	check_streams(&b);
	check_entries(&b);
	check_rebuilt(&b, &p, &in);
	check_again(&b, &p, &in);
	for (size_t i = 0; i < in.count; i++)
		record_free(&in.of[i]);
	sink_batch_fini(&b);
	sink_progress_fini(&p);
	return 0;
}
