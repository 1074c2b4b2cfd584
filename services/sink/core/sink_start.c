#include "sink_start.h"

static struct sink_start begin(enum sink_start_kind kind, int64_t at)
{
	return (struct sink_start){.kind = kind, .first = at, .next = at, .from = at};
}

struct sink_start sink_start_decide(const struct sink_stored *s, int64_t low, int64_t high)
{
	struct sink_start start = {.kind = SINK_START_ON, .first = s->first, .next = s->next, .from = s->next};

	if (!s->exists)
		return begin(SINK_START_NEW, low);
	if (s->accepted)
		return begin(SINK_START_ACCEPTED, low);
	if (s->stopped) {
		start.kind = SINK_START_STOPPED;
	} else if (high < s->next) {
		start.kind = SINK_START_SHRUNK;
	} else if (low > s->next) {
		start.kind = SINK_START_EXPIRED;
		start.expired = low - s->next;
		start.next = start.from = low;
	} else if (s->has_last && s->next - 1 >= low) {
		start.from = s->next - 1;
	}
	return start;
}
