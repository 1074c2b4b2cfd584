#include "sink_lineage.h"

#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

/* Place of @lineage, or where it would go. Lineages grow with time, so the wanted one is nearly always the last. */
static size_t place(const struct sink_lineages *l, int64_t lineage)
{
	size_t low = 0, high = l->count;

	if (high > 0 && l->of[high - 1].lineage <= lineage)
		return l->of[high - 1].lineage == lineage ? high - 1 : high;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (l->of[mid].lineage < lineage)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct sink_lineage *entry(struct sink_lineages *l, int64_t lineage)
{
	const size_t i = place(l, lineage);

	if (i < l->count && l->of[i].lineage == lineage)
		return &l->of[i];
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->of = kmd_realloc(l->of, l->cap * sizeof(*l->of));
	}
	memmove(&l->of[i + 1], &l->of[i], (l->count - i) * sizeof(*l->of));
	l->of[i] = (struct sink_lineage){.lineage = lineage};
	l->count++;
	return &l->of[i];
}

void sink_lineages_load(struct sink_lineages *l, int64_t lineage, int64_t n)
{
	struct sink_lineage *e = entry(l, lineage);

	e->last_n = e->committed_n = n;
}

bool sink_lineages_pass(struct sink_lineages *l, int64_t lineage, int64_t n, int64_t recv_ns)
{
	struct sink_lineage *e = entry(l, lineage);

	if (n <= e->last_n)
		return false;
	e->last_n = n;
	e->last_recv_ns = recv_ns;
	return true;
}

void sink_lineages_commit(struct sink_lineages *l)
{
	for (size_t i = 0; i < l->count; i++)
		l->of[i].committed_n = l->of[i].last_n;
}

void sink_lineages_rollback(struct sink_lineages *l)
{
	for (size_t i = 0; i < l->count; i++)
		l->of[i].last_n = l->of[i].committed_n;
}

void sink_lineages_fini(struct sink_lineages *l)
{
	free(l->of);
	*l = (struct sink_lineages){0};
}
