#include "kmd_feed.h"

#include <stddef.h>

#include "kmd_jsonw.h"
#include "kmd_time.h"

/* Members by their place in a struct: the same rows write and read. */
struct member {
	const char *name;
	size_t offset;
};

#define MEMBER(type, name) \
	{ \
#name, offsetof(struct type, name) \
	}
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct member record_nums[] = {
    MEMBER(kmd_feed_record, sid),
    MEMBER(kmd_feed_record, expected_seq),
    MEMBER(kmd_feed_record, got_seq),
    MEMBER(kmd_feed_record, from_recv_ns),
    MEMBER(kmd_feed_record, to_recv_ns),
    MEMBER(kmd_feed_record, from_ts_ms),
    MEMBER(kmd_feed_record, to_ts_ms),
    MEMBER(kmd_feed_record, last_n),
    MEMBER(kmd_feed_record, markets),
    MEMBER(kmd_feed_record, shard),
    MEMBER(kmd_feed_record, n),
    MEMBER(kmd_feed_record, size),
};

static const struct member record_texts[] = {
    MEMBER(kmd_feed_record, channel),
    MEMBER(kmd_feed_record, group),
    MEMBER(kmd_feed_record, instance),
    MEMBER(kmd_feed_record, reason),
    MEMBER(kmd_feed_record, topic),
};

static const struct member sid_nums[] = {
    MEMBER(kmd_feed_sid, seq),
    MEMBER(kmd_feed_sid, n),
    MEMBER(kmd_feed_sid, recv_ns),
    MEMBER(kmd_feed_sid, ts_ms),
    MEMBER(kmd_feed_sid, subscribed_ns),
};

static const char *const kind_names[] = {
#define KMD_FEED_NAME(name) #name,
    KMD_FEED_KINDS(KMD_FEED_NAME)
#undef KMD_FEED_NAME
};
_Static_assert(COUNT(kind_names) == KMD_FEED_KIND_COUNT, "a name for each kind");

struct kmd_feed_record kmd_feed_make(enum kmd_feed_kind kind, int64_t lineage, int64_t at_ns)
{
	return (struct kmd_feed_record){.kind = kind, .lineage = lineage, .at_ns = at_ns, .use_yes_price = -1};
}

const char *kmd_feed_kind_name(enum kmd_feed_kind kind)
{
	return kind_names[kind];
}

static void write_nums(struct kmd_jsonw *w, const void *from, const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct kmd_feed_num *num = (const void *)((const char *)from + members[i].offset);
		if (num->has)
			kmd_jsonw_i64(w, members[i].name, num->v);
	}
}

static void write_text(struct kmd_jsonw *w, const char *name, struct kmd_str text)
{
	if (text.p)
		kmd_jsonw_str(w, name, text);
}

static void write_sids(struct kmd_jsonw *w, const struct kmd_feed_record *r)
{
	struct kmd_jsonw *list = kmd_jsonw_array();
	for (uint32_t i = 0; i < r->sids_count; i++) {
		struct kmd_jsonw *sid = kmd_jsonw_object();
		kmd_jsonw_i64(sid, "sid", r->sids[i].sid);
		write_text(sid, "channel", r->sids[i].channel);
		write_nums(sid, &r->sids[i], sid_nums, COUNT(sid_nums));
		kmd_jsonw_push(list, sid);
	}
	kmd_jsonw_put(w, "sids", list);
}

void kmd_feed_encode(const struct kmd_feed_record *r, struct kmd_buf *out)
{
	struct kmd_jsonw *w = kmd_jsonw_object();
	kmd_jsonw_strz(w, "kind", kind_names[r->kind]);
	kmd_jsonw_i64(w, "lineage", r->lineage);
	kmd_jsonw_time(w, "at", r->at_ns);
	write_nums(w, r, record_nums, COUNT(record_nums));
	for (size_t i = 0; i < COUNT(record_texts); i++) {
		const struct kmd_str *text = (const void *)((const char *)r + record_texts[i].offset);
		write_text(w, record_texts[i].name, *text);
	}
	if (r->use_yes_price >= 0)
		kmd_jsonw_bool(w, "use_yes_price", r->use_yes_price);
	if (r->sids_count)
		write_sids(w, r);
	kmd_jsonw_print(w, out);
	kmd_jsonw_free(w);
}

bool kmd_feed_find_kind(struct kmd_str name, enum kmd_feed_kind *ret)
{
	for (int kind = 0; kind < KMD_FEED_KIND_COUNT; kind++) {
		if (kmd_str_eqz(name, kind_names[kind])) {
			*ret = (enum kmd_feed_kind)kind;
			return true;
		}
	}
	return false;
}

static void read_nums(struct kmd_json_val v, void *to, const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct kmd_feed_num *num = (void *)((char *)to + members[i].offset);
		num->has = kmd_json_i64(kmd_json_get(v, members[i].name), &num->v) == 0;
	}
}

/* Elements without a sid are skipped. */
static void read_sids(struct kmd_json_val list, struct kmd_arena *arena, struct kmd_feed_record *r)
{
	struct kmd_json_val v;
	uint32_t count = 0;
	for (uint32_t it = 0; kmd_json_each(list, &it, &v);)
		count++;
	if (count == 0)
		return;
	r->sids = kmd_arena_alloc(arena, count * sizeof(*r->sids));
	for (uint32_t it = 0; kmd_json_each(list, &it, &v);) {
		struct kmd_feed_sid *sid = &r->sids[r->sids_count];
		if (kmd_json_i64(kmd_json_get(v, "sid"), &sid->sid) < 0)
			continue;
		sid->channel = kmd_json_text(kmd_json_get(v, "channel"), arena);
		read_nums(v, sid, sid_nums, COUNT(sid_nums));
		r->sids_count++;
	}
}

int kmd_feed_decode(struct kmd_json_val v, struct kmd_arena *arena, struct kmd_feed_record *ret)
{
	struct kmd_feed_record r = kmd_feed_make(KMD_FEED_opened, 0, 0);
	const struct kmd_json_val use_yes_price = kmd_json_get(v, "use_yes_price");
	if (!kmd_feed_find_kind(kmd_json_text(kmd_json_get(v, "kind"), arena), &r.kind) ||
	    kmd_json_i64(kmd_json_get(v, "lineage"), &r.lineage) < 0 ||
	    kmd_time_parse(kmd_json_text(kmd_json_get(v, "at"), arena), &r.at_ns) < 0)
		return KMD_EPARSE;
	read_nums(v, &r, record_nums, COUNT(record_nums));
	for (size_t i = 0; i < COUNT(record_texts); i++) {
		struct kmd_str *text = (void *)((char *)&r + record_texts[i].offset);
		*text = kmd_json_text(kmd_json_get(v, record_texts[i].name), arena);
	}
	if (kmd_json_is(use_yes_price, KMD_JSON_BOOL))
		r.use_yes_price = kmd_json_true(use_yes_price);
	read_sids(kmd_json_get(v, "sids"), arena, &r);
	*ret = r;
	return 0;
}
