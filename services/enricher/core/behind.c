#include "behind.h"

/* What a frame did not tell agrees with everything. */
static bool agree(const struct enrich_outcome *told, const struct enrich_outcome *shown)
{
	return (told->result == 0 || told->result == shown->result) &&
	       (told->value == 0 || told->value == shown->value);
}

static bool is_recorded(const struct enrich_market *m, const struct enrich_outcome *shown)
{
	return m && m->shown.result == shown->result && m->shown.value == shown->value;
}

static void clear(struct enrich_causes *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		l->p[i]->what &= ~(unsigned)ENRICH_BEHIND;
}

bool enrich_behind_mark(
    struct enrich_causes *l, size_t n, const struct enrich_outcome *shown, const struct enrich_market *m)
{
	bool told_before = is_recorded(m, shown), any = false;
	int64_t recorded_ns = m ? m->recorded_ns : 0;

	for (size_t i = 0; i < n; i++) {
		struct enrich_cause *c = l->p[i];

		if (!(c->what & ENRICH_WANT_DETERMINED))
			continue;
		if (agree(&c->told, shown)) { /* and so it has overtaken those before */
			clear(l, i + 1);
			told_before = true;
			any = false;
		} else if (told_before && c->determined_ns > recorded_ns) {
			c->what |= ENRICH_BEHIND;
			any = true;
		}
	}
	return any;
}

void enrich_behind_clear(struct enrich_causes *l)
{
	clear(l, l->count);
}
