#ifndef SINK_PART_SHELL_H
#define SINK_PART_SHELL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "kmd_kafka.h"
#include "sink_part.h"

/*
 * One claim on a topic-partition, shared by the main loop and the writer that owns it. A partition that is assigned
 * again, or was fenced or stopped, gets a new one.
 *
 *   CLAIMING -> CLAIMED -> FENCED | STOPPED          (the writer moves it)
 *   CLAIMING -> RECHECK -> CLAIMING                  (main asks the broker again)
 */

enum part_state {
	PART_CLAIMING, /* the writer has been asked to claim it */
	PART_RECHECK,  /* the topic seems to end before what is stored: ask the broker again */
	PART_CLAIMED,  /* ours: records are taken */
	PART_FENCED,   /* another instance has claimed it since: what is held was dropped */
	PART_STOPPED,  /* another topic under the same name: nothing is taken until it is accepted */
};

struct part {
	/* Set before it is shared. */
	enum kmd_topic topic;
	int32_t partition;
	char name[256]; /* of the topic, in full */

	/* Main writes while the state is not CLAIMING, the writer reads. */
	int64_t low, high; /* watermarks when it was asked for */
	bool sure;         /* they were asked for after a claim */
	bool again;        /* claimed anew after it was halted: what is still the same is not news */
	char topic_id[64]; /* "": not known */

	atomic_int state;    /* of enum part_state */
	atomic_bool dropped; /* main: no longer ours, throw away what is held */
	atomic_bool retired; /* writer: it holds nothing of it any more */
	atomic_int refs;

	/* Writer writes before the state is CLAIMED or STOPPED, main reads after. */
	int64_t from;  /* where to read from */
	char why[160]; /* of STOPPED */

	_Atomic int64_t stored_next; /* next_offset as committed */

	/* Writer only. */
	struct sink_progress progress;
	struct {
		bool wanted; /* the first record, if it is that at .offset, must be the one that is stored */
		int64_t offset, timestamp_ms, hash;
	} check;
};

struct part *part_new(const struct kmd_kafka *kafka, enum kmd_topic topic, int32_t partition);
void part_ref(struct part *p);
/** NULL is fine. */
void part_unref(struct part *p);
enum part_state part_state(const struct part *p);
void part_set_state(struct part *p, enum part_state s);

#endif
