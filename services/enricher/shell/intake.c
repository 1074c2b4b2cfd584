#include <stdlib.h>
#include <string.h>

#include "enricher_int.h"
#include "event.h"
#include "kmd_mem.h"

#define RECV_MAX_NS (INT64_MAX / 2)

/* Records that come in: our own topics into memory, frames and feed into causes and jobs. */

/* What a dead letter needs of a frame: one heap block that can be freed by free(). */
struct letter {
	struct kmd_str key, value;
	size_t headers_count;
	struct kmd_header headers[]; /* names and values behind it */
};

static size_t letter_bytes(const struct kmd_record *r, size_t *ret_count)
{
	size_t bytes = kmd_record_key(r).n + kmd_record_value(r).n;
	struct kmd_str value;
	const char *name;
	size_t n = 0;

	for (; kmd_record_header_at(r, n, &name, &value); n++)
		bytes += strlen(name) + 1 + value.n;
	*ret_count = n;
	return sizeof(struct letter) + n * sizeof(struct kmd_header) + bytes;
}

static struct kmd_str put(char **at, struct kmd_str s)
{
	struct kmd_str copy = {*at, s.n};

	if (!s.p)
		return KMD_STR_NONE;
	memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static void keep_letter(struct enricher *e, struct enrich_cause *c, const struct kmd_record *r)
{
	size_t count, bytes = letter_bytes(r, &count);
	struct letter *l = kmd_alloc(bytes);
	char *at = (char *)&l->headers[count];
	struct kmd_str value;
	const char *name;

	l->key = put(&at, kmd_record_key(r));
	l->value = put(&at, kmd_record_value(r));
	l->headers_count = count;
	for (size_t i = 0; i < count && kmd_record_header_at(r, i, &name, &value); i++) {
		l->headers[i].name = put(&at, (struct kmd_str){name, strlen(name) + 1}).p;
		l->headers[i].value = put(&at, value);
	}
	enrich_cause_letter(&e->book, c, l, bytes);
}

/* Headers of a dead letter by Kafka Connect's names; room in @text. */
static void add_fault(struct enricher *e, const struct enrich_cause *c, const char *stage, const char *reason,
    struct kmd_header *h, struct kmd_buf *text)
{
	const struct enrich_slot *s = &e->slots[c->slot];
	char topic[256];
	size_t partition_at, offset_at;

	kmd_kafka_topic_name(&e->kafka, s->topic, topic);
	kmd_buf_addz(text, topic);
	partition_at = text->n;
	kmd_buf_add_i64(text, s->partition);
	offset_at = text->n;
	kmd_buf_add_i64(text, c->offset);
	h[0] = (struct kmd_header){"__connect.errors.topic", {text->p, partition_at}};
	h[1] = (struct kmd_header){"__connect.errors.partition", {text->p + partition_at, offset_at - partition_at}};
	h[2] = (struct kmd_header){"__connect.errors.offset", {text->p + offset_at, text->n - offset_at}};
	h[3] = (struct kmd_header){"__connect.errors.stage", kmd_str_z(stage)};
	h[4] = (struct kmd_header){"__connect.errors.exception.message", kmd_str_z(reason)};
}

void enrich_dead_letter(struct enricher *e, struct enrich_cause *c, const char *stage, const char *reason)
{
	const struct letter *l = c->letter;
	struct enrich_batch *b = enrich_batch_open(e);
	struct kmd_header *headers;
	struct kmd_buf text = {0};
	uint64_t suppressed;
	bool sent;

	enrich_causes_take(&b->causes, c);
	if (!l || (c->what & ENRICH_DID_LETTER)) {
		enrich_batch_close(e, b);
		return;
	}
	headers = kmd_calloc(l->headers_count + 5, sizeof(*headers));
	memcpy(headers, l->headers, l->headers_count * sizeof(*headers));
	add_fault(e, c, stage, reason, headers + l->headers_count, &text);
	sent = enrich_send(e, b, KMD_TOPIC_DLQ, l->key, l->value, headers, l->headers_count + 5, e->wall.ns);
	c->what |= ENRICH_DID_LETTER;
	b->failed |= !sent; /* full queue: its offset stays open, the next start meets it again */
	if (kmd_burst_pass(&e->burst_letter, e->mono.ns, &suppressed))
		kmd_log(KMD_LOG_WARN, "dead_letter", "stage", "%s", stage, "reason", "%s", reason, "offset", "%lld",
		    (long long)c->offset, "suppressed", "%llu", (unsigned long long)suppressed, NULL);
	enrich_batch_close(e, b);
	kmd_buf_fini(&text);
	free(headers);
}

static int poll_records(struct enricher *e, struct kmd_consumer *consumer, struct kmd_record **records)
{
	int n = kmd_consumer_poll(consumer, records, ENRICH_POLL_RECORDS, 0);

	e->more |= n == ENRICH_POLL_RECORDS;
	e->fatal |= n == KMD_EFAULT;
	return n;
}

void enrich_intake_own(struct enricher *e)
{
	struct kmd_record *records[ENRICH_POLL_RECORDS];
	int n = poll_records(e, e->reader, records);

	for (int i = 0; i < n; i++) {
		enrich_published_apply(&e->published, kmd_record_topic(records[i]), kmd_record_key(records[i]),
		    kmd_record_value(records[i]));
		kmd_record_free(records[i]);
	}
}

/* When ingest had the frame: its header, else Kafka's timestamp. What no clock can have told counts as not known. */
static int64_t received_ns(const struct kmd_record *r)
{
	int64_t ns, ms = kmd_record_timestamp_ms(r);

	if (kmd_str_i64(kmd_record_header(r, "recv_ns"), &ns) < 0)
		ns = ms > 0 && ms < RECV_MAX_NS / KMD_NS_PER_MS ? ms * KMD_NS_PER_MS : 0;
	return ns > 0 && ns < RECV_MAX_NS ? ns : 0;
}

/* Opens the offset of a record. NULL: its partition is no longer ours. */
static struct enrich_cause *open_cause(struct enricher *e, const struct kmd_record *r)
{
	uint32_t slot = enrich_slot_of(e, kmd_record_topic(r), kmd_record_partition(r));
	struct enrich_slot *s;
	struct enrich_cause *c;

	if (slot == UINT32_MAX)
		return NULL;
	s = &e->slots[slot];
	if (!s->begun)
		kmd_offsets_init(&s->offsets, kmd_record_offset(r));
	s->begun = true;
	kmd_offsets_begin(&s->offsets, kmd_record_offset(r));
	c = enrich_cause_open(&e->book, slot, s->generation, kmd_record_offset(r));
	c->recv_ns = received_ns(r);
	return c;
}

static void want_all(struct enricher *e, struct enrich_cause *c, const struct enrich_want *want)
{
	if (want->what & ENRICH_WANT_SETTLEMENT) {
		if (!enrich_published_has_settlement(&e->published, c, want->market_ticker))
			enrich_want_market(e, c, want->market_ticker);
		enrich_published_learn_determined(&e->published, want->market_ticker, c->determined_ns);
		return;
	}
	if ((want->what & ENRICH_WANT_MARKET) && !enrich_published_has_market(&e->published, c, want->market_ticker))
		enrich_want_market(e, c, want->market_ticker);
	enrich_want_event(e, c, want->event_ticker, ENRICH_LANE_NEW);
	if (want->what & ENRICH_WANT_FRESH_EVENT)
		enrich_want_series(e, c, want->series_ticker, ENRICH_LANE_NEW);
}

static void take_frame(struct enricher *e, struct enrich_cause *c, const struct kmd_record *r)
{
	struct enrich_want want = {0};
	const char *reason = "not JSON";

	if (kmd_json_parse(&e->doc, kmd_record_value(r)) < 0 ||
	    enrich_event_read(kmd_json_root(&e->doc), e->set->mve, &e->arena, &want, &reason) < 0) {
		keep_letter(e, c, r);
		enrich_dead_letter(e, c, "VALUE_CONVERTER", reason);
		return;
	}
	c->what = want.what;
	c->determined_ns = want.determined_ns;
	c->told = want.told;
	if (want.what & (ENRICH_WANT_MARKET | ENRICH_WANT_EVENT))
		keep_letter(e, c, r);
	want_all(e, c, &want);
	enrich_cause_drop(&e->book, c);
}

/* NULL, or why it is no feed record. */
static const char *read_feed(struct enricher *e, const struct kmd_record *r, struct kmd_feed_record *ret)
{
	enum kmd_feed_kind kind;

	if (kmd_json_parse(&e->doc, kmd_record_value(r)) < 0)
		return "not JSON";
	if (kmd_feed_decode(kmd_json_root(&e->doc), &e->arena, ret) == 0)
		return NULL;
	if (kmd_feed_find_kind(kmd_json_text(kmd_json_get(kmd_json_root(&e->doc), "kind"), &e->arena), &kind))
		return "feed record without lineage or time";
	return "feed record of an unknown kind";
}

static void take_feed(struct enricher *e, struct enrich_cause *c, const struct kmd_record *r)
{
	struct kmd_feed_record feed;
	const char *reason = read_feed(e, r, &feed);

	if (reason) {
		keep_letter(e, c, r);
		enrich_dead_letter(e, c, "VALUE_CONVERTER", reason);
		return;
	}
	enrich_windows_feed(&e->windows, &e->book, &feed, c);
	enrich_cause_drop(&e->book, c);
}

static void take_record(struct enricher *e, const struct kmd_record *r)
{
	struct enrich_cause *c = open_cause(e, r);

	if (!c)
		return;
	kmd_arena_reset(&e->arena);
	if (kmd_record_topic(r) == KMD_TOPIC_FEED)
		take_feed(e, c, r);
	else
		take_frame(e, c, r);
}

void enrich_intake_group(struct enricher *e)
{
	struct kmd_record *records[ENRICH_POLL_RECORDS];
	int n = poll_records(e, e->group, records);

	for (int i = 0; i < n; i++) {
		take_record(e, records[i]);
		kmd_record_free(records[i]);
	}
	if (e->leads)
		enrich_repair_new(e);
}
