#include "part.h"

#include <stdlib.h>

#include "kmd_mem.h"

struct part *part_new(const struct kmd_kafka *kafka, enum kmd_topic topic, int32_t partition)
{
	struct part *p = kmd_calloc(1, sizeof(*p));

	p->topic = p->progress.topic = topic;
	p->partition = p->progress.partition = partition;
	kmd_kafka_topic_name(kafka, topic, p->name);
	atomic_init(&p->refs, 1);
	atomic_init(&p->state, PART_CLAIMING);
	return p;
}

void part_ref(struct part *p)
{
	atomic_fetch_add(&p->refs, 1);
}

void part_unref(struct part *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	sink_progress_fini(&p->progress);
	free(p);
}

enum part_state part_state(const struct part *p)
{
	return (enum part_state)atomic_load(&p->state);
}

void part_set_state(struct part *p, enum part_state s)
{
	atomic_store(&p->state, (int)s);
}
