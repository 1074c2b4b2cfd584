/*
 * The disk spool, as it is found after a crash. Input: a line of damage, then records as kafka_record.h has them, a
 * line
 * "====" between them, which are written as a segment. Damage is words: "<offset>:<text>" writes over, "<n>!" keeps n
 * bytes. A first line "raw" instead: what follows is the body of one record, given a checksum that is right.
 *
 * - A record that is whole reads back as it was written; written again it has the same bytes.
 * - A record whose length and checksum stand as written and whose body does not is never taken for whole; one that is
 *   cut off is told to be short.
 * - Every record before the damage is found, reading ends, and nothing that is found reaches over the end.
 * - Whatever body has a right checksum is a record within its bytes or damage.
 * - The head of a segment reads back, and no changed one is taken for it; a name gives its number.
 * - What is said of a lineage that did not close itself is a feed record that reads back, with what the last frame was.
 */
#include "crc32c.h"
#include "kafka_record.h"
#include "spool_dead.h"

#define SALT 0x5eed5a17u
#define RECORDS_MAX 12

struct spool {
	struct record of[RECORDS_MAX];
	struct ingest_spool_record written[RECORDS_MAX];
	size_t begin[RECORDS_MAX + 1]; /* where each begins, and the end */
	size_t count;
	struct kmd_buf bytes, intact;
	size_t damage; /* the first byte that may differ from what was written */
	struct ingest_dead dead;
};

static struct kmd_str not_null(struct kmd_str s)
{
	return s.p ? s : KMD_STR("");
}

static void take_numbers(const struct sink_facts *f, struct ingest_spool_record *r)
{
	r->lineage = f->lineage.v;
	r->frame = (struct ingest_durable_frame){
	    .n = f->n.v,
	    .recv_ns = f->recv_ns.v,
	    .has_sid = f->sid.has,
	    .sid = f->sid.v,
	    .has_seq = f->seq.has,
	    .seq = f->seq.v,
	    .has_ts = f->mono_ns.has,
	    .ts_ms = f->mono_ns.v,
	};
}

static void write_record(struct spool *s, struct kmd_str text)
{
	struct record *rec = &s->of[s->count];
	struct ingest_spool_record *r = &s->written[s->count];
	struct sink_facts f;

	record_read(rec, text, 0);
	f = sink_record_facts(&rec->r);
	*r = (struct ingest_spool_record){
	    .kind = rec->r.topic == KMD_TOPIC_FEED ? INGEST_SPOOL_FEED : INGEST_SPOOL_FRAME,
	    .topic = rec->r.topic,
	    .timestamp_ms = rec->r.timestamp_ms,
	    .key = not_null(rec->r.key),
	    .value = not_null(rec->r.value),
	};
	if (kmd_str_eqz(f.type, "mark"))
		r->kind = INGEST_SPOOL_MARK;
	take_numbers(&f, r);
	for (size_t i = 0; i < rec->r.headers_count && i < INGEST_HEADERS_MAX; i++)
		r->headers[r->headers_count++] = (struct ingest_header){rec->names[i], rec->values[i]};
	HOLDS(ingest_spool_encode(r, SALT, &s->bytes) == s->bytes.n - s->begin[s->count]);
	s->begin[++s->count] = s->bytes.n;
}

static void check_same(const struct ingest_spool_record *a, const struct ingest_spool_record *b)
{
	HOLDS(a->kind == b->kind && a->topic == b->topic && a->late_end == b->late_end);
	HOLDS(a->lineage == b->lineage && a->timestamp_ms == b->timestamp_ms);
	HOLDS(a->frame.n == b->frame.n && a->frame.recv_ns == b->frame.recv_ns);
	HOLDS(a->frame.has_sid == b->frame.has_sid && a->frame.sid == b->frame.sid);
	HOLDS(a->frame.has_seq == b->frame.has_seq && a->frame.seq == b->frame.seq);
	HOLDS(a->frame.has_ts == b->frame.has_ts && a->frame.ts_ms == b->frame.ts_ms);
	HOLDS(kmd_str_eq(a->key, b->key) && kmd_str_eq(a->value, b->value));
	HOLDS(a->headers_count == b->headers_count);
	for (size_t i = 0; i < a->headers_count; i++) {
		HOLDS(strcmp(a->headers[i].name, b->headers[i].name) == 0);
		HOLDS(kmd_str_eq(a->headers[i].value, b->headers[i].value));
	}
}

static bool is_within(struct kmd_str part, struct kmd_str all)
{
	return part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n;
}

static void check_views(const struct ingest_spool_record *r, struct kmd_str bytes)
{
	HOLDS(is_within(r->key, bytes) && is_within(r->value, bytes));
	HOLDS(r->topic < KMD_TOPIC_COUNT && r->headers_count <= INGEST_HEADERS_MAX);
	for (size_t i = 0; i < r->headers_count; i++) {
		const struct kmd_str name = kmd_str_z(r->headers[i].name);

		HOLDS(is_within(name, bytes) && is_within(r->headers[i].value, bytes));
	}
}

static void check_again(const struct ingest_spool_record *r, struct kmd_str bytes)
{
	struct kmd_buf b = {0};

	(void)ingest_spool_encode(r, SALT, &b);
	HOLDS(kmd_str_eq(kmd_buf_str(&b), bytes));
	kmd_buf_fini(&b);
}

static void bury(struct ingest_dead *d, const struct ingest_spool_record *r)
{
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_feed_record f;

	if (r->kind == INGEST_SPOOL_FRAME)
		ingest_dead_frame(d, r);
	else if (kmd_json_parse(&doc, r->value) == 0 && kmd_feed_decode(kmd_json_root(&doc), &arena, &f) == 0)
		ingest_dead_feed(d, &f, r->kind == INGEST_SPOOL_MARK);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static size_t index_of(const struct spool *s, size_t at)
{
	size_t i = 0;

	while (i < s->count && s->begin[i] != at)
		i++;
	return i;
}

/* Returns where to go on. */
static size_t read_one(struct spool *s, struct kmd_str all, size_t at, size_t *found)
{
	const struct kmd_str rest = {all.p + at, all.n - at};
	struct ingest_spool_record r;
	const size_t i = index_of(s, at);
	const bool head_stands = i < s->count && rest.n >= INGEST_SPOOL_RECORD_HEAD_BYTES &&
				 memcmp(rest.p, s->intact.p + at, INGEST_SPOOL_RECORD_HEAD_BYTES) == 0;
	size_t size = 0;
	const enum ingest_spool_found what = ingest_spool_decode(rest, SALT, &r, &size);

	HOLDS(size >= INGEST_SPOOL_RECORD_HEAD_BYTES);
	HOLDS(!head_stands || rest.n >= s->begin[i + 1] - at || what == INGEST_SPOOL_SHORT);
	if (what != INGEST_SPOOL_WHOLE) {
		HOLDS(what == INGEST_SPOOL_DAMAGED || size > rest.n);
		ingest_dead_damage(&s->dead);
		return ingest_spool_seek(all, at + 1);
	}
	HOLDS(size <= rest.n);
	check_views(&r, (struct kmd_str){rest.p, size});
	bury(&s->dead, &r);
	if (head_stands)
		HOLDS(memcmp(rest.p, s->intact.p + at, size) == 0);
	if (i < s->count && at + size <= s->damage) {
		check_same(&s->written[i], &r);
		check_again(&r, (struct kmd_str){rest.p, size});
		*found += 1;
	}
	return at + size;
}

static void read_all(struct spool *s)
{
	const struct kmd_str all = fuzz_exact(kmd_buf_str(&s->bytes));
	size_t found = 0, whole = 0;

	for (size_t at = ingest_spool_seek(all, 0), next; at < all.n; at = next) {
		next = read_one(s, all, at, &found);
		HOLDS(next > at && next <= all.n);
	}
	while (whole < s->count && s->begin[whole + 1] <= s->damage)
		whole++;
	HOLDS(found == whole);
	free((char *)all.p);
}

static void check_closed(const struct ingest_dead_lineage *l)
{
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	struct kmd_buf b = {0};
	struct kmd_feed_record r = ingest_dead_closed(l, &arena), again;

	HOLDS(r.kind == KMD_FEED_closed && r.lineage == l->lineage && r.last_n.v == l->last_n);
	kmd_feed_encode(&r, &b);
	HOLDS(kmd_json_parse(&doc, kmd_buf_str(&b)) == 0);
	/* a time in the first and the last year that ns hold is no RFC 3339 that is read */
	if (kmd_feed_decode(kmd_json_root(&doc), &arena, &again) == 0) {
		HOLDS(again.last_n.v == r.last_n.v && again.at_ns == r.at_ns && again.sids_count == r.sids_count);
		for (uint32_t i = 0; i < r.sids_count; i++)
			HOLDS(again.sids[i].sid == r.sids[i].sid && r.sids[i].n.v <= l->last_n);
	}
	kmd_buf_fini(&b);
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
}

static void write_over(struct spool *s, size_t at, struct kmd_str text)
{
	if (at >= s->bytes.n || text.n > s->bytes.n - at)
		return;
	memcpy(s->bytes.p + at, text.p, text.n);
	if (at < s->damage)
		s->damage = at;
}

static void damage(struct spool *s, struct kmd_str line)
{
	uint64_t at;

	s->damage = s->bytes.n;
	while (line.n > 0) {
		struct kmd_str text = fuzz_piece(&line, ' ');
		const bool cut = text.n > 0 && text.p[text.n - 1] == '!';
		const struct kmd_str number = fuzz_piece(&text, cut ? '!' : ':');

		if (kmd_str_u64(number, &at) < 0)
			continue;
		if (!cut)
			write_over(s, at, text);
		else if (at < s->bytes.n)
			s->bytes.n = at;
		if (s->damage > s->bytes.n)
			s->damage = s->bytes.n;
	}
}

static void check_spool(struct kmd_str line, struct kmd_str rest)
{
	struct spool s = {.count = 0};

	while (rest.n > 0 && s.count < RECORDS_MAX)
		write_record(&s, record_take(&rest));
	kmd_buf_add_str(&s.intact, kmd_buf_str(&s.bytes));
	damage(&s, line);
	read_all(&s);
	for (size_t i = 0; i < s.dead.count; i++)
		check_closed(s.dead.lineages[i]);
	ingest_dead_fini(&s.dead);
	for (size_t i = 0; i < s.count; i++)
		record_free(&s.of[i]);
	kmd_buf_fini(&s.bytes);
	kmd_buf_fini(&s.intact);
}

static void check_body(struct kmd_str body)
{
	struct ingest_spool_record r;
	struct kmd_buf b = {0};
	struct kmd_str bytes;
	unsigned char n[4], crc[4];
	uint32_t sum;
	size_t size;

	for (size_t i = 0; i < 4; i++)
		n[i] = (unsigned char)(body.n >> 8 * i & 0xff);
	sum = ingest_crc32c(ingest_crc32c(SALT, n, 4), body.p, body.n);
	for (size_t i = 0; i < 4; i++)
		crc[i] = (unsigned char)(sum >> 8 * i & 0xff);
	kmd_buf_addz(&b, "KMDr");
	kmd_buf_add(&b, n, 4);
	kmd_buf_add(&b, crc, 4);
	kmd_buf_add_str(&b, body);
	bytes = fuzz_exact(kmd_buf_str(&b));
	if (ingest_spool_decode(bytes, SALT, &r, &size) == INGEST_SPOOL_WHOLE)
		check_views(&r, bytes);
	HOLDS(size == bytes.n);
	free((char *)bytes.p);
	kmd_buf_fini(&b);
}

static void check_head(struct kmd_str text)
{
	struct ingest_spool_head h = {.salt = SALT}, again;
	char name[INGEST_SPOOL_NAME_MAX];
	struct kmd_buf b = {0};
	uint64_t number;
	int rc;

	memcpy(&h.number, text.p, text.n < 8 ? text.n : 8);
	h.life = (int64_t)~h.number;
	ingest_spool_head_encode(&h, &b);
	HOLDS(b.n == INGEST_SPOOL_HEAD_BYTES && ingest_spool_head_decode(kmd_buf_str(&b), &again) == 0);
	HOLDS(again.salt == h.salt && again.number == h.number && again.life == h.life);
	b.p[h.number % INGEST_SPOOL_HEAD_BYTES] ^= 1;
	rc = ingest_spool_head_decode(kmd_buf_str(&b), &again);
	HOLDS(rc == KMD_EPARSE || rc == KMD_ERANGE);
	HOLDS(ingest_spool_head_decode(text, &again) <= 0);
	ingest_spool_name(h.number, name);
	HOLDS(ingest_spool_name_parse(name, &number) && number == h.number % UINT64_C(10000000000000000));
	kmd_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmd_str rest = fuzz_text(data, size), line;

	check_head(rest);
	line = fuzz_piece(&rest, '\n');
	if (kmd_str_eqz(line, "raw"))
		check_body(rest);
	else
		check_spool(line, rest);
	return 0;
}
