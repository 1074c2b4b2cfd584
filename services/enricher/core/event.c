#include "event.h"

#include "cause.h"
#include "kmd_time.h"

#define WANT_HIERARCHY (ENRICH_WANT_EVENT | ENRICH_WANT_SERIES)

bool enrich_is_mve(struct kmd_str ticker)
{
	return kmd_str_has_prefix(ticker, KMD_STR("KXMVE"));
}

/* Unix seconds as number or text, or RFC 3339; 0 where it is none of them. */
static int64_t read_time(struct kmd_json_val v, struct kmd_arena *arena)
{
	int64_t t;

	if (kmd_json_i64(v, &t) == 0)
		return t > 0 && t < INT64_MAX / KMD_NS_PER_S ? t * KMD_NS_PER_S : 0;
	if (kmd_time_parse(kmd_json_text(v, arena), &t) == 0)
		return t;
	return 0;
}

static struct kmd_str ticker_of(struct kmd_json_val msg, const char *name, struct kmd_arena *arena)
{
	struct kmd_str s = kmd_json_text(kmd_json_get(msg, name), arena);

	return s.n > 0 ? s : KMD_STR_NONE;
}

static void market_wants(struct kmd_json_val msg, struct kmd_arena *arena, struct enrich_want *ret)
{
	struct kmd_str type = kmd_json_text(kmd_json_get(msg, "event_type"), arena);

	if (kmd_str_eqz(type, "determined")) {
		ret->what = ENRICH_WANT_DETERMINED;
		ret->determined_ns = read_time(kmd_json_get(msg, "determination_ts"), arena);
		/* a value that is a number is cents in old recordings: not told */
		ret->told = enrich_outcome_of(kmd_json_text(kmd_json_get(msg, "result"), arena),
		    kmd_json_text(kmd_json_get(msg, "settlement_value"), arena));
		return;
	}
	if (kmd_str_eqz(type, "settled")) {
		ret->what = ENRICH_WANT_SETTLED;
		return;
	}
	ret->what = ENRICH_WANT_MARKET | WANT_HIERARCHY;
	if (kmd_str_eqz(type, "created"))
		ret->what |= ENRICH_WANT_YOUNG;
	ret->event_ticker = ticker_of(kmd_json_get(msg, "additional_metadata"), "event_ticker", arena);
	if (!ret->event_ticker.p)
		ret->event_ticker = ticker_of(msg, "event_ticker", arena);
}

int enrich_event_read(
    struct kmd_json_val frame, bool mve, struct kmd_arena *arena, struct enrich_want *ret, const char **ret_reason)
{
	struct kmd_json_val msg = kmd_json_get(frame, "msg");
	struct enrich_want want = {0};

	if (!kmd_json_is(msg, KMD_JSON_OBJECT)) {
		*ret_reason = "no msg object";
		return KMD_EPARSE;
	}
	want.market_ticker = ticker_of(msg, "market_ticker", arena);
	if (want.market_ticker.p) {
		market_wants(msg, arena, &want);
	} else {
		want.event_ticker = ticker_of(msg, "event_ticker", arena);
		want.series_ticker = ticker_of(msg, "series_ticker", arena);
		want.what = WANT_HIERARCHY | ENRICH_WANT_FRESH_EVENT;
	}
	if (!want.market_ticker.p && !want.event_ticker.p) {
		*ret_reason = "neither market_ticker nor event_ticker";
		return KMD_EPARSE;
	}
	if (!mve && (enrich_is_mve(want.market_ticker) || enrich_is_mve(want.event_ticker)))
		want.what = 0;
	*ret = want;
	return 0;
}
