#include "sink_narrow.h"

#include <stdbool.h>
#include <stdint.h>

size_t sink_narrow_limit(const struct sink_narrow *n)
{
	if (n->suspects == 0)
		return SIZE_MAX;
	if (n->told > 1)
		return n->told - 1;
	return n->told == 1 || n->suspects == 1 ? 1 : n->suspects / 2;
}

void sink_narrow_refused(struct sink_narrow *n, size_t count, size_t told)
{
	/* What lies before a record that was told was to be good: who told wrongly is not asked twice in a row. */
	const bool wrong = n->told > 1;

	n->suspects = count > 1 ? count : 0;
	n->told = !wrong && told <= n->suspects ? told : 0;
}

void sink_narrow_written(struct sink_narrow *n, size_t count)
{
	n->suspects -= count < n->suspects ? count : n->suspects;
	n->told -= count < n->told ? count : n->told;
}
