#include "astray.h"

enum enrich_astray enrich_astray_judge(int64_t position, int64_t undone, int64_t low, int64_t high, int64_t *ret)
{
	int64_t start = position - ENRICH_REREAD_MAX;

	*ret = low;
	if (low > position)
		return ENRICH_ASTRAY_EXPIRED;
	if (high >= position) {
		*ret = position;
		return ENRICH_ASTRAY_FOUND;
	}
	if (high == low || high < start)
		return ENRICH_ASTRAY_RECREATED;
	if (undone < start)
		start = undone;
	if (start > low)
		*ret = start;
	return ENRICH_ASTRAY_SHORTENED;
}
