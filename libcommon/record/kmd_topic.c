#include "kmd_topic.h"

static const struct {
	const char *name;
	enum kmd_topic_keep keep;
} topics[] = {
#define KMD_TOPIC_ROW(id, text, keep) [KMD_TOPIC_##id] = {text, keep},
    KMD_TOPIC_TABLE(KMD_TOPIC_ROW)
#undef KMD_TOPIC_ROW
};
_Static_assert(sizeof(topics) / sizeof(*topics) == KMD_TOPIC_COUNT, "a row for each topic");

const char *kmd_topic_name(enum kmd_topic t)
{
	return topics[t].name;
}

enum kmd_topic_keep kmd_topic_keep(enum kmd_topic t)
{
	return topics[t].keep;
}

bool kmd_topic_find(struct kmd_str name, enum kmd_topic *ret)
{
	for (int t = 0; t < KMD_TOPIC_COUNT; t++) {
		if (kmd_str_eqz(name, topics[t].name)) {
			*ret = (enum kmd_topic)t;
			return true;
		}
	}
	return false;
}
