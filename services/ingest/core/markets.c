#include "markets.h"

/* What is known of a market is one of these states; the map holds the address of its name. */
static char open_state, settled_state, remembered_state;

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

	if (known == &remembered_state && !settled) {
		kmd_map_put(&m->map, ticker, &open_state);
		m->remembered--;
		return INGEST_WANT_SAME;
	}
	if (known && (!settled || known == &settled_state))
		return INGEST_WANT_SAME;
	if (!known && (ticker.n == 0 || !ingest_globs_pass(m->globs, ticker)))
		return INGEST_WANT_SAME;
	kmd_map_put(&m->map, ticker, settled ? &settled_state : &open_state);
	m->changes++;
	if (settled) {
		m->remembered -= known == &remembered_state ? 1 : 0;
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
	const void *known = kmd_map_del(&m->map, ticker);

	if (known == &remembered_state)
		m->remembered--;
	else if (known != &open_state)
		return INGEST_WANT_SAME;
	m->wanted--;
	m->changes++;
	return INGEST_WANT_NOT;
}

bool ingest_markets_each(const struct ingest_markets *m, size_t *it, struct kmd_str *ret_ticker)
{
	void *value;

	while (kmd_map_next(&m->map, it, ret_ticker, &value)) {
		if (value != &settled_state)
			return true;
	}
	return false;
}

enum ingest_want ingest_markets_remember(struct ingest_markets *m, struct kmd_str ticker)
{
	if (ticker.n == 0 || kmd_map_get(&m->map, ticker) || !ingest_globs_pass(m->globs, ticker))
		return INGEST_WANT_SAME;
	kmd_map_put(&m->map, ticker, &remembered_state);
	m->remembered++;
	m->wanted++;
	return INGEST_WANT;
}

bool ingest_markets_unconfirmed(const struct ingest_markets *m, struct kmd_str *ret_ticker)
{
	void *value;
	size_t it = 0;

	while (m->remembered > 0 && kmd_map_next(&m->map, &it, ret_ticker, &value)) {
		if (value == &remembered_state)
			return true;
	}
	return false;
}
