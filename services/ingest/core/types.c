#include "types.h"

static const char *const channel_names[INGEST_CHANNEL_COUNT] = {
#define NAME(name, text) text,
    INGEST_CHANNEL_TABLE(NAME)
#undef NAME
};

static const struct {
	struct kmd_str name;
	enum kmd_topic topic;
	enum ingest_key key;
} types[INGEST_TYPE_COUNT] = {
#define ROW(name, text, topic, key) {{text, sizeof(text) - 1}, KMD_TOPIC_##topic, INGEST_KEY_##key},
    INGEST_TYPE_TABLE(ROW)
#undef ROW
};

const char *ingest_channel_name(enum ingest_channel channel)
{
	return channel_names[channel];
}

bool ingest_channel_find(struct kmd_str name, enum ingest_channel *ret)
{
	for (int i = 0; i < INGEST_CHANNEL_COUNT; i++) {
		if (kmd_str_eqz(name, channel_names[i])) {
			*ret = (enum ingest_channel)i;
			return true;
		}
	}
	return false;
}

const char *ingest_type_name(enum ingest_type type)
{
	return types[type].name.p;
}

enum ingest_type ingest_type_find(struct kmd_str name)
{
	for (int i = 0; i < INGEST_TYPE_OTHER; i++) {
		if (kmd_str_eq(name, types[i].name))
			return (enum ingest_type)i;
	}
	return INGEST_TYPE_OTHER;
}

enum kmd_topic ingest_type_topic(enum ingest_type type)
{
	return types[type].topic;
}

enum ingest_key ingest_type_key(enum ingest_type type)
{
	return types[type].key;
}

bool ingest_type_is_reply(enum ingest_type type)
{
	return types[type].topic == KMD_TOPIC_CONTROL;
}

bool ingest_type_is_book(enum ingest_type type)
{
	return types[type].topic == KMD_TOPIC_ORDERBOOK;
}

bool ingest_type_channel(enum ingest_type type, enum ingest_channel *ret)
{
	switch (type) {
	case INGEST_TYPE_TRADE:
		*ret = INGEST_CHANNEL_TRADE;
		return true;
	case INGEST_TYPE_TICKER:
		*ret = INGEST_CHANNEL_TICKER;
		return true;
	case INGEST_TYPE_SNAPSHOT:
	case INGEST_TYPE_DELTA:
		*ret = INGEST_CHANNEL_BOOK;
		return true;
	case INGEST_TYPE_LIFECYCLE:
		*ret = INGEST_CHANNEL_LIFECYCLE;
		return true;
	case INGEST_TYPE_MULTIVARIATE:
		*ret = INGEST_CHANNEL_MULTIVARIATE;
		return true;
	default:
		return false;
	}
}
