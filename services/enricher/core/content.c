#include "content.h"

static bool ends_with(struct kmd_str s, struct kmd_str tail)
{
	return s.n >= tail.n && kmd_str_eq((struct kmd_str){s.p + s.n - tail.n, tail.n}, tail);
}

static bool is_one_of(struct kmd_str name, const char *const *names)
{
	for (; *names; names++)
		if (kmd_str_eqz(name, *names))
			return true;
	return false;
}

bool enrich_content_is_volatile(struct kmd_str name)
{
	static const char *const paid[] = {
	    "settlement_value_dollars", "notional_value_dollars", "settlement_floor_dollars", NULL};
	/* update times, and prices and counts from before March 2026 and of today without a telling ending */
	static const char *const moving[] = {"updated_time", "updated_ts", "last_updated_ts", "last_updated_time",
	    "yes_bid", "yes_ask", "no_bid", "no_ask", "last_price", "previous_yes_bid", "previous_yes_ask",
	    "previous_price", "volume", "volume_24h", "open_interest", "liquidity", "dollar_volume",
	    "dollar_open_interest", NULL};

	if (is_one_of(name, paid))
		return false;
	return ends_with(name, KMD_STR("_dollars")) || ends_with(name, KMD_STR("_fp")) ||
	       ends_with(name, KMD_STR("_size")) || is_one_of(name, moving);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t z = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2))) * UINT64_C(0xbf58476d1ce4e5b9);

	return z ^ (z >> 31);
}

static uint64_t hash_value(struct kmd_json_val v, struct kmd_arena *arena);

/* A sum, so that the order of members does not matter. */
static uint64_t hash_object(struct kmd_json_val v, bool skip_volatile, struct kmd_arena *arena)
{
	struct kmd_json_val key, value;
	uint64_t h = 0;

	for (uint32_t it = 0; kmd_json_each_member(v, &it, &key, &value);) {
		struct kmd_str name = kmd_json_text(key, arena);

		if (!skip_volatile || !enrich_content_is_volatile(name))
			h += mix(kmd_str_hash(name), hash_value(value, arena));
	}
	return mix(h, KMD_JSON_OBJECT);
}

static uint64_t hash_value(struct kmd_json_val v, struct kmd_arena *arena)
{
	enum kmd_json_type type = kmd_json_type(v);
	struct kmd_json_val element;
	uint64_t h = (uint64_t)type;

	switch (type) {
	case KMD_JSON_OBJECT:
		return hash_object(v, false, arena);
	case KMD_JSON_ARRAY:
		for (uint32_t it = 0; kmd_json_each(v, &it, &element);)
			h = mix(h, hash_value(element, arena));
		return h;
	case KMD_JSON_STRING:
		return mix(h, kmd_str_hash(kmd_json_text(v, arena)));
	default:
		return mix(h, kmd_str_hash(kmd_json_raw(v)));
	}
}

uint64_t enrich_content_hash(struct kmd_json_val body, struct kmd_arena *arena)
{
	uint64_t h = hash_object(body, true, arena);

	return h ? h : 1;
}
