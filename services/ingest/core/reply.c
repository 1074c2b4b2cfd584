#include "reply.h"

static void add_sub(struct ingest_reply *r, struct kmd_json_val channel, struct kmd_json_val sid)
{
	struct ingest_reply_sub sub = {0};

	if (r->subs_count == INGEST_REPLY_SUBS_MAX)
		return;
	sub.has_channel = ingest_channel_find(kmd_json_plain(channel), &sub.channel);
	sub.has_sid = kmd_json_i64(sid, &sub.sid) == 0 && sub.sid >= 0;
	if (sub.has_channel || (sub.has_sid && !kmd_json_is(channel, KMD_JSON_STRING)))
		r->subs[r->subs_count++] = sub;
}

/* {"channel":..,"sid":..}, or {"channels":[..],"sid":..} */
static void read_object(struct ingest_reply *r, struct kmd_json_val msg)
{
	struct kmd_json_val channels = kmd_json_get(msg, "channels"), name;
	struct kmd_json_val sid = kmd_json_get(msg, "sid");
	uint32_t it = 0;

	if (!kmd_json_is(channels, KMD_JSON_ARRAY)) {
		add_sub(r, kmd_json_get(msg, "channel"), sid);
		return;
	}
	while (kmd_json_each(channels, &it, &name))
		add_sub(r, name, sid);
}

static void read_subs(struct ingest_reply *r, struct kmd_json_val msg)
{
	struct kmd_json_val element;
	uint32_t it = 0;

	if (kmd_json_is(msg, KMD_JSON_OBJECT)) {
		read_object(r, msg);
		return;
	}
	if (!kmd_json_is(msg, KMD_JSON_ARRAY))
		return;
	while (kmd_json_each(msg, &it, &element))
		read_object(r, element);
}

struct ingest_reply ingest_reply_read(struct ingest_scanner *s, const struct ingest_frame *f)
{
	struct ingest_reply r = {
	    .type = f->type, .has_id = f->has_id, .id = f->id, .has_sid = f->has_sid, .sid = f->sid};
	struct kmd_json_val msg = kmd_json_get(kmd_json_root(&s->doc), "msg");

	if (f->type == INGEST_TYPE_SUBSCRIBED)
		read_subs(&r, msg);
	if (f->type == INGEST_TYPE_ERROR) {
		r.has_code = kmd_json_i64(kmd_json_get(msg, "code"), &r.code) == 0;
		r.text = kmd_json_text(kmd_json_get(msg, "msg"), &s->arena);
	}
	if (r.has_id && r.id == 0)
		r.has_id = false;
	return r;
}
