/*
 * What a frame of topic `lifecycle` asks the enricher for. Input: a frame.
 *
 * - It asks for something of a market or event that it names, or the reason is told why it cannot.
 * - Multivariate frames ask for nothing unless they are wanted; every other frame asks the same either way.
 * - A determination asks for that alone, with a time that fits; a settled frame for that alone.
 */
#include "cause.h"
#include "event.h"
#include "fuzz.h"

static bool is_text(struct kmd_str s)
{
	return !s.p || s.n > 0;
}

static void check_want(const struct enrich_want *w)
{
	HOLDS(is_text(w->market_ticker) && is_text(w->event_ticker) && is_text(w->series_ticker));
	HOLDS(w->market_ticker.p || w->event_ticker.p);
	HOLDS(
	    !(w->what & ENRICH_WANT_SETTLEMENT) || w->what == ENRICH_WANT_DETERMINED || w->what == ENRICH_WANT_SETTLED);
	HOLDS(!(w->what & ENRICH_WANT_SETTLEMENT) || w->market_ticker.p);
	HOLDS(w->determined_ns == 0 || (w->what & ENRICH_WANT_DETERMINED) || w->what == 0);
	HOLDS(!(w->what & ENRICH_WANT_MARKET) || w->market_ticker.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enrich_want all = {0}, plain = {0};
	const char *reason = NULL, *plain_reason = NULL;
	struct kmd_arena arena = {0};
	struct kmd_json doc = {0};
	int rc;

	if (kmd_json_parse(&doc, fuzz_text(data, size)) == 0) {
		rc = enrich_event_read(kmd_json_root(&doc), true, &arena, &all, &reason);
		HOLDS(enrich_event_read(kmd_json_root(&doc), false, &arena, &plain, &plain_reason) == rc);
		HOLDS(rc == 0 ? !reason : rc == KMD_EPARSE && reason && reason[0]);
		if (rc == 0) {
			check_want(&all);
			HOLDS(all.what != 0);
			HOLDS(plain.what == 0 || plain.what == all.what);
			HOLDS(
			    (plain.what == 0) == (enrich_is_mve(all.market_ticker) || enrich_is_mve(all.event_ticker)));
			HOLDS(kmd_str_eq(plain.market_ticker, all.market_ticker));
		}
	}
	kmd_json_fini(&doc);
	kmd_arena_fini(&arena);
	return 0;
}
