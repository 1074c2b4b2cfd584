#include "markets.h"

/* What is known of a market is one of two states; the map holds the address of its name. */
static char open_state, settled_state;

void ingest_markets_init(struct ingest_markets *m, const struct ingest_globs *globs)
{
	*m = (struct ingest_markets){.globs = globs};
}

void ingest_markets_fini(struct ingest_markets *m)
{
	kmd_map_fini(&m->map);
}

static enum ingest_want learn(struct ingest_markets *m, struct kmd_str ticker, bool settled)
{
	const void *known = kmd_map_get(&m->map, ticker);

	if (known && (!settled || known == &settled_state))
		return INGEST_WANT_SAME;
	if (!known && (ticker.n == 0 || !ingest_globs_pass(m->globs, ticker)))
		return INGEST_WANT_SAME;
	kmd_map_put(&m->map, ticker, settled ? &settled_state : &open_state);
	if (settled) {
		m->wanted -= known ? 1 : 0;
		return known ? INGEST_WANT_NOT : INGEST_WANT_SAME;
	}
	m->wanted++;
	return INGEST_WANT;
}

enum ingest_want ingest_markets_record(struct ingest_markets *m, struct kmd_str ticker, struct kmd_str status)
{
	return learn(m, ticker, kmd_str_eqz(status, "finalized") || kmd_str_eqz(status, "settled"));
}

enum ingest_want ingest_markets_event(struct ingest_markets *m, struct kmd_str ticker, struct kmd_str event_type)
{
	return learn(m, ticker, kmd_str_eqz(event_type, "settled"));
}

enum ingest_want ingest_markets_forget(struct ingest_markets *m, struct kmd_str ticker)
{
	if (kmd_map_del(&m->map, ticker) != &open_state)
		return INGEST_WANT_SAME;
	m->wanted--;
	return INGEST_WANT_NOT;
}

bool ingest_markets_each(const struct ingest_markets *m, size_t *it, struct kmd_str *ret_ticker)
{
	void *value;

	while (kmd_map_next(&m->map, it, ret_ticker, &value)) {
		if (value == &open_state)
			return true;
	}
	return false;
}
