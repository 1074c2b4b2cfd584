#include "sink_newest.h"

bool sink_age_newer(const struct sink_age *a, const struct sink_age *b)
{
	if (a->updated_at.has && b->updated_at.has && a->updated_at.num != b->updated_at.num)
		return a->updated_at.num > b->updated_at.num;
	if (a->fetched_at.has && b->fetched_at.has)
		return a->fetched_at.num > b->fetched_at.num;
	return a->fetched_at.has && !b->fetched_at.has;
}
