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

/* Most names differ in their first letter. */
static bool is(const char *name, const char *known)
{
	return name[0] == known[0] && strcmp(name, known) == 0;
}

static void take(struct sink_facts *f, const char *name, struct kmd_str v)
{
	if (is(name, "n"))
		f->n = number_in(v, 1, INT64_MAX);
	else if (is(name, "lineage"))
		f->lineage = number_in(v, 1, INT64_MAX);
	else if (is(name, "recv_ns"))
		f->recv_ns = number_in(v, INT64_MIN, INT64_MAX);
	else if (is(name, "mono_ns"))
		f->mono_ns = number_in(v, INT64_MIN, INT64_MAX);
	else if (is(name, "sid"))
		f->sid = number_in(v, INT32_MIN, INT32_MAX);
	else if (is(name, "seq"))
		f->seq = number_in(v, INT64_MIN, INT64_MAX);
	else if (is(name, "use_yes_price"))
		f->use_yes_price = truth_in(v);
	else if (is(name, "type"))
		f->type = text_in(v);
	else if (is(name, "source"))
		f->source = text_in(v);
	else if (is(name, "__connect.errors.exception.message"))
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
