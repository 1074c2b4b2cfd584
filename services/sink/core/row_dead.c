#include <string.h>

#include "kmd_time.h"
#include "row_int.h"
#include "sink_text.h"

static void add_base64(struct kmd_buf *out, struct kmd_str s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		const size_t n = s.n - i < 3 ? s.n - i : 3;
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			kmd_buf_addc(out, k <= n ? digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

static void add_string(struct kmd_buf *out, struct kmd_str s)
{
	kmd_buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20)
			kmd_buf_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			kmd_buf_addf(out, "\\%c", c);
		else
			kmd_buf_addc(out, (char)c);
	}
	kmd_buf_addc(out, '"');
}

/* Text as it is; what is not text as {"base64":...}; a header without value as null. */
static void add_value(struct kmd_buf *out, struct kmd_str v)
{
	if (!v.p) {
		kmd_buf_addz(out, "null");
	} else if (sink_text_holds(v)) {
		add_string(out, v);
	} else {
		kmd_buf_addz(out, "{\"base64\":\"");
		add_base64(out, v);
		kmd_buf_addz(out, "\"}");
	}
}

static struct kmd_str headers_json(const struct sink_record *r, struct sink_work *w)
{
	struct kmd_buf *b = &w->extra;

	kmd_buf_reset(b);
	kmd_buf_addc(b, '[');
	for (size_t i = 0; i < r->headers_count; i++) {
		kmd_buf_addz(b, i > 0 ? ",[" : "[");
		add_value(b, kmd_str_z(r->headers[i].name));
		kmd_buf_addc(b, ',');
		add_value(b, r->headers[i].value);
		kmd_buf_addc(b, ']');
	}
	kmd_buf_addc(b, ']');
	return kmd_arena_dup(&w->arena, kmd_buf_str(b));
}

struct sink_outcome sink_row_dead(const struct sink_record *r, const char *topic, struct kmd_str reason,
    const struct sink_clock *c, struct sink_work *w, struct sink_row *row)
{
	memset(row, 0, sizeof(*row));
	kmd_arena_reset(&w->arena);
	row->table = SINK_T_DEAD;
	row->v[SINK_DEAD_at] = sink_value_num(c->now_ns / KMD_NS_PER_US);
	row->v[SINK_DEAD_kafka_partition] = sink_value_num(r->partition);
	row->v[SINK_DEAD_kafka_offset] = sink_value_num(r->offset);
	row->v[SINK_DEAD_topic] = sink_value_str(kmd_str_z(topic));
	row->v[SINK_DEAD_reason] = sink_value_str(reason);
	row->v[SINK_DEAD_key] = sink_value_str(r->key);
	row->v[SINK_DEAD_value] = sink_value_str(r->value);
	row->v[SINK_DEAD_headers] = sink_value_str(headers_json(r, w));
	return (struct sink_outcome){.fate = SINK_IS_ROW, .day = kmd_time_day(c->now_ns)};
}
