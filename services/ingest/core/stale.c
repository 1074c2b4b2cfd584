#include "stale.h"

void ingest_stale_init(struct ingest_stale *s, int64_t base_ns)
{
	*s = (struct ingest_stale){.base_ns = base_ns, .patience_ns = base_ns};
}

void ingest_stale_reset(struct ingest_stale *s)
{
	s->since.ns = 0;
}

void ingest_stale_arm(struct ingest_stale *s, struct kmd_mono now)
{
	if (s->since.ns == 0)
		s->since = now;
}

void ingest_stale_data(struct ingest_stale *s, struct kmd_mono now)
{
	s->since = now;
	s->patience_ns = s->base_ns;
}

bool ingest_stale_check(struct ingest_stale *s, struct kmd_mono now)
{
	int64_t cap_ns = s->base_ns > INGEST_STALE_CAP_NS ? s->base_ns : INGEST_STALE_CAP_NS;

	if (s->since.ns == 0 || now.ns - s->since.ns < s->patience_ns)
		return false;
	s->patience_ns = s->patience_ns > cap_ns / 2 ? cap_ns : s->patience_ns * 2;
	return true;
}
