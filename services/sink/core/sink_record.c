#include "sink_record.h"

#include <string.h>

#include "sink_text.h"

static struct sink_num number_in(struct kmd_str text, int64_t min, int64_t max)
{
	struct sink_num n = {false, 0};
	int64_t v;

	if (text.p && kmd_str_i64(text, &v) == 0 && v >= min && v <= max)
		n = (struct sink_num){true, v};
	return n;
}

static struct sink_num truth_in(struct kmd_str text)
{
	if (kmd_str_eqz(text, "true"))
		return (struct sink_num){true, 1};
	return (struct sink_num){kmd_str_eqz(text, "false"), 0};
}

static struct kmd_str text_in(struct kmd_str text)
{
	return text.p && sink_text_holds(text) ? text : KMD_STR_NONE;
}

static void take(struct sink_facts *f, const char *name, struct kmd_str v)
{
	if (strcmp(name, "lineage") == 0)
		f->lineage = number_in(v, 1, INT64_MAX);
	else if (strcmp(name, "n") == 0)
		f->n = number_in(v, 1, INT64_MAX);
	else if (strcmp(name, "recv_ns") == 0)
		f->recv_ns = number_in(v, INT64_MIN, INT64_MAX);
	else if (strcmp(name, "mono_ns") == 0)
		f->mono_ns = number_in(v, INT64_MIN, INT64_MAX);
	else if (strcmp(name, "sid") == 0)
		f->sid = number_in(v, INT32_MIN, INT32_MAX);
	else if (strcmp(name, "seq") == 0)
		f->seq = number_in(v, INT64_MIN, INT64_MAX);
	else if (strcmp(name, "use_yes_price") == 0)
		f->use_yes_price = truth_in(v);
	else if (strcmp(name, "type") == 0)
		f->type = text_in(v);
	else if (strcmp(name, "source") == 0)
		f->source = text_in(v);
	else if (strcmp(name, "__connect.errors.exception.message") == 0)
		f->reason = text_in(v);
}

struct sink_facts sink_record_facts(const struct sink_record *r)
{
	struct sink_facts f = {0};

	for (size_t i = 0; i < r->headers_count; i++)
		take(&f, r->headers[i].name, r->headers[i].value);
	return f;
}

int64_t sink_record_hash(struct kmd_str key, struct kmd_str value)
{
	const uint64_t mixed = kmd_str_hash(key) * UINT64_C(0x9e3779b97f4a7c15) ^ kmd_str_hash(value);

	return (int64_t)(mixed + (value.p ? 1 : 0)); /* a tombstone is not an empty value */
}
