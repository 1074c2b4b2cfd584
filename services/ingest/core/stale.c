#include "stale.h"

#define ASKS_MAX 2

void ingest_stale_init(struct ingest_stale *s, int64_t base_ns)
{
	*s = (struct ingest_stale){.base_ns = base_ns, .patience_ns = base_ns};
}

static void begin(struct ingest_stale *s, struct kmd_mono since)
{
	s->since = since;
	s->asked.ns = 0;
	s->asks = 0;
}

void ingest_stale_reset(struct ingest_stale *s)
{
	begin(s, (struct kmd_mono){0});
}

void ingest_stale_arm(struct ingest_stale *s, struct kmd_mono now)
{
	if (s->since.ns == 0)
		begin(s, now);
}

void ingest_stale_data(struct ingest_stale *s, struct kmd_mono now)
{
	begin(s, now);
	s->patience_ns = s->base_ns;
}

static bool ask_is_due(const struct ingest_stale *s, int64_t silence_ns)
{
	return s->asks < ASKS_MAX && silence_ns >= s->patience_ns / 4 * (2 + s->asks);
}

enum ingest_stale_verdict ingest_stale_check(struct ingest_stale *s, struct kmd_mono now, bool can_ask)
{
	int64_t cap_ns = s->base_ns > INGEST_STALE_CAP_NS ? s->base_ns : INGEST_STALE_CAP_NS;
	int64_t silence_ns = now.ns - s->since.ns;

	if (s->since.ns == 0)
		return INGEST_STALE_FINE;
	if (can_ask && ask_is_due(s, silence_ns))
		return INGEST_STALE_ASK;
	if (silence_ns < s->patience_ns || (s->asks > 0 && now.ns - s->asked.ns < s->patience_ns / 4))
		return INGEST_STALE_FINE;
	s->patience_ns = s->patience_ns > cap_ns / 2 ? cap_ns : s->patience_ns * 2;
	return INGEST_STALE_DEAD;
}

void ingest_stale_asked(struct ingest_stale *s, struct kmd_mono now)
{
	if (s->asks++ == 0)
		s->asked = now;
}
